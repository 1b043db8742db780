"""What a session's page shows, read anew: the session, its story, its curve, its family."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.apps.console.pages import drawn
from holdfast.apps.console.sessions.curve import curve
from holdfast.apps.console.sessions.story import Step, story
from holdfast.apps.console.visits import Visit
from holdfast.client import Client, SessionView
from holdfast.errors import NotFound
from holdfast.model.budgets import Dimension, Scope, Window
from holdfast.model.events import Kind

RECORDS = 300
_CALLS_MOST = 400
_BELOW_MOST = 60


@dataclass(frozen=True)
class Child:
    """A session below, so many steps deep."""

    session: SessionView
    depth: int


async def shown(visit: Visit, session_id: str, cursor: str) -> dict[str, Any]:
    """Values of the page. Errors: NotFound, Denied, InvalidRequest for a cursor that is none."""
    client = visit.client
    session = await client.sessions.show(session_id)
    place = {"session": session_id, "tenant": session.tenant}
    page = await client.latest(**place, cursor=cursor, limit=RECORDS)
    settled = await client.latest(**place, kind=Kind.MODEL_CALL_SETTLED, limit=_CALLS_MOST)
    cap_nusd = await _cap(client, session_id)
    return {
        "session": session,
        "cap_nusd": cap_nusd,
        "turns": list(_by_turn(story(page.records, page.lines))),
        "earlier": page.next,
        "cursor": cursor,
        "curve": curve(settled.records, session.cost_nusd, cap_nusd, whole=not settled.next),
        "below": await _below(client, session),
        "most_below": _BELOW_MOST,
    }


async def list_drawn(visit: Visit, session_id: str) -> str:
    """The page's part that changes, as it stands now."""
    values = await shown(visit, session_id, "")
    return await drawn("sessions", "_list", visit.page("sessions", **values).values)


def _by_turn(steps: Sequence[Step]) -> Iterator[tuple[int, list[Step]]]:
    """Steps in stretches of one turn; what belongs to none stays with what it follows."""
    at, held = 0, list[Step]()
    for step in steps:
        if step.turn and step.turn != at and held:
            yield at, held
            held = []
        at = step.turn or at
        held.append(step)
    if held:
        yield at, held


async def _cap(client: Client, session_id: str) -> int | None:
    for account in await client.budgets.show(session=session_id):
        key = (account.scope, account.dimension, account.window)
        if key == (Scope.SESSION, Dimension.USD, Window.LIFE):
            return account.limit
    return None


async def _below(client: Client, session: SessionView) -> list[Child]:
    """Those that it started and that those started, each behind its parent; not more than fit."""
    found: list[Child] = []
    waiting = [(name, 1) for name in reversed(session.children)]
    while waiting and len(found) < _BELOW_MOST:
        name, depth = waiting.pop()
        try:
            child = await client.sessions.show(name)
        except NotFound:
            continue
        found.append(Child(child, depth))
        waiting += [(one, depth + 1) for one in reversed(child.children)]
    return found
