"""Server-sent events: a part of a page, drawn again each time that something was written down."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.responses import StreamingResponse

from holdfast.apps.console.visits import Visit
from holdfast.errors import HoldfastError

Draw = Callable[[Visit], Awaitable[str]]
"""The part as it stands now; the visit's time is the server's."""
_LEAST_S = 0.2
# Of what drawing takes: a browser costs the server no more than a tenth of its time.
_REST = 10
_WAIT_S = 1
# Ages go on, and what answers that stream cost so far is written down nowhere.
_REDRAW_S = 5.0
_HEADERS = {"x-accel-buffering": "no"}


def changes(visit: Visit, draw: Draw, over: asyncio.Event) -> StreamingResponse:
    """Events `list`, each the part as it stands; they end with the sign-in, or when `over`."""
    events = _events(visit, draw, over)
    return StreamingResponse(events, media_type="text/event-stream", headers=_HEADERS)


async def _events(visit: Visit, draw: Draw, over: asyncio.Event) -> AsyncIterator[str]:
    known, shown, drawn_s = 0, "", -_REDRAW_S
    while not over.is_set():
        try:
            version = await visit.client.fleet.changes(known, wait_s=_WAIT_S)
            began_s = time.perf_counter()
            if version == known and began_s - drawn_s < _REDRAW_S:
                continue
            # What is written down while the part is drawn is news afterwards.
            known, drawn_s = version, began_s
            text = await draw(await visit.later())
        except HoldfastError:
            # Signed out, or the server is ending: the page says that it is no longer live.
            return
        yield _event("list", text) if text != shown else ": nothing new\n\n"
        shown = text
        await asyncio.sleep(max(_LEAST_S, _REST * (time.perf_counter() - began_s)))


def _event(name: str, text: str) -> str:
    lines = "".join(f"data: {line}\n" for line in text.splitlines())
    return f"event: {name}\n{lines}\n"
