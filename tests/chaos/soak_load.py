"""The mixed load of the soak: what users, agents, operators and bad luck do all day.

Every actor is a loop that ends when told to. What a refusal or a broken line is allowed to look
like under faults is counted by its code; anything else is kept as a surprise.
Not here: sampling (`gauges`), judging (`soak`).
"""

import asyncio
import contextlib
import itertools
import json
import random
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from holdfast.client import Client, RunView, Session
from holdfast.errors import HoldfastError
from holdfast.integrations.batches import chunks_of, judged
from holdfast.integrations.messages_api import guarded_tools
from holdfast.model.runs import RunState
from holdfast.testing.scripted_model import Script, Text, Turn
from tests.chaos.kills import OPEN
from tests.native_project import NativeProject, end, script

MODEL = "claude-opus-5-5"
USERS = tuple(f"user-{n}" for n in range(12))
CLASSES = ("look", "tag", "pay", "ship", "wire")
"""One tool of each idempotency class: pure, idempotent, keyed, probe, once."""
LOOK = {
    "name": "look",
    "description": "looks one order up in the books.",
    "input_schema": {"type": "object", "properties": {"order": {"type": "string"}}},
}
_STATUSES = (429, 500, 529)
_BROKEN = ("half_event", "invalid_json", "missing_message_stop", "error_event", "truncated_utf8")
_FORESEEN = frozenset({"upstream_unavailable", "rate_limited", "session_stopped", "conflict"})
_SURPRISES_KEPT = 100
TOOL_TIMEOUT_S = 3.0
_KEPT_S = 600.0
"""How long what is over stays in the memory of a server."""
_RECORDS = tuple({"id": f"r{n}", "cents": n * 10} for n in range(1, 13))
_CHUNK = 4


