"""Sentences about calls of models and tools: what was decided, and what became of it."""

from collections.abc import Callable, Mapping

from holdfast.core.endings import COMPLETE
from holdfast.core.narrate.words import named, plain, said
from holdfast.model import bodies
from holdfast.model.events import Kind, Record

_VERBS = {"allow": "allowed", "ask": "held for a person", "deny": "denied"}


def _refused(record: Record) -> str:
    body = bodies.ModelCallRefused.of(record)
    which = f" to {named(body.model)}" if body.model else ""
    return f"a model call{which} was refused{said(body.why)}"


def _cut(record: Record) -> str:
    return f"a model call was cut{said(bodies.ModelCallCut.of(record).reason)}"


def _settled(record: Record) -> str:
    body = bodies.ModelCallSettled.of(record)
    if body.outcome:
        return f"the outcome of a model call is {plain(body.outcome, 40)}"
    used = body.usage
    text = (
        f"a model call to {named(body.model or 'a model')} was settled"
        f" at {plain(used.prompt_tokens, 20)} tokens in and {plain(used.output_tokens, 20)} out"
    )
    text += f", {plain(body.ended)}" if body.ended and body.ended != COMPLETE.words else ""
    if body.doubts:
        unpriced = ", ".join(named(one) for one in body.doubts[:3])
        text += f", at what was held, since no price is known for {unpriced}"
    return text


def _limited(record: Record) -> str:
    count = bodies.ToolCallLimited.of(record).refused
    asked = f"the tenant {named(record.tenant)} asked for more than are decided"
    return f"{_refused_calls(count, 'tool')}, since {asked}"


def _models_limited(record: Record) -> str:
    count = bodies.ModelCallLimited.of(record).refused
    return f"{_refused_calls(count, 'model')} for the rate of the tenant {named(record.tenant)}"


def _refused_calls(count: int, of: str) -> str:
    calls = f"a {of} call was" if count == 1 else f"{plain(count, 20)} {of} calls were"
    return f"{calls} refused within a second"


def _counted(record: Record) -> str:
    body = bodies.ModelCallCounted.of(record)
    told = f"within a minute {plain(body.passed, 20)} free requests went to the provider"
    return told + (f", {plain(body.refused, 20)} more were refused" if body.refused else "")


def _emitted(record: Record) -> str:
    return f"the model asked to call {named(record.tool)}"


def _decided(record: Record) -> str:
    body = bodies.ToolCallDecided.of(record)
    if body.times:
        return f"work of the provider was denied{said(body.why)}"
    verb = _VERBS.get(record.verdict, plain(record.verdict, 20) or "decided")
    text = f"the call of {named(record.tool)} was {verb}"
    if record.risk:
        text += f" at risk {plain(record.risk, 20)}"
    why = body.why_of(record.verdict)
    if why is None:
        return text
    rule = f" by rule {named(why.rule)}" if why.rule else ""
    stage = f", {plain(why.stage, 40)}" if why.stage else ""
    return f"{text}{stage}{rule}{said(why.text, why.code)}"


def _finished(record: Record) -> str:
    body = bodies.ToolCallFinished.of(record)
    if body.outcome:
        return f"the outcome of a tool call is {plain(body.outcome, 40)}"
    how = "succeeded" if body.ok else "failed"
    took = f" after {plain(body.duration_ms, 20)} ms"
    return f"the call of {named(record.tool)} {how}{took}{said(body.error)}"


def _queried(record: Record) -> str:
    body = bodies.QuerySent.of(record)
    carried, spent, limit = (plain(one, 20) for one in (body.bytes, body.spent, body.limit))
    whose = f" of the child {named(body.child)}" if body.child else ""
    return (
        f"a query of {named(record.tool)}{whose} carried {carried} bytes that nobody typed, "
        f"{spent} of {limit} so far{said(body.text)}"
    )


def _admitted(record: Record) -> str:
    trust = "untrusted" if bodies.ToolResultAdmitted.of(record).taints else "first-party"
    return f"the {trust} result of {named(record.tool)} reached the model"


def _replaced(record: Record) -> str:
    body = bodies.ToolResultReplaced.of(record)
    return f"the result of {named(record.tool)} was replaced{said(body.text)}"


