"""The agent loop as a pure state machine: records of the journal in, the next step out.

A run keeps nothing that the journal does not hold. `fold` turns its records into a conversation,
live and after a crash alike, and `next_step` says what is to be done with it; performing steps
and writing records is the worker's (`integrations/native`). Each answer of the model and each
outcome of a tool is one record, so history is stored as what was added, never as a whole again.

Not here: whether a run may go on (`runtime/dispatch`), whether a call may run (`runtime/guard`).
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from holdfast.core.context import ContextSettings, compaction_due
from holdfast.core.judging import MAX_UNREADABLE, Verdict
from holdfast.core.outputs import OutputSettings, check_output
from holdfast.model import bodies
from holdfast.model.events import Kind, Record
from holdfast.model.hooks import Strategy
from holdfast.model.runs import RunPlan

FOLDED = (
    Kind.RUN_SUBMITTED,
    Kind.RUN_ANSWERED,
    Kind.RUN_TOOL_ANSWERED,
    Kind.RUN_NOTED,
    Kind.RUN_JUDGED,
    Kind.RUN_COMPACTED,
    Kind.RUN_RETRYING,
)
"""Kinds of records that a conversation is made of."""

PRUNED = "[this result was dropped to save space; call the tool again if you need it]"
CONTINUE = "Your answer reached its length limit. Go on exactly where you stopped."
_MAX_CONTINUED = 3


class Call(msgspec.Struct, frozen=True):
    """One tool call that the model asked for."""

    call_id: str
    tool: str
    arguments: dict[str, Any]


class Result(msgspec.Struct, frozen=True):
    """What the model reads of one call."""

    content: str
    is_error: bool


class Exchange(msgspec.Struct):
    """One answer of the model and what was said back: results by call id, notes in order.

    `verdicts` are a judge's, in order, of the result that the answer ends with.
    """

    turn: int
    content: list[dict[str, Any]]
    stop_reason: str
    usage: dict[str, Any]
    results: dict[str, Result] = {}
    notes: list[tuple[str, str]] = []
    verdicts: list[Verdict] = []

    @property
    def calls(self) -> list[Call]:
        """The tool calls in it, in the model's order."""
        return [
            Call(str(block["id"]), str(block["name"]), dict(block["input"]))
            for block in self.content
            if block.get("type") == "tool_use"
        ]

    @property
    def text(self) -> str:
        """Its visible text."""
        return "".join(str(b.get("text", "")) for b in self.content if b.get("type") == "text")


def _spelt(arguments: dict[str, Any]) -> str:
    return msgspec.json.encode(arguments).decode()


