"""How many streams at 50 events a second one core holds, everything on.

The server is kept on one core, the provider and the client on the others. An event's delay is how
much later it came than the best event of its own stream on the provider's schedule. The same load
straight to the provider says what the load generator itself adds: where that alone is late, the
machine is too small for the step, and what one core would hold is derived from CPU an event.
"""

import asyncio
import os
import time

import aiohttp
import msgspec
import uvloop

from benchmarks.paced_upstream import TICK_S
from benchmarks.processes import Child, busy_s, cpu_s, pin, python, scratch, tree
from benchmarks.rows import Row, at_least, percentile
from benchmarks.sse_client import Connection, Timing, post
from benchmarks.worlds import Server, text_request

NAME = "held_streams"
_STEPS = (100, 250, 500, 750)
_DELAY_MS = 250.0
_TARGET = 500


class _Step(msgspec.Struct, frozen=True):
    """One load: delays in milliseconds, CPU as a share of the server's core.

    `foreign_percent` is what else ran on that core: with much of it the delays are not ours.
    """

    streams: int
    p50_ms: float
    p99_ms: float
    core_percent: float
    foreign_percent: float
    us_per_event: float

    @property
    def held(self) -> bool:
        """Whether the events came in time on less than a core."""
        return self.p99_ms < _DELAY_MS and self.core_percent < 100


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows of streams, milliseconds of delay, and percent of a core."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, set(cores[1:]))
    try:
        return uvloop.run(_rows(cores, quick=quick))
    finally:
        os.sched_setaffinity(0, set(cores))


async def _rows(cores: list[int], *, quick: bool) -> list[Row]:
    folder = scratch(NAME)
    seconds = 3.0 if quick else 10.0
    steps = _STEPS[:2] if quick else _STEPS
    rows: list[Row] = []
    held = 0
    late: list[int] = []
    best: _Step | None = None
    provider = Child(
        python("-m", "benchmarks.paced_upstream", str(seconds)),
        log=folder / "upstream.log",
        piped=True,
    )
    with provider:
        url = provider.line().strip()
        with Server(folder, url) as server:
            for pid in tree(server.pid):
                pin(pid, {cores[0]})
            async with aiohttp.ClientSession() as http:
                token = (await server.open(http)).token
            for streams in steps:
                load = _Load(streams, seconds, cores[0])
                floor = await load.step(url, provider.pid, "sk-ant-direct")
                step = await load.step(server.url, server.pid, token)
                rows += _step_rows(step, floor)
                best = step
                late += [streams] if floor.p99_ms > _DELAY_MS else []
                if step.held:
                    held = streams
                if step.core_percent > 98:
                    break
    rows.append(_verdict(held, late, best, steps, pinned=len(cores) > 1))
    return rows


def _verdict(
    held: int, late: list[int], last: _Step | None, steps: tuple[int, ...], *, pinned: bool
) -> Row:
    derived = 1e6 / (last.us_per_event / TICK_S) if last is not None and last.us_per_event else 0.0
    where = "server pinned to one core" if pinned else "only one core here: shared with the load"
    if late:
        where += f"; at {late} the load alone was late: this machine could not tell"
    return Row(
        bench=NAME,
        what="streams held at 50 events/s on one core",
        figure=held,
        unit="streams",
        target=f">= {_TARGET}",
        verdict=at_least(_TARGET, held),
        note=f"of {steps}; {where}; by CPU an event, a full core would carry {derived:.0f}",
    )


def _step_rows(step: _Step, floor: _Step) -> list[Row]:
    who = f"{step.streams} streams"
    return [
        Row(
            bench=NAME,
            what=f"{who}: event delay p99",
            figure=step.p99_ms,
            unit="ms",
            note=f"p50 {step.p50_ms:.1f}; without a server p99 {floor.p99_ms:.1f}",
        ),
        Row(
            bench=NAME,
            what=f"{who}: CPU of server and policy process",
            figure=step.core_percent,
            unit="% of core",
            note=f"{step.us_per_event:.1f} us an event; others on that core"
            f" {step.foreign_percent:.0f} %",
        ),
    ]


class _Load(msgspec.Struct, frozen=True):
    """How many streams, for how long, and which core the server is on."""

    streams: int
    seconds: float
    core: int

    async def step(self, url: str, pid: int, token: str) -> _Step:
        """Put it on `url`; CPU is that of the tree of `pid` in the middle of it."""
        connections = [await Connection.open(url, arrivals=True) for _ in range(self.streams)]
        request = post("/v1/messages", text_request("hold", max_tokens=8000), token)
        asked: list[asyncio.Future[Timing]] = []
        for number, connection in enumerate(connections):
            asked.append(connection.ask(request))
            if number % 10 == 9:
                await asyncio.sleep(0.02)
        await asyncio.sleep(self.seconds * 0.1)
        used_s, busy, since = cpu_s(pid), busy_s(self.core), time.perf_counter()
        await asyncio.sleep(max(1.0, self.seconds * 0.8 - self.streams * 0.002))
        used_s, busy = cpu_s(pid) - used_s, busy_s(self.core) - busy
        lasted_s = time.perf_counter() - since
        answers = await asyncio.wait_for(asyncio.gather(*asked), self.seconds * 3 + 30)
        for connection in connections:
            connection.close()
        bad = [a for a in answers if a.status != 200 or not a.whole]
        if bad:
            raise RuntimeError(f"{len(bad)} of {self.streams} streams were not whole: {bad[0]}")
        delays = [ms for answer in answers for ms in _delays(answer)]
        events = self.streams * lasted_s / TICK_S
        return _Step(
            streams=self.streams,
            p50_ms=percentile(delays, 50),
            p99_ms=percentile(delays, 99),
            core_percent=100 * used_s / lasted_s,
            foreign_percent=100 * max(0.0, busy - used_s) / lasted_s,
            us_per_event=1e6 * used_s / events,
        )


def _delays(answer: Timing) -> list[float]:
    """How late each event of one stream was, in milliseconds, beside its earliest one."""
    offsets: list[float] = []
    number = 0
    for at, events in answer.arrivals:
        for _ in range(events):
            offsets.append(at - number * TICK_S)
            number += 1
    earliest = min(offsets, default=0.0)
    return [(offset - earliest) * 1000 for offset in offsets]
