"""How a governed run ended: its exit code, by what stopped the work.

Not here: how an outcome is shown (`printing`).
"""

from collections.abc import Sequence

import msgspec

from holdfast.apps.cli.exit_codes import ExitCode
from holdfast.client import SessionView
from holdfast.model.bodies import LoopAlert, ModelCallSettled
from holdfast.model.events import Kind, Record
from holdfast.model.sessions import SessionState


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a governed run ended: the code, and one sentence where it is not done."""

    code: ExitCode
    why: str = ""


_BY_STATE = {
    SessionState.KILLED: ExitCode.KILLED,
    SessionState.PAUSED: ExitCode.PAUSED,
    SessionState.EXPIRED: ExitCode.LOOP,
}


def outcome_of(view: SessionView, records: Sequence[Record], *, fault: str) -> Outcome:
    """How a run ended, from what the journal holds and never from what the model said.

    `fault` is what the agent's program reported, empty when it ended well. A refusal that the
    agent lived with (one call denied, the work done another way) is no outcome of its own.
    """
    code = _BY_STATE.get(view.state)
    if code is not None:
        return Outcome(code=code, why=f"the session is {view.state}: {view.state_reason}")
    if view.state is SessionState.STOPPED:
        looped = any(_looped(record) for record in records)
        code = ExitCode.LOOP if looped else ExitCode.DENIED
        return Outcome(code=code, why=f"the session was stopped: {view.state_reason}")
    if not fault:
        return Outcome(code=ExitCode.DONE)
    return Outcome(code=_last_obstacle(records), why=fault)


def _last_obstacle(records: Sequence[Record]) -> ExitCode:
    """What stood in the way last, of a run that ended badly while its session lives."""
    for record in reversed(records):
        if record.kind is Kind.BUDGET_DECIDED and record.verdict == "deny":
            return ExitCode.BUDGET
        if _looped(record):
            return ExitCode.LOOP
        if record.kind is Kind.EVIDENCE_MISSING or record.verdict in ("deny", "ask"):
            return ExitCode.DENIED
        if record.kind is Kind.MODEL_CALL_REFUSED:
            return ExitCode.UPSTREAM
        settled = record.kind is Kind.MODEL_CALL_SETTLED
        if settled and ModelCallSettled.of(record).ended == "complete":
            break
    return ExitCode.UPSTREAM


def _looped(record: Record) -> bool:
    return record.kind is Kind.LOOP_ALERT and LoopAlert.of(record).stops