class Conversation:
    """A run's conversation so far, folded from its records in order."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.prompt = ""
        self.task_text = ""
        self.system_prompt = ""
        self.exchanges: list[Exchange] = []
        self.summary = ""
        self.keep_from_turn = 0
        self.prune_before_turn = 0
        # Failed tries of the model call that is due, in a row, and waits for one.
        self.retries = self.waits = 0
        self.compactions = 0
        # The last answer when it was last made smaller: until the next one nothing is measured.
        self.compacted_at_turn = -1
        self.notes_before: list[tuple[str, str]] = []
        for record in records:
            self.fold(record)

    @property
    def turn(self) -> int:
        """The number of the last answer, 0 before the first."""
        return self.exchanges[-1].turn if self.exchanges else 0

    @property
    def last(self) -> Exchange | None:
        """The last answer of the model."""
        return self.exchanges[-1] if self.exchanges else None

    def so_far(self, most: int) -> str:
        """What it said and what its calls came to, the end of it where that is more characters."""
        told: list[str] = []
        for one in self.exchanges:
            told += [one.text] if one.text else []
            for call in one.calls:
                result = one.results.get(call.call_id)
                came = "no answer came" if result is None else result.content
                told.append(f"{call.tool}({_spelt(call.arguments)}): {came}")
        text = "\n".join(told)
        return text if len(text) <= most else f"[cut]{text[len(text) - most :]}"

    def pending(self) -> list[Call]:
        """Calls of the last answer that the model has no result of yet."""
        last = self.last
        return [] if last is None else [c for c in last.calls if c.call_id not in last.results]

    def fold(self, record: Record) -> None:
        """Take up one record; kinds that are none of `FOLDED` change nothing."""
        if record.kind is Kind.RUN_SUBMITTED:
            submitted = bodies.RunSubmitted.of(record)
            self.prompt, self.task_text = submitted.prompt, submitted.task_text
            self.system_prompt = submitted.system_prompt
        elif record.kind is Kind.RUN_ANSWERED:
            said = bodies.RunAnswered.of(record)
            exchange = Exchange(record.turn, said.content, said.stop_reason, said.usage)
            self.exchanges.append(exchange)
            self.retries = self.waits = 0
        elif record.kind is Kind.RUN_TOOL_ANSWERED:
            self._answer(record)
            self.retries = self.waits = 0
        elif record.kind is Kind.RUN_NOTED:
            noted = bodies.RunNoted.of(record)
            note = (noted.text, noted.why)
            (self.exchanges[-1].notes if self.exchanges else self.notes_before).append(note)
        elif record.kind is Kind.RUN_JUDGED:
            self._judge(record)
        elif record.kind is Kind.RUN_COMPACTED:
            self._compact(bodies.RunCompacted.of(record))
        elif record.kind is Kind.RUN_RETRYING:
            self._retry(bodies.RunRetrying.of(record))

    def _retry(self, body: bodies.RunRetrying) -> None:
        """A model call's tries are told with the gateway's own; a wait for the guard is one."""
        if body.attempt is not None:
            self.retries, self.waits = body.attempt, self.waits + 1
        elif not body.not_before_ns:  # From the queue: what it waits for was told before.
            self.retries += 1

    def _answer(self, record: Record) -> None:
        body = bodies.RunToolAnswered.of(record)
        result = Result(body.content, is_error=body.is_error)
        for exchange in reversed(self.exchanges):
            if any(call.call_id == record.call_id for call in exchange.calls):
                # The first answer stands: a second one for the same call changes nothing.
                exchange.results.setdefault(record.call_id, result)
                return

    def _judge(self, record: Record) -> None:
        self.retries = self.waits = 0
        body = bodies.RunJudged.of(record)
        said = body.verdict
        told = Verdict(
            "pass" if said == "pass" else "fail" if said == "fail" else "unreadable", body.why
        )
        for exchange in reversed(self.exchanges):
            if exchange.turn == record.turn:
                exchange.verdicts.append(told)
                return

    def _compact(self, body: bodies.RunCompacted) -> None:
        self.compactions += 1
        self.compacted_at_turn = self.turn
        if body.strategy == "prune_tool_results":
            self.prune_before_turn = max(self.prune_before_turn, body.keep_from_turn)
            return
        self.keep_from_turn = max(self.keep_from_turn, body.keep_from_turn)
        self.summary = body.summary or self.summary

    def messages(self) -> list[dict[str, Any]]:
        """The conversation as the Messages API takes it; the task stands first, byte for byte."""
        parts = [part for part in (self.task_text, self.prompt) if part]
        if self.summary:
            parts.append(f"What was done so far, in short:\n{self.summary}")
        parts += [text for text, _ in self.notes_before]
        found: list[dict[str, Any]] = [_user([_text("\n\n".join(parts))])]
        for exchange in self.exchanges:
            if exchange.turn < self.keep_from_turn or not exchange.content:
                continue
            found.append({"role": "assistant", "content": exchange.content})
            said = self._said(exchange)
            if said:
                found.append(_user(said))
        return found

    def _said(self, exchange: Exchange) -> list[dict[str, Any]]:
        pruned = exchange.turn < self.prune_before_turn
        blocks: list[dict[str, Any]] = []
        for call in exchange.calls:
            result = exchange.results.get(call.call_id)
            if result is None:
                continue
            block: dict[str, Any] = {
                "type": "tool_result",
                "tool_use_id": call.call_id,
                "content": PRUNED if pruned and not result.is_error else result.content,
            }
            blocks.append({**block, "is_error": True} if result.is_error else block)
        return blocks + [_text(text) for text, _ in exchange.notes]


class CallModel(msgspec.Struct, frozen=True):
    """Ask the model for the next answer, which will be `turn`."""

    turn: int


class RunTools(msgspec.Struct, frozen=True):
    """Run these calls, each once, and journal what the model reads of them."""

    calls: tuple[Call, ...]


class Say(msgspec.Struct, frozen=True):
    """Journal a note of the harness, which the model reads next."""

    text: str
    why: str


class Compact(msgspec.Struct, frozen=True):
    """Make the conversation smaller; turns from `keep_from_turn` on stay as they are.

    The strategy `end` ends the run instead.
    """

    strategy: Strategy
    keep_from_turn: int
    percent: int


class Judge(msgspec.Struct, frozen=True):
    """Ask the judge about this result, and journal what it says."""

    result: Any


class Finish(msgspec.Struct, frozen=True):
    """The run is done with this result."""

    result: Any


class Fail(msgspec.Struct, frozen=True):
    """The run cannot be done; `code` is stable."""

    code: str
    text: str


Step = CallModel | RunTools | Say | Compact | Judge | Finish | Fail


def next_step(conversation: Conversation, plan: RunPlan) -> Step:
    """What is to be done now; depends on the journal alone."""
    pending = conversation.pending()
    if pending:
        return RunTools(tuple(pending))
    last = conversation.last
    if last is None or last.calls or last.notes or last.stop_reason == "pause_turn":
        return _compacted(conversation, plan, full=False)
    if last.stop_reason == "refusal":
        return Fail("model_refused", "the model declined to go on")
    if last.stop_reason == "max_tokens":
        return _continued(conversation)
    if last.stop_reason == "model_context_window_exceeded":
        return _compacted(conversation, plan, full=True)
    return _ended(conversation, plan)


def _compacted(conversation: Conversation, plan: RunPlan, *, full: bool) -> Step:
    if conversation.compacted_at_turn == conversation.turn:
        return CallModel(conversation.turn + 1)
    settings = msgspec.convert(plan.context, ContextSettings)
    kept = [x for x in conversation.exchanges if x.turn >= conversation.keep_from_turn]
    due = compaction_due(
        settings,
        [(x.turn, x.usage) for x in kept],
        pruned_before=conversation.prune_before_turn,
        full=full,
    )
    if due is None:
        return CallModel(conversation.turn + 1)
    return Compact(due.strategy, due.keep_from_turn, due.percent)


def _continued(conversation: Conversation) -> Step:
    in_a_row = 0
    for exchange in reversed(conversation.exchanges[:-1]):
        if [why for _, why in exchange.notes] != ["continue"]:
            break
        in_a_row += 1
    if in_a_row >= _MAX_CONTINUED:
        return Fail("answer_too_long", f"the answer was cut {in_a_row + 1} times in a row")
    return Say(CONTINUE, "continue")


def _ended(conversation: Conversation, plan: RunPlan) -> Step:
    settings = msgspec.convert(plan.output, OutputSettings)
    checked = check_output(settings, _whole_text(conversation))
    if checked.problems:
        return _not_passed(conversation, settings, "; ".join(checked.problems[:5]))
    if settings.judge is None:
        return Finish(checked.value)
    verdicts = conversation.exchanges[-1].verdicts
    told = next((v for v in verdicts if v.verdict != "unreadable"), None)
    if told is None:
        if len(verdicts) >= MAX_UNREADABLE:
            text = f"the judge could not be read {len(verdicts)} times: {verdicts[-1].why}"
            return Fail("judge_unreadable", text)
        return Judge(checked.value)
    if told.verdict == "pass":
        return Finish(checked.value)
    if settings.judge.on_fail == "fail":
        return Fail("output_invalid", f"the judge did not pass the result: {told.why}")
    return _not_passed(conversation, settings, f"the judge says: {told.why}")


def _not_passed(conversation: Conversation, settings: OutputSettings, problems: str) -> Step:
    tried = sum(why == "output_check" for x in conversation.exchanges for _, why in x.notes)
    if tried >= settings.attempts:
        return Fail("output_invalid", f"the result did not pass {tried + 1} times: {problems}")
    return Say(
        f"Your result does not hold: {problems}. Give the whole result again.", "output_check"
    )


def _whole_text(conversation: Conversation) -> str:
    """The final text, joined over answers that were cut at their length limit."""
    parts: list[str] = []
    for exchange in reversed(conversation.exchanges):
        if parts and [why for _, why in exchange.notes] != ["continue"]:
            break
        parts.append(exchange.text)
    return "".join(reversed(parts))


def _user(content: list[dict[str, Any]]) -> dict[str, Any]:
    return {"role": "user", "content": content}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
