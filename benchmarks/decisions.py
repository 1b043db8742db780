"""A tool call's decision over the hook's HTTP door, beside the bare commit floor of the same run.

One decision is the whole of it: token, the call that the model made, contract, loop guard, risk,
the policy process, the hold, the durable record, the signed permit. Each needs a `tool_use` that
the gateway saw, so turns of many are streamed first. `closed loop` asks again as soon as it was
answered; `paced` asks five times a second a caller, as busy agents do.
"""

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import uvloop

from benchmarks.journal_commit import BareWriter, bare_loop, measure
from benchmarks.processes import cpu_s, scratch
from benchmarks.rows import Row, Verdict, at_most, percentile
from benchmarks.sse_client import Connection, post
from benchmarks.worlds import Provider, Server, Session, text_request

NAME = "decisions"
_MARK = "BENCH-TOOLS"
_CALLERS = 64
_PACE_PER_S = 5
_PER_TURN = 50


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows of milliseconds a decision, and of CPU."""
    return uvloop.run(_rows(quick=quick))


def _scenario() -> dict[str, Any]:
    tools = [{"tool": "Read", "input": {"file_path": f"/tmp/f{n}"}} for n in range(_PER_TURN)]
    return {"name": "tools", "match": {"text": _MARK}, "turns": [{"tools": tools}], "loop": True}


class Caller:
    """One agent's hook: its session, its connection, and the calls that its model made."""

    def __init__(self, session: Session, connection: Connection) -> None:
        self.session = session
        self.connection = connection
        self.pending: list[bytes] = []
        self.unanswered = 0

    async def prepare(self, url: str, count: int) -> None:
        """Let the model ask for at least `count` calls."""
        reader = await Connection.open(url, keep_body=True)
        tool = {"name": "Read", "input_schema": {"type": "object"}}
        ask = text_request(_MARK, max_tokens=8000, tools=[tool], stream=False)
        while len(self.pending) < count:
            answer = await reader.ask(post("/v1/messages", ask, self.session.token))
            if answer.status != 200:
                raise RuntimeError(f"the model could not be asked: {answer}")
            for block in msgspec.json.decode(answer.body)["content"]:
                asked = {
                    "call_id": block["id"],
                    "tool": block["name"],
                    "arguments": block["input"],
                    "door": "claude_agent_sdk",
                }
                body = msgspec.json.encode(asked)
                self.pending.append(post("/v1/guard/decide", body, self.session.token))
        reader.close()

    async def connect(self, url: str) -> None:
        """Anew: a server closes connections that stood idle for some seconds."""
        self.connection.close()
        self.connection = await Connection.open(url, keep_body=True)

    async def decide(self) -> float:
        """One decision; milliseconds. Errors: RuntimeError when it is none.

        A deny because the policy process did not answer in time is counted in `unanswered`.
        """
        answer = await self.connection.ask(self.pending.pop())
        if b'"code":"policy_unavailable"' in answer.body:
            self.unanswered += 1
        elif answer.status != 200 or b'"verdict":"allow"' not in answer.body:
            raise RuntimeError(
                f"a decision was not an allow: {answer.status} {answer.body[:400]!r}"
            )
        return (answer.last_s - answer.sent_s) * 1000


