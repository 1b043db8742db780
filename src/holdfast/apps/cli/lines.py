"""One journal record as one live line of `holdfast run`, or none where it says nothing new."""

from collections.abc import Callable

import msgspec

from holdfast.apps.cli.printing import plain
from holdfast.model import bodies
from holdfast.model.events import Kind, Record
from holdfast.model.money import format_usd

_MARKS = {"allow": "✓", "ask": "?", "deny": "✗"}
_MOST_ARGUMENTS = 120


class Line(msgspec.Struct, frozen=True):
    """A line and its style."""

    text: str
    style: str = ""


def line_of(record: Record, spent_nusd: int) -> Line | None:
    """What a person watching wants to read; `spent_nusd` is the session's cost so far."""
    if record.kind is Kind.MODEL_CALL_SETTLED:
        return _turn(record, spent_nusd)
    if record.kind is Kind.TOOL_CALL_DECIDED:
        return _decided(record, spent_nusd)
    build = _LINES.get(record.kind)
    return build(record) if build is not None else None


def _turn(record: Record, spent_nusd: int) -> Line:
    body = bodies.ModelCallSettled.of(record)
    ended, used = body.ended, body.usage
    text = (
        f"turn {record.turn}: {used.prompt_tokens:,} tokens in, {used.output_tokens:,} out,"
        f" {format_usd(record.cost_nusd)}, {format_usd(spent_nusd)} so far"
    )
    return Line(text if ended == "complete" else f"{text} ({plain(ended, 200)})", "dim")


def _decided(record: Record, spent_nusd: int) -> Line:
    body = bodies.ToolCallDecided.of(record)
    if body.times:
        told_of = plain(body.why, 300)
        return Line(f"{_MARKS.get(record.verdict, '·')} work of the provider: {told_of}", "red")
    spelled = plain(body.arguments_json() or "{}", _MOST_ARGUMENTS)
    head = f"{_MARKS.get(record.verdict, '·')} {record.tool} {spelled}"
    told = f"{head}: {record.verdict}, risk {record.risk or 'unknown'}"
    why = body.why_of(record.verdict)
    if why is not None:
        rule = f", rule {why.rule}" if why.rule else ""
        told += f"{rule}: {plain(why.text, 300)}"
    style = "green" if record.verdict == "allow" else "red"
    return Line(f"{told} ({format_usd(spent_nusd)} so far)", style)


def _finished(record: Record) -> Line | None:
    body = bodies.ToolCallFinished.of(record)
    if body.ok or body.outcome:
        return None
    return Line(f"  {record.tool} failed: {plain(body.error, 200)}", "yellow")


def _opened(_: Record) -> Line:
    return Line("session opened", "bold")


def _stated(record: Record) -> Line:
    return _state("session", record, bodies.SessionChanged.of(record).reason)


def _state(whose: str, record: Record, reason: str = "") -> Line:
    told = f": {plain(reason, 300)}" if reason else ""
    return Line(f"{whose} {record.kind.partition('.')[2]}{told}", "bold")


def _budget(record: Record) -> Line:
    body = bodies.BudgetAlert.of(record)
    return Line(f"! {body.percent} % of {plain(body.account)}", "yellow")


def _context(record: Record) -> Line:
    return Line(f"! the context is {bodies.ContextAlert.of(record).percent} % full", "yellow")


def _made_smaller(record: Record) -> Line:
    body = bodies.ContextCompacted.of(record)
    return Line(f"the conversation was made smaller: {body.before} messages, now {body.messages}")


def _looped(record: Record) -> Line:
    return Line(f"! {plain(bodies.LoopAlert.of(record).text, 300)}", "yellow")


def _queried(record: Record) -> Line:
    body = bodies.QuerySent.of(record)
    so_far = f"{body.spent} of {body.limit} so far"
    return Line(f"  {body.bytes} bytes went out in a search query, {so_far}", "dim")


def _reserved(record: Record) -> Line | None:
    if record.verdict != "deny":
        return None
    return Line(f"✗ no room in {plain(bodies.BudgetDecided.of(record).account)}", "red")


def _refused(why: Callable[[Record], str]) -> Callable[[Record], Line]:
    def line(record: Record) -> Line:
        what = record.kind.replace("_", " ").replace(".", " ")
        return Line(f"✗ {what} {plain(why(record), 300)}".rstrip(), "red")

    return line


def _cut(record: Record) -> Line:
    why = bodies.ModelCallCut.of(record).reason
    return Line(f"✂ the answer was cut: {plain(why, 300)}".rstrip(": "), "red")


def _run(record: Record) -> Line:
    return _state("run", record)


def _moved(record: Record) -> Line:
    return _state("run", record, bodies.RunMoved.of(record).reason)


