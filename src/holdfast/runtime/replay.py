"""A session's memory out of its journal, record by record, in the order in which they were said.

Not here: which sessions' records are folded (`sessions`).
"""

from holdfast.core.calls import OUTSTANDING
from holdfast.core.flow import KEPT_OF_ONE, Given
from holdfast.model import bodies
from holdfast.model.decisions import Verdict
from holdfast.model.events import Kind, Record
from holdfast.model.sessions import Session
from holdfast.model.tools import CallState
from holdfast.runtime import queries
from holdfast.runtime.live import LiveSession

_JUDGED = (
    Kind.PROMPT_SUBMITTED,
    Kind.PROMPT_CONFIRMED,
    Kind.RUN_TOOL_ANSWERED,
    Kind.TOOL_RESULT_ADMITTED,
    Kind.SESSION_COLLECTED,
    Kind.SESSION_CONTINUED,
)
# What says what may be believed, in the order in which it was said.
BELIEVED = (*_JUDGED, Kind.TOOL_CALL_DECIDED)
RELOADED = (
    Kind.SESSION_OPENED,
    Kind.MODEL_CALL_SETTLED,
    Kind.MODEL_CALL_REFUSED,
    *BELIEVED,
    Kind.SESSION_DELEGATED,
    Kind.TOOL_CALL_FINISHED,
    Kind.QUERY_SENT,
)


_BEGUN = (
    Kind.SESSION_OPENED,
    Kind.PROMPT_SUBMITTED,
    Kind.MODEL_CALL_SETTLED,
    Kind.MODEL_CALL_REFUSED,
)


def is_open(live: LiveSession, record: Record) -> bool:
    """Whether a session's record is about something that may still go on."""
    if record.kind is not Kind.TOOL_CALL_DECIDED:
        return record.kind in _BEGUN
    call = live.calls.get(record.call_id)
    return call is not None and call.state in OUTSTANDING


def calls_over(live: LiveSession) -> frozenset[str]:
    """The session's own calls of which nothing more can come."""
    own, going = live.session.session_id, (*OUTSTANDING, CallState.EMITTED)
    calls = live.calls.values()
    return frozenset(c.call_id for c in calls if c.session == own and c.state not in going)


def trust_attributes(live: LiveSession, session: Session) -> None:
    """What the operator wrote about a task; of a child's, a model may have chosen some."""
    if session.delegated_by:
        return
    for value in session.task_attributes.values():
        for text in value if isinstance(value, list | tuple) else (value,):
            live.vouched.trust(str(text))


def judge(live: LiveSession, record: Record) -> None:
    """Fold in what a record says is to be believed."""
    if record.kind is Kind.PROMPT_SUBMITTED:
        prompt = bodies.PromptSubmitted.of(record)
        if prompt.vouched:
            live.vouched.trust(prompt.text)
    elif record.kind is Kind.PROMPT_CONFIRMED:
        live.vouched.trust(bodies.PromptConfirmed.of(record).text)
    elif record.kind is Kind.RUN_TOOL_ANSWERED:
        live.answers[record.call_id] = bodies.RunToolAnswered.of(record).content
    elif record.kind is Kind.TOOL_CALL_DECIDED:
        if record.verdict == Verdict.ALLOW:
            body = bodies.ToolCallDecided.of(record)
            live.vouched.bring(body.arguments if body.arguments_kept else None)
    elif record.kind is Kind.TOOL_RESULT_ADMITTED:
        _admit(live, record)
    else:
        live.answers.pop(record.call_id, None)
        collected = record.kind is Kind.SESSION_COLLECTED
        shape = bodies.SessionCollected if collected else bodies.SessionContinued
        if shape.of(record).taints:
            live.vouched.taint(record.tool)


def _admit(live: LiveSession, record: Record) -> None:
    """A result as it was first admitted: what it gave, and whether it taints."""
    body = bodies.ToolResultAdmitted.of(record)
    answer = live.answers.pop(record.call_id, "")
    if body.taints:
        live.vouched.taint(record.tool)
    text = answer[:KEPT_OF_ONE] if body.trusted_answer else body.trusted
    records = body.given.records if body.given else {}
    members = body.given.members if body.given else ()
    live.vouched.learn(Given(text=text, records=records, members=members))


def replay(live: LiveSession, record: Record, *, own: bool) -> None:
    """Fold one journal record into a session's memory."""
    if record.kind is Kind.MODEL_CALL_SETTLED:
        settled = bodies.ModelCallSettled.of(record)
        if own:
            live.cost_nusd += record.cost_nusd
            live.turn = max(live.turn, record.turn)
            live.progress.turns += 1
            live.context.recorded(settled, live.session.context_alert_percent)
        else:
            live.context.carried_on(settled)
        if settled.message_id:
            live.threads[settled.message_id] = settled.thread_tokens
    elif record.kind is Kind.MODEL_CALL_REFUSED:
        live.turn = max(live.turn, record.turn if own else 0)
    elif record.kind is Kind.SESSION_DELEGATED:
        if own:
            live.children.append(bodies.SessionDelegated.of(record).child)
    elif record.kind is Kind.QUERY_SENT:
        queries.replayed(live, record)
    elif record.kind is Kind.SESSION_OPENED:
        return  # The session says it all.
    elif record.kind in _JUDGED:
        _replay_judged(live, record, own=own)
    else:
        if record.kind is Kind.TOOL_CALL_DECIDED:
            judge(live, record)
            decided = bodies.ToolCallDecided.of(record)
            live.wrote(decided.made, stale=decided.stale)
            live.fetched.update(decided.fetched)
        if own and record.call_id:
            _follow(live, record)


def _replay_judged(live: LiveSession, record: Record, *, own: bool) -> None:
    judge(live, record)
    if record.kind is Kind.SESSION_COLLECTED:
        body = bodies.SessionCollected.of(record)
        live.collected[body.digest] = body.taints
    if own and record.kind is Kind.PROMPT_SUBMITTED:
        live.progress.prompted()


def _follow(live: LiveSession, record: Record) -> None:
    """Fold what a record says of a tool call into the loop guard."""
    progress = live.progress
    if record.kind is Kind.TOOL_CALL_FINISHED:
        call = live.calls.get(record.call_id)
        if call is not None:
            body = bodies.ToolCallFinished.of(record)
            output = body.news or body.output_digest
            progress.outcome(record.tool, call.permitted_digest, output, record.at_ns)
            if body.given_up:
                progress.given_up(record.tool, call.permitted_digest)
        return
    decided = bodies.ToolCallDecided.of(record)
    if not decided.again:
        # A further attempt is no new call to the loop guard, live or after a restart.
        progress.call(record.tool, decided.digest, record.at_ns)
        codes, allowed = [one.code for one in decided.reasons], record.verdict == Verdict.ALLOW
        progress.decided(record.tool, decided.digest, allowed=allowed, codes=codes)
