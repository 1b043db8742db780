"""Four gateway processes on one hot tenant, on Postgres: what is overspent, usable, and waited for.

Bursts as in `burst`, through the port that the four share; in the last one a relay is killed while
it carries calls. Waiting: time to the first byte of short streams at a steady 40 calls a second,
less what the provider itself takes at that pace, in two worlds of one run: four processes, and
the server alone. Streams a second share two cores with the provider and the clients.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from benchmarks import bursting
from benchmarks.bursting import burst, spent_nusd, told
from benchmarks.processes import scratch
from benchmarks.rows import Row, at_least, at_most, percentile
from benchmarks.streaming import FAST, Target, measured, paced_first_bytes, scenarios
from benchmarks.worlds import MODEL, Provider, Server, text_request
from tests.postgres import serving

NAME = "relays"
PROCESSES = 4
_NUSD = 1_000_000_000
_SHORT = "BENCH-SHORT"
_CALLERS, _PER_CALLER_S = 20, 2
_KILL_AFTER_S = 0.15
_ROUNDS = 4
_FOUR, _ONE = f"{PROCESSES} processes", "the server alone"


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows of dollars past the cap, of its used share, of milliseconds, and of streams a second."""
    with serving() as postgres:
        stores = postgres.new_database(), postgres.new_database()
        return asyncio.run(_rows(stores, quick=quick))


