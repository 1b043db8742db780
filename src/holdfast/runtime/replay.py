"""A session's memory out of its journal, record by record, in the order in which they were said.

Not here: which sessions' records are folded (`sessions`).
"""

from holdfast.core.flow import KEPT_OF_ONE, Given
from holdfast.model.decisions import Verdict
from holdfast.model.events import Kind, Record
from holdfast.model.sessions import Session
from holdfast.model.tools import ArgumentRole
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
    Kind.MODEL_CALL_SETTLED,
    Kind.MODEL_CALL_REFUSED,
    *BELIEVED,
    Kind.SESSION_DELEGATED,
    Kind.TOOL_CALL_FINISHED,
    Kind.QUERY_SENT,
)


def trust_attributes(live: LiveSession, session: Session) -> None:
    """What the operator wrote about a task; of a child's, a model may have chosen some."""
    if session.delegated_by:
        return
    for value in session.task_attributes.values():
        for text in value if isinstance(value, list | tuple) else (value,):
            live.vouched.trust(str(text))


def judge(live: LiveSession, record: Record) -> None:
    """Fold in what a record says is to be believed."""
    body = record.body
    if record.kind is Kind.PROMPT_SUBMITTED:
        if body.get("vouched", True):
            live.vouched.trust(str(body.get("text", "")))
    elif record.kind is Kind.PROMPT_CONFIRMED:
        live.vouched.trust(str(body.get("text", "")))
    elif record.kind is Kind.RUN_TOOL_ANSWERED:
        live.answers[record.call_id] = str(body.get("content", ""))
    elif record.kind is Kind.TOOL_CALL_DECIDED:
        if record.verdict == Verdict.ALLOW:
            live.vouched.bring(body.get("arguments") if body.get("arguments_kept", True) else None)
    else:
        _admit(live, record)


def _admit(live: LiveSession, record: Record) -> None:
    """A result as it was first admitted: what it gave, and whether it taints."""
    body = record.body
    answer = live.answers.pop(record.call_id, "")
    if body.get("taints"):
        live.vouched.taint(record.tool)
    given = body.get("given", {})
    live.vouched.learn(
        Given(
            text=answer[:KEPT_OF_ONE] if body.get("trusted_answer") else body.get("trusted", ""),
            records={
                ArgumentRole(role): tuple(values)
                for role, values in given.get("records", {}).items()
            },
            members=tuple(given.get("members", ())),
        )
    )


def replay(live: LiveSession, record: Record, *, own: bool) -> None:
    """Fold one journal record into a session's memory."""
    body = record.body
    if record.kind is Kind.MODEL_CALL_SETTLED:
        if own:
            live.cost_nusd += record.cost_nusd
            live.turn = max(live.turn, record.turn)
            live.progress.turns += 1
            live.context.recorded(body, live.session.context_alert_percent)
        if body.get("message_id"):
            live.threads[str(body["message_id"])] = int(body.get("thread_tokens", 0))
    elif record.kind is Kind.MODEL_CALL_REFUSED:
        live.turn = max(live.turn, record.turn if own else 0)
    elif record.kind is Kind.SESSION_DELEGATED:
        if own:
            live.children.append(str(body.get("child", "")))
    elif record.kind is Kind.QUERY_SENT:
        queries.replayed(live, record)
    elif record.kind in _JUDGED:
        _replay_judged(live, record, own=own)
    else:
        if record.kind is Kind.TOOL_CALL_DECIDED:
            judge(live, record)
            live.wrote(body.get("made", ()), stale=bool(body.get("stale")))
            live.fetched.update(body.get("fetched", ()))
        if own and record.call_id:
            _follow(live, record)


def _replay_judged(live: LiveSession, record: Record, *, own: bool) -> None:
    body = record.body
    judge(live, record)
    if "digest" in body:
        live.collected[str(body["digest"])] = bool(body.get("taints"))
    if own and record.kind is Kind.PROMPT_SUBMITTED:
        live.progress.prompted()


def _follow(live: LiveSession, record: Record) -> None:
    """Fold what a record says of a tool call into the loop guard."""
    body, progress = record.body, live.progress
    if record.kind is Kind.TOOL_CALL_FINISHED:
        call = live.calls.get(record.call_id)
        if call is not None:
            output = str(body.get("output_digest", ""))
            progress.outcome(record.tool, call.permitted_digest, output, record.at_ns)
    elif not body.get("again"):
        # A further attempt is no new call to the loop guard, live or after a restart.
        digest = str(body.get("digest", ""))
        progress.call(record.tool, digest, record.at_ns)
        codes = [str(reason.get("code", "")) for reason in body.get("reasons", ())]
        allowed = record.verdict == Verdict.ALLOW
        progress.decided(record.tool, digest, allowed=allowed, codes=codes)
