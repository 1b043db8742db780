"""A session's records as one story: what the user wrote, each model call, each tool call whole.

All that was written down of one tool call stands in one step: arguments, decision, question to a
person, tries, result. Whatever has no step of its own is one sentence. Not here: reading records.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from holdfast.model import bodies
from holdfast.model.decisions import Reason, Verdict
from holdfast.model.events import Kind, Record

_BRIEF = 140


@dataclass
class Step:
    """One step; `line` is a sentence of the journal, `kind` the record that it begins with."""

    kind: Kind
    seq: int
    at_ns: int
    turn: int = 0
    line: str = ""


@dataclass
class Wrote(Step):
    """The user wrote something, or a model did (`by_model`)."""

    text: str = ""
    by_model: bool = False
    vouched: bool = True


@dataclass
class Asked(Step):
    """A model call, paid for."""

    model: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    cost_nusd: int = 0
    ms: int = 0
    ended: str = ""
    stop_reason: str = ""
    context_percent: int | None = None
    retried: tuple[str, ...] = ()


@dataclass
class Called(Step):
    """A tool call: `reasons` objected or allowed, `notes` are sentences on what else befell it."""

    call_id: str = ""
    tool: str = ""
    arguments: str = ""
    verdict: str = ""
    risk: str = ""
    reasons: tuple[Reason, ...] = ()
    approval_id: str = ""
    answer: str = ""
    outcome: str = ""
    result: str = ""
    ms: int = 0
    cost_nusd: int = 0
    taints: bool = False
    tries: int = 1
    notes: list[str] = field(default_factory=list)

    @property
    def brief(self) -> str:
        """The arguments on one line; of a single one its value."""
        given = _json(self.arguments)
        if isinstance(given, dict):
            values = [one if isinstance(one, str) else _text(one) for one in given.values()]
            text = values[0] if len(values) == 1 else _text(given)
        else:
            text = self.arguments
        line = " ".join(text.split())
        return f"{line[:_BRIEF]}…" if len(line) > _BRIEF else line

    @property
    def shown(self) -> list[tuple[str, str]]:
        """Each argument by its name, whole."""
        given = _json(self.arguments)
        if not isinstance(given, dict):
            return [("", self.arguments)] if self.arguments else []
        return [(k, one if isinstance(one, str) else _text(one, 2)) for k, one in given.items()]


def story(records: Iterable[Record], lines: Iterable[str]) -> list[Step]:
    """The steps in order; a tool call stands where it is first heard of."""
    steps: list[Step] = []
    calls: dict[str, Called] = {}
    for record, line in zip(records, lines, strict=True):
        if _goes_without_saying(record):
            continue
        if record.call_id and record.kind in _OF_CALL:
            call = calls.get(record.call_id)
            if call is None:
                call = calls[record.call_id] = _begun(record)
                steps.append(call)
            _OF_CALL[record.kind](call, record, line)
        elif record.kind is Kind.MODEL_CALL_SETTLED:
            steps.insert(_before_its_calls(steps, record.turn), _asked(record))
        elif record.kind is Kind.PROMPT_SUBMITTED:
            steps.append(_wrote(record))
        elif record.kind is Kind.RUN_ANSWERED:
            steps += _answered(record)
        else:
            steps.append(Step(record.kind, record.seq, record.at_ns, record.turn, line))
    return steps


def _goes_without_saying(record: Record) -> bool:
    """What the step of a model call or of a tool call tells already."""
    if record.kind is Kind.BUDGET_DECIDED:
        return record.verdict != Verdict.DENY
    if record.kind is Kind.HOOK_RAN:
        return not bodies.HookRan.of(record).hook
    return record.kind in (Kind.PROMPT_CONFIRMED, Kind.RISK_NOTICE)


def _before_its_calls(steps: list[Step], turn: int) -> int:
    """Where a model call stands: it is paid for after what it asked for was heard."""
    at = len(steps)
    while at and turn and steps[at - 1].turn == turn and isinstance(steps[at - 1], Called):
        at -= 1
    return at


def _begun(record: Record) -> Called:
    call = Called(record.kind, record.seq, record.at_ns, record.turn)
    call.call_id, call.tool = record.call_id, record.tool
    return call


def _wrote(record: Record) -> Wrote:
    body = bodies.PromptSubmitted.of(record)
    place = (record.kind, record.seq, record.at_ns, record.turn)
    return Wrote(*place, text=body.text, vouched=body.vouched)


def _answered(record: Record) -> list[Step]:
    """The words of an answer; what it calls stands in steps of its own."""
    blocks = bodies.RunAnswered.of(record).content
    texts = [str(one.get("text", "")) for one in blocks if one.get("type") == "text"]
    text = "\n\n".join(filter(None, texts))
    place = (record.kind, record.seq, record.at_ns, record.turn)
    return [Wrote(*place, text=text, by_model=True)] if text else []


def _asked(record: Record) -> Asked:
    body = bodies.ModelCallSettled.of(record)
    step = Asked(record.kind, record.seq, record.at_ns, record.turn)
    step.model, step.cost_nusd, step.ms = body.model, record.cost_nusd, body.duration_ms
    step.tokens_in, step.tokens_out = body.usage.prompt_tokens, body.usage.output_tokens
    step.ended = body.outcome or (body.ended if body.ended != "complete" else "")
    step.stop_reason, step.retried = body.stop_reason, body.retried
    step.context_percent = body.context_percent
    return step


def _emitted(call: Called, record: Record, _: str) -> None:
    call.tool = call.tool or record.tool


def _decided(call: Called, record: Record, _: str) -> None:
    body = bodies.ToolCallDecided.of(record)
    call.verdict, call.risk, call.reasons = record.verdict, record.risk, body.reasons
    call.arguments = body.arguments_json() or call.arguments
    call.tool = record.tool or call.tool
    if not body.arguments_kept:
        call.notes.append("its arguments were too large to be kept")


def _finished(call: Called, record: Record, _: str) -> None:
    body = bodies.ToolCallFinished.of(record)
    call.outcome = body.outcome or ("done" if body.ok else "failed")
    call.result = body.error if not body.ok and body.error else body.output or call.result
    call.ms, call.cost_nusd = body.duration_ms, record.cost_nusd
    call.notes += [f"its contract does not allow this: {fault}" for fault in body.contract]


def _kept(call: Called, record: Record, _: str) -> None:
    body = bodies.RunToolAnswered.of(record)
    call.outcome = call.outcome or ("failed" if body.is_error else "done")
    call.result = call.result or body.content


def _admitted(call: Called, record: Record, _: str) -> None:
    call.taints = call.taints or bodies.ToolResultAdmitted.of(record).taints


def _person_asked(call: Called, record: Record, _: str) -> None:
    body = bodies.ApprovalAsked.of(record)
    call.approval_id, call.answer = body.approval_id, "waits for a person"
    call.reasons = call.reasons or body.reasons
    call.arguments = call.arguments or msgspec.json.encode(body.arguments).decode()


def _person_answered(call: Called, _: Record, line: str) -> None:
    call.answer = line


def _again(call: Called, _: Record, line: str) -> None:
    call.tries += 1
    call.notes.append(line)


def _noted(call: Called, _: Record, line: str) -> None:
    if line not in call.notes:
        call.notes.append(line)


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None


def _text(value: object, indent: int = 0) -> str:
    raw = msgspec.json.encode(value)
    return (msgspec.json.format(raw, indent=indent) if indent else raw).decode()


_OF_CALL: Mapping[Kind, Callable[[Called, Record, str], None]] = {
    Kind.TOOL_USE_EMITTED: _emitted,
    Kind.TOOL_CALL_DECIDED: _decided,
    Kind.TOOL_CALL_FINISHED: _finished,
    Kind.RUN_TOOL_ANSWERED: _kept,
    Kind.TOOL_RESULT_ADMITTED: _admitted,
    Kind.TOOL_RESULT_REPLACED: _noted,
    Kind.APPROVAL_ASKED: _person_asked,
    Kind.APPROVAL_ANSWERED: _person_answered,
    Kind.APPROVAL_EXPIRED: _person_answered,
    Kind.APPROVAL_DELEGATED: _noted,
    Kind.APPROVAL_ESCALATED: _noted,
    Kind.TOOL_CALL_RETRIED: _again,
    Kind.EFFECT_UNKNOWN: _noted,
    Kind.EFFECT_RESOLVED: _noted,
    Kind.QUERY_SENT: _noted,
    Kind.PERMIT_REFUSED: _noted,
    Kind.EVIDENCE_MISSING: _noted,
    Kind.EVIDENCE_REFUSED: _noted,
    Kind.HOOK_RAN: _noted,
    Kind.FILES_WRITTEN: _noted,
}
