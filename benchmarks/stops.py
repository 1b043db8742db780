"""A project of hundreds of sessions, paused, resumed and killed at once, beside siblings.

Of each five hundred some stream, some hang in the middle of an answer, some loop, some were paused
before and the rest wait, as a fleet does. Measured from the call, on this machine's one clock: the
receipt, the last model call that was let through, the last byte of any stream. Ten sessions of
another project stream all the while and must not notice; so must those that were paused by
themselves stay so. Once with the model's door in the server, once with two gateway processes.
"""

import asyncio
import contextlib
import socket
import time
from typing import Any

import aiohttp
import msgspec
import uvloop

from benchmarks.processes import scratch
from benchmarks.rows import Row, at_most, percentile
from benchmarks.sse_client import Connection, Timing, post
from benchmarks.worlds import Provider, Server, Session, text_request

NAME = "stops"
_LONG, _HUNG, _LOOP = "BENCH-LONG", "BENCH-HUNG", "BENCH-LOOP"
_FLEET, _STREAM, _HANG, _SPIN, _OWN = 500, 60, 60, 10, 60
_SIBLINGS = 10
_LIMIT_MS = 1000.0
_PART = {"tenant": "acme", "project": "fleet"}
_TENANTS = {
    "acme": {"projects": {"desk": {}, "fleet": {}}, "users": {"*": {"roles": ["bench"]}}},
}


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows of milliseconds from the call of each act, and of sessions harmed."""
    rounds = 2 if quick else 6
    return [*uvloop.run(_rows(rounds, 0)), *uvloop.run(_rows(rounds, 2))]


def _scenarios() -> list[dict[str, Any]]:
    def scenario(mark: str, turn: dict[str, Any]) -> dict[str, Any]:
        return {"name": mark, "match": {"text": mark}, "turns": [turn], "loop": True}

    steady = {"event_interval_ms": 100.0}
    silent = {"hang_after_events": 5, "hang_s": 600.0}
    return [
        scenario(_LONG, {"text": "word ", "repeat": 6000, "pacing": steady}),
        scenario(_HUNG, {"text": "word ", "repeat": 400, "fault": silent}),
        scenario(_LOOP, {"text": "word ", "repeat": 8}),
    ]


class _Round(msgspec.Struct):
    """Milliseconds from the call of each act, and sessions that are not as they were to be."""

    pause_ms: float
    last_call_ms: float
    resume_ms: float
    kill_ms: float
    last_byte_ms: float
    wrong: int
    harmed: int


class _Fleet:
    """The sessions of one round, at work."""

    def __init__(self, server: Server, http: aiohttp.ClientSession) -> None:
        self._server, self._http = server, http
        self._answers: list[asyncio.Future[Timing]] = []
        self._open: list[Connection] = []
        self._loops: list[asyncio.Task[float]] = []

    async def start(self) -> None:
        """Open all of them, and let each do what it does."""
        limit = asyncio.Semaphore(8)

        async def opened(number: int) -> Session:
            async with limit:
                asked = {"user": f"u{number % 50}", "project": "fleet"}
                return await self._server.open(self._http, **asked)

        sessions = await asyncio.gather(*(opened(number) for number in range(_FLEET)))
        rest = iter(sessions)
        for mark, many in ((_LONG, _STREAM), (_HUNG, _HANG)):
            for _ in range(many):
                await self._ask(next(rest), mark)
        loop = asyncio.get_running_loop()
        self._loops = [loop.create_task(self._spin(next(rest))) for _ in range(_SPIN)]
        for _ in range(_OWN):
            path = f"/v1/sessions/{next(rest).session_id}/pause"
            await self._server.admin(self._http, "POST", path, {"reason": "by itself"})
        await asyncio.sleep(0.5)

    async def _ask(self, session: Session, mark: str) -> None:
        connection = await Connection.open(self._server.model_url)
        request = post("/v1/messages", text_request(mark, max_tokens=8000), session.token)
        self._open.append(connection)
        self._answers.append(connection.ask(request))

    async def _spin(self, session: Session) -> float:
        """Short answers without end; when the last call that was let through was made."""
        last_s = 0.0
        while True:
            connection = await Connection.open(self._server.model_url)
            began_s = time.perf_counter()
            request = text_request(_LOOP, max_tokens=100)
            answer = await connection.ask(post("/v1/messages", request, session.token))
            connection.close()
            if answer.status != 200:
                return last_s
            last_s = began_s
            await asyncio.sleep(0.02)

    async def quiet_s(self) -> float:
        """When the last call of any loop was made that was let through."""
        return max(await asyncio.wait_for(asyncio.gather(*self._loops), 60))

    async def cut_s(self) -> float:
        """When the last byte of any stream came."""
        ended = await asyncio.wait_for(asyncio.gather(*self._answers), 60)
        for connection in self._open:
            connection.close()
        return max(answer.last_s for answer in ended)


class _Acts:
    """The operator's calls, each timed."""

    def __init__(self, server: Server, http: aiohttp.ClientSession) -> None:
        self._server, self._http = server, http

    async def act(self, verb: str) -> tuple[float, float, dict[str, Any]]:
        """When it was asked for, milliseconds until the receipt, and the receipt."""
        asked_s = time.perf_counter()
        path, told = f"/v1/stops/{verb}", {**_PART, "reason": "drill"}
        receipt: dict[str, Any] = await self._server.admin(self._http, "POST", path, told)
        return asked_s, (time.perf_counter() - asked_s) * 1000, receipt


