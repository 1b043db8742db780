"""A noisy tenant beside a quiet one: what the quiet one feels.

The quiet tenant does a small, steady, paced load: decisions, streamed model calls, runs. First
alone; then while the noisy one floods all three doors within what the configuration declares for
it (a rate of requests, so many runs at work), far beyond its share: its model calls and runs wait
in line, its decisions come at a pace that no limit holds back; then while it also asks for
decisions in a closed loop, as fast as it is answered. The floor is the provider asked directly
throughout, by the same client: what the machine itself makes of the flood.
"""

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import uvloop

from benchmarks.noisy_flood import PER_TURN, SHORT, TOOLS, Agent, Job
from benchmarks.processes import Child, cpu_s, environment, python, scratch
from benchmarks.rows import Row, Verdict, at_most, percentile
from benchmarks.sse_client import Connection, post
from benchmarks.worlds import KEY, Provider, Server, Session, text_request

NAME = "noisy_tenant"
QUIET, NOISY = "acme", "noisy"
_FLAT = 1.5
"""By how much the quiet tenant's p99 may rise beside the noisy one and still count as flat."""
_DECISIONS_PER_S, _CALLS_PER_S, _RUNS_PER_S = 20, 10, 1
_DRAIN_S = 6.0
_PREPARED_S = 200.0
"""The longest that the model may take to ask for all that the flood is to have decided."""
_CLOSED_PER_S = 50
"""Decisions a second that one caller in a closed loop can have at most, for what is prepared."""
_AGENT = {"name": "clerk.yaml", "text": "model: claude-sonnet-4-5\ntools: []\n"}
_NOISY = {
    "projects": {"desk": {}},
    "users": {"*": {"roles": ["bench"]}},
    "rates": {"requests": 240},
    "max_runs": 4,
}


class _Flood(msgspec.Struct, frozen=True):
    """How hard the noisy tenant goes at each door."""

    model_callers: int
    paced_decisions_per_s: int
    closed_callers: int
    runs: int


_WITHIN = _Flood(model_callers=40, paced_decisions_per_s=100, closed_callers=0, runs=200)
_CLOSED = _Flood(model_callers=40, paced_decisions_per_s=0, closed_callers=16, runs=200)


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows of the quiet tenant's p50 and p99, alone and beside the noisy one."""
    return uvloop.run(_rows(4 if quick else 30))


def _scenarios() -> list[dict[str, Any]]:
    tools = [{"tool": "Read", "input": {"file_path": f"/tmp/f{n}"}} for n in range(PER_TURN)]
    short = {"text": "word " * 20, "pacing": {"events": 10}}
    return [
        {"name": "tools", "match": {"text": TOOLS}, "turns": [{"tools": tools}], "loop": True},
        {"name": "short", "match": {"text": SHORT}, "turns": [short], "loop": True},
    ]


class _Felt(msgspec.Struct):
    """What the quiet tenant measured in one phase, in milliseconds; and the noisy one's pace."""

    decisions: list[float] = []
    first_bytes: list[float] = []
    direct: list[float] = []
    to_model: list[float] = []
    noise: dict[str, int] = {}
    cpu_share: float = 0.0


async def _first_byte(url: str, token: str) -> float:
    """Milliseconds to the first byte of one streamed call on a connection of its own."""
    line = await Connection.open(url)
    try:
        answer = await line.ask(post("/v1/messages", text_request(SHORT), token))
    finally:
        line.close()
    if answer.status != 200 or not answer.whole:
        raise RuntimeError(f"a model call failed: {answer}")
    return (answer.first_s - answer.sent_s) * 1000


