"""What one hostile client costs everybody else: kill, decisions, memory, journal.

Beside each input of the list a session is killed again and again while it streams, and another
agent asks for decisions twenty times a second. The inputs come from a process of their own
(`foes`): what one client does is not in the way of what another measures. Each goes on for some
seconds and ends by itself. `handed over` counts bytes that a killed stream's reader got after the
receipt, beyond what its machine had taken. With `relays` the model's door is two gateway processes.

`quiet` is what the rest is compared with, so it goes on for longer: a percentile of few is chance.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import uvloop

from benchmarks.decisions import Caller
from benchmarks.foes import ATTACKS, Sent
from benchmarks.processes import Child, python, rss_mb, scratch, tree
from benchmarks.rows import Row, at_most, percentile
from benchmarks.sse_client import Connection, post
from benchmarks.worlds import Provider, Server, text_request

NAME = "hostile"
_LONG = "BENCH-LONG"
_TOOLS = "BENCH-TOOLS"
_MIB = 1024 * 1024
_KILL_MS = 1000.0
_TIMES_QUIET = 3.0
_DECIDE_EVERY_S = 0.05
_QUIET = "quiet"
_QUIET_TIMES = 3


def run(quick: bool, only: str = "") -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows a hostile input: kill p99, decisions p99 beside quiet, memory, journal.

    `only`: quiet, and the inputs whose name has these words. Errors: RuntimeError when none has.
    """
    chosen = [n for n, name in enumerate(ATTACKS) if name == _QUIET or only in name]
    if only and len(chosen) < 2:
        raise RuntimeError(f"no hostile input is called so; there are {', '.join(ATTACKS)}")
    rows: list[Row] = []
    for relays in (0, 2):
        rows += uvloop.run(_rows(chosen, 3.0 if quick else 10.0, relays))
    return rows


def _scenarios() -> list[dict[str, Any]]:
    words = {"text": "word ", "repeat": 6000, "pacing": {"event_interval_ms": 10.0}}
    tools = [{"tool": "Read", "input": {"file_path": f"/tmp/f{n}"}} for n in range(50)]
    return [
        {"name": "long", "match": {"text": _LONG}, "turns": [words], "loop": True},
        {"name": "tools", "match": {"text": _TOOLS}, "turns": [{"tools": tools}], "loop": True},
    ]


class _Felt(msgspec.Struct):
    """What others felt beside one input; milliseconds, megabytes."""

    kills: list[float] = []
    handed_over: int = 0
    decisions: list[float] = []
    rss_mb: float = 0.0
    journal_mb: float = 0.0
    sent: Sent = msgspec.field(default_factory=Sent)


async def _rows(chosen: Sequence[int], seconds: float, relays: int) -> list[Row]:
    folder = scratch(NAME)
    more = {"gateway": {"processes": relays, "port": 0}} if relays else {}
    with (
        Provider(folder, _scenarios()) as provider,
        Server(folder, provider.url, more=more) as server,
    ):
        async with aiohttp.ClientSession() as http:
            line = await Connection.open(server.url, keep_body=True)
            victim = Caller(await server.open(http, user="eve"), line)
            rows: list[Row] = []
            quiet_ms = 0.0
            for number in chosen:
                name = list(ATTACKS)[number]
                lasts_s = seconds * (_QUIET_TIMES if name == _QUIET else 1)
                felt = await _beside(server, http, victim, number, lasts_s)
                p99_ms = percentile(felt.decisions, 99)
                quiet_ms = quiet_ms or p99_ms
                rows += _judged(f"{name}{', relays' if relays else ''}", felt, quiet_ms)
            return rows


async def _beside(
    server: Server, http: aiohttp.ClientSession, victim: Caller, number: int, seconds: float
) -> _Felt:
    felt = _Felt()
    loop = asyncio.get_running_loop()
    await victim.prepare(server.model_url, round(seconds / _DECIDE_EVERY_S) + 50)
    await victim.connect(server.url)
    session = await server.open(http, user="mallory")
    before = _journal_mb(server.database)
    given = (str(number), server.url, server.model_url, session.token, str(seconds))
    log = server.database.with_name("foe.log")
    with Child(python("-m", "benchmarks.foes", *given), log=log, piped=True) as foe:
        await asyncio.to_thread(foe.line)
        foe.tell(b"go")
        until_s = loop.time() + seconds
        await asyncio.gather(
            _kills(server, http, felt, until_s),
            _decides(victim, felt, until_s),
            _memory(server, felt, until_s),
        )
        felt.sent = msgspec.json.decode(await asyncio.to_thread(foe.line), type=Sent)
    felt.journal_mb = _journal_mb(server.database) - before
    return felt


async def _kills(server: Server, http: aiohttp.ClientSession, felt: _Felt, until_s: float) -> None:
    while asyncio.get_running_loop().time() < until_s:
        session = await server.open(http, user="ann")
        connection = await Connection.open(server.model_url)
        answer = connection.ask(post("/v1/messages", text_request(_LONG), session.token))
        await asyncio.sleep(0.3)
        asked_s = time.perf_counter()
        path = f"/v1/sessions/{session.session_id}/kill"
        await server.admin(http, "POST", path, {"reason": "drill"})
        felt.kills.append((time.perf_counter() - asked_s) * 1000)
        had = connection.size_bytes
        with contextlib.suppress(Exception):
            await asyncio.wait_for(answer, 5)
        # The well-formed ending of a cut stream is no token.
        felt.handed_over += max(0, connection.size_bytes - had - 2048)
        connection.close()


async def _decides(victim: Caller, felt: _Felt, until_s: float) -> None:
    while asyncio.get_running_loop().time() < until_s and victim.pending:
        felt.decisions.append(await victim.decide())
        await asyncio.sleep(_DECIDE_EVERY_S)


async def _memory(server: Server, felt: _Felt, until_s: float) -> None:
    while asyncio.get_running_loop().time() < until_s:
        felt.rss_mb = max(felt.rss_mb, sum(rss_mb(pid) for pid in tree(server.pid)))
        await asyncio.sleep(0.1)


def _journal_mb(database: Path) -> float:
    found = (database, database.with_name(database.name + "-wal"))
    return sum(path.stat().st_size for path in found if path.exists()) / _MIB


def _judged(name: str, felt: _Felt, quiet_ms: float) -> list[Row]:
    kill_ms, decision_ms = percentile(felt.kills, 99), percentile(felt.decisions, 99)
    most_ms = _TIMES_QUIET * quiet_ms
    return [
        Row(
            bench=NAME,
            what=f"{name}: kill acknowledged, p99",
            figure=kill_ms,
            unit="ms",
            target="< 1 s",
            verdict=at_most(_KILL_MS, kill_ms),
            note=f"of {len(felt.kills)}; {felt.handed_over} bytes handed over after",
        ),
        Row(
            bench=NAME,
            what=f"{name}: others' decisions, p99",
            figure=decision_ms,
            unit="ms",
            target="<= 3 x quiet" if most_ms != 0 else "",
            verdict=at_most(most_ms, decision_ms),
            note=f"{decision_ms / quiet_ms:.1f} x of {len(felt.decisions)};"
            f" p50 {percentile(felt.decisions, 50):.1f} ms",
        ),
        Row(
            bench=NAME,
            what=f"{name}: memory at most; journal",
            figure=felt.rss_mb,
            unit="MB",
            note=f"journal +{felt.journal_mb:.1f} MB; {felt.sent.mb:.0f} MB sent to it on"
            f" {felt.sent.connections} connections",
        ),
    ]