async def _rows(stores: tuple[str, str], *, quick: bool) -> list[Row]:
    folder = scratch(NAME)
    sizes = (50, 50) if quick else (200, 1000, 200)
    caps = {f"hot{n}": size * bursting.CALL_NUSD // 2 for n, size in enumerate(sizes)}
    script = [bursting.scenario(), *scenarios(), _short()]
    rows: list[Row] = []
    with (
        Provider(folder, script) as provider,
        _server(folder / "four", provider, stores[0], PROCESSES, caps) as server,
        _server(folder / "one", provider, stores[1], 0, {}) as alone,
    ):
        async with aiohttp.ClientSession() as http:
            for number, size in enumerate(sizes):
                world = _Hot(server, provider, http, folder, f"hot{number}")
                last = number == len(sizes) - 1
                rows += await world.judged(size, caps[f"hot{number}"], kill=last)
            worlds = {
                "provider": _World([(provider.url, "sk-ant-direct")] * _CALLERS, None),
                _FOUR: await _doors(server, http),
                _ONE: await _doors(alone, http),
            }
            # In turns, so that whatever else the machine does is shared alike.
            for _ in range(1 if quick else _ROUNDS):
                for one in worlds.values():
                    await one.round(quick=quick)
    return [*rows, *_waits(worlds)]


def _short() -> dict[str, Any]:
    turn = {"text": "word " * 8}
    return {"name": "short", "match": {"text": _SHORT}, "turns": [turn], "loop": True}


@contextlib.contextmanager
def _server(
    folder: Path,
    provider: Provider,
    store: str,
    processes: int,
    caps: dict[str, int],
) -> Iterator[Server]:
    """A server on a new database, with a tenant for each cap."""
    folder.mkdir()
    tenants = {
        name: {
            "limits": {"usd": {"calendar_day": f"{cap / _NUSD:.9f}"}},
            "projects": {"desk": {}},
            "users": {"*": {"roles": ["bench"]}},
        }
        for name, cap in caps.items()
    }
    more = {
        "store": {"url": store},
        "gateway": {"processes": processes, "port": 0},
    }
    with Server(folder, provider.url, tenants=tenants, more=more) as server:
        yield server


class _Hot:
    """One tenant with one cap, and eight sessions of eight users that spend it."""

    def __init__(
        self,
        server: Server,
        provider: Provider,
        http: aiohttp.ClientSession,
        folder: Path,
        tenant: str,
    ) -> None:
        self.server, self.provider, self.http = server, provider, http
        self.folder, self.tenant = folder, tenant

    async def judged(self, size: int, cap: int, *, kill: bool) -> list[Row]:
        """All calls at once on the tenant's cap; the provider's bill at list prices judges."""
        sessions = [
            await self.server.open(self.http, tenant=self.tenant, user=f"u{n}") for n in range(8)
        ]
        body = bursting.small_request(MODEL)
        calls = [(sessions[n % len(sessions)].token, body) for n in range(size)]
        await self.provider.reset(self.http)
        killing = asyncio.create_task(self._kill()) if kill else None
        statuses, lasted_s = await burst(self.server.model_url, calls, self.folder)
        if killing is not None:
            await killing
        bill = await self.provider.bill(self.http)
        spent, settled = spent_nusd(bill), await self._settled()
        over = max(0, spent - cap, settled - cap)
        what = f"{size} calls, one tenant's cap, {PROCESSES} processes"
        what += ", one killed" if kill else ""
        note = f"cap ${cap / _NUSD:.4f}; {told(statuses)}; {bill.cut} cut; {lasted_s:.1f} s"
        used = 100 * (settled if kill else spent) / cap
        return [
            Row(
                bench=NAME,
                what=f"{what}: overshoot",
                figure=over,
                unit="nUSD",
                target="0",
                verdict=at_most(0, over),
                note=note,
            ),
            Row(
                bench=NAME,
                what=f"{what}: cap used",
                figure=used,
                unit="%",
                target=">= 90 %",
                verdict=at_least(90, used),
                note="what the killed one carried is charged in full" if kill else "",
            ),
        ]

    async def _settled(self) -> int:
        """What stands settled on the tenant's cap, once nothing is held any more."""
        path = f"/v1/budgets?scope=tenant&owner={self.tenant}"
        for _ in range(100):
            accounts = (await self.server.admin(self.http, "GET", path))["accounts"]
            [account] = [a for a in accounts if a["dimension"] == "usd" and a["limit"] is not None]
            if not account["held"]:
                return int(account["settled"])
            await asyncio.sleep(0.1)
        raise RuntimeError("a hold is left over")

    async def _kill(self) -> None:
        """One relay, once calls are under way."""
        busy = False
        while not busy:
            await asyncio.sleep(0.02)
            path = f"/v1/budgets?scope=tenant&owner={self.tenant}"
            accounts = (await self.server.admin(self.http, "GET", path))["accounts"]
            busy = any(account["held"] for account in accounts)
        await asyncio.sleep(_KILL_AFTER_S)
        busiest = max(relays_of(self.server.pid), key=_open_files)
        os.kill(busiest, signal.SIGKILL)


def _open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def relays_of(server: int) -> list[int]:
    """Process ids of a server's relays."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdecimal():
                parent = (folder / "stat").read_text().rsplit(")", 1)[1].split()[1]
                command = (folder / "cmdline").read_bytes()
                if parent == str(server) and b"holdfast.apps.relay" in command:
                    found.append(int(folder.name))
    return found


class _World:
    """Something that serves model calls: (address, token) of each caller, and what was seen."""

    def __init__(self, doors: list[tuple[str, str]], target: Target | None) -> None:
        self.doors, self.target = doors, target
        self.waited_ms: list[float] = []
        self.per_s: list[float] = []

    async def round(self, *, quick: bool) -> None:
        """Short streams at a steady pace, then long ones as fast as they go."""
        self.waited_ms += await paced_first_bytes(
            self.doors,
            text_request(_SHORT, max_tokens=256),
            per_s=_PER_CALLER_S,
            seconds=3 if quick else 6,
        )
        if self.target is not None:
            round_ = await measured(self.target, FAST, 64, 128 if quick else 384)
            self.per_s.append(round_.per_s)


async def _doors(server: Server, http: aiohttp.ClientSession) -> _World:
    sessions = [await server.open(http, user=f"u{n}") for n in range(_CALLERS)]
    target = Target("holdfast", server.model_url, server.pid, sessions[0].token)
    await measured(target, FAST, 8, 32)
    return _World([(server.model_url, session.token) for session in sessions], target)


def _waits(worlds: dict[str, _World]) -> list[Row]:
    pace = f"{_CALLERS * _PER_CALLER_S} calls/s"
    direct = worlds.pop("provider").waited_ms
    rows = [
        Row(
            bench=NAME,
            what=f"floor: the provider alone, time to first byte at {pace}, p{percent}",
            figure=percentile(direct, percent),
            unit="ms",
        )
        for percent in (50, 99)
    ]
    for who, world in worlds.items():
        for percent in (50, 99):
            waited = percentile(world.waited_ms, percent)
            added = waited - percentile(direct, percent)
            judged = who == _FOUR and percent == 99
            rows.append(
                Row(
                    bench=NAME,
                    what=f"{who}: added time to first byte at {pace}, p{percent}",
                    figure=added,
                    unit="ms",
                    target="<= 10 ms" if judged else "",
                    verdict=at_most(10, added) if judged else "printed",
                    note=f"of {len(world.waited_ms)}; with the provider {waited:.2f}",
                )
            )
    for who, world in worlds.items():
        rows.append(
            Row(
                bench=NAME,
                what=f"{who}: 200-event streams, 64 at a time, unpaced",
                figure=median(world.per_s),
                unit="/s",
                note="two cores, shared with provider and client",
            )
        )
    return rows
