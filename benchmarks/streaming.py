"""Rounds of streams through one address: how many, how fast, and what the server's CPU was."""

import asyncio
import random
import time
from collections.abc import Sequence

import msgspec

from benchmarks.processes import cpu_s
from benchmarks.sse_client import Connection, Timing, post
from benchmarks.worlds import text_request

FAST = "BENCH-FAST"
PACED = "BENCH-PACED"
EVENTS = 200
_TEXT = "word " * 400


class Target(msgspec.Struct, frozen=True):
    """Something that serves `/v1/messages`: `pid` is the root of its processes."""

    name: str
    url: str
    pid: int
    token: str


class Round(msgspec.Struct, frozen=True):
    """One round: CPU of the server's processes a stream, in milliseconds."""

    streams: int
    cpu_ms: float
    per_s: float


def scenarios() -> list[dict[str, object]]:
    """200 events, as fast as they go, and at 50 a second."""
    return [_scenario(FAST, 0), _scenario(PACED, 20)]


def _scenario(mark: str, interval_ms: float) -> dict[str, object]:
    pacing = {"events": EVENTS - 6, "event_interval_ms": interval_ms}
    turn = {"text": _TEXT, "pacing": pacing}
    return {"name": mark, "match": {"text": mark}, "turns": [turn], "loop": True}


async def measured(target: Target, mark: str, concurrency: int, streams: int) -> Round:
    """`streams` streams over `concurrency` kept connections. Errors: RuntimeError for a bad one."""
    connections = [await Connection.open(target.url) for _ in range(concurrency)]
    request = post("/v1/messages", text_request(mark, max_tokens=4096), target.token)
    left = streams

    async def caller(connection: Connection) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            check(await connection.ask(request))

    before, start = cpu_s(target.pid), time.perf_counter()
    await asyncio.gather(*(caller(connection) for connection in connections))
    lasted_s = time.perf_counter() - start
    used_s = cpu_s(target.pid) - before
    for connection in connections:
        connection.close()
    return Round(streams, used_s * 1000 / streams, streams / lasted_s)


async def first_bytes(target: Target, times: int) -> list[float]:
    """Milliseconds to the first byte of a stream, one after the other on one connection."""
    connection = await Connection.open(target.url)
    request = post("/v1/messages", text_request(FAST, max_tokens=4096), target.token)
    found: list[float] = []
    for _ in range(times):
        timing = check(await connection.ask(request))
        found.append((timing.first_s - timing.sent_s) * 1000)
    connection.close()
    return found


async def paced_first_bytes(
    doors: Sequence[tuple[str, str]], body: bytes, *, per_s: float, seconds: float
) -> list[float]:
    """Milliseconds to the first byte, each caller at its pace, whatever its last answer took.

    `doors` are the address and the token of each caller; their phases are drawn.
    """
    draw = random.Random(1)

    async def ask(url: str, token: str, phase_s: float) -> list[float]:
        connection = await Connection.open(url)
        request = post("/v1/messages", body, token)
        loop, found = asyncio.get_running_loop(), list[float]()
        check(await connection.ask(request))
        due = loop.time() + phase_s
        for _ in range(int(seconds * per_s)):
            await asyncio.sleep(max(0.0, due - loop.time()))
            timing = check(await connection.ask(request))
            found.append((timing.first_s - timing.sent_s) * 1000)
            due += 1 / per_s
        connection.close()
        return found

    asked = (ask(url, token, draw.random() / per_s) for url, token in doors)
    return [ms for part in await asyncio.gather(*asked) for ms in part]


def check(timing: Timing) -> Timing:
    """The answer, if it is a whole stream. Errors: RuntimeError."""
    if timing.status != 200 or not timing.whole or timing.size_bytes < 1000:
        raise RuntimeError(f"a stream did not come whole: {timing}")
    return timing