async def _round(server: Server, http: aiohttp.ClientSession) -> _Round:
    fleet, acts = _Fleet(server, http), _Acts(server, http)
    await fleet.start()
    # Anew in each round: an answer is over after a minute, whoever is stopped beside it.
    siblings = [await _sibling(server, http) for _ in range(_SIBLINGS)]
    paused_s, pause_ms, paused = await acts.act("pause")
    quiet_s = await fleet.quiet_s()
    _, resume_ms, resumed = await acts.act("resume")
    killed_s, kill_ms, killed = await acts.act("kill")
    cut_s = await fleet.cut_s()
    await acts.act("resume")
    harmed = await _harmed(siblings)
    wrong = sum(one["state"] != "paused" for one in paused["sessions"])
    wrong += abs(sum(one["state"] == "paused" for one in resumed["sessions"]) - _OWN)
    wrong += sum(one["state"] != "killed" or not one["ok"] for one in killed["sessions"])
    wrong += sum(abs(len(one["sessions"]) - _FLEET) for one in (paused, resumed, killed))
    return _Round(
        pause_ms=pause_ms,
        last_call_ms=max(0.0, quiet_s - paused_s) * 1000,
        resume_ms=resume_ms,
        kill_ms=kill_ms,
        last_byte_ms=max(0.0, cut_s - killed_s) * 1000,
        wrong=wrong,
        harmed=harmed,
    )


async def _rows(rounds: int, processes: int) -> list[Row]:
    folder = scratch(NAME)
    door = f"{processes} gateway processes" if processes else "in the server"
    more = {"gateway": {"processes": processes, "port": _free_port()}} if processes else {}
    with (
        Provider(folder, _scenarios()) as provider,
        Server(folder, provider.url, tenants=_TENANTS, more=more) as server,
    ):
        async with aiohttp.ClientSession() as http:
            found = [await _round(server, http) for _ in range(rounds)]
    return [*_timed(found, door), *_counted(found, door)]


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _sibling(
    server: Server, http: aiohttp.ClientSession
) -> tuple[Connection, asyncio.Future[Timing]]:
    """A session of another project, streaming for minutes."""
    session = await server.open(http, project="desk", user="u1")
    connection = await Connection.open(server.model_url)
    request = text_request(_LONG, max_tokens=16_000)
    return connection, connection.ask(post("/v1/messages", request, session.token))


async def _harmed(siblings: list[tuple[Connection, asyncio.Future[Timing]]]) -> int:
    before = [connection.size_bytes for connection, _ in siblings]
    await asyncio.sleep(1.0)
    harmed = 0
    for (connection, answer), size in zip(siblings, before, strict=True):
        harmed += answer.done() or connection.size_bytes <= size
        connection.close()
    return harmed


def _timed(found: list[_Round], door: str) -> list[Row]:
    rows = []
    for what, values in (
        ("pause: call to receipt", [one.pause_ms for one in found]),
        ("pause: call to the last call let through", [one.last_call_ms for one in found]),
        ("resume: call to receipt", [one.resume_ms for one in found]),
        ("kill: call to receipt", [one.kill_ms for one in found]),
        ("kill: call to the last byte of any stream", [one.last_byte_ms for one in found]),
    ):
        p99 = percentile(values, 99)
        rows.append(
            Row(
                bench=NAME,
                what=f"{_FLEET} sessions, model's door {door}, {what}, p99",
                figure=p99,
                unit="ms",
                target="< 1 s",
                verdict=at_most(_LIMIT_MS, p99),
                note=f"p50 {percentile(values, 50):.0f}, max {max(values):.0f}, of {len(values)}",
            )
        )
    return rows


def _counted(found: list[_Round], door: str) -> list[Row]:
    wrong, harmed = sum(one.wrong for one in found), sum(one.harmed for one in found)
    counted = (
        (f"of {_SIBLINGS * len(found)} siblings that stream in another project, harmed", harmed),
        ("sessions whose receipt is missing or says something else", wrong),
    )
    return [
        Row(
            bench=NAME,
            what=f"{_FLEET} sessions, model's door {door}, {what}",
            figure=number,
            unit="",
            target="0",
            verdict=at_most(0, number),
        )
        for what, number in counted
    ]
