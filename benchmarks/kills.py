"""What is left of a session after a kill, and when it was gone, on this machine's one clock.

Three kinds of agent, killed again and again: one that streams, one whose provider went silent in
the middle of an answer, and one that loops (short model calls, one after the other). Each has a
tool running: a shell that writes the time to a file every few milliseconds, started with the
session's mark. Measured from the call: its last byte, its last effect, and the first refusal of
its token. Ten other sessions stream all the while and must not notice.
"""

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import uvloop

from benchmarks.processes import scratch, tree
from benchmarks.rows import Row, at_most, percentile
from benchmarks.sse_client import Connection, Timing, post
from benchmarks.worlds import Provider, Server, Session, text_request

NAME = "kills"
_LONG, _HUNG, _LOOP, _SIBLING = "BENCH-LONG", "BENCH-HUNG", "BENCH-LOOP", "BENCH-SIBLING"
_SIBLINGS = 10
# A tool that has an effect every few milliseconds, in a child of its own process.
_TOOL = 'while :; do date +%s.%N >> "$0"; sleep 0.01; done'
_LIMIT_MS = 250.0


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows of milliseconds from the call of the kill, and of siblings harmed."""
    return uvloop.run(_rows(3 if quick else 30))


def _scenarios() -> list[dict[str, Any]]:
    def scenario(mark: str, turn: dict[str, Any]) -> dict[str, Any]:
        return {"name": mark, "match": {"text": mark}, "turns": [turn], "loop": True}

    steady = {"event_interval_ms": 10.0}
    silent = {"hang_after_events": 5, "hang_s": 60.0}
    return [
        scenario(_LONG, {"text": "word ", "repeat": 4000, "pacing": steady}),
        scenario(_HUNG, {"text": "word ", "repeat": 400, "fault": silent}),
        scenario(_LOOP, {"text": "word ", "repeat": 8}),
        scenario(
            _SIBLING, {"text": "word ", "repeat": 6000, "pacing": {"event_interval_ms": 50.0}}
        ),
    ]


class _Killed(msgspec.Struct):
    """One kill: milliseconds from the call, and processes that survived."""

    last_byte_ms: float
    last_effect_ms: float
    refused_ms: float
    receipt_ms: float
    survivors: int


_Agent = Callable[["_Arena", Session], Coroutine[Any, Any, float]]


class _Arena:
    """The server, and what agents need of it."""

    def __init__(self, server: Server, http: aiohttp.ClientSession, folder: Path) -> None:
        self.server, self.http, self.folder = server, http, folder

    async def answer(self, session: Session, mark: str) -> Timing:
        """One answer, however it ends."""
        connection = await Connection.open(self.server.url)
        try:
            request = text_request(mark, max_tokens=8000)
            return await connection.ask(post("/v1/messages", request, session.token))
        finally:
            connection.close()

    async def streams(self, session: Session) -> float:
        """A long answer; when its last byte came."""
        return (await self.answer(session, _LONG)).last_s

    async def hangs(self, session: Session) -> float:
        """An answer that stops coming; when it was ended."""
        return (await self.answer(session, _HUNG)).last_s

    async def loops(self, session: Session) -> float:
        """Short answers without end; when the last byte of one that was allowed came."""
        last_s = 0.0
        while True:
            answer = await self.answer(session, _LOOP)
            if answer.status != 200:
                return last_s or answer.last_s
            last_s = answer.last_s

    async def kill(self, agent: _Agent, number: int) -> _Killed:
        """Let an agent and its tool work, kill them, and see when each was last heard of."""
        session = await self.server.open(self.http)
        effects = self.folder / f"effects{number}"
        marked = {**os.environ, "HOLDFAST_SESSION": session.session_id}
        tool = _started(effects, marked)
        working = asyncio.get_running_loop().create_task(agent(self, session))
        await asyncio.sleep(0.25)
        asked_s, asked_unix = time.perf_counter(), time.time()
        refused = asyncio.get_running_loop().create_task(self._refusal(session))
        path = f"/v1/sessions/{session.session_id}/kill"
        await self.server.admin(self.http, "POST", path, {"reason": "drill"})
        receipt_s = time.perf_counter()
        last_s = await asyncio.wait_for(working, 30)
        refused_s = await asyncio.wait_for(refused, 30)
        await asyncio.sleep(0.05)
        survivors = len(tree(tool.pid)) - 1 if tool.poll() is None else 0
        with contextlib.suppress(ProcessLookupError):
            tool.kill()
        tool.wait()
        written = [line for line in effects.read_text().split("\n") if line]
        return _Killed(
            last_byte_ms=max(0.0, last_s - asked_s) * 1000,
            last_effect_ms=max(0.0, float(written[-1]) - asked_unix) * 1000,
            refused_ms=(refused_s - asked_s) * 1000,
            receipt_ms=(receipt_s - asked_s) * 1000,
            survivors=survivors + (1 if survivors else 0),
        )

    async def _refusal(self, session: Session) -> float:
        """Use the token until it is refused; when that was."""
        url = f"{self.server.url}/v1/messages/count_tokens"
        headers = {"authorization": f"Bearer {session.token}", "anthropic-version": "2023-06-01"}
        body = text_request("count")
        while True:
            async with self.http.post(url, data=body, headers=headers) as answer:
                await answer.read()
                if answer.status in (401, 403):
                    return time.perf_counter()


def _started(effects: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
    """The tool, at work."""
    quiet = subprocess.DEVNULL
    return subprocess.Popen(["sh", "-c", _TOOL, str(effects)], env=env, stderr=quiet)


async def _rows(times: int) -> list[Row]:
    folder = scratch(NAME)
    rows: list[Row] = []
    agents: tuple[tuple[str, _Agent], ...] = (
        ("streaming", _Arena.streams),
        ("hung", _Arena.hangs),
        ("looping", _Arena.loops),
    )
    with (
        Provider(folder, _scenarios()) as provider,
        Server(folder, provider.url) as server,
    ):
        async with aiohttp.ClientSession() as http:
            arena = _Arena(server, http, folder)
            siblings = [await _sibling(server, http) for _ in range(_SIBLINGS)]
            await asyncio.sleep(0.3)
            for name, agent in agents:
                killed = [await arena.kill(agent, n) for n in range(times)]
                rows += _judged(name, killed)
            rows.append(await _unharmed(siblings))
    return rows


async def _sibling(
    server: Server, http: aiohttp.ClientSession
) -> tuple[Connection, asyncio.Future[Timing]]:
    """Another session of the same user, streaming for minutes."""
    session = await server.open(http)
    connection = await Connection.open(server.url)
    request = text_request(_SIBLING, max_tokens=16_000)
    return connection, connection.ask(post("/v1/messages", request, session.token))


async def _unharmed(siblings: list[tuple[Connection, asyncio.Future[Timing]]]) -> Row:
    """The others must still be open, and still bring bytes."""
    before = [connection.size_bytes for connection, _ in siblings]
    await asyncio.sleep(0.5)
    harmed = sum(
        1
        for (connection, answer), size in zip(siblings, before, strict=True)
        if answer.done() or connection.size_bytes <= size
    )
    for connection, _ in siblings:
        connection.close()
    return Row(
        bench=NAME,
        what=f"of {_SIBLINGS} sibling sessions streaming throughout, harmed",
        figure=harmed,
        unit="",
        target="0",
        verdict=at_most(0, harmed),
    )


def _judged(name: str, killed: list[_Killed]) -> list[Row]:
    rows: list[Row] = []
    for what, found in (
        ("last byte", [k.last_byte_ms for k in killed]),
        ("last effect", [k.last_effect_ms for k in killed]),
        ("refused credential", [k.refused_ms for k in killed]),
        ("receipt", [k.receipt_ms for k in killed]),
    ):
        p99 = percentile(found, 99)
        rows.append(
            Row(
                bench=NAME,
                what=f"{name} agent: call to {what}, p99",
                figure=p99,
                unit="ms",
                target="< 250 ms",
                verdict=at_most(_LIMIT_MS, p99),
                note=f"p50 {percentile(found, 50):.1f}, max {max(found):.1f}, of {len(found)}",
            )
        )
    left = sum(k.survivors for k in killed)
    rows.append(
        Row(
            bench=NAME,
            what=f"{name} agent: processes that survived",
            figure=left,
            unit="",
            target="0",
            verdict=at_most(0, left),
        )
    )
    return rows
