"""What a long run leaves in the journal, beside the bytes of its own messages.

One run of 1,000 steps through gateway and guard in process: a scripted provider answers with 1 to
2 KB of text and one tool call, every result has 1 to 4 KB; every other tool reads, the rest have an
effect. Journalled as the native loop does it. Requests carry the last exchanges only, as after
compaction. Bytes are those of the records' bodies. Not here: speed.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.in_process import TENANT, InProcess, body_bytes, tool
from benchmarks.processes import scratch
from benchmarks.rows import Row, at_most
from holdfast.model.attempts import Next
from holdfast.model.events import Kind, Record
from holdfast.model.tools import Effect, Idempotency
from holdfast.ports.llm import Cleared, Take
from holdfast.ports.store import RecordFilter
from holdfast.runtime.live import LiveSession
from holdfast.runtime.providers import Provider

NAME = "journal_size"
_MODEL = "claude-sonnet-4-5"
_MOST = 2.0
_GROWTH = 1.05
_EXCHANGES = 4
_PAGE = 1000
_TEXT = (
    "the order was shipped on Monday and its parcel is with the carrier; customer asks for a"
    " refund of 49.90 because the box arrived open, so check policy, stock, balance and notes"
)
_WORDS = _TEXT.split()
Message = dict[str, Any]


class _Answer:
    """One whole answer."""

    status = 200
    headers: Mapping[str, str] = {"content-type": "application/json"}

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._body

    def taking(self, take: Take | None) -> None:
        pass

    async def read(self, limit_bytes: int) -> bytes:
        return self._body[:limit_bytes]

    def close(self) -> None:
        pass


class Script:
    """The provider, and the tools: every answer is a little text and one call."""

    def __init__(self) -> None:
        self._dice = random.Random(7)
        self.turn = 0
        self.content: list[Message] = []

    def words(self, least: int, most: int) -> str:
        """Text of about so many characters."""
        wanted, said = self._dice.randint(least, most), ""
        while len(said) < wanted:
            said += self._dice.choice(_WORDS) + " "
        return said

    async def send(self, cleared: Cleared, *, timeout_s: float, whole: bool = False) -> _Answer:
        """The next answer, whatever was asked."""
        self.turn += 1
        name = ("look", "change")[self.turn % 2]
        asked = {"order": f"A-{self.turn}", "note": self.words(200, 800)}
        call = {"type": "tool_use", "id": f"toolu_{self.turn}", "name": name, "input": asked}
        self.content = [{"type": "text", "text": self.words(1000, 2000)}, call]
        message = {
            "id": f"msg_{self.turn}",
            "type": "message",
            "role": "assistant",
            "model": _MODEL,
            "content": self.content,
            "stop_reason": "tool_use",
            "usage": {"input_tokens": 4000, "output_tokens": 500},
        }
        return _Answer(msgspec.json.encode(message))

    async def close(self) -> None:
        """Nothing to let go of."""


class LongRun:
    """One run, journalled as the native loop journals it."""

    def __init__(self, house: InProcess, live: LiveSession, script: Script) -> None:
        self._house, self._live, self._script = house, live, script
        self._exchanges: list[Message] = []
        self.message_bytes = 0

    async def start(self) -> None:
        """The prompt."""
        prompt = self._script.words(1000, 2000)
        self._prompt = {"role": "user", "content": prompt}
        self.message_bytes += len(msgspec.json.encode(self._prompt))
        body: dict[str, Any] = {"run_id": "run_1", "prompt": prompt, "task_text": ""}
        body |= {"system_prompt": "", "retry_of": "", "fork_turn": 0}
        records = [
            self._house.journal.record_as_told(Kind.RUN_SUBMITTED, self._live.who, body),
            self._house.journal.record_as_told(
                Kind.PROMPT_SUBMITTED, self._live.who, {"text": prompt}
            ),
        ]
        await self._house.journal.commit(records)

    async def step(self) -> None:
        """One model call and the tool call that it asks for."""
        messages = [self._prompt, *self._exchanges[-2 * _EXCHANGES :]]
        request = {"model": _MODEL, "max_tokens": 2000, "messages": messages}
        asked = await self._house.house.calls.call(
            self._live, "/v1/messages", {}, msgspec.json.encode(request)
        )
        await asked.whole()
        turn, content = self._script.turn, self._script.content
        answer = {"content": content, "stop_reason": "tool_use", "model": _MODEL}
        usage = {"input_tokens": 4000, "output_tokens": 500}
        body = answer | {"usage": usage, "context_percent": 2}
        record = self._house.journal.record_as_told(
            Kind.RUN_ANSWERED, self._live.who, body, turn=turn
        )
        await self._house.journal.commit([record])
        await self._act(content[1])

    async def _act(self, call: Message) -> None:
        house, live = self._house, self._live
        attempt = await house.again(live, call["id"], call["name"], call["input"])
        if attempt.next is not Next.EXECUTE or attempt.ruling is None:
            raise RuntimeError(f"{attempt.next}: {attempt.message}")
        await house.redeem(live, call["id"], call["name"], attempt.ruling)
        result = self._script.words(1000, 4000)
        await house.finish(live, call["id"], result)
        block = {"type": "tool_result", "tool_use_id": call["id"], "content": result}
        exchange = [
            {"role": "assistant", "content": self._script.content},
            {"role": "user", "content": [block]},
        ]
        self._exchanges = [*self._exchanges[-2 * _EXCHANGES :], *exchange]
        self.message_bytes += sum(len(msgspec.json.encode(message)) for message in exchange)


async def records_of(house: InProcess, session: str) -> list[Record]:
    """Everything that the journal holds of a session."""
    found: list[Record] = []
    while True:
        after = found[-1].seq if found else 0
        where = RecordFilter(tenant=TENANT, session=session, after_seq=after, limit=_PAGE)
        page = await house.store.records(where)
        found += page
        if len(page) < _PAGE:
            return found


def split(records: Sequence[Record]) -> Counter[str]:
    """Bytes of bodies by kind."""
    found: Counter[str] = Counter()
    for record in records:
        found[str(record.kind)] += body_bytes(record.body)
    return found


def growth(records: Sequence[Record], steps: int) -> float:
    """Bytes of the second half of the steps over those of the first; 1 is linear."""
    halves = [0, 0]
    for record in records:
        if record.turn:
            halves[record.turn > steps // 2] += body_bytes(record.body)
    return halves[1] / halves[0]


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows of bytes, and their ratio to the messages."""
    return asyncio.run(_run(scratch(NAME) / "holdfast.db", 50 if quick else 1000))


