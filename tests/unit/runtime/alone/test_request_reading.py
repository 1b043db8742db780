"""Who reads which body: here, off the loop, or a reader elsewhere; and what comes of its answers."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
import threading
from typing import Any

import msgspec
import pytest

from holdfast.core.edits import Edits
from holdfast.core.large import (
    SLICE,
    Count,
    Edit,
    Parsed,
    Read,
    Requested,
    Unusable,
    Written,
    compact,
    sliced,
)
from holdfast.core.messages import BadRequest, read_request
from holdfast.core.wire.admitted import NOTHING, Admitted
from holdfast.core.wire.splicing import Change
from holdfast.errors import TooLarge, Unavailable
from holdfast.ports.readers import LARGE_BYTES
from holdfast.runtime import request_reading as module
from holdfast.runtime.request_reading import RequestReader, whole

FIELDS: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
}
BODY = msgspec.json.encode(FIELDS)
MORE = msgspec.json.encode(FIELDS | {"temperature": 1})
WITHOUT = (Change(("temperature",)),)
NONSENSE = "the process that reads large requests answered another question; send it again"


@pytest.fixture(autouse=True, params=["holdfast.runtime.request_reading"])
def about(request):
    """What these tests are about."""


class Large:
    """A body that is held elsewhere."""

    def __init__(self, body=BODY):
        self.body = body
        self.closes = 0

    def view(self):
        return memoryview(self.body)

    def close(self):
        self.closes += 1


class Elsewhere:
    """A reader that answers what a test says."""

    def __init__(self, answer, written=None):
        self.answer = answer, written
        self.asked: list[Any] = []

    async def ask(self, job, body):
        self.asked.append((job, body))
        return self.answer


def reader(answer=None, written=None, admitted=NOTHING):
    there: Any = Elsewhere(answer, written)
    made: Any = RequestReader(admitted, there)
    return made, there


def test_small_body_is_read_where_it_is_without_what_is_taken_out():
    async def main():
        made: Any = RequestReader()
        assert (await made.read(BODY)).body == BODY
        assert (await made.read(MORE)).fields["temperature"] == 1
        assert (await made.read(MORE, WITHOUT)).body == BODY
        bare = msgspec.json.encode({k: v for k, v in FIELDS.items() if k != "max_tokens"})
        assert isinstance(await made.read(bare), BadRequest)
        # A count needs no `max_tokens`.
        assert (await made.count(bare)).body == bare
        counted = msgspec.json.encode(msgspec.json.decode(bare) | {"temperature": 1})
        assert (await made.count(counted, WITHOUT)).body == bare
        assert isinstance(await made.count(b"[]"), BadRequest)
        assert made.admitted is NOTHING

    asyncio.run(main())


@pytest.mark.parametrize(("more", "off_loop"), [(0, False), (1, True)])
def test_bytes_beyond_a_quarter_of_a_megabyte_are_read_off_the_loop_one_at_a_time(
    monkeypatch, more, off_loop
):
    async def main():
        threads: list[int] = []
        at_once: list[bool] = []
        made: Any = RequestReader(Admitted(()))

        def read(body, admitted):
            threads.append(threading.get_ident())
            at_once.append(made._large.locked())
            assert admitted is made.admitted
            return len(body)

        monkeypatch.setattr(module, "read_request", read)
        body = BODY + b" " * (LARGE_BYTES - len(BODY) + more)
        found = await asyncio.gather(made.read(body), made.read(body))
        assert found == [LARGE_BYTES + more] * 2
        assert [one != threading.get_ident() for one in threads] == [off_loop] * 2
        assert at_once == [off_loop] * 2
        assert not made._large.locked()
        assert made._large._value == 1

    asyncio.run(main())


def test_large_body_is_read_by_a_reader_which_is_told_what_is_asked():
    async def main():
        found = read_request(BODY, NOTHING)
        assert not isinstance(found, BadRequest)
        small: Any = compact(found)
        made, there = reader(sliced(small))
        body = Large()
        assert await made.read(body) == small
        assert await made.read(body, WITHOUT) == small
        assert await made.count(body, WITHOUT) == small
        assert await made.read_elsewhere(body) == sliced(small)
        assert await made.read_elsewhere(body, counting=True) == sliced(small)
        assert there.asked == [
            (Read(admitted=(), counting=counting, without=without), body)
            for counting, without in (
                (False, ()),
                (False, WITHOUT),
                (True, WITHOUT),
                (False, ()),
                (True, ()),
            )
        ]

    asyncio.run(main())


def test_what_a_reader_is_told_to_admit_is_what_is_admitted_here():
    async def main():
        lines: Any = ()
        made, there = reader(Requested(bad="no"), admitted=Admitted(lines))
        assert await made.read(Large()) == BadRequest("no")
        assert there.asked[0][0].admitted is made.admitted.lines

    asyncio.run(main())


def test_body_that_cannot_be_read_is_too_large_and_another_answer_is_nonsense():
    async def main():
        for act in (
            lambda made: made.read(Large()),
            lambda made: made.read_elsewhere(Large()),
            lambda made: made.edited(Large(), Edits(model="m")).__aenter__(),
            lambda made: made.counted(Large(), Edits()).__aenter__(),
        ):
            with pytest.raises(TooLarge) as refused:
                await act(reader(Unusable(text="too much of it"))[0])
            assert refused.value.message == "too much of it"
            for answer in (Parsed(), Written()):
                with pytest.raises(Unavailable) as unread:
                    await act(reader(answer)[0])
                assert unread.value.message == NONSENSE
                assert unread.value.fields == {"retry_after_s": 1}
            with pytest.raises(Unavailable) as nobody:
                await act(RequestReader())
            text = "nobody here reads large requests; send less of it at once"
            assert nobody.value.message == text
        made, _ = reader(Requested(bad="no"), Large())
        with pytest.raises(Unavailable, match="another question"):
            await made.edited(Large(), Edits(model="m")).__aenter__()

    asyncio.run(main())


def test_small_body_is_edited_and_counted_where_it_is():
    async def main():
        made, there = reader()
        async with made.edited(BODY, Edits(model="x")) as sent:
            assert msgspec.json.decode(sent) == FIELDS | {"model": "x"}
        async with made.edited(BODY, Edits()) as sent:
            assert sent == BODY
        async with made.counted(BODY, Edits(model="x")) as sent:
            assert msgspec.json.decode(sent) == {
                "model": "x",
                "messages": FIELDS["messages"],
            }
        assert there.asked == []

    asyncio.run(main())


def test_large_body_is_written_elsewhere_unless_it_goes_as_it_came_and_let_go_of():
    async def main():
        body, written = Large(), Large(b"written")
        made, there = reader(Written(), written)
        async with made.edited(body, Edits(betas="b")) as sent:
            assert bytes(sent) == BODY
        assert there.asked == []
        edits = Edits(model="x")
        for way, job in ((made.edited, Edit(edits=edits)), (made.counted, Count(edits=edits))):
            there.asked.clear()
            written.closes = 0
            async with way(body, edits) as sent:
                assert (bytes(sent), written.closes) == (b"written", 0)
            assert (written.closes, body.closes) == (1, 0)
            assert there.asked == [(job, body)]
            with pytest.raises(KeyError):
                async with way(body, edits):
                    raise KeyError
            assert written.closes == 2
        # A count is written even where nothing is edited: it holds less than the request.
        async with made.counted(body, Edits()) as sent:
            assert bytes(sent) == b"written"

    asyncio.run(main())


def test_what_was_found_is_taken_in_a_slice_at_a_time():
    async def main():
        message = {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": f"t{n}", "name": "look", "input": {}}
                for n in range(SLICE * 2 + 1)
            ],
        }
        fields = FIELDS | {"messages": [*FIELDS["messages"], message, *FIELDS["messages"]]}
        read = read_request(msgspec.json.encode(fields), NOTHING)
        assert not isinstance(read, BadRequest), read
        small: Any = compact(read)
        turns = 0

        async def others():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        busy = asyncio.ensure_future(others())
        assert await whole(sliced(small)) == small
        assert turns == 2
        turns = 0
        assert await whole(Requested(request=read, bad="x")) == read
        assert turns == 0
        busy.cancel()
        assert await whole(Requested(bad="no")) == BadRequest("no")
        broken = msgspec.structs.replace(sliced(small), calls=(msgspec.Raw(b"\xc1"),))
        with pytest.raises(Unavailable) as refused:
            await whole(broken)
        assert (refused.value.message, refused.value.fields) == (NONSENSE, {"retry_after_s": 1})
        text = msgspec.structs.replace(sliced(small), calls=(msgspec.Raw(b"\xa1\xff"),))
        with pytest.raises(Unavailable):
            await whole(text)

    asyncio.run(main())
