"""The fleet's list, drawn again for a browser each time that something was written down."""

import asyncio
import time
from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse

from holdfast.apps.console.fleet.asked import ROWS, Asked
from holdfast.apps.console.pages import drawn
from holdfast.apps.console.visits import Visit
from holdfast.client import Fleet, SignIn
from holdfast.errors import HoldfastError

_LEAST_S = 0.2
# Of what drawing takes: a browser costs the server no more than a tenth of its time.
_REST = 10
_WAIT_S = 1
# Ages go on, and what answers that stream cost so far is written down nowhere.
_REDRAW_S = 5.0
_HEADERS = {"x-accel-buffering": "no"}


async def listed(visit: Visit, asked: Asked) -> Fleet:
    """The stretch of the fleet that is asked for; the last one where that is past the end."""
    fleet = await _shown(visit, asked)
    if not fleet.rows and asked.start:
        last = max(fleet.matches - 1, 0) // ROWS * ROWS
        fleet = await _shown(visit, asked._replace(start=last))
    return fleet


async def _shown(visit: Visit, asked: Asked) -> Fleet:
    return await visit.client.fleet.show(
        words=asked.words,
        states=asked.states,
        sort=asked.sort,
        order=asked.order,
        skip=asked.start,
        limit=ROWS,
    )


def changes(visit: Visit, asked: Asked, over: asyncio.Event) -> StreamingResponse:
    """Server-sent events, each the list as it stands; they end with the sign-in, or when `over`."""
    events = _events(visit, asked, over)
    return StreamingResponse(events, media_type="text/event-stream", headers=_HEADERS)


async def _events(visit: Visit, asked: Asked, over: asyncio.Event) -> AsyncIterator[str]:
    known, shown, drawn_s = 0, "", -_REDRAW_S
    while not over.is_set():
        try:
            version = await visit.client.fleet.changes(known, wait_s=_WAIT_S)
            began_s = time.perf_counter()
            if version == known and began_s - drawn_s < _REDRAW_S:
                continue
            # What is written down while the list is drawn is news afterwards.
            known, drawn_s = version, began_s
            text = await _drawn(visit, asked)
        except HoldfastError:
            # Signed out, or the server is ending: the page says that it is no longer live.
            return
        yield _event("list", text) if text != shown else ": nothing new\n\n"
        shown = text
        await asyncio.sleep(max(_LEAST_S, _REST * (time.perf_counter() - began_s)))


async def _drawn(visit: Visit, asked: Asked) -> str:
    me: SignIn = await visit.client.sign_ins.current()
    fleet = await listed(visit, asked)
    values = visit.page("fleet", fleet=fleet, asked=asked).values
    return await drawn("fleet", "_list", {**values, "now_ns": me.seen_ns})


def _event(name: str, text: str) -> str:
    lines = "".join(f"data: {line}\n" for line in text.splitlines())
    return f"event: {name}\n{lines}\n"
