"""One journal record as one sentence for a person: when, what, which tool, why, what it cost.

Pure. Everything that came from outside is shown in one line without control characters and
bounded, so that no record can write to a terminal more than its sentence. Not here: the record
in full (that is the record).
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from holdfast.core.endings import COMPLETE
from holdfast.model.events import Kind, Record
from holdfast.model.money import format_usd
from holdfast.model.visible import quoted, visible

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN = 160
_VERBS = {"allow": "allowed", "ask": "held for a person", "deny": "denied"}


def narrate(record: Record, tz: tzinfo, *, dated: bool = False) -> str:
    """`14:42:07 the call of `refund` was denied by rule `refund-cap`: …`; with the date if asked.

    Works for every kind and for any body, also one that another version wrote.
    """
    at = (_EPOCH + timedelta(microseconds=record.at_ns // 1000)).astimezone(tz)
    when = f"{at:%Y-%m-%d %H:%M:%S}" if dated else f"{at:%H:%M:%S}"
    cost = f" ({format_usd(record.cost_nusd)})" if record.cost_nusd else ""
    return f"{when} {_SENTENCES[record.kind](record)}{cost}"


def _plain(value: object, most: int = _SHOWN) -> str:
    return visible("" if value is None else value, most)


def _quoted(value: object) -> str:
    return quoted("" if value is None else value)


def _said(body: Mapping[str, Any], *names: str) -> str:
    """`: …` of the first of these fields that says something."""
    found = next((body[name] for name in names if body.get(name)), "")
    return f": {_plain(found)}" if found else ""


def _by(body: Mapping[str, Any]) -> str:
    return f" by {_plain(body['by'], 40)}" if body.get("by") else ""


def _state(verb: str) -> Callable[[Record], str]:
    def sentence(record: Record) -> str:
        return f"the session {verb}{_by(record.body)}{_said(record.body, 'reason')}"

    return sentence


def _opened(record: Record) -> str:
    agent, user = _quoted(record.agent), _quoted(record.user)
    return f"a session of {agent} was opened for {user}, task {_quoted(record.task)}"


def _delegated(record: Record) -> str:
    body = record.body
    child, agent = _quoted(body.get("child", "")), _quoted(body.get("agent", ""))
    return f"a child {child} of {agent} was started{_said(body, 'task_text')}"


def _collected(record: Record) -> str:
    taints = ", untrusted," if record.body.get("taints") else ""
    return f"the result{taints} of the child {_quoted(record.body.get('child', ''))} was taken"


def _continued(record: Record) -> str:
    earlier = _quoted(record.body.get("session", ""))
    taints = ", which is untrusted" if record.body.get("taints") else ""
    return f"the conversation of {earlier} goes on here{taints}"


def _receipt(record: Record) -> str:
    levers = record.body.get("levers")
    pulled = [x for x in levers if isinstance(x, dict)] if isinstance(levers, list | tuple) else []
    failed = [_plain(x.get("lever"), 40) for x in pulled if not x.get("ok")]
    text = f"the kill was acknowledged after {_plain(record.body.get('total_ms'), 20)} ms"
    return f"{text}, but failed at {', '.join(failed)}" if failed else text


def _prompted(record: Record) -> str:
    vouched = record.body.get("vouched", True)
    who = "the user wrote" if vouched else "the agent's client says that the user wrote"
    return f"{who}{_said(record.body, 'text')}"


def _model(what: str) -> Callable[[Record], str]:
    def sentence(record: Record) -> str:
        name = record.body.get("model")
        which = f" to {_quoted(name)}" if name else ""
        return f"a model call{which} {what}{_said(record.body, 'why', 'reason', 'text')}"

    return sentence


def _settled(record: Record) -> str:
    body, usage = record.body, record.body.get("usage")
    if body.get("outcome"):
        return f"the outcome of a model call is {_plain(body['outcome'], 40)}"
    text = f"a model call to {_quoted(body.get('model', 'a model'))} was settled"
    if isinstance(usage, dict):
        output = _plain(usage.get("output_tokens", 0), 20)
        text += f" at {_tokens_in(usage)} tokens in and {output} out"
    ended = body.get("ended")
    text += f", {_plain(ended)}" if ended and ended != COMPLETE.words else ""
    doubts = body.get("doubts")
    if isinstance(doubts, list | tuple) and doubts:
        named = ", ".join(_quoted(one) for one in doubts[:3])
        text += f", at what was held, since no price is known for {named}"
    return text


def _tokens_in(usage: Mapping[str, Any]) -> int:
    names = (
        "input_tokens",
        "cache_read_tokens",
        "cache_write_5m_tokens",
        "cache_write_1h_tokens",
    )
    return sum(n for name in names if isinstance(n := usage.get(name, 0), int))


def _emitted(record: Record) -> str:
    return f"the model asked to call {_quoted(record.tool)}"


def _decided(record: Record) -> str:
    if record.body.get("times"):
        return f"work of the provider was denied{_said(record.body, 'why')}"
    verb = _VERBS.get(record.verdict, _plain(record.verdict, 20) or "decided")
    text = f"the call of {_quoted(record.tool)} was {verb}"
    if record.risk:
        text += f" at risk {_plain(record.risk, 20)}"
    return text + _why(record)


def _why(record: Record) -> str:
    """The first reason of the verdict: who said it, by which rule, in its own words."""
    reasons = record.body.get("reasons")
    for reason in reasons if isinstance(reasons, list | tuple) else ():
        if isinstance(reason, dict) and reason.get("verdict") == record.verdict:
            rule = f" by rule {_quoted(reason['rule'])}" if reason.get("rule") else ""
            stage = f", {_plain(reason['stage'], 40)}" if reason.get("stage") else ""
            return f"{stage}{rule}{_said(reason, 'text', 'code')}"
    return ""


def _finished(record: Record) -> str:
    body = record.body
    if body.get("outcome"):
        return f"the outcome of a tool call is {_plain(body['outcome'], 40)}"
    how = "succeeded" if body.get("ok") else "failed"
    took = f" after {_plain(body['duration_ms'], 20)} ms" if "duration_ms" in body else ""
    return f"the call of {_quoted(record.tool)} {how}{took}{_said(body, 'error')}"


def _queried(record: Record) -> str:
    body = record.body
    carried, spent, limit = (_plain(body.get(name), 20) for name in ("bytes", "spent", "limit"))
    whose = f" of the child {_quoted(body['child'])}" if body.get("child") else ""
    return (
        f"a query of {_quoted(record.tool)}{whose} carried {carried} bytes that nobody typed, "
        f"{spent} of {limit} so far{_said(body, 'text')}"
    )


def _admitted(record: Record) -> str:
    trust = "untrusted" if record.body.get("taints") else "first-party"
    return f"the {trust} result of {_quoted(record.tool)} reached the model"


def _replaced(record: Record) -> str:
    return f"the result of {_quoted(record.tool)} was replaced{_said(record.body, 'why', 'text')}"


def _evidence(record: Record) -> str:
    tool = _quoted(record.tool or "a tool")
    return f"a result of {tool} came without a permit{_said(record.body, 'text')}"


def _history(record: Record) -> str:
    tool = _quoted(record.tool or "a tool")
    return f"a history was refused for a call of {tool}{_said(record.body, 'text')}"


def _permit(record: Record) -> str:
    tool = _quoted(record.tool or "a tool")
    return f"a permit for {tool} was refused{_said(record.body, 'why')}"


def _hook(record: Record) -> str:
    body = record.body
    point = _plain(body.get("point", "a hook point"), 40)
    if not body.get("hook"):
        return f"{point} was reached{_said(body, 'detail')}"
    rewrote = ", and rewrote what it saw" if body.get("rewrote") else ""
    said = _VERBS.get(record.verdict, _plain(record.verdict, 20))
    told = _said(body, "fault", "reason")
    return f"the hook {_quoted(body['hook'])} ran at {point}: {said or 'no verdict'}{rewrote}{told}"


def _reserved(record: Record) -> str:
    body = record.body
    purpose = _plain(body.get("purpose", "a"), 20)
    if record.verdict != "deny":
        return f"a {purpose} call was reserved on its budgets"
    account = _quoted(body.get("account", "a budget"))
    names = ("wanted", "settled", "held", "limit")
    wanted, settled, held, limit = (_amount(body, name) for name in names)
    return (
        f"a {purpose} call was refused for its budget: {account} has {settled} settled and "
        f"{held} held of {limit}, {wanted} more was wanted"
    )


def _budget_alert(record: Record) -> str:
    body = record.body
    account, percent = _quoted(body.get("account")), _plain(body.get("percent"), 10)
    settled, limit = body.get("settled"), body.get("limit")
    if isinstance(settled, int) and isinstance(limit, int):
        stands = f"{_amount(body, 'settled')} of {_amount(body, 'limit')}"
        if percent == "100" and settled < limit:
            return f"{account} had no room for a call, at {stands}"
        return f"{account} reached {percent} % of its limit, at {stands}"
    return f"{account} reached {percent} % of its limit"


def _amount(body: Mapping[str, Any], name: str) -> str:
    """A number of an account in its unit: dollars where the account counts dollars."""
    value = body.get(name)
    if value is None and name in ("old", "new", "limit"):
        return "unlimited"
    dollars = ":usd" in str(body.get("account", ""))
    if dollars and isinstance(value, int) and not isinstance(value, bool):
        return format_usd(value)
    return _plain(value, 24)


def _budget_changed(record: Record) -> str:
    body = record.body
    old, new = (_amount(body, name) for name in ("old", "new"))
    return (
        f"the limit of {_quoted(body.get('account'))} was changed from {old} to {new}"
        f"{_by(body)}{_said(body, 'reason')}"
    )


def _overshot(record: Record) -> str:
    return f"{_quoted(record.body.get('account'))} was charged more than was held on it"


def _loop(record: Record) -> str:
    stops = " and stopped the session" if record.body.get("stops") else ""
    return f"the loop guard noticed something{stops}{_said(record.body, 'text', 'code')}"


def _context(record: Record) -> str:
    body = record.body
    percent, threshold = _plain(body.get("percent"), 10), _plain(body.get("threshold"), 10)
    whose = f"the run {_quoted(body['run_id'])}" if body.get("run_id") else "the session"
    if body.get("agent_path"):
        whose = f"the sub-agent {_quoted(body['agent_path'])}"
    return f"the context of {whose} is {percent} % full, {threshold} % or more"


def _risk(record: Record) -> str:
    reasons = record.body.get("reasons")
    why = "; ".join(str(x) for x in reasons) if isinstance(reasons, list | tuple) else ""
    told = f": {_plain(why)}" if why else ""
    return f"{_quoted(record.tool)} was noted at risk {_plain(record.risk, 20)}{told}"


def _policy(record: Record) -> str:
    words = (("added", "added"), ("removed", "removed"), ("changed", "changed"))
    counts = [(len(record.body.get(key) or ()), word) for key, word in words]
    said = ", ".join(f"{count} {word}" for count, word in counts if count) or "no rule"
    by = f"{_quoted(str(record.body.get('by', '')))} applied policies"
    return f"{by}: {said}{_said(record.body, 'version', 'text')}"


def _limited(record: Record) -> str:
    count = record.body.get("refused")
    calls = "a tool call was" if count == 1 else f"{_plain(count, 20)} tool calls were"
    asked = f"the tenant {_quoted(record.tenant)} asked for more than are decided"
    return f"{calls} refused within a second, since {asked}"


def _counted(record: Record) -> str:
    passed, refused = record.body.get("passed"), record.body.get("refused")
    told = f"within a minute {_plain(passed, 20)} free requests went to the provider"
    return told + (f", {_plain(refused, 20)} more were refused" if refused else "")


def _clock(record: Record) -> str:
    off_ns = record.body.get("off_by_ns")
    if not isinstance(off_ns, int):
        return "the wall clock was moved"
    which = "back" if off_ns < 0 else "forward"
    return f"the wall clock was moved {which} by {abs(off_ns) / 1e9:.1f} s"


def _upstream(record: Record) -> str:
    body = record.body
    name, key = _quoted(body.get("upstream")), _plain(body.get("key") or "its key", 20)
    whose = f" for the user {_quoted(body['for_user'])}" if body.get("for_user") else ""
    if record.kind is Kind.UPSTREAM_CLOSED:
        return f"the upstream {name} ({key}) answers again{whose}"
    left = f"failed too often{whose} and is left alone"
    return f"the upstream {name} ({key}) {left}{_said(body, 'trouble')}"


def _run(done: str) -> Callable[[Record], str]:
    def sentence(record: Record) -> str:
        body = record.body
        return f"the run {_quoted(body.get('run_id'))} {done}{_said(body, 'reason')}"

    return sentence


def _claimed(record: Record) -> str:
    body = record.body
    worker = _quoted(body.get("worker"))
    return f"the worker {worker} took up the run {_quoted(body.get('run_id'))}"


def _answered(record: Record) -> str:
    why = _plain(record.body.get("stop_reason") or "without a word why", 40)
    return f"the model's answer of turn {record.turn} was kept ({why})"


def _tool_answered(record: Record) -> str:
    how = "an error of" if record.body.get("is_error") else "the result of"
    return f"{how} {_quoted(record.tool)} was kept for the model{_said(record.body, 'content')}"


def _noted(record: Record) -> str:
    return f"the harness told the model{_said(record.body, 'text')}"


def _judged(record: Record) -> str:
    said = record.body.get("verdict")
    how = {"pass": "passed the result", "fail": "did not pass the result"}
    return f"the judge {how.get(str(said), 'could not be read')}{_said(record.body, 'why')}"


def _compacted(record: Record) -> str:
    return f"the conversation was made smaller{_said(record.body, 'strategy', 'summary')}"


def _retrying(record: Record) -> str:
    return f"the run is tried again{_said(record.body, 'error', 'reason')}"


def _retried(record: Record) -> str:
    return f"{_quoted(record.tool)} is tried again{_said(record.body, 'error')}"


def _effect(record: Record) -> str:
    tool = _quoted(record.tool)
    if record.kind is Kind.EFFECT_UNKNOWN:
        return f"it is not known whether {tool} took effect{_said(record.body, 'why')}"
    by = _plain(record.body.get("by") or "somebody", 40)
    return f"{by} settled what became of {tool}{_said(record.body, 'outcome', 'reason')}"


def _conversation(done: str) -> Callable[[Record], str]:
    def sentence(record: Record) -> str:
        body = record.body
        size = _plain(body.get("size_bytes", "?"), 20)
        return f"the conversation {_quoted(body.get('name'))} ({size} bytes) was {done}{_by(body)}"

    return sentence


def _retention(record: Record) -> str:
    body = record.body
    names = ("sessions", "calls", "runs", "effects", "conversations")
    counted = [f"{_plain(body[name], 20)} {name}" for name in names if body.get(name)]
    what = ", ".join(counted) or "nothing"
    return f"retention deleted {what}{_by(body)}{_said(body, 'fault')}"


def _trusted(record: Record) -> str:
    body = record.body
    at = f"{_quoted(body.get('ref', ''))} ({_plain(body.get('commit', ''), 12)})"
    root = _quoted(body.get("root", ""))
    return f"files of {root} at {at} count as the operator's own{_by(body)}"


def _confirmed(record: Record) -> str:
    return "the model was asked with what the user typed, which vouches" + _said(
        record.body, "text"
    )


def _forgotten(record: Record) -> str:
    body = record.body
    at, root = _plain(body.get("commit", ""), 12), _quoted(body.get("root", ""))
    return f"files of {root} at {at} no longer count as the operator's own{_by(body)}"


def _left_behind(record: Record) -> str:
    files = record.body.get("files")
    names = sorted(files) if isinstance(files, dict) else []
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    who = _quoted(record.body.get("user", ""))
    return f"{_quoted(names[0] if names else '')}{more} counts as {who}'s own, as a session left it"


def _unsettled(record: Record) -> str:
    body = record.body
    where = _quoted(body.get("folder") or "any folder")
    what = (
        "what others wrote" if body.get("heard", True) else f"for {_quoted(body.get('user', ''))}"
    )
    session = _quoted(body.get("session", ""))
    return f"session {session} may have left something running that writes {what} in {where}"


def _admin(record: Record) -> str:
    body = record.body
    who = _plain(body.get("by") or "admin", 40)
    target = f" on {_quoted(body['account'])}" if body.get("account") else ""
    return f"{who} asked for {_plain(body.get('action', 'a change'), 60)}{target}" + _said(
        body, "reason"
    )


def _auth(record: Record) -> str:
    return f"a token was refused{_said(record.body, 'why')}"


def _started(record: Record) -> str:
    lost = record.body.get("orphaned_holds")
    if not lost:
        return "the server started"
    return f"the server started, and counted what {_plain(lost, 20)} cut-off calls held as used"


_SENTENCES: Mapping[Kind, Callable[[Record], str]] = {
    Kind.SERVER_STARTED: _started,
    Kind.SESSION_OPENED: _opened,
    Kind.SESSION_PAUSED: _state("was paused"),
    Kind.SESSION_RESUMED: _state("was resumed"),
    Kind.SESSION_STOPPED: _state("was stopped"),
    Kind.SESSION_KILLED: _state("was killed"),
    Kind.SESSION_EXPIRED: _state("expired"),
    Kind.SESSION_ENDED: _state("ended"),
    Kind.SESSION_DELEGATED: _delegated,
    Kind.SESSION_COLLECTED: _collected,
    Kind.SESSION_CONTINUED: _continued,
    Kind.KILL_RECEIPT: _receipt,
    Kind.PROMPT_SUBMITTED: _prompted,
    Kind.PROMPT_CONFIRMED: _confirmed,
    Kind.MODEL_CALL_REFUSED: _model("was refused"),
    Kind.MODEL_CALL_COUNTED: _counted,
    Kind.MODEL_CALL_CUT: _model("was cut"),
    Kind.MODEL_CALL_SETTLED: _settled,
    Kind.TOOL_USE_EMITTED: _emitted,
    Kind.TOOL_CALL_DECIDED: _decided,
    Kind.TOOL_CALL_LIMITED: _limited,
    Kind.TOOL_CALL_FINISHED: _finished,
    Kind.TOOL_RESULT_ADMITTED: _admitted,
    Kind.TOOL_RESULT_REPLACED: _replaced,
    Kind.EVIDENCE_MISSING: _evidence,
    Kind.EVIDENCE_REFUSED: _history,
    Kind.PERMIT_REFUSED: _permit,
    Kind.HOOK_RAN: _hook,
    Kind.BUDGET_DECIDED: _reserved,
    Kind.BUDGET_ALERT: _budget_alert,
    Kind.BUDGET_CHANGED: _budget_changed,
    Kind.BUDGET_OVERSHOT: _overshot,
    Kind.LOOP_ALERT: _loop,
    Kind.CONTEXT_ALERT: _context,
    Kind.QUERY_SENT: _queried,
    Kind.RISK_NOTICE: _risk,
    Kind.POLICY_CHANGED: _policy,
    Kind.CLOCK_JUMPED: _clock,
    Kind.ADMIN_ACTED: _admin,
    Kind.AUTH_REFUSED: _auth,
    Kind.UPSTREAM_OPENED: _upstream,
    Kind.TOOL_CALL_RETRIED: _retried,
    Kind.EFFECT_UNKNOWN: _effect,
    Kind.EFFECT_RESOLVED: _effect,
    Kind.RUN_SUBMITTED: _run("was submitted"),
    Kind.RUN_CLAIMED: _claimed,
    Kind.RUN_ANSWERED: _answered,
    Kind.RUN_TOOL_ANSWERED: _tool_answered,
    Kind.RUN_NOTED: _noted,
    Kind.RUN_JUDGED: _judged,
    Kind.RUN_COMPACTED: _compacted,
    Kind.RUN_RETRYING: _retrying,
    Kind.RUN_PARKED: _run("waits for a person"),
    Kind.RUN_RESUMED: _run("was queued again"),
    Kind.RUN_DONE: _run("is done"),
    Kind.RUN_FAILED: _run("failed"),
    Kind.RUN_CANCELLED: _run("was cancelled"),
    Kind.RUN_DEAD: _run("went to the dead-letter queue"),
    Kind.CONVERSATION_SAVED: _conversation("saved"),
    Kind.CONVERSATION_LOADED: _conversation("loaded"),
    Kind.CONVERSATION_DELETED: _conversation("deleted"),
    Kind.RETENTION_APPLIED: _retention,
    Kind.FILES_TRUSTED: _trusted,
    Kind.FILES_FORGOTTEN: _forgotten,
    Kind.FILES_WRITTEN: _left_behind,
    Kind.FILES_UNSETTLED: _unsettled,
    Kind.UPSTREAM_CLOSED: _upstream,
}