async def _rows(*, quick: bool) -> list[Row]:
    folder = scratch(NAME)
    last_s = 1.0 if quick else 3.0
    floors = await _floors(folder, last_s)
    single, closed, paced_s = (100, 10, 2) if quick else (1000, 40, 8)
    with (
        Provider(folder, [_scenario()]) as provider,
        Server(folder, provider.url) as server,
    ):
        callers = await _callers(server, closed + paced_s * _PACE_PER_S, single)
        alone = [await callers[0].decide() for _ in range(single)]
        for caller in callers:
            await caller.connect(server.url)
        before, start = cpu_s(server.pid), time.perf_counter()
        closed_ms = await _closed(callers, closed)
        lasted_s = time.perf_counter() - start
        cpu_ms = (cpu_s(server.pid) - before) * 1000 / len(closed_ms)
        for caller in callers:
            await caller.connect(server.url)
        paced_ms = await _paced(callers, paced_s)
        unanswered = sum(caller.unanswered for caller in callers)
    return [
        *floors,
        *_figures("1 caller", alone, p50=2.0),
        *_figures("64 callers, paced at 5/s each", paced_ms, p99=10.0),
        *_figures(
            "64 callers, closed loop",
            closed_ms,
            p99=10.0,
            note=f"{len(closed_ms) / lasted_s:.0f} decisions/s",
        ),
        Row(
            bench=NAME,
            what="decisions denied because the policy process did not answer in time",
            figure=unanswered,
            unit="",
            target="0",
            verdict=at_most(0, unanswered),
            note=f"of {len(alone) + len(closed_ms) + len(paced_ms)}",
        ),
        Row(
            bench=NAME,
            what="CPU a decision, server and policy process, closed loop",
            figure=cpu_ms,
            unit="ms CPU",
        ),
    ]


async def _floors(folder: Path, last_s: float) -> list[Row]:
    """What this disk does for a bare insert, alone and in groups of 64."""
    lines = [bare_loop(folder, last_s)]
    writer = BareWriter(folder / "floor.db")
    lines += [
        await measure(
            f"floor: bare writer thread, {n} callers", writer.commit, n, last_s, busy=False
        )
        for n in (1, _CALLERS)
    ]
    writer.close()
    return [
        Row(
            bench=NAME,
            what=f"{name}, p50",
            figure=p50,
            unit="ms",
            note=f"p99 {p99:.2f} ms, {rate:.0f} commits/s",
        )
        for name, _, rate, p50, p99 in lines
    ]


async def _callers(server: Server, each: int, single: int) -> list[Caller]:
    found: list[Caller] = []
    async with aiohttp.ClientSession() as http:
        for number in range(_CALLERS):
            session = await server.open(http)
            caller = Caller(session, await Connection.open(server.url, keep_body=True))
            await caller.prepare(server.url, each + (single if number == 0 else 0))
            found.append(caller)
    for caller in found:
        await caller.connect(server.url)
        # The first request of a session also looks for its processes.
        await caller.decide()
    return found


async def _closed(callers: list[Caller], each: int) -> list[float]:
    async def ask(caller: Caller) -> list[float]:
        return [await caller.decide() for _ in range(each)]

    parts = await asyncio.gather(*(ask(caller) for caller in callers))
    return [ms for part in parts for ms in part]


async def _paced(callers: list[Caller], seconds: int) -> list[float]:
    """Each caller at a phase of its own, whatever the last answer took."""
    draw = random.Random(1)

    async def ask(caller: Caller, phase_s: float) -> list[float]:
        loop, found = asyncio.get_running_loop(), list[float]()
        due = loop.time() + phase_s
        for _ in range(seconds * _PACE_PER_S):
            await asyncio.sleep(max(0.0, due - loop.time()))
            found.append(await caller.decide())
            due += 1 / _PACE_PER_S
        return found

    asked = (ask(caller, draw.random() / _PACE_PER_S) for caller in callers)
    return [ms for part in await asyncio.gather(*asked) for ms in part]


def _figures(
    who: str, found: list[float], *, p50: float = 0.0, p99: float = 0.0, note: str = ""
) -> list[Row]:
    rows: list[Row] = []
    for percent, limit in ((50, p50), (99, p99)):
        figure = percentile(found, percent)
        verdict: Verdict = at_most(limit, figure) if limit else "printed"
        rows.append(
            Row(
                bench=NAME,
                what=f"decision, {who}, p{percent}",
                figure=figure,
                unit="ms",
                target=f"<= {limit:g} ms" if limit else "",
                verdict=verdict,
                note=note or f"of {len(found)}",
            )
        )
    return rows
