"""What a session did, turn by turn: one row for each model call and for each tool call.

A fold over one session's journal records. Texts are cut to be read, not kept: the journal has
them in full. Not here: reading the journal, drawing tables.
"""

from collections.abc import Callable, Mapping

import msgspec

from holdfast.core import endings
from holdfast.core.calls import AT_SERVER
from holdfast.core.endings import COMPLETE
from holdfast.model import bodies
from holdfast.model.decisions import Verdict
from holdfast.model.events import Kind, Record
from holdfast.model.views.turns import TurnRecord

SHOWN_CHARACTERS = 2_000
_NS_PER_MS = 1_000_000


RECORDED = (
    Kind.PROMPT_SUBMITTED,
    Kind.MODEL_CALL_SETTLED,
    Kind.MODEL_CALL_REFUSED,
    Kind.TOOL_USE_EMITTED,
    Kind.TOOL_CALL_DECIDED,
    Kind.TOOL_CALL_FINISHED,
    Kind.RUN_TOOL_ANSWERED,
    Kind.TOOL_RESULT_ADMITTED,
    Kind.TOOL_RESULT_REPLACED,
)
"""The kinds of records that the fold looks at."""


class TurnFold:
    """Show it a session's records in order, then ask for the rows."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[int, TurnRecord]] = {}
        self._turn = 0
        self._prompt = ""

    def see(self, record: Record) -> None:
        """Take in one record; other kinds than `RECORDED` say nothing here."""
        if record.kind is Kind.PROMPT_SUBMITTED:
            self._prompt = bodies.PromptSubmitted.of(record).text[:SHOWN_CHARACTERS]
        elif record.kind is Kind.MODEL_CALL_SETTLED:
            body = bodies.ModelCallSettled.of(record)
            self._put(f"model {body.hold_id or record.turn}", _settled(record, body, self._prompt))
            self._prompt = ""
        elif record.kind is Kind.MODEL_CALL_REFUSED:
            self._put(f"model {record.turn}", _refused(record, self._prompt))
            self._prompt = ""
        elif record.kind in _CALL_STEPS and (record.call_id or record.verdict):
            # A request that was refused for its server tools names no call.
            key = f"call {record.call_id}" if record.call_id else f"refused {len(self._rows)}"
            _, before = self._rows.get(key, (0, None))
            self._put(key, _CALL_STEPS[record.kind](before or _emitted(record), record))

    def _put(self, key: str, row: TurnRecord) -> None:
        self._turn = max(self._turn, row.turn)
        at, _ = self._rows.get(key, (row.turn or self._turn, row))
        self._rows[key] = (at, row)

    def rows(self) -> list[TurnRecord]:
        """Every row so far by turn, the model call before the tool calls it asked for."""
        ordered = sorted(self._rows.values(), key=lambda pair: (pair[0], pair[1].kind == "tool"))
        return [row for _, row in ordered]


def _settled(record: Record, body: bodies.ModelCallSettled, prompt: str) -> TurnRecord:
    if body.outcome == "unknown":
        outcome = "unknown: the server ended before the provider's usage came"
    else:
        ended = endings.read(body.ended)
        outcome = body.stop_reason if ended == COMPLETE else ended.words
    return TurnRecord(
        turn=record.turn,
        at_ns=record.at_ns - body.duration_ms * _NS_PER_MS,
        kind="model",
        outcome=outcome[:SHOWN_CHARACTERS],
        approved=True,
        input=prompt,
        ms=body.duration_ms,
        cost_nusd=record.cost_nusd,
        model=body.model,
        input_tokens=body.usage.prompt_tokens,
        output_tokens=body.usage.output_tokens,
    )


def _refused(record: Record, prompt: str) -> TurnRecord:
    body = bodies.ModelCallRefused.of(record)
    return TurnRecord(
        turn=record.turn,
        at_ns=record.at_ns,
        kind="model",
        outcome=f"refused: {body.why}"[:SHOWN_CHARACTERS],
        approved=False,
        input=prompt,
        cost_nusd=record.cost_nusd,
        model=body.model,
    )


def _emitted(record: Record) -> TurnRecord:
    return TurnRecord(
        turn=record.turn,
        at_ns=record.at_ns,
        kind="tool",
        outcome="undecided",
        approved=False,
        tool=record.tool,
        call_id=record.call_id,
    )


def _asked(row: TurnRecord, record: Record) -> TurnRecord:
    if bodies.ToolUseEmitted.of(record).state not in AT_SERVER:
        return row
    return msgspec.structs.replace(row, outcome="run by the provider", approved=True)


def _decided(row: TurnRecord, record: Record) -> TurnRecord:
    body, approved = bodies.ToolCallDecided.of(record), record.verdict == Verdict.ALLOW
    why = body.why_of(record.verdict)
    refusal = ": ".join(filter(None, ("refused", why.code, why.text) if why else ("refused",)))
    return msgspec.structs.replace(
        row,
        at_ns=record.at_ns,
        outcome="unreported" if approved else refusal[:SHOWN_CHARACTERS],
        approved=approved,
        decision_id=record.decision_id,
        input=body.arguments_json(SHOWN_CHARACTERS),
        risk=record.risk,
        verdict=record.verdict,
        status=200 if approved else 403,
        rule=why.rule if why else "",
    )


def _finished(row: TurnRecord, record: Record) -> TurnRecord:
    body = bodies.ToolCallFinished.of(record)
    return msgspec.structs.replace(
        row,
        outcome="done" if body.ok else f"failed: {body.error}"[:SHOWN_CHARACTERS],
        output=body.output[:SHOWN_CHARACTERS],
        ms=body.duration_ms,
        cost_nusd=record.cost_nusd,
    )


def _kept(row: TurnRecord, record: Record) -> TurnRecord:
    """What the model reads, of a run that keeps it: the result is not written a second time."""
    if row.output:
        return row
    content = bodies.RunToolAnswered.of(record).content
    return msgspec.structs.replace(row, output=content[:SHOWN_CHARACTERS])


def _admitted(row: TurnRecord, record: Record) -> TurnRecord:
    """The result reached the model; where no door reported, it is all that is known."""
    if row.outcome != "unreported":
        return row
    ms = max(record.at_ns - row.at_ns, 0) // _NS_PER_MS
    return msgspec.structs.replace(row, outcome="unreported, but its result came", ms=ms)


def _replaced(row: TurnRecord, _: Record) -> TurnRecord:
    return msgspec.structs.replace(row, outcome="never ran")


_CALL_STEPS: Mapping[Kind, Callable[[TurnRecord, Record], TurnRecord]] = {
    Kind.TOOL_USE_EMITTED: _asked,
    Kind.TOOL_CALL_DECIDED: _decided,
    Kind.TOOL_CALL_FINISHED: _finished,
    Kind.RUN_TOOL_ANSWERED: _kept,
    Kind.TOOL_RESULT_ADMITTED: _admitted,
    Kind.TOOL_RESULT_REPLACED: _replaced,
}