def _evidence(record: Record) -> str:
    tool, body = named(record.tool or "a tool"), bodies.EvidenceMissing.of(record)
    return f"a result of {tool} came without a permit{said(body.text)}"


def _history(record: Record) -> str:
    tool, body = named(record.tool or "a tool"), bodies.EvidenceRefused.of(record)
    return f"a history was refused for a call of {tool}{said(body.text)}"


def _permit(record: Record) -> str:
    tool, body = named(record.tool or "a tool"), bodies.PermitRefused.of(record)
    return f"a permit for {tool} was refused{said(body.why)}"


def _hook(record: Record) -> str:
    body = bodies.HookRan.of(record)
    point = plain(body.point or "a hook point", 40)
    if not body.hook:
        return f"{point} was reached{said(body.detail)}"
    rewrote = ", and rewrote what it saw" if body.rewrote else ""
    verdict = _VERBS.get(record.verdict, plain(record.verdict, 20)) or "no verdict"
    told = said(body.fault, body.reason)
    return f"the hook {named(body.hook)} ran at {point}: {verdict}{rewrote}{told}"


def _loop(record: Record) -> str:
    body = bodies.LoopAlert.of(record)
    stops = " and stopped the session" if body.stops else ""
    return f"the loop guard noticed something{stops}{said(body.text, body.code)}"


def _context(record: Record) -> str:
    body = bodies.ContextAlert.of(record)
    percent, threshold = plain(body.percent, 10), plain(body.threshold, 10)
    whose = f"the run {named(body.run_id)}" if body.run_id else "the session"
    if body.agent_path:
        whose = f"the sub-agent {named(body.agent_path)}"
    return f"the context of {whose} is {percent} % full, {threshold} % or more"


def _made_smaller(record: Record) -> str:
    body = bodies.ContextCompacted.of(record)
    whose = f"the sub-agent {named(body.agent_path)}" if body.agent_path else "the client"
    shown = f"{plain(body.messages, 10)} messages in place of {plain(body.before, 10)}"
    task = ", and the model was told its task again" if body.task else ""
    return f"{whose} made its conversation smaller: {shown}{task}"


def _risk(record: Record) -> str:
    why = "; ".join(bodies.RiskNotice.of(record).reasons)
    return f"{named(record.tool)} was noted at risk {plain(record.risk, 20)}{said(why)}"


def _retried(record: Record) -> str:
    return f"{named(record.tool)} is tried again{said(bodies.ToolCallRetried.of(record).error)}"


def _unknown(record: Record) -> str:
    why = bodies.EffectUnknown.of(record).why
    return f"it is not known whether {named(record.tool)} took effect{said(why)}"


def _resolved(record: Record) -> str:
    body = bodies.EffectResolved.of(record)
    by, told = plain(body.by or "somebody", 40), said(body.outcome, body.reason)
    return f"{by} settled what became of {named(record.tool)}{told}"


SENTENCES: Mapping[Kind, Callable[[Record], str]] = {
    Kind.MODEL_CALL_REFUSED: _refused,
    Kind.MODEL_CALL_COUNTED: _counted,
    Kind.MODEL_CALL_CUT: _cut,
    Kind.MODEL_CALL_SETTLED: _settled,
    Kind.TOOL_USE_EMITTED: _emitted,
    Kind.TOOL_CALL_DECIDED: _decided,
    Kind.TOOL_CALL_LIMITED: _limited,
    Kind.MODEL_CALL_LIMITED: _models_limited,
    Kind.TOOL_CALL_FINISHED: _finished,
    Kind.TOOL_RESULT_ADMITTED: _admitted,
    Kind.TOOL_RESULT_REPLACED: _replaced,
    Kind.EVIDENCE_MISSING: _evidence,
    Kind.EVIDENCE_REFUSED: _history,
    Kind.PERMIT_REFUSED: _permit,
    Kind.HOOK_RAN: _hook,
    Kind.LOOP_ALERT: _loop,
    Kind.CONTEXT_ALERT: _context,
    Kind.CONTEXT_COMPACTED: _made_smaller,
    Kind.QUERY_SENT: _queried,
    Kind.RISK_NOTICE: _risk,
    Kind.TOOL_CALL_RETRIED: _retried,
    Kind.EFFECT_UNKNOWN: _unknown,
    Kind.EFFECT_RESOLVED: _resolved,
}
