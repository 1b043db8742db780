"""`/v1/fleet`: sessions as they stand now, filtered, sorted and counted; and word of changes."""

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.fleet.schemas import SinceWhen, WhichFleet
from holdfast.apps.control.operations import Operations
from holdfast.core.sessions import GOING_ON
from holdfast.errors import InvalidRequest
from holdfast.model.sessions import SessionState
from holdfast.model.views.fleet import Changes, Fleet
from holdfast.runtime.fleet import OVER, Asked

operations = Operations("/v1/fleet", "fleet")
_SETS = {"live": GOING_ON, "over": OVER} | {state.value: (state,) for state in SessionState}


@operations.get("")
async def show_fleet(which: WhichFleet, deps: ControlDeps) -> Fleet:
    """Sessions as they stand now, in the order asked for; of those that are over, the latest."""
    asked = Asked(
        tenant=which.tenant,
        project=which.project,
        user=which.user,
        agent=which.agent,
        states=_states(which.states),
        words=tuple(which.words.split()),
        sort=which.sort,
        falling=which.order == "falling",
        skip=which.skip,
        limit=which.limit,
    )
    return await deps.house.fleet.listed(asked)


@operations.get("/changes")
async def await_changes(since: SinceWhen, deps: ControlDeps) -> Changes:
    """Waits until something was written down since `after`; what it was stands in the lists."""
    return Changes(await deps.house.changes.after(since.after, since.wait_s))


def _states(named: str) -> tuple[SessionState, ...]:
    found: list[SessionState] = []
    for name in filter(None, named.split(",")):
        if name not in _SETS:
            raise InvalidRequest(f"there is no such state: {name[:40]!r}", field="states")
        found += _SETS[name]
    return tuple(dict.fromkeys(found))
