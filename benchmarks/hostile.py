"""What one hostile client costs everybody else: kill, decisions, memory, journal.

Beside each input of the list a session is killed again and again while it streams, and another
agent asks for decisions twenty times a second. A stranger has no token; the others hold the token
of one session, and do with it what they like. Each input goes on for some seconds and ends by
itself. `handed over` counts bytes that a killed stream's reader got after the receipt, beyond what
its machine had taken. With `relays` the model's door is two gateway processes.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import uvloop

from benchmarks.decisions import Caller
from benchmarks.processes import rss_mb, scratch, tree
from benchmarks.rows import Row, at_most, percentile
from benchmarks.sse_client import Connection, post
from benchmarks.worlds import MODEL, Provider, Server, Session, text_request

NAME = "hostile"
_LONG = "BENCH-LONG"
_TOOLS = "BENCH-TOOLS"
_MIB = 1024 * 1024
_KILL_MS = 1000.0
_TIMES_QUIET = 3.0
_DECIDE_EVERY_S = 0.05


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows a hostile input: kill p99, decisions p99 beside quiet, memory, journal."""
    rows: list[Row] = []
    for relays in (0, 2):
        rows += uvloop.run(_rows(3.0 if quick else 10.0, relays))
    return rows


def _scenarios() -> list[dict[str, Any]]:
    words = {"text": "word ", "repeat": 6000, "pacing": {"event_interval_ms": 10.0}}
    tools = [{"tool": "Read", "input": {"file_path": f"/tmp/f{n}"}} for n in range(50)]
    return [
        {"name": "long", "match": {"text": _LONG}, "turns": [words], "loop": True},
        {"name": "tools", "match": {"text": _TOOLS}, "turns": [{"tools": tools}], "loop": True},
    ]


class _Foe(msgspec.Struct, frozen=True):
    """Where a hostile client sends what, until when (of the loop's clock)."""

    server: Server
    session: Session
    until_s: float

    @property
    def over(self) -> bool:
        """Whether it has had its time."""
        return asyncio.get_running_loop().time() >= self.until_s

    async def raw(self, *pieces: bytes, url: str = "") -> None:
        """One connection: the pieces one after the other, then whatever is answered."""
        place = (url or self.server.model_url).rsplit("/", 1)[-1]
        host, _, port = place.partition(":")
        try:
            reader, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            return
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(max(0.1, self.until_s - asyncio.get_running_loop().time())):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                while await reader.read(65536):
                    pass
        writer.close()

    async def post(self, path: str, body: bytes, url: str = "") -> None:
        """One request with the session's token."""
        await self.raw(post(path, body, self.session.token), url=url)


_Attack = Callable[[_Foe], Awaitable[None]]


async def _again(foe: _Foe, act: Callable[[], Awaitable[None]], at_once: int = 4) -> None:
    async def one() -> None:
        while not foe.over:
            await act()
            await asyncio.sleep(0.01)

    await asyncio.gather(*(one() for _ in range(at_once)))


def _messages(content: Any, **fields: Any) -> bytes:
    body = {"model": MODEL, "max_tokens": 16, "messages": [{"role": "user", "content": content}]}
    return msgspec.json.encode(body | fields)


async def _endless_head(foe: _Foe) -> None:
    await _again(foe, lambda: foe.raw(b"GET / HTTP/1.1\r\nx: ", *[b"a" * _MIB] * 64))


async def _many_fields(foe: _Foe) -> None:
    pieces = [b"x: y\r\n" * 100_000] * 64
    await _again(foe, lambda: foe.raw(b"GET / HTTP/1.1\r\n", *pieces))


async def _silent(foe: _Foe) -> None:
    await asyncio.gather(*(foe.raw() for _ in range(300)))


