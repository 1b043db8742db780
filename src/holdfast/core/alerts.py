"""What an operator is told at once: journal records worth a message, in one sentence each.

Not here: how a message travels (`backends/channels`), to whom (`runtime/receivers`), and the record
itself, which stays in the journal whether or not a message arrives.
"""

from datetime import tzinfo

from holdfast.core.narrate import narrate
from holdfast.model import bodies
from holdfast.model.events import Kind, Record
from holdfast.model.notices import Notice

_ALWAYS = frozenset(
    {
        Kind.APPROVAL_ASKED,
        Kind.APPROVAL_DELEGATED,
        Kind.APPROVAL_ESCALATED,
        Kind.APPROVAL_EXPIRED,
        Kind.BUDGET_ALERT,
        Kind.BUDGET_OVERSHOT,
        Kind.CONTEXT_ALERT,
        Kind.EVIDENCE_MISSING,
        Kind.RISK_NOTICE,
        Kind.SESSION_ENDING,
        Kind.STOP_PLACED,
        Kind.STOP_LIFTED,
    }
)


_SOFT = frozenset(
    {Kind.CONTEXT_ALERT, Kind.MODEL_CALL_SETTLED, Kind.RISK_NOTICE, Kind.SESSION_ENDING}
)
_TOLD_LOOPS = frozenset(
    {
        "loop.repeats_alert",
        "loop.turns_warning",
        "loop.turns_alert",
        "loop.calls_alert",
        "loop.no_news",
        "loop.retries",
    }
)
"""Findings of the loop guard that come once, at the number that they are for."""


def alert_of(record: Record, tz: tzinfo) -> Notice | None:
    """The message of a record, None where nobody needs to be told.

    Told are questions to a person and that nobody answered one, budget alerts and overshoots, a
    model call that says of its price what has none, a context that fills, calls alike and turns at
    the numbers of `loop`, a loop that stopped its session, a session that a spent cap paused and
    that somebody has to resume, and again a day before it is given up, a call at a risk that is
    told of, a tool result without a permit, a kill, a stop of many sessions or its
    end, and a kill one of whose levers failed.
    """
    told = record.kind in _ALWAYS
    if record.kind is Kind.LOOP_ALERT:
        alert = bodies.LoopAlert.of(record)
        told = alert.stops or alert.code in _TOLD_LOOPS
    elif record.kind is Kind.SESSION_PAUSED:
        told = bool(bodies.SessionPaused.of(record).account)
    elif record.kind is Kind.SESSION_KILLED:
        # Of many that end together, the stop is told.
        told = not bodies.SessionKilled.of(record).stop
    elif record.kind is Kind.MODEL_CALL_SETTLED:
        told = bool(bodies.ModelCallSettled.of(record).doubts)
    elif record.kind is Kind.KILL_RECEIPT:
        told = not all(lever.ok for lever in bodies.KillReceipt.of(record).levers)
    if not told:
        return None
    return Notice(
        kind=record.kind,
        text=narrate(record, tz, dated=True),
        tenant=record.tenant,
        project=record.project,
        user=record.user,
        agent=record.agent,
        session=record.session,
        at_ns=record.at_ns,
        fields=dict(record.body),
        soft=_is_soft(record),
    )


def _is_soft(record: Record) -> bool:
    """Whether nothing stands still for it, and nobody has to act before the morning."""
    if record.kind is Kind.BUDGET_ALERT:
        return bodies.BudgetAlert.of(record).percent < 100
    if record.kind is Kind.LOOP_ALERT:
        return not bodies.LoopAlert.of(record).stops
    return record.kind in _SOFT