class _Phase:
    """The quiet load for some seconds, with or without the flood."""

    def __init__(self, folder: Path, server: Server, provider: Provider, seconds: float) -> None:
        self._folder = folder
        self._server = server
        self._provider = provider
        self._seconds = seconds
        self._felt = _Felt()
        self._runs: list[tuple[int, str]] = []
        self._dice = random.Random(1)

    async def felt(self, http: aiohttp.ClientSession, flood: _Flood | None) -> _Felt:
        """Run it."""
        quiet = Agent(self._server.url, (await self._server.open(http, tenant=QUIET)).token)
        await quiet.prepare(int(self._seconds * _DECISIONS_PER_S * 2) + 10)
        caller = await self._server.open(http, tenant=QUIET)
        noise = await self._noise(http, flood) if flood else None
        with noise or contextlib.nullcontext():
            # A minute's worth may be sent at once; from then on, calls wait for their rate.
            await asyncio.sleep(_DRAIN_S if flood else 0.0)
            drained = await _counts(noise)
            await self._measured(http, quiet, caller)
            counts = await _counts(noise)
        self._felt.noise = {what: n - drained.get(what, 0) for what, n in counts.items()}
        for begun_ns, session in self._runs:
            self._felt.to_model.append(await self._reached_model(http, begun_ns, session))
        return self._felt

    async def _measured(self, http: aiohttp.ClientSession, quiet: Agent, caller: Session) -> None:
        """The quiet tenant's load."""
        before, begun = cpu_s(self._server.pid), time.perf_counter()

        async def decide() -> None:
            self._felt.decisions.append(await quiet.decide())

        async def call() -> None:
            self._felt.first_bytes.append(await _first_byte(self._server.url, caller.token))
            self._felt.direct.append(await _first_byte(self._provider.url, KEY))

        async def submit() -> None:
            begun_ns = time.time_ns()
            asked = {"agent_file": _AGENT, "user": "ann", "tenant": QUIET, "project": "desk"}
            found = await self._server.admin(http, "POST", "/v1/runs", {**asked, "prompt": SHORT})
            self._runs.append((begun_ns, found["session"]))

        await asyncio.gather(
            self._paced(decide, _DECISIONS_PER_S),
            self._paced(call, _CALLS_PER_S),
            self._paced(submit, _RUNS_PER_S),
        )
        used_s, lasted_s = cpu_s(self._server.pid) - before, time.perf_counter() - begun
        self._felt.cpu_share = 100 * used_s / lasted_s

    async def _paced(self, act: Callable[[], Awaitable[None]], per_s: float) -> None:
        """So often a second; what is due while the last still waits comes right after it."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._dice.random() / per_s
        end = loop.time() + self._seconds
        while due < end:
            await asyncio.sleep(max(0.0, due - loop.time()))
            await act()
            due += 1 / per_s

    async def _reached_model(
        self, http: aiohttp.ClientSession, begun_ns: int, session: str
    ) -> float:
        """From before the submit to the journal's word that the first model call was paid for."""
        path = f"/v1/records?tenant={QUIET}&session={session}&kind=budget.decided&limit=1"
        for _ in range(200):
            found = (await self._server.admin(http, "GET", path))["records"]
            if found:
                return (int(found[0]["at_ns"]) - begun_ns) / 1e6
            await asyncio.sleep(0.1)
        state = (await self._server.admin(http, "GET", f"/v1/runs?tenant={QUIET}"))["runs"][-1]
        raise RuntimeError(f"a run never reached its model: {state['state']} {state['reason']}")

    # ---- the noise

    async def _noise(self, http: aiohttp.ClientSession, flood: _Flood) -> Child:
        asked = {"agent_file": _AGENT, "user": "bob", "tenant": NOISY, "project": "desk"}
        for _ in range(flood.runs):
            await self._server.admin(http, "POST", "/v1/runs", {**asked, "prompt": SHORT})
        deciders = flood.closed_callers or min(10, flood.paced_decisions_per_s)
        pause_s = 0.0 if flood.closed_callers else deciders / flood.paced_decisions_per_s
        per_s = 1 / pause_s if pause_s else _CLOSED_PER_S

        async def tokens(count: int) -> list[str]:
            opened = [await self._server.open(http, tenant=NOISY) for _ in range(count)]
            return [session.token for session in opened]

        job = Job(
            url=self._server.url,
            callers=await tokens(flood.model_callers),
            deciders=await tokens(deciders),
            pause_s=pause_s,
            calls=int((self._seconds + _DRAIN_S + 6) * per_s),
        )
        child = Child(
            python("-m", "benchmarks.noisy_flood"), log=self._folder / "flood.log", piped=True
        )
        child.tell(msgspec.json.encode(job))
        await asyncio.to_thread(child.line, _PREPARED_S)
        child.tell(b"begin")
        return child


async def _counts(noise: Child | None) -> dict[str, int]:
    """What the flood did so far."""
    if noise is None:
        return {}
    noise.tell(b"count")
    return msgspec.json.decode(await asyncio.to_thread(noise.line), type=dict[str, int])


async def _rows(seconds: float) -> list[Row]:
    folder = scratch(NAME)
    with (
        Provider(folder, _scenarios()) as provider,
        Server(folder, provider.url, tenants={NOISY: _NOISY}) as server,
        _worker(folder),
    ):
        async with aiohttp.ClientSession() as http:
            alone = await _Phase(folder, server, provider, seconds).felt(http, None)
            within = await _Phase(folder, server, provider, seconds).felt(http, _WITHIN)
            closed = await _Phase(folder, server, provider, seconds).felt(http, _CLOSED)
    return [
        *_figures("beside a flood within its rates", alone, within, judged=True),
        *_figures("beside decisions in a closed loop, too", alone, closed, judged=False),
    ]


def _worker(folder: Path) -> Child:
    arguments = ("-m", "holdfast.apps.worker", "--project", str(folder / "project"))
    ends = ("--with-parent", str(os.getpid()))
    return Child(python(*arguments, *ends), log=folder / "worker.log", env=environment())


def _figures(beside: str, alone: _Felt, loud: _Felt, *, judged: bool) -> list[Row]:
    pairs = (
        ("floor: the provider itself, first byte", alone.direct, loud.direct),
        ("decision", alone.decisions, loud.decisions),
        ("model call, added time to first byte", _added(alone), _added(loud)),
        ("run, submit to first model call", alone.to_model, loud.to_model),
    )
    noise = ", ".join(f"{n} {what}" for what, n in sorted(loud.noise.items()))
    rows = []
    for what, before, after in pairs:
        for percent in (50, 99):
            was, now = percentile(before, percent), percentile(after, percent)
            ratio = now / was
            limit = judged and percent == 99 and not what.startswith("floor")
            verdict: Verdict = at_most(_FLAT, ratio) if limit else "printed"
            rows.append(
                Row(
                    bench=NAME,
                    what=f"{what}, {beside}, p{percent}",
                    figure=ratio,
                    unit="x alone",
                    target=f"<= {_FLAT:g} x" if limit else "",
                    verdict=verdict,
                    note=f"{was:.1f} ms alone, {now:.1f} ms beside it; of {len(after)}",
                )
            )
    rows.append(
        Row(
            bench=NAME,
            what=f"CPU of server and policy process, {beside}",
            figure=loud.cpu_share,
            unit="% of core",
            note=f"alone {alone.cpu_share:.0f} %; the noisy tenant: {noise}",
        )
    )
    return rows


def _added(felt: _Felt) -> list[float]:
    """What Holdfast adds: each call less the provider's own median in the same phase."""
    direct = percentile(felt.direct, 50)
    return [ms - direct for ms in felt.first_bytes]
