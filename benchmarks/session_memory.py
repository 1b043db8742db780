"""What a session costs in memory: 10,000 that are open and idle, 1,000 that stream.

Everything goes over HTTP to a server of its own. Resident memory of server and policy process is
read at even steps; the figure is the slope of the line through them (least squares), and how far
the worst step lies from that line says whether it is one. A stream comes from a provider that
sends an event a second, and is read by a client that keeps up, so that what is counted is what the
server holds for it: session, call, hold, both connections, buffers and tasks.
"""

import asyncio
from collections.abc import Sequence

import aiohttp
import uvloop

from benchmarks.processes import Child, python, rss_mb, scratch
from benchmarks.rows import Row, at_most
from benchmarks.sse_client import Connection, post
from benchmarks.worlds import Server, text_request

NAME = "session_memory"
_IDLE, _STREAMING = 10_000, 1_000
_STEPS = 5
_WARM = 300
_AT_ONCE = 8
_REST_S = 3.0
_TRIES = 1_500
_TICK_S = 1.0
_IDLE_KB, _STREAMING_KB = 8.0, 100.0


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows of kilobytes a session."""
    scale = 10 if quick else 1
    return uvloop.run(_rows(_IDLE // scale, _STREAMING // scale))


async def _rows(idle: int, streaming: int) -> list[Row]:
    folder = scratch(NAME)
    provider = Child(
        python("-m", "benchmarks.paced_upstream", "3600", str(_TICK_S)),
        log=folder / "upstream.log",
        piped=True,
    )
    with provider:
        url = provider.line().strip()
        with Server(folder, url) as server:
            async with aiohttp.ClientSession() as http:
                return [
                    await _idle(server, http, idle),
                    await _streams(server, http, streaming),
                ]


async def _idle(server: Server, http: aiohttp.ClientSession, most: int) -> Row:
    await _opened(server, http, _WARM)
    points = [(0, await _resting(server))]
    for step in range(1, _STEPS + 1):
        await _opened(server, http, most // _STEPS)
        points.append((step * most // _STEPS, await _resting(server)))
    return _row(f"{most} open and idle: memory a session", points, _IDLE_KB)


async def _streams(server: Server, http: aiohttp.ClientSession, most: int) -> Row:
    held: list[Connection] = []
    tokens = await _opened(server, http, most + _STEPS)
    await _begin(server, tokens[:_STEPS], held)
    points = [(0, await _resting(server))]
    for step in range(1, _STEPS + 1):
        size = most // _STEPS
        await _begin(server, tokens[_STEPS + (step - 1) * size :][:size], held)
        points.append((step * size, await _resting(server)))
    if any(connection.ended for connection in held):
        raise RuntimeError("a stream ended while the others began")
    row = _row(f"{most} streaming: memory a session beyond idle", points, _STREAMING_KB)
    for connection in held:
        connection.close()
    return row


async def _opened(server: Server, http: aiohttp.ClientSession, many: int) -> list[str]:
    """Open so many sessions; their tokens."""
    tokens: list[str] = []
    left = iter(range(many))

    async def opening() -> None:
        tokens.extend([(await server.open(http)).token for _ in left])

    await asyncio.gather(*(opening() for _ in range(_AT_ONCE)))
    return tokens


async def _begin(server: Server, tokens: Sequence[str], held: list[Connection]) -> None:
    """Start a stream for each token, a few at a time; each has brought something then.

    Errors: RuntimeError for one that brought nothing, or ended.
    """
    left = iter(tokens)

    async def beginning() -> None:
        for token in left:
            connection = await Connection.open(server.model_url)
            held.append(connection)
            answer = connection.ask(post("/v1/messages", text_request("hold"), token))
            for _ in range(_TRIES):
                await asyncio.wait([answer], timeout=0.02)
                if answer.done() or connection.size_bytes:
                    break
            if answer.done() or not connection.size_bytes:
                raise RuntimeError(f"a stream did not begin: {connection.size_bytes} bytes")

    await asyncio.gather(*(beginning() for _ in range(_AT_ONCE)))


async def _resting(server: Server) -> float:
    """Resident megabytes once what was begun has settled."""
    await asyncio.sleep(_REST_S)
    return rss_mb(server.pid)


def _row(what: str, points: list[tuple[int, float]], most_kb: float) -> Row:
    slope_mb, worst_mb = _line(points)
    grown_mb = points[-1][1] - points[0][1]
    return Row(
        bench=NAME,
        what=what,
        figure=slope_mb * 1e3,
        unit="KB",
        target=f"<= {most_kb:g} KB",
        verdict=at_most(most_kb, slope_mb * 1e3),
        note=f"{points[0][1]:.0f} to {points[-1][1]:.0f} MB; no step is more than"
        f" {100 * worst_mb / grown_mb if grown_mb else 0.0:.0f} % of the growth off the line",
    )


def _line(points: list[tuple[int, float]]) -> tuple[float, float]:
    """Slope by least squares, and how far the worst point is from that line."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    worst = max(abs(y - mean_y - slope * (x - mean_x)) for x, y in points)
    return slope, worst