async def _pipelined(foe: _Foe) -> None:
    await _again(foe, lambda: foe.raw(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" * 20_000))


async def _unfinished(foe: _Foe) -> None:
    whole = post("/v1/messages", b"x" * 31 * _MIB, foe.session.token)
    pieces = [whole[at : at + _MIB] for at in range(0, 30 * _MIB, _MIB)]
    await asyncio.gather(*(foe.raw(*pieces) for _ in range(40)))


async def _lists(foe: _Foe) -> None:
    body = b'{"model":"x","max_tokens":1,"messages":[' + b"[]," * (10 * _MIB) + b"[]]}"
    await _again(foe, lambda: foe.post("/v1/messages", body), 2)


async def _numbers(foe: _Foe) -> None:
    body = _messages([{"type": "text", "text": "x"}], metadata={"n": [1] * 150_000})
    await _again(foe, lambda: foe.post("/v1/messages", body), 2)


async def _error_results(foe: _Foe) -> None:
    block = {"type": "tool_result", "tool_use_id": "t", "is_error": True, "content": "x"}
    many = [{**block, "tool_use_id": f"t{n}"} for n in range(12_000)]
    body = _messages(many)
    await _again(foe, lambda: foe.post("/v1/messages", body), 2)


async def _long_text(foe: _Foe) -> None:
    body = _messages("word [a], {b}; " * 1_900_000)
    await _again(foe, lambda: foe.post("/v1/messages", body), 2)


async def _big_outcome(foe: _Foe) -> None:
    content = "token=abcdefghijklmnop " * 900_000
    body = msgspec.json.encode({"call_id": "toolu_x", "ok": True, "content": content})
    await _again(foe, lambda: foe.post("/v1/guard/finish", body, foe.server.url), 2)


async def _forged_decides(foe: _Foe) -> None:
    asked = {"call_id": "toolu_x", "tool": "Read", "arguments": {}, "door": "x"}
    body = msgspec.json.encode(asked)
    await _again(foe, lambda: foe.post("/v1/guard/decide", body, foe.server.url), 8)


async def _prompt_and_command(foe: _Foe) -> None:
    prompt = msgspec.json.encode({"text": "abcd efgh " * 40_000})
    command = {"command": "echo " + "abcdefgh " * 6_500}
    asked = {"call_id": "toolu_x", "tool": "Bash", "arguments": command, "door": "x"}
    body = msgspec.json.encode(asked)

    async def both() -> None:
        await foe.post("/v1/guard/prompt", prompt, foe.server.url)
        await foe.post("/v1/guard/decide", body, foe.server.url)

    await _again(foe, both, 2)


async def _nobody(foe: _Foe) -> None:
    await asyncio.sleep(foe.until_s - asyncio.get_running_loop().time())


_ATTACKS: dict[str, _Attack] = {
    "quiet": _nobody,
    "a stranger's head of 64 MB": _endless_head,
    "a stranger's 6.4 M header fields": _many_fields,
    "300 silent strangers": _silent,
    "20,000 pipelined requests of strangers": _pipelined,
    "40 unfinished bodies of one session": _unfinished,
    "31 MB of empty lists": _lists,
    "150,000 numbers": _numbers,
    "12,000 error results in one body": _error_results,
    "28 MB of text": _long_text,
    "20 MB outcome": _big_outcome,
    "forged decisions": _forged_decides,
    "400 KB prompts and 60 KB commands": _prompt_and_command,
}


class _Felt(msgspec.Struct):
    """What others felt beside one input; milliseconds, megabytes."""

    kills: list[float] = []
    handed_over: int = 0
    decisions: list[float] = []
    rss_mb: float = 0.0
    journal_mb: float = 0.0


async def _rows(seconds: float, relays: int) -> list[Row]:
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
            for name, attack in _ATTACKS.items():
                felt = await _beside(server, http, victim, attack, seconds)
                p99_ms = percentile(felt.decisions, 99)
                quiet_ms = quiet_ms or p99_ms
                rows += _judged(f"{name}{', relays' if relays else ''}", felt, quiet_ms)
            return rows


async def _beside(
    server: Server, http: aiohttp.ClientSession, victim: Caller, attack: _Attack, seconds: float
) -> _Felt:
    felt = _Felt()
    loop = asyncio.get_running_loop()
    await victim.prepare(server.model_url, round(seconds / _DECIDE_EVERY_S) + 50)
    await victim.connect(server.url)
    foe = _Foe(server, await server.open(http, user="mallory"), loop.time() + seconds)
    before = _journal_mb(server.database)
    watching = [
        loop.create_task(_kills(server, http, felt, foe)),
        loop.create_task(_decides(victim, felt, foe)),
        loop.create_task(_memory(server, felt, foe)),
    ]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds + 5):
            await attack(foe)
    await asyncio.gather(*watching)
    felt.journal_mb = _journal_mb(server.database) - before
    return felt


async def _kills(server: Server, http: aiohttp.ClientSession, felt: _Felt, foe: _Foe) -> None:
    while not foe.over:
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


async def _decides(victim: Caller, felt: _Felt, foe: _Foe) -> None:
    while not foe.over and victim.pending:
        felt.decisions.append(await victim.decide())
        await asyncio.sleep(_DECIDE_EVERY_S)


async def _memory(server: Server, felt: _Felt, foe: _Foe) -> None:
    while not foe.over:
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
            note=f"{decision_ms / quiet_ms:.1f} x of {len(felt.decisions)}",
        ),
        Row(
            bench=NAME,
            what=f"{name}: memory at most; journal",
            figure=felt.rss_mb,
            unit="MB",
            note=f"journal +{felt.journal_mb:.1f} MB",
        ),
    ]