def batch_script() -> Script:
    """What the model answers to each chunk of a batch; everything else scripts itself."""
    turns = {}
    for number in range(len(_RECORDS) // _CHUNK):
        part = _RECORDS[number * _CHUNK : (number + 1) * _CHUNK]
        said = json.dumps([{"id": r["id"], "ok": True} for r in part])
        turns[f"part {number + 1} of {len(_RECORDS) // _CHUNK}"] = (
            Turn(blocks=(Text(text=said),)),
        )
    return script(**turns)


class Load:
    """The actors, and what they did."""

    def __init__(
        self, house: NativeProject, *, seed: int, workers: int, most_open: int, pause_s: float
    ) -> None:
        self.house = house
        self.dice = random.Random(seed)
        self.stopping = asyncio.Event()
        self.counts: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.surprises: list[str] = []
        self.expected: dict[str, list[tuple[str, str]]] = {}
        self._opened_s: deque[float] = deque()
        self._hands = [house.worker() for _ in range(workers)]
        self._most_open = most_open
        self._pause_s = pause_s
        self._numbers = itertools.count()
        self.client = Client(house.project.url, house.project.admin_token)
        self.http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(keepalive_timeout=4.0))

    def recent(self) -> int:
        """How many sessions were opened in the last ten minutes, for runs and without."""
        while self._opened_s and time.monotonic() - self._opened_s[0] > _KEPT_S:
            self._opened_s.popleft()
        return len(self._opened_s)

    async def close(self) -> None:
        """Let go of the connections."""
        await self.client.close()
        await self.http.close()

    async def play(self, seconds: float) -> None:
        """All actors for so long; returns when each has ended its last act."""
        actors = [
            self._loop("runs", self._submit, 0.5),
            self._loop("batches", self._batch, 6.0),
            *(self._loop("guard", self._guarded, 0.3) for _ in range(3)),
            *(self._loop("streams", self._streams, 0.3) for _ in range(3)),
            self._loop("kills", self._killed, 1.5),
            self._loop("abandoned", self._abandoned, 3.0),
            self._loop("worker kills", self._kill_worker, 8.0),
            self._loop("person", self.person, 1.0),
        ]
        running = [asyncio.create_task(one) for one in actors]
        await asyncio.sleep(seconds)
        self.stopping.set()
        await asyncio.wait(running, timeout=60)
        for late in (one for one in running if not one.done()):
            late.cancel()
            self._surprised(f"an actor did not end: {late.get_coro()}")

    async def _loop(self, name: str, act: Callable[[], Awaitable[None]], pause_s: float) -> None:
        while not self.stopping.is_set():
            try:
                await act()
                self.counts[name] += 1
            except HoldfastError as fault:
                self.refused[f"{name}: {fault.code}"] += 1
                if fault.code not in _FORESEEN:
                    self._surprised(f"{name}: {fault.code}: {fault.message}")
            except (aiohttp.ClientError, TimeoutError) as fault:
                self.refused[f"{name}: {type(fault).__name__}"] += 1
            except Exception as fault:  # noqa: BLE001 -- an actor goes on; the report names it
                self._surprised(f"{name}: {type(fault).__name__}: {fault}")
            waits = pause_s * self._pause_s * self.dice.uniform(0.5, 1.5)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), waits)

    def _surprised(self, what: str) -> None:
        if len(self.surprises) < _SURPRISES_KEPT:
            self.surprises.append(what[:400])

    def _number(self) -> int:
        return next(self._numbers)

    def _who(self) -> str:
        return self.dice.choice(USERS)

    def _faulty(self, turn: dict[str, Any], chance: float = 0.15) -> dict[str, Any]:
        """The turn, now and then with trouble at its first try."""
        if self.dice.random() >= chance:
            return turn
        trouble = self.dice.choice(("status", "status", "broken", "closed"))
        fault: dict[str, Any] = {"times": 1}
        if trouble == "status":
            fault |= {"status": self.dice.choice(_STATUSES), "retry_after_s": 0.2}
        elif trouble == "broken":
            fault |= {"broken_sse": self.dice.choice(_BROKEN), "after_events": 2}
        else:
            fault |= {"close_after_events": self.dice.choice((0, 1, 3))}
        self.counts[f"model fault: {trouble}"] += 1
        return {**turn, "fault": fault}

    # ---- runs

    async def _submit(self) -> None:
        if len(await self.open_runs()) >= self._most_open:
            return
        number = self._number()
        asked = []
        for place in range(self.dice.randint(1, 5)):
            tool = self.dice.choice(CLASSES)
            word = f"o{number}x{place}"
            roll = self.dice.random()
            if tool in ("pay", "ship") and roll < 0.02:
                word = f"hang{word}"
                self.counts["tool hangs"] += 1
            elif roll < 0.12:
                word = f"slow{word}"
            asked.append((tool, word))
        turns = [self._faulty({"tool": tool, "input": {"order": word}}) for tool, word in asked]
        prompt = f"FAKE:{json.dumps([*turns, {'text': 'done'}])}"
        run = await self.client.runs.submit(prompt, user=self._who(), agent="clerk")
        self._opened_s.append(time.monotonic())
        self.expected[run.run_id] = [one for one in asked if one[0] != "look"]

    async def open_runs(self) -> list[RunView]:
        """Runs that are not over and wait for nobody."""
        found: list[RunView] = []
        for state in OPEN:
            found += await self.client.runs.list(state=state, limit=1000)
        return found

    async def _batch(self) -> None:
        number = self._number()
        for chunk in chunks_of(_RECORDS, _CHUNK, f"Sum up each record of {number}."):
            run = await self.client.runs.submit(
                chunk.prompt, user=self._who(), agent="clerk", batch=f"batch-{number}"
            )
            self._opened_s.append(time.monotonic())
            self.expected[run.run_id] = []
            while not run.over and not self.stopping.is_set():
                await asyncio.sleep(0.2)
                run = await self.client.runs.show(run.run_id)
            if not run.over:
                return
            standing = judged(chunk, run, "", self.house.folder)
            if not standing.verified:
                self._surprised(f"chunk {chunk.number}: {run.state} {standing.problems}")

    async def person(self) -> None:
        """What an operator does: says what became of unknown effects, redrives dead letters."""
        waiting = await self.client.dlq.list()
        if any(run.unknown_effects for run in waiting):
            # A worker that lost its lease may be at the tool still, until its time is over.
            await asyncio.sleep(TOOL_TIMEOUT_S)
        happened = {(tool, order) for tool, order, _ in self.house.acts()}
        for run in waiting:
            for effect in run.unknown_effects:
                order = self._order_of(run, effect.call_id, effect.tool)
                took = (await order, effect.tool) in {(o, t) for t, o in happened}
                await self.client.effects.resolve(
                    run.tenant, effect.key, "done" if took else "failed", by="ops", reason="looked"
                )
                self.counts["unknown, resolved"] += 1
            if run.state is RunState.DEAD:
                await self.client.dlq.redrive(run.run_id, "soak")
                self.counts["dead, redriven"] += 1

    async def _order_of(self, run: RunView, call_id: str, tool: str) -> str:
        """Which order a call was about, from the journal."""
        for record in await self.client.records(session=run.session, limit=1000):
            if record.call_id == call_id and isinstance(record.body, dict):
                arguments = record.body.get("arguments")
                if isinstance(arguments, dict) and "order" in arguments:
                    return str(arguments["order"])
        raise LookupError(f"no order of {tool} {call_id} in the journal")

    async def _kill_worker(self) -> None:
        place = self.dice.randrange(len(self._hands))
        await asyncio.to_thread(end, self._hands[place])
        self.house.workers.remove(self._hands[place])
        self._hands[place] = self.house.worker()

    # ---- sessions

    async def _open(self, **asked: Any) -> Session:
        session = await self.client.sessions.open(user=self._who(), agent="clerk", **asked)
        self._opened_s.append(time.monotonic())
        return session

    async def _ask(
        self, session: Session, messages: list[dict[str, Any]], *, read: int = -1, **fields: Any
    ) -> dict[str, Any]:
        """One model call; streamed ones are read for `read` pieces, all of them below 0."""
        body = {"model": MODEL, "max_tokens": 2000, "messages": messages, **fields}
        headers = {"x-api-key": session.model_token, "anthropic-version": "2023-06-01"}
        url = f"{session.base_url}/v1/messages"
        async with self.http.post(url, json=body, headers=headers) as answer:
            if not fields.get("stream"):
                found: dict[str, Any] = await answer.json()
                if answer.status != 200:
                    self.refused[f"model call: {answer.status}"] += 1
                return found
            pieces = 0
            async for _ in answer.content.iter_any():
                pieces += 1
                if pieces == read:
                    answer.close()
                    break
            return {"status": answer.status, "pieces": pieces}

    async def _guarded(self) -> None:
        """A program with its own loop: three turns of calls; sometimes it leaves in the middle."""
        leaves = self.dice.random() < 0.15
        count = self.dice.randint(1, 3)
        turns = []
        for _ in range(3):
            orders = [f"g{self._number()}" for _ in range(count)]
            asked = [{"tool": "look", "input": {"order": order}} for order in orders]
            turns.append(self._faulty({"tools": asked}, 0.08))
        said = f"FAKE:{json.dumps([*turns, {'text': 'done'}])}"
        messages: list[dict[str, Any]] = [{"role": "user", "content": said}]
        async with await self._open() as session:
            tools = guarded_tools(session, {"look": _looked_up})
            for _ in range(4):
                answer = await self._ask(session, messages, tools=[LOOK])
                blocks = answer.get("content") or []
                if answer.get("type") == "error" or not blocks:
                    break
                if leaves:
                    await self._leave(session, blocks)
                    return
                results = await tools.results(blocks)
                self.counts["guard calls"] += len(results)
                if not results:
                    break
                messages += [
                    {"role": "assistant", "content": blocks},
                    {"role": "user", "content": results},
                ]
            await session.end()

    async def _leave(self, session: Session, blocks: list[dict[str, Any]]) -> None:
        """Ask for a permit and go, before or after the answer; an operator ends what is left."""
        call = next((b for b in blocks if b["type"] == "tool_use"), None)
        if call is not None:
            asking = asyncio.create_task(session.decide(call["id"], call["name"], call["input"]))
            await asyncio.wait({asking}, timeout=self.dice.choice((0.0, 0.002, 1.0)))
            asking.cancel()
            await asyncio.wait({asking})
            if not asking.cancelled():
                asking.exception()
        self.counts["clients left a call"] += 1
        await self.client.sessions.kill(session.session_id, "left")

    async def _streams(self) -> None:
        """One session with a few streams, some broken by the provider, some by the client."""
        async with await self._open() as session:
            for _ in range(self.dice.randint(1, 4)):
                words = self.dice.randint(10, 200)
                turn = self._faulty({"text": f"s{self._number()} ", "words": words}, 0.25)
                turn["pacing"] = {"event_interval_ms": self.dice.choice((0, 0, 5))}
                said = [{"role": "user", "content": f"FAKE:{json.dumps([turn])}"}]
                leaves = self.dice.random() < 0.15
                await self._ask(session, said, stream=True, read=2 if leaves else -1)
                self.counts["streams left" if leaves else "streams read"] += 1
            await session.end()

    async def _killed(self) -> None:
        """A session that is killed while it streams."""
        async with await self._open() as session:
            turn = {"text": f"k{self._number()} ", "words": 400}
            turn["pacing"] = {"event_interval_ms": 20}
            said = [{"role": "user", "content": f"FAKE:{json.dumps([turn])}"}]
            streaming = asyncio.create_task(self._ask(session, said, stream=True))
            await asyncio.sleep(self.dice.uniform(0.05, 0.3))
            await self.client.sessions.kill(session.session_id, "soak")
            await asyncio.wait({streaming}, timeout=10)
            if not streaming.done():
                streaming.cancel()
                self._surprised("a stream went on after its session was killed")
            elif not streaming.cancelled():
                streaming.exception()

    async def _abandoned(self) -> None:
        """A session that nobody ends: its life does."""
        async with await self._open(ttl_s=60) as session:
            said = [{"role": "user", "content": f"FAKE:{json.dumps([{'text': 'hello'}])}"}]
            await self._ask(session, said)


async def _looked_up(arguments: dict[str, Any]) -> Any:
    return {"order": arguments.get("order"), "paid": True}
