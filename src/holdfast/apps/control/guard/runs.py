"""`/v1/guard/history|append|leave`: a run's own journal, for the worker that is at it.

The token is the session's, and new with each activation. Not here: getting work (`control/work`).
"""

from typing import Annotated, Any, Literal

import msgspec
from starlette.routing import Route

from holdfast.apps.control.answering import Act, answering
from holdfast.apps.control.openapi import verb
from holdfast.apps.control.reading import Intake, Sent, shaped
from holdfast.compose.house import House
from holdfast.errors import LeaseLost
from holdfast.model.runs import RunState
from holdfast.model.views.audit import RecordList
from holdfast.model.views.calls import Nothing
from holdfast.runtime.live import LiveSession
from holdfast.runtime.runs import Event

_LEFT = {
    "done": RunState.DONE,
    "failed": RunState.FAILED,
    "delay": RunState.DELAYED,
    "park": RunState.PARKED,
    "yield": RunState.QUEUED,
    "dead": RunState.DEAD,
}
_MAX_DELAY_S = 86_400.0


class AppendBody(msgspec.Struct, forbid_unknown_fields=True):
    """Records of one activation, in order."""

    epoch: int
    events: list[Event]


class LeaveBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How an activation ends; `delay_s` and `approvals` belong to `delay`, `result` to `done`.

    With `approvals` it lasts until one of these was answered, whatever `delay_s` says.
    """

    epoch: int
    how: Literal["done", "failed", "delay", "park", "yield", "dead"]
    reason: str = ""
    delay_s: float = 0.0
    result: Any = None
    approvals: Annotated[list[str], msgspec.Meta(max_length=64)] = []


VERBS = (
    verb("/v1/guard/history", "The run's own records, for the loop to fold.", RecordList),
    verb(
        "/v1/guard/append",
        "Write records of this activation; they come back as they stand, without secrets.",
        RecordList,
        AppendBody,
    ),
    verb("/v1/guard/leave", "End this activation, and say how.", Nothing, LeaveBody),
)


class RunDoor:
    """The routes of a run's worker."""

    def __init__(self, house: House, intake: Intake) -> None:
        self._sessions = house.sessions
        self._runs = house.runs
        self._dispatch = house.dispatch
        self._approvals = house.approvals
        self._intake = intake

    def routes(self) -> list[Route]:
        """What to mount."""
        acts: dict[str, Act] = {
            "guard_history": self._history,
            "guard_append": self._append,
            "guard_leave": self._leave,
        }
        return [Route(one.path, self._for(acts[one.name]), methods=[one.method]) for one in VERBS]

    def _for(self, act: Act) -> Any:
        return answering(self._sessions, act, self._intake)

    async def _history(self, live: LiveSession, _: Sent) -> RecordList:
        run = self._dispatch.of_session(live.session.session_id)
        if run is None:
            raise LeaseLost("this session has no run at work")
        return RecordList(tuple(await self._runs.history(run)))

    async def _append(self, live: LiveSession, body: Sent) -> RecordList:
        given = shaped(await body.json(), AppendBody)
        written = await self._runs.append(live, given.epoch, given.events)
        return RecordList(tuple(written))

    async def _leave(self, live: LiveSession, body: Sent) -> Nothing:
        given = shaped(await body.json(), LeaveBody)
        delay_s = min(max(given.delay_s, 0.0), _MAX_DELAY_S)
        if given.approvals:
            # Answered while this was on its way: due at once.
            delay_s = self._approvals.left_s(live, given.approvals)
        await self._runs.leave(
            live,
            given.epoch,
            _LEFT[given.how],
            given.reason,
            delay_s=delay_s,
            result=given.result,
        )
        return Nothing()
