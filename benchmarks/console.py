"""The console with thousands of live sessions: its pages, how soon a change is seen, its scripts.

Everything goes over HTTP to a server of its own, as a browser asks, without one. A session's page
is that of one with many turns. The floor is the sign-in page of the same server, which asks nothing
of it. A change is a session that is paused, from the answer of that call to the event of it.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import uvloop

from benchmarks.processes import scratch
from benchmarks.rows import Row, at_most, percentile
from benchmarks.sse_client import Connection, post
from benchmarks.worlds import Provider, Server, text_request

NAME = "console"
_SESSIONS, _TURNS = 5_000, 300
_AT_ONCE = 8
_PAGE_MS, _SEEN_MS, _SCRIPT_KB = 200.0, 500.0, 40.0
_SHORT = "BENCH-SHORT"
_SCENARIOS: list[dict[str, Any]] = [
    {"name": _SHORT, "match": {"text": _SHORT}, "turns": [{"text": "word "}], "loop": True}
]
_PAGES = (
    ("the fleet by age", "/console/fleet"),
    ("the fleet by spend", "/console/fleet?sort=spent"),
    ("the fleet, searched", "/console/fleet?words=user:u7"),
    ("the fleet's last rows", "/console/fleet?start=1000000"),
)


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows of milliseconds a page, of milliseconds to a change, and of kilobytes."""
    scale = 10 if quick else 1
    return uvloop.run(_rows(_SESSIONS // scale, _TURNS // scale, rounds=20 if quick else 100))


async def _rows(sessions: int, turns: int, rounds: int) -> list[Row]:
    folder = scratch(NAME)
    with Provider(folder, _SCENARIOS) as provider, Server(folder, provider.url) as server:
        # The cookie is of a bare address, which a jar leaves out unless told.
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as http:
            opened = await _open(server, http, sessions)
            busy = await _busy(server, http, turns)
            await _sign_in(server, http)
            rows = [
                await _page("floor: the sign-in page", "/console/sign-in", server, http, rounds)
            ]
            for what, path in _PAGES:
                rows.append(await _page(what, path, server, http, rounds, of=sessions))
            story = f"the story of a session of {turns} turns"
            rows.append(await _page(story, f"/console/sessions/{busy}", server, http, rounds))
            seen = await _seen(server, http, opened[: max(rounds // 5, 5)])
            return [*rows, _change(seen, sessions), await _scripts(server, http)]


async def _open(server: Server, http: aiohttp.ClientSession, many: int) -> list[str]:
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> str:
        async with room:
            return (await server.open(http, user=f"u{number % 50}")).session_id

    return list(await asyncio.gather(*(one(number) for number in range(many))))


async def _busy(server: Server, http: aiohttp.ClientSession, turns: int) -> str:
    session = await server.open(http, user="busy")
    connection = await Connection.open(server.model_url)
    for _ in range(turns):
        request = post("/v1/messages", text_request(_SHORT, max_tokens=100), session.token)
        answer = await connection.ask(request)
        if answer.status != 200:
            raise RuntimeError(f"a model call was answered with {answer.status}")
    connection.close()
    return session.session_id


async def _sign_in(server: Server, http: aiohttp.ClientSession) -> None:
    link = await server.admin(http, "POST", "/v1/sign-ins/links")
    [code] = parse_qs(urlsplit(link["url"]).query)["code"]
    fields: Mapping[str, str] = {"code": code, "next": ""}
    url, headers = f"{server.url}/console/sign-in", {"origin": server.url}
    async with http.post(url, data=fields, headers=headers) as answer:
        if "Sign out" not in await answer.text():
            raise RuntimeError(f"signing in was answered with {answer.status}")


async def _page(
    what: str, path: str, server: Server, http: aiohttp.ClientSession, rounds: int, of: int = 0
) -> Row:
    found: list[float] = []
    size = 0
    for _ in range(rounds + 3):
        began_s = time.perf_counter()
        async with http.get(server.url + path) as answer:
            size = len(await answer.read())
            if answer.status != 200:
                raise RuntimeError(f"{path} was answered with {answer.status}")
        found.append((time.perf_counter() - began_s) * 1000)
    # The first few read templates.
    p95 = percentile(found[3:], 95)
    floor = what.startswith("floor")
    return Row(
        bench=NAME,
        what=f"{of} live sessions, {what}, p95" if of else f"{what}, p95",
        figure=p95,
        unit="ms",
        target="" if floor else f"< {_PAGE_MS:.0f} ms",
        verdict="printed" if floor else at_most(_PAGE_MS, p95),
        note=f"p50 {percentile(found[3:], 50):.1f}, {size / 1024:.0f} kB",
    )


async def _seen(server: Server, http: aiohttp.ClientSession, ids: list[str]) -> list[float]:
    """Milliseconds from a pause's answer to the event that shows it, one after the other."""
    found: list[float] = []
    url = f"{server.url}/console/fleet/changes?states=paused"
    async with http.get(url, timeout=aiohttp.ClientTimeout(total=None)) as stream:
        for name in ids:
            # As long as a person looks, and longer than the list rests after it was drawn.
            await asyncio.sleep(0.6)
            await server.admin(http, "POST", f"/v1/sessions/{name}/pause", {"reason": "seen"})
            began_s = time.perf_counter()
            async with asyncio.timeout(20):
                async for line in stream.content:
                    if f'id="{name}"'.encode() in line:
                        break
            found.append((time.perf_counter() - began_s) * 1000)
    return found


def _change(seen: list[float], sessions: int) -> Row:
    p95 = percentile(seen, 95)
    return Row(
        bench=NAME,
        what=f"{sessions} live sessions, a change to the event that shows it, p95",
        figure=p95,
        unit="ms",
        target=f"< {_SEEN_MS:.0f} ms",
        verdict=at_most(_SEEN_MS, p95),
        note=f"p50 {percentile(seen, 50):.0f}, max {max(seen):.0f}, of {len(seen)}",
    )


async def _scripts(server: Server, http: aiohttp.ClientSession) -> Row:
    """What a browser loads of scripts with the fleet's page, as it is sent."""
    async with http.get(f"{server.url}/console/fleet") as answer:
        names = re.findall(r'<script defer src="([^"]+)"', await answer.text())
    sizes: list[int] = []
    for name in names:
        async with http.get(server.url + name, headers={"accept-encoding": "gzip"}) as answer:
            await answer.read()
            sizes.append(int(answer.headers["content-length"]))
    size_kb = sum(sizes) / 1024
    return Row(
        bench=NAME,
        what="all scripts of a page, packed",
        figure=size_kb,
        unit="kB",
        target=f"<= {_SCRIPT_KB:.0f} kB",
        verdict=at_most(_SCRIPT_KB, size_kb),
        note=f"{len(sizes)} files",
    )
