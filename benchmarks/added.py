"""What signing, looked-up links and the reader's process add to a request.

Each is asked with and without, in turns and at the same server, so that what else the machine does
falls on both: an operator's read that is signed, beside one that carries its token; a decision of a
session whose folder is known, so that links are looked up, beside one without a folder; a model
call whose body is just beyond what is read in the server, beside one just within. What is added is
the difference of the medians.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from benchmarks.decisions import Caller
from benchmarks.processes import scratch
from benchmarks.rows import Row, at_most, percentile
from benchmarks.sse_client import Connection, Timing, post
from benchmarks.worlds import Provider, Server, text_request
from holdfast.client.exchange import Asked
from holdfast.client.signing import Signer
from holdfast.core import proofs
from holdfast.ports.readers import LARGE_BYTES

NAME = "added"
_TOOLS, _SHORT = "BENCH-TOOLS", "BENCH-SHORT"
_PER_TURN = 50
_TIMES = 1.2
_READER_TIMES = 2.0

_Ask = Callable[[], Awaitable[float]]


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows of milliseconds a request with and without, and of the one beside the other."""
    return uvloop.run(_rows(60 if quick else 400))


def _scenarios() -> list[dict[str, Any]]:
    tools = [{"tool": "Read", "input": {"file_path": f"src/f{n}"}} for n in range(_PER_TURN)]
    return [
        {"name": "tools", "match": {"text": _TOOLS}, "turns": [{"tools": tools}], "loop": True},
        {"name": "short", "match": {"text": _SHORT}, "turns": [{"text": "ok"}], "loop": True},
    ]


async def _rows(times: int) -> list[Row]:
    folder = scratch(NAME)
    with (
        Provider(folder, _scenarios()) as provider,
        Server(folder, provider.url) as server,
    ):
        async with aiohttp.ClientSession() as http:
            return [
                *_told("an operator's read, signed", *await _signing(server, http, times)),
                *_told("a decision, links looked up", *await _links(server, http, folder, times)),
                *_told(
                    "a model call, its body read by the reader",
                    *await _reader(server, http, times),
                    most=_READER_TIMES,
                ),
            ]


async def _turns(without: _Ask, with_it: _Ask, times: int) -> tuple[list[float], list[float]]:
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(times + 5):
        for ask, took in zip((without, with_it), found, strict=True):
            ms = await ask()
            if number >= 5:
                took.append(ms)
    return found


async def _signing(
    server: Server, http: aiohttp.ClientSession, times: int
) -> tuple[list[float], list[float]]:
    session = await server.open(http)
    token = server.database.with_name("admin.token").read_text().strip()
    line = await Connection.open(server.url, keep_body=True)
    path = f"/v1/sessions/{session.session_id}"
    signer = Signer(token)
    asked = signer.ask("")
    async with http.post(server.url + proofs.PATH, json=asked) as answer:
        if not signer.accept(server.url, asked, await answer.read()):
            raise RuntimeError("the server did not prove that it knows the key")

    async def bare() -> float:
        return _ms(await line.ask(_get(path, f"Bearer {token}")))

    async def signed() -> float:
        head = proofs.header_of(signer.sign(Asked("GET", path, None)))
        return _ms(await line.ask(_get(path, head)))

    try:
        return await _turns(bare, signed, times)
    finally:
        line.close()


async def _links(
    server: Server, http: aiohttp.ClientSession, folder: Path, times: int
) -> tuple[list[float], list[float]]:
    place = folder / "work"
    (place / "src").mkdir(parents=True)
    callers: list[Caller] = []
    for more in ({}, {"folder": str(place)}):
        line = await Connection.open(server.url, keep_body=True)
        caller = Caller(await server.open(http, **more), line)
        await caller.prepare(server.model_url, times + 10)
        await caller.connect(server.url)
        callers.append(caller)
    try:
        return await _turns(callers[0].decide, callers[1].decide, times)
    finally:
        for caller in callers:
            caller.connection.close()


async def _reader(
    server: Server, http: aiohttp.ClientSession, times: int
) -> tuple[list[float], list[float]]:
    session = await server.open(http)
    line = await Connection.open(server.model_url, keep_body=True)

    def asking(size_bytes: int) -> _Ask:
        text = "word " * ((size_bytes - 1024) // 5)
        body = text_request(f"{_SHORT} {text}", stream=False)
        raw = post("/v1/messages", body, session.token)

        async def ask() -> float:
            return _ms(await line.ask(raw))

        return ask

    try:
        return await _turns(asking(LARGE_BYTES - 2048), asking(LARGE_BYTES + 4096), times // 4)
    finally:
        line.close()


def _get(path: str, authorization: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: {authorization}\r\n\r\n".encode()


def _ms(answer: Timing) -> float:
    if answer.status != 200:
        raise RuntimeError(f"a request was refused: {answer.status} {answer.body[:300]!r}")
    return (answer.last_s - answer.sent_s) * 1000


def _told(
    what: str, without: list[float], with_it: list[float], *, most: float = _TIMES
) -> list[Row]:
    bare, more = percentile(without, 50), percentile(with_it, 50)
    return [
        Row(
            bench=NAME,
            what=f"{what}: beside the same without",
            figure=more / bare,
            unit="x",
            target=f"<= {most:g} x",
            verdict=at_most(most, more / bare),
            note=f"p50 {more:.2f} beside {bare:.2f} ms: {(more - bare) * 1000:+.0f} us;"
            f" of {len(with_it)}",
        )
    ]
