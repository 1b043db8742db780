"""One journal record as one sentence for a person: when, what, which tool, why, what it cost.

Pure. Everything that came from outside is shown in one line without control characters and
bounded, so that no record can write to a terminal more than its sentence. Not here: the record
in full (that is the record).
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo

from holdfast.core.endings import COMPLETE
from holdfast.model import bodies
from holdfast.model.events import Kind, Record
from holdfast.model.money import format_usd
from holdfast.model.visible import quoted, visible

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHORT_ID = 8
_SHOWN = 160
_VERBS = {"allow": "allowed", "ask": "held for a person", "deny": "denied"}


def narrate(record: Record, tz: tzinfo, *, dated: bool = False, named: bool = False) -> str:
    """`14:42:07 the call of `refund` was denied by rule `refund-cap`: …`; with the date if asked.

    With `named` agent and session stand behind the time, `14:42:07 desk/d97e2169 …`, the session by
    the beginning of its id.

    Works for every kind and for any body, also one that another version wrote.
    """
    at = (_EPOCH + timedelta(microseconds=record.at_ns // 1000)).astimezone(tz)
    when = f"{at:%Y-%m-%d %H:%M:%S}" if dated else f"{at:%H:%M:%S}"
    cost = f" ({format_usd(record.cost_nusd)})" if record.cost_nusd else ""
    who = f"{_actor(record)} " if named and record.session else ""
    return f"{when} {who}{_SENTENCES[record.kind](record)}{cost}"


def _actor(record: Record) -> str:
    session = record.session.partition("_")[2] or record.session
    return f"{_plain(record.agent, 40)}/{_plain(session[:_SHORT_ID])}"


def _plain(value: object, most: int = _SHOWN) -> str:
    return visible("" if value is None else value, most)


def _quoted(value: object) -> str:
    return quoted("" if value is None else value)


def _said(*said: object) -> str:
    """`: …` of the first of these that says something."""
    found = next((one for one in said if one), "")
    return f": {_plain(found)}" if found else ""


def _by(name: str) -> str:
    return f" by {_plain(name, 40)}" if name else ""


def _state(verb: str) -> Callable[[Record], str]:
    def sentence(record: Record) -> str:
        body = bodies.SessionChanged.of(record)
        return f"the session {verb}{_by(body.by)}{_said(body.reason)}"

    return sentence


def _opened(record: Record) -> str:
    agent, user = _quoted(record.agent), _quoted(record.user)
    return f"a session of {agent} was opened for {user}, task {_quoted(record.task)}"


def _ending(record: Record) -> str:
    why = _said(bodies.SessionEnding.of(record).reason)
    return f"the paused session is given up within a day unless somebody resumes it{why}"


def _delegated(record: Record) -> str:
    body = bodies.SessionDelegated.of(record)
    child, agent = _quoted(body.child), _quoted(body.agent)
    return f"a child {child} of {agent} was started{_said(body.task_text)}"


def _collected(record: Record) -> str:
    body = bodies.SessionCollected.of(record)
    taints = ", untrusted," if body.taints else ""
    return f"the result{taints} of the child {_quoted(body.child)} was taken"


def _continued(record: Record) -> str:
    body = bodies.SessionContinued.of(record)
    taints = ", which is untrusted" if body.taints else ""
    return f"the conversation of {_quoted(body.session)} goes on here{taints}"


def _receipt(record: Record) -> str:
    body = bodies.KillReceipt.of(record)
    failed = [_plain(one.lever, 40) for one in body.levers if not one.ok]
    text = f"the kill was acknowledged after {_plain(body.total_ms, 20)} ms"
    return f"{text}, but failed at {', '.join(failed)}" if failed else text


_ACTS = {"pause": "paused", "kill": "killed", "resume": "resumed"}


def _placed(record: Record) -> str:
    body = bodies.StopPlaced.of(record)
    done, why = _ACTS.get(body.act, "stopped"), _said(body.reason)
    return f"{_plain(body.what, 200)} was {done}{_by(body.by)}, and nothing opens there{why}"


def _lifted(record: Record) -> str:
    body = bodies.StopLifted.of(record)
    return f"{_plain(body.what, 200)} was let go{_by(body.by)}{_said(body.reason)}"


def _stopped(record: Record) -> str:
    body = bodies.StopReceipt.of(record)
    done, ms = _ACTS.get(body.act, "stopped"), _plain(body.total_ms, 20)
    failed = f"; of {_plain(body.failed, 20)} something may be left" if body.failed else ""
    return f"{_plain(body.number, 20)} sessions were {done} at once, in {ms} ms{failed}"


def _prompted(record: Record) -> str:
    body = bodies.PromptSubmitted.of(record)
    who = "the user wrote" if body.vouched else "the agent's client says that the user wrote"
    return f"{who}{_said(body.text)}"


def _refused(record: Record) -> str:
    body = bodies.ModelCallRefused.of(record)
    which = f" to {_quoted(body.model)}" if body.model else ""
    return f"a model call{which} was refused{_said(body.why)}"


def _cut(record: Record) -> str:
    return f"a model call was cut{_said(bodies.ModelCallCut.of(record).reason)}"


def _settled(record: Record) -> str:
    body = bodies.ModelCallSettled.of(record)
    if body.outcome:
        return f"the outcome of a model call is {_plain(body.outcome, 40)}"
    used = body.usage
    text = (
        f"a model call to {_quoted(body.model or 'a model')} was settled"
        f" at {_plain(used.prompt_tokens, 20)} tokens in and {_plain(used.output_tokens, 20)} out"
    )
    text += f", {_plain(body.ended)}" if body.ended and body.ended != COMPLETE.words else ""
    if body.doubts:
        named = ", ".join(_quoted(one) for one in body.doubts[:3])
        text += f", at what was held, since no price is known for {named}"
    return text


def _emitted(record: Record) -> str:
    return f"the model asked to call {_quoted(record.tool)}"


def _decided(record: Record) -> str:
    body = bodies.ToolCallDecided.of(record)
    if body.times:
        return f"work of the provider was denied{_said(body.why)}"
    verb = _VERBS.get(record.verdict, _plain(record.verdict, 20) or "decided")
    text = f"the call of {_quoted(record.tool)} was {verb}"
    if record.risk:
        text += f" at risk {_plain(record.risk, 20)}"
    why = body.why_of(record.verdict)
    if why is None:
        return text
    rule = f" by rule {_quoted(why.rule)}" if why.rule else ""
    stage = f", {_plain(why.stage, 40)}" if why.stage else ""
    return f"{text}{stage}{rule}{_said(why.text, why.code)}"


def _finished(record: Record) -> str:
    body = bodies.ToolCallFinished.of(record)
    if body.outcome:
        return f"the outcome of a tool call is {_plain(body.outcome, 40)}"
    how = "succeeded" if body.ok else "failed"
    took = f" after {_plain(body.duration_ms, 20)} ms"
    return f"the call of {_quoted(record.tool)} {how}{took}{_said(body.error)}"


def _queried(record: Record) -> str:
    body = bodies.QuerySent.of(record)
    carried, spent, limit = (_plain(one, 20) for one in (body.bytes, body.spent, body.limit))
    whose = f" of the child {_quoted(body.child)}" if body.child else ""
    return (
        f"a query of {_quoted(record.tool)}{whose} carried {carried} bytes that nobody typed, "
        f"{spent} of {limit} so far{_said(body.text)}"
    )


def _admitted(record: Record) -> str:
    trust = "untrusted" if bodies.ToolResultAdmitted.of(record).taints else "first-party"
    return f"the {trust} result of {_quoted(record.tool)} reached the model"


def _replaced(record: Record) -> str:
    body = bodies.ToolResultReplaced.of(record)
    return f"the result of {_quoted(record.tool)} was replaced{_said(body.text)}"


def _evidence(record: Record) -> str:
    tool, body = _quoted(record.tool or "a tool"), bodies.EvidenceMissing.of(record)
    return f"a result of {tool} came without a permit{_said(body.text)}"


def _history(record: Record) -> str:
    tool, body = _quoted(record.tool or "a tool"), bodies.EvidenceRefused.of(record)
    return f"a history was refused for a call of {tool}{_said(body.text)}"


def _permit(record: Record) -> str:
    tool, body = _quoted(record.tool or "a tool"), bodies.PermitRefused.of(record)
    return f"a permit for {tool} was refused{_said(body.why)}"


def _hook(record: Record) -> str:
    body = bodies.HookRan.of(record)
    point = _plain(body.point or "a hook point", 40)
    if not body.hook:
        return f"{point} was reached{_said(body.detail)}"
    rewrote = ", and rewrote what it saw" if body.rewrote else ""
    said = _VERBS.get(record.verdict, _plain(record.verdict, 20)) or "no verdict"
    told = _said(body.fault, body.reason)
    return f"the hook {_quoted(body.hook)} ran at {point}: {said}{rewrote}{told}"


def _reserved(record: Record) -> str:
    body = bodies.BudgetDecided.of(record)
    purpose = _plain(body.purpose or "a", 20)
    if record.verdict != "deny":
        return f"a {purpose} call was reserved on its budgets"
    account, limit = body.account or "a budget", _limit(body.account, body.limit)
    counted = (body.wanted, body.settled, body.held)
    wanted, settled, held = (_amount(body.account, one) for one in counted)
    return (
        f"a {purpose} call was refused for its budget: {_quoted(account)} has {settled} settled and"
        f" {held} held of {limit}, {wanted} more was wanted"
    )


def _budget_alert(record: Record) -> str:
    body = bodies.BudgetAlert.of(record)
    account, percent = _quoted(body.account), _plain(body.percent, 10)
    if body.limit is None:
        return f"{account} reached {percent} % of its limit"
    stands = f"{_amount(body.account, body.settled)} of {_amount(body.account, body.limit)}"
    if body.percent == 100 and body.settled < body.limit:
        return f"{account} had no room for a call, at {stands}"
    return f"{account} reached {percent} % of its limit, at {stands}"


def _amount(account: str, value: int | None) -> str:
    """A number of an account in its unit: dollars where the account counts dollars."""
    if ":usd" in account and value is not None:
        return format_usd(value)
    return _plain(value, 24)


def _limit(account: str, value: int | None) -> str:
    return "unlimited" if value is None else _amount(account, value)


def _budget_changed(record: Record) -> str:
    body = bodies.BudgetChanged.of(record)
    old, new = _limit(body.account, body.old), _limit(body.account, body.new)
    return (
        f"the limit of {_quoted(body.account)} was changed from {old} to {new}"
        f"{_by(body.by)}{_said(body.reason)}"
    )


def _overshot(record: Record) -> str:
    account = _quoted(bodies.BudgetOvershot.of(record).account)
    return f"{account} was charged more than was held on it"


def _loop(record: Record) -> str:
    body = bodies.LoopAlert.of(record)
    stops = " and stopped the session" if body.stops else ""
    return f"the loop guard noticed something{stops}{_said(body.text, body.code)}"


def _context(record: Record) -> str:
    body = bodies.ContextAlert.of(record)
    percent, threshold = _plain(body.percent, 10), _plain(body.threshold, 10)
    whose = f"the run {_quoted(body.run_id)}" if body.run_id else "the session"
    if body.agent_path:
        whose = f"the sub-agent {_quoted(body.agent_path)}"
    return f"the context of {whose} is {percent} % full, {threshold} % or more"


def _made_smaller(record: Record) -> str:
    body = bodies.ContextCompacted.of(record)
    whose = f"the sub-agent {_quoted(body.agent_path)}" if body.agent_path else "the client"
    shown = f"{_plain(body.messages, 10)} messages in place of {_plain(body.before, 10)}"
    task = ", and the model was told its task again" if body.task else ""
    return f"{whose} made its conversation smaller: {shown}{task}"


def _risk(record: Record) -> str:
    why = "; ".join(bodies.RiskNotice.of(record).reasons)
    return f"{_quoted(record.tool)} was noted at risk {_plain(record.risk, 20)}{_said(why)}"


def _policy(record: Record) -> str:
    body = bodies.PolicyChanged.of(record)
    lists = ((body.added, "added"), (body.removed, "removed"), (body.changed, "changed"))
    said = ", ".join(f"{len(names)} {word}" for names, word in lists if names) or "no rule"
    return f"{_quoted(body.by)} applied policies: {said}{_said(body.version)}"


def _limited(record: Record) -> str:
    count = bodies.ToolCallLimited.of(record).refused
    calls = "a tool call was" if count == 1 else f"{_plain(count, 20)} tool calls were"
    asked = f"the tenant {_quoted(record.tenant)} asked for more than are decided"
    return f"{calls} refused within a second, since {asked}"


def _counted(record: Record) -> str:
    body = bodies.ModelCallCounted.of(record)
    told = f"within a minute {_plain(body.passed, 20)} free requests went to the provider"
    return told + (f", {_plain(body.refused, 20)} more were refused" if body.refused else "")


def _clock(record: Record) -> str:
    off_ns = bodies.ClockJumped.of(record).off_by_ns
    if not off_ns:
        return "the wall clock was moved"
    which = "back" if off_ns < 0 else "forward"
    return f"the wall clock was moved {which} by {abs(off_ns) / 1e9:.1f} s"


def _left_alone(record: Record) -> str:
    body = bodies.UpstreamOpened.of(record)
    left = f"failed too often{_for_user(body)} and is left alone"
    return f"{_key(body)} {left}{_said(body.trouble)}"


def _answers_again(record: Record) -> str:
    body = bodies.UpstreamClosed.of(record)
    return f"{_key(body)} answers again{_for_user(body)}"


def _key(body: bodies.UpstreamChanged) -> str:
    return f"the upstream {_quoted(body.upstream)} ({_plain(body.key or 'its key', 20)})"


def _for_user(body: bodies.UpstreamChanged) -> str:
    return f" for the user {_quoted(body.for_user)}" if body.for_user else ""


def _run(done: str) -> Callable[[Record], str]:
    def sentence(record: Record) -> str:
        body = bodies.RunMoved.of(record)
        return f"the run {_quoted(body.run_id)} {done}{_said(body.reason)}"

    return sentence


def _claimed(record: Record) -> str:
    body = bodies.RunClaimed.of(record)
    return f"the worker {_quoted(body.worker)} took up the run {_quoted(body.run_id)}"


def _answered(record: Record) -> str:
    why = _plain(bodies.RunAnswered.of(record).stop_reason or "without a word why", 40)
    return f"the model's answer of turn {record.turn} was kept ({why})"


def _tool_answered(record: Record) -> str:
    body = bodies.RunToolAnswered.of(record)
    how = "an error of" if body.is_error else "the result of"
    return f"{how} {_quoted(record.tool)} was kept for the model{_said(body.content)}"


def _noted(record: Record) -> str:
    return f"the harness told the model{_said(bodies.RunNoted.of(record).text)}"


def _judged(record: Record) -> str:
    body = bodies.RunJudged.of(record)
    how = {"pass": "passed the result", "fail": "did not pass the result"}
    return f"the judge {how.get(body.verdict, 'could not be read')}{_said(body.why)}"


def _compacted(record: Record) -> str:
    body = bodies.RunCompacted.of(record)
    return f"the conversation was made smaller{_said(body.strategy, body.summary)}"


def _retrying(record: Record) -> str:
    body = bodies.RunRetrying.of(record)
    return f"the run is tried again{_said(body.error, body.reason)}"


def _retried(record: Record) -> str:
    return f"{_quoted(record.tool)} is tried again{_said(bodies.ToolCallRetried.of(record).error)}"


def _unknown(record: Record) -> str:
    why = bodies.EffectUnknown.of(record).why
    return f"it is not known whether {_quoted(record.tool)} took effect{_said(why)}"


def _resolved(record: Record) -> str:
    body = bodies.EffectResolved.of(record)
    by, told = _plain(body.by or "somebody", 40), _said(body.outcome, body.reason)
    return f"{by} settled what became of {_quoted(record.tool)}{told}"


def _person_asked(record: Record) -> str:
    body = bodies.ApprovalAsked.of(record)
    why = next((one.text for one in body.reasons), "")
    return f"a person was asked whether {_quoted(record.tool)} may run{_said(why)}"


def _person_answered(record: Record) -> str:
    body = bodies.ApprovalAnswered.of(record)
    by, what = _plain(body.by or "somebody", 40), "approved" if body.approved else "refused"
    return f"{by} {what} {_quoted(record.tool)}{_said(body.note)}"


def _unanswered(record: Record) -> str:
    if bodies.ApprovalExpired.of(record).approved:
        return f"{_quoted(record.tool)} was approved and did not run in time"
    return f"nobody answered whether {_quoted(record.tool)} may run"


def _conversation(done: str) -> Callable[[Record], str]:
    def sentence(record: Record) -> str:
        body = bodies.Conversed.of(record)
        size, by = _plain(body.size_bytes, 20), _by(body.by)
        return f"the conversation {_quoted(body.name)} ({size} bytes) was {done}{by}"

    return sentence


def _retention(record: Record) -> str:
    body = bodies.RetentionApplied.of(record)
    counts = (
        (body.sessions, "sessions"),
        (body.calls, "calls"),
        (body.runs, "runs"),
        (body.effects, "effects"),
        (body.conversations, "conversations"),
    )
    what = ", ".join(f"{_plain(n, 20)} {name}" for n, name in counts if n) or "nothing"
    return f"retention deleted {what}{_by(body.by)}{_said(body.fault)}"


def _trusted(record: Record) -> str:
    body = bodies.FilesTrusted.of(record)
    at = f"{_quoted(body.ref)} ({_plain(body.commit, 12)})"
    return f"files of {_quoted(body.root)} at {at} count as the operator's own{_by(body.by)}"


def _confirmed(record: Record) -> str:
    told = "the model was asked with what the user typed, which vouches"
    return told + _said(bodies.PromptConfirmed.of(record).text)


def _forgotten(record: Record) -> str:
    body = bodies.FilesForgotten.of(record)
    at, root = _plain(body.commit, 12), _quoted(body.root)
    return f"files of {root} at {at} no longer count as the operator's own{_by(body.by)}"


def _left_behind(record: Record) -> str:
    body = bodies.FilesWritten.of(record)
    names, who = sorted(body.files), _quoted(body.user)
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{_quoted(names[0] if names else '')}{more} counts as {who}'s own, as a session left it"


def _unsettled(record: Record) -> str:
    body = bodies.FilesUnsettled.of(record)
    where = _quoted(body.folder or "any folder")
    what = f"for {_quoted(body.user)}" if body.heard is False else "what others wrote"
    session = _quoted(body.session)
    return f"session {session} may have left something running that writes {what} in {where}"


def _admin(record: Record) -> str:
    body = bodies.AdminActed.of(record)
    who, asked = _plain(body.by or "admin", 40), _plain(body.action or "a change", 60)
    target = f" on {_quoted(body.account)}" if body.account else ""
    return f"{who} asked for {asked}{target}{_said(body.reason)}"


def _auth(record: Record) -> str:
    return f"a token was refused{_said(bodies.AuthRefused.of(record).why)}"


def _keyed(done: str) -> Callable[[Record], str]:
    def sentence(record: Record) -> str:
        body = bodies.KeyChanged.of(record)
        why = bodies.KeyRevoked.of(record).reason if record.kind is Kind.KEY_REVOKED else ""
        return f"the key {_quoted(body.key)} was {done}{_by(body.by)}{_said(why)}"

    return sentence


def _key_used(record: Record) -> str:
    body = bodies.KeyUsed.of(record)
    return f"the key {_quoted(body.key)} opened it, its session {_plain(body.opened, 20)}"


def _started(record: Record) -> str:
    lost = bodies.ServerStarted.of(record).orphaned_holds
    if not lost:
        return "the server started"
    return f"the server started, and counted what {_plain(lost, 20)} cut-off calls held as used"


_SENTENCES: Mapping[Kind, Callable[[Record], str]] = {
    Kind.SERVER_STARTED: _started,
    Kind.SESSION_OPENED: _opened,
    Kind.SESSION_PAUSED: _state("was paused"),
    Kind.SESSION_ENDING: _ending,
    Kind.SESSION_RESUMED: _state("was resumed"),
    Kind.SESSION_STOPPED: _state("was stopped"),
    Kind.SESSION_KILLED: _state("was killed"),
    Kind.SESSION_EXPIRED: _state("expired"),
    Kind.SESSION_ENDED: _state("ended"),
    Kind.SESSION_DELEGATED: _delegated,
    Kind.SESSION_COLLECTED: _collected,
    Kind.SESSION_CONTINUED: _continued,
    Kind.KILL_RECEIPT: _receipt,
    Kind.STOP_PLACED: _placed,
    Kind.STOP_LIFTED: _lifted,
    Kind.STOP_RECEIPT: _stopped,
    Kind.PROMPT_SUBMITTED: _prompted,
    Kind.PROMPT_CONFIRMED: _confirmed,
    Kind.MODEL_CALL_REFUSED: _refused,
    Kind.MODEL_CALL_COUNTED: _counted,
    Kind.MODEL_CALL_CUT: _cut,
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
    Kind.CONTEXT_COMPACTED: _made_smaller,
    Kind.QUERY_SENT: _queried,
    Kind.RISK_NOTICE: _risk,
    Kind.POLICY_CHANGED: _policy,
    Kind.CLOCK_JUMPED: _clock,
    Kind.ADMIN_ACTED: _admin,
    Kind.AUTH_REFUSED: _auth,
    Kind.KEY_ADDED: _keyed("handed out"),
    Kind.KEY_ROTATED: _keyed("given another token"),
    Kind.KEY_REVOKED: _keyed("revoked"),
    Kind.KEY_USED: _key_used,
    Kind.UPSTREAM_OPENED: _left_alone,
    Kind.TOOL_CALL_RETRIED: _retried,
    Kind.EFFECT_UNKNOWN: _unknown,
    Kind.EFFECT_RESOLVED: _resolved,
    Kind.APPROVAL_ASKED: _person_asked,
    Kind.APPROVAL_ANSWERED: _person_answered,
    Kind.APPROVAL_EXPIRED: _unanswered,
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
    Kind.UPSTREAM_CLOSED: _answers_again,
}
