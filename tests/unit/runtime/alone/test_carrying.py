"""A paid call on its way from this process: written, within reach of a kill, and given back."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
import contextlib
from typing import Any

import msgspec
import pytest

from holdfast.core.sessions import Command
from holdfast.errors import SessionStopped, Unavailable
from tests.unit.runtime.alone.shop import MODEL, PATH, Shop

BODY = msgspec.json.encode(
    {"model": MODEL, "max_tokens": 900, "messages": [{"role": "user", "content": "hello"}]}
)


@pytest.fixture(autouse=True, params=["holdfast.runtime.carrying"])
def about(request):
    """What these tests are about."""


def written(shop, act):
    """Have requests written by `act`, and tell when it has begun."""
    begun = asyncio.Event()

    @contextlib.asynccontextmanager
    async def edited(*_):
        begun.set()
        await act()
        yield b""

    shop.calls.reader.edited = edited
    return begun


@pytest.mark.parametrize("way", ["fails", "is killed", "is left"])
def test_request_that_is_not_written_is_not_sent_and_gives_its_hold_back(way):
    async def main():
        shop: Any = Shop()
        live = await shop.begin()

        async def act():
            if way == "fails":
                raise Unavailable("the reader is down")
            await asyncio.Event().wait()

        begun = written(shop, act)
        asked = asyncio.create_task(shop.calls.call(live, PATH, {}, BODY))
        await begun.wait()
        if way == "is killed":
            [cut] = live.streams.values()
            await shop.sessions.change(live, Command.STOP, "enough")
            cut("session_stopped: enough")
        if way == "is left":
            asked.cancel()
        errors = {"fails": Unavailable, "is killed": SessionStopped}
        with pytest.raises(errors.get(way, asyncio.CancelledError)):
            await asked
        codes = {"fails": "unavailable", "is killed": "session_stopped"}
        refused = [one["body"]["why"] for one in shop.told("model_call.refused")]
        assert refused == [codes.get(way, "internal_error")]
        assert (shop.holds(), shop.told("model_call.settled"), live.streams) == ([], [], {})

    asyncio.run(main())