async def _run(path: Path, steps: int) -> list[Row]:
    tools = [
        tool("look", Idempotency.PURE, Effect.READ),
        tool("change", Idempotency.KEYED, Effect.COMMIT),
    ]
    script = Script()
    house = await InProcess.opened(path, tools, providers={"main": Provider(script)})
    live = (await house.runs(1))[0]
    long_run = LongRun(house, live, script)
    await long_run.start()
    for _ in range(steps):
        await long_run.step()
    records = await records_of(house, live.session.session_id)
    await house.store.close()
    return [*_rows(steps, long_run.message_bytes, records), _disk(path, long_run.message_bytes)]


def _rows(steps: int, messages: int, records: Sequence[Record]) -> list[Row]:
    kinds = split(records)
    ratio, grown = kinds.total() / messages, growth(records, steps)
    rows = [
        Row(bench=NAME, what=f"messages of {steps} steps", figure=messages / 1e3, unit="KB"),
        Row(
            bench=NAME,
            what="journal's bodies",
            figure=kinds.total() / 1e3,
            unit="KB",
            note=f"{len(records) / steps:.1f} records a step",
        ),
        Row(
            bench=NAME,
            what="journal's bodies / messages",
            figure=ratio,
            unit="x",
            target=f"<= {_MOST:.0f}",
            verdict=at_most(_MOST, ratio),
        ),
        Row(
            bench=NAME,
            what="second half of the run / first half",
            figure=grown,
            unit="x",
            target=f"<= {_GROWTH}",
            verdict=at_most(_GROWTH, grown),
            note="1 is linear",
        ),
    ]
    for kind, size in kinds.most_common():
        if size >= messages / 1000:
            share = f"{size / kinds.total():.1%} of the journal"
            rows.append(
                Row(
                    bench=NAME,
                    what=f"{kind} / messages",
                    figure=size / messages,
                    unit="x",
                    note=share,
                )
            )
    return rows


def _disk(path: Path, messages: int) -> Row:
    size = sum(one.stat().st_size for one in path.parent.iterdir())
    note = "journal, indexes, and the states of calls, effects and budgets"
    return Row(
        bench=NAME, what="folder on disk / messages", figure=size / messages, unit="x", note=note
    )