def _retrying(record: Record) -> Line:
    body = bodies.RunRetrying.of(record)
    return _state("run", record, body.reason or body.error)


def _judged(record: Record) -> Line:
    body = bodies.RunJudged.of(record)
    said = {"pass": "passed the result", "fail": "did not pass the result"}
    told = said.get(body.verdict, "could not be read")
    style = "green" if body.verdict == "pass" else "red"
    return Line(f"the judge {told}: {plain(body.why, 300)}", style)


def _unknown(record: Record) -> Line:
    why = plain(bodies.EffectUnknown.of(record).why, 200)
    return Line(f"? it is not known whether {record.tool} took effect: {why}", "red")


def _asked(record: Record) -> Line:
    body = bodies.ApprovalAsked.of(record)
    spelled = plain(msgspec.json.encode(body.arguments).decode(), _MOST_ARGUMENTS)
    why = next((f": {plain(one.text, 300)}" for one in body.reasons), "")
    told = f"? {record.tool} {spelled} waits for a person ({plain(body.approval_id, 64)}){why}"
    return Line(told, "yellow")


def _answered(record: Record) -> Line:
    body = bodies.ApprovalAnswered.of(record)
    mark, said = ("✓", "approved") if body.approved else ("✗", "refused")
    note = f": {plain(body.note, 300)}" if body.note else ""
    more = f", and {body.missing} more have to" if body.missing else ""
    like = " and calls like it" if body.granted_until_ns else ""
    return Line(f"{mark} {plain(body.by, 64)} {said} {record.tool}{like}{more}{note}", "bold")


def _revoked(record: Record) -> Line:
    who = plain(bodies.ApprovalRevoked.of(record).by, 64)
    return Line(f"✗ {who} ended the grant of {record.tool}", "bold")


def _left(record: Record) -> Line:
    body = bodies.ApprovalDelegated.of(record)
    return Line(f"? {plain(body.by, 64)} left it to {plain(body.to, 64)} to answer", "dim")


def _escalated(record: Record) -> Line:
    body = bodies.ApprovalEscalated.of(record)
    whom = plain(", ".join(body.to), 200)
    return Line(f"? nobody answered for {body.after_s} s: {whom} may, too", "yellow")


def _unanswered(record: Record) -> Line:
    if bodies.ApprovalExpired.of(record).lets:
        return Line(f"✓ nobody answered, and a rule lets {record.tool} run then", "yellow")
    if bodies.ApprovalExpired.of(record).approved:
        return Line(f"✗ {record.tool} was approved, and did not run in time", "yellow")
    return Line(f"✗ nobody answered whether {record.tool} may run", "yellow")


_LINES: dict[Kind, Callable[[Record], Line | None]] = {
    Kind.MODEL_CALL_CUT: _cut,
    Kind.MODEL_CALL_REFUSED: _refused(lambda one: bodies.ModelCallRefused.of(one).why),
    Kind.TOOL_CALL_FINISHED: _finished,
    Kind.TOOL_RESULT_REPLACED: _refused(lambda one: bodies.ToolResultReplaced.of(one).text),
    Kind.EVIDENCE_MISSING: _refused(lambda one: bodies.EvidenceMissing.of(one).text),
    Kind.EVIDENCE_REFUSED: _refused(lambda one: bodies.EvidenceRefused.of(one).text),
    Kind.PERMIT_REFUSED: _refused(lambda one: bodies.PermitRefused.of(one).why),
    Kind.BUDGET_DECIDED: _reserved,
    Kind.BUDGET_ALERT: _budget,
    Kind.LOOP_ALERT: _looped,
    Kind.CONTEXT_ALERT: _context,
    Kind.CONTEXT_COMPACTED: _made_smaller,
    Kind.QUERY_SENT: _queried,
    Kind.RUN_JUDGED: _judged,
    Kind.EFFECT_UNKNOWN: _unknown,
    Kind.APPROVAL_ASKED: _asked,
    Kind.APPROVAL_ANSWERED: _answered,
    Kind.APPROVAL_DELEGATED: _left,
    Kind.APPROVAL_ESCALATED: _escalated,
    Kind.APPROVAL_EXPIRED: _unanswered,
    Kind.APPROVAL_REVOKED: _revoked,
    Kind.RUN_CLAIMED: _run,
    Kind.RUN_RETRYING: _retrying,
    Kind.RUN_PARKED: _moved,
    Kind.RUN_RESUMED: _moved,
    Kind.RUN_COMPACTED: _run,
    Kind.SESSION_OPENED: _opened,
    Kind.SESSION_PAUSED: _stated,
    Kind.SESSION_RESUMED: _stated,
    Kind.SESSION_STOPPED: _stated,
    Kind.SESSION_KILLED: _stated,
    Kind.SESSION_EXPIRED: _stated,
}
