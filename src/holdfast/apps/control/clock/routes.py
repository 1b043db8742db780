"""`/v1/clock`: what time it is for this server, and what it is to be in a project of tests."""

from holdfast.apps.control.clock.schemas import MoveClock
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.operations import Operations
from holdfast.errors import Conflict, InvalidRequest
from holdfast.model.views.server import ClockView

operations = Operations("/v1/clock", "clock", (409,))
_NS = 1_000_000_000


@operations.get("")
async def show_clock(deps: ControlDeps) -> ClockView:
    """The time by which windows, lives and the journal go."""
    moved = deps.moved
    return ClockView(
        now_ns=deps.house.clock.now_ns(),
        test=moved is not None,
        ahead_ns=moved.ahead_ns() if moved is not None else 0,
    )


@operations.post("")
async def move_clock(asked: MoveClock, deps: ControlDeps) -> ClockView:
    """Let time pass at once; what is due by then is done before the answer."""
    clock = deps.moved
    if clock is None:
        raise Conflict("this server's clock is the machine's; start it with `--test-clock`")
    if (asked.advance_s is None) == (asked.to_ns is None):
        raise InvalidRequest("say how long passes, or which moment it is to be")
    ahead_ns = round((asked.advance_s or 0) * _NS)
    if asked.to_ns is not None:
        ahead_ns = asked.to_ns - clock.now_ns()
    if ahead_ns < 0:
        raise InvalidRequest("a clock never runs backwards: begin with another state folder")
    clock.advance(ahead_ns)
    deps.house.tick()
    for one in deps.receivers:
        one.tick()
    return await show_clock(deps)
