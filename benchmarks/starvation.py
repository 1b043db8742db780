"""Who is refused for room that was there, and whether caps hold while processes are killed.

Bursts on five composed caps: of the task, which binds, of eight sessions, four users, the project
and the tenant. Each call asks for 32,000 tokens and uses 500, so what is held is many times what
is used, and nearly every call waits for others' holds. A refusal is wrong where what is left in
the end would have paid for a call of that session. Then the same with SIGKILL midway: of every
relay, and of the server, which is started again; whoever got no answer asks again. Last, what the
five caps add to the first byte while there is room.
"""

import asyncio
import contextlib
import os
import shutil
import signal
from collections import Counter
from pathlib import Path
from typing import Any, Self

import aiohttp

from benchmarks import bursting
from benchmarks.bursting import CALL_NUSD, WIDE_TOKENS, burst, spent_nusd, told
from benchmarks.processes import scratch
from benchmarks.relays import relays_of
from benchmarks.rows import Row, at_least, at_most, percentile
from benchmarks.sse_client import Connection
from benchmarks.streaming import paced_first_bytes
from benchmarks.worlds import MODEL, Provider, Server, Session, text_request

NAME = "starvation"
_SIZES, _QUICK_SIZES = (10, 50, 200, 1000), (10, 50)
_NUSD = 1_000_000_000
_SESSIONS, _USERS = 8, 4
_RELAYS = 2
_CLIENTS = 50
_SHORT = "BENCH-SHORT"


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows of calls refused wrongly, of dollars past a cap, of its used share, of milliseconds."""
    return asyncio.run(_rows(quick=quick))


async def _rows(*, quick: bool) -> list[Row]:
    folder = scratch(NAME)
    sizes = _QUICK_SIZES if quick else _SIZES
    bursts = [(size, "") for size in sizes] + [(sizes[-1], "relays"), (sizes[-1], "server")]
    turn = {"text": "word " * 8}
    short = {"name": "short", "match": {"text": _SHORT}, "turns": [turn], "loop": True}
    rows: list[Row] = []
    with Provider(folder, [bursting.scenario(), short]) as provider:
        house = _House(folder, provider, [size for size, _ in bursts])
        with house:
            async with aiohttp.ClientSession() as http:
                for number, (size, killed) in enumerate(bursts):
                    rows += await _Burst(house, http, number, size, killed).judged()
                rows += await _added(house, http, seconds=3 if quick else 12)
    return rows


class _House:
    """A server with relays that can be killed and started again; a tenant and task a burst."""

    def __init__(self, folder: Path, provider: Provider, sizes: list[int]) -> None:
        self.folder, self.provider = folder, provider
        caps = {f"burst{n}": size * CALL_NUSD // 2 for n, size in enumerate(sizes)}
        caps["room"] = 1000 * _NUSD
        self.caps = caps
        self.server = self._start()

    def _start(self) -> Server:
        tenants = {name: _tenant(cap) for name, cap in self.caps.items()}
        tasks = {name: {"limits": {"usd": _usd(cap)}} for name, cap in self.caps.items()}
        more = {"tasks": tasks, "gateway": {"processes": _RELAYS, "port": 0}}
        return Server(self.folder, self.provider.url, tenants=tenants, more=more)

    def restart(self) -> None:
        """The same project with what its disk kept; the server is dead."""
        self.server.child.stop()
        shutil.rmtree(self.folder / "project" / "policies")
        self.server = self._start()

    async def open(self, http: aiohttp.ClientSession, name: str) -> list[Session]:
        """Eight sessions of four users at one task, each with a cap of its own."""
        asked = {"tenant": name, "task": f"{name}/one"}
        limits = {"usd": _usd(self.caps[name] // 4)}
        return [
            await self.server.open(http, user=f"u{n % _USERS}", limits=limits, **asked)
            for n in range(_SESSIONS)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self.server.child.stop()


def _tenant(cap: int) -> dict[str, Any]:
    """Every owner may spend more than the task, but not hold what all calls would at once."""
    return {
        "limits": {"usd": {"calendar_day": _usd(cap * 6 // 5)}},
        "projects": {"desk": {"limits": {"usd": {"calendar_day": _usd(cap * 11 // 10)}}}},
        "users": {"*": {"roles": ["bench"], "limits": {"usd": {"hour": _usd(cap * 2 // 5)}}}},
    }


def _usd(nusd: int) -> str:
    return f"{nusd / _NUSD:.9f}"


class _Burst:
    def __init__(
        self, house: _House, http: aiohttp.ClientSession, number: int, size: int, killed: str
    ) -> None:
        self.house, self.http, self.size, self.killed = house, http, size, killed
        self.name = f"burst{number}"
        self.sessions: list[Session] = []
        self.again = 0

    async def judged(self) -> list[Row]:
        """All calls at once; judged by the provider's bill and by what stands settled."""
        self.sessions = await self.house.open(self.http, self.name)
        await self.house.provider.reset(self.http)
        statuses, lasted_s = await self._asked()
        bill = await self.house.provider.bill(self.http)
        cap, spent = self.house.caps[self.name], spent_nusd(bill)
        left = await self._left()
        settled = cap - min(left["task"].values())
        over = max(
            0, spent - cap, *(-room for by_owner in left.values() for room in by_owner.values())
        )
        wrongly = min(statuses[402], _payable(left, len(self.sessions)))
        used = 100 * (settled if self.killed else spent) / cap
        what = f"{self.size} calls, five caps" + (f", {self.killed} killed" if self.killed else "")
        note = f"cap ${cap / _NUSD:.4f}; {told(statuses)}; {bill.cut} cut; {lasted_s:.1f} s"
        charged = ""
        if self.killed:
            note += f"; {self.again} without an answer asked again"
            charged = "what was under way is charged in full"
        return [
            _row(f"{what}: refused wrongly", wrongly, "calls", "0", at_most(0, wrongly), note),
            _row(f"{what}: overshoot", over, "nUSD", "0", at_most(0, over)),
            _row(f"{what}: cap used", used, "%", ">= 95 %", at_least(95, used), charged),
        ]

    async def _asked(self) -> tuple[Counter[int], float]:
        body = bursting.small_request(MODEL, max_tokens=WIDE_TOKENS)
        calls = [(self.sessions[n % _SESSIONS].token, body) for n in range(self.size)]
        folder = self.house.folder
        killing = asyncio.create_task(self._kill()) if self.killed else None
        statuses, lasted_s = await burst(self.house.server.model_url, calls, folder)
        if killing is None:
            return statuses, lasted_s
        await killing
        # A relay whose server is gone says so; a call of a relay that is gone gets nothing.
        self.again = statuses.pop(0, 0) + statuses.pop(503, 0)
        if self.killed == "server":
            self.house.restart()
        await self._answering()
        if self.again:
            more, more_s = await burst(self.house.server.model_url, calls[: self.again], folder)
            statuses, lasted_s = statuses + more, lasted_s + more_s
        return statuses, lasted_s

    async def _kill(self) -> None:
        """The server, or every relay, once a quarter of the cap is spent."""
        server = self.house.server
        for _ in range(1000):
            chain = await self._chain(self.sessions[0])
            if any(one["scope"] == "task" and one["settled"] >= one["limit"] // 4 for one in chain):
                break
            await asyncio.sleep(0.02)
        for pid in [server.pid] if self.killed == "server" else relays_of(server.pid):
            os.kill(pid, signal.SIGKILL)

    async def _answering(self) -> None:
        for _ in range(200):
            with contextlib.suppress(OSError):
                (await Connection.open(self.house.server.model_url)).close()
                return
            await asyncio.sleep(0.05)
        raise RuntimeError("the model's door did not open again")

    async def _chain(self, session: Session) -> list[dict[str, Any]]:
        path = f"/v1/budgets?session={session.session_id}"
        found = (await self.house.server.admin(self.http, "GET", path))["accounts"]
        return [one for one in found if one["dimension"] == "usd" and one["limit"] is not None]

    async def _left(self) -> dict[str, dict[int, int]]:
        """Nano-dollars left on the accounts of each session, by scope, once nothing is held."""
        for _ in range(200):
            chains = [await self._chain(session) for session in self.sessions]
            if not any(one["held"] for chain in chains for one in chain):
                break
            await asyncio.sleep(0.1)
        else:
            raise RuntimeError("a hold is left over")
        left: dict[str, dict[int, int]] = {}
        for number, chain in enumerate(chains):
            if len(chain) != 5:
                raise RuntimeError(f"{len(chain)} caps instead of five")
            for one in chain:
                left.setdefault(one["scope"], {})[number] = one["limit"] - one["settled"]
        return left


def _payable(left: dict[str, dict[int, int]], sessions: int) -> int:
    """How many more calls all five caps would have paid for, whichever sessions they were of."""
    own, users = dict(left["session"]), {n: left["user"][n] for n in range(_USERS)}
    shared = min(min(left[scope].values()) for scope in ("task", "project", "tenant"))
    found = 0
    for number in range(sessions):
        fits = min(own[number], users[number % _USERS], shared) // CALL_NUSD
        users[number % _USERS] -= fits * CALL_NUSD
        shared -= fits * CALL_NUSD
        found += fits
    return max(found, 0)


async def _added(house: _House, http: aiohttp.ClientSession, *, seconds: int) -> list[Row]:
    """What a call waits for before its first byte, while all five caps have room."""
    sessions = await house.open(http, "room")
    url, provider = house.server.model_url, house.provider.url
    body, key = text_request(_SHORT, max_tokens=WIDE_TOKENS), "sk-ant-direct"
    ours = [(url, sessions[n % _SESSIONS].token) for n in range(_CLIENTS)]
    seen: dict[str, list[float]] = {"direct": [], "ours": []}
    for _ in range(3):
        for who, doors in (("direct", [(provider, key)] * _CLIENTS), ("ours", ours)):
            seen[who] += await paced_first_bytes(doors, body, per_s=1, seconds=seconds)
    rows = []
    for percent in (50, 99):
        floor, waited = (percentile(seen[who], percent) for who in ("direct", "ours"))
        added = waited - floor
        what = f"{_CLIENTS} clients, a call a second each: added time to first byte, p{percent}"
        note = f"of {len(seen['ours'])}; with the provider {waited:.2f}, it alone {floor:.2f}"
        judged = ("<= 33 ms", at_most(33, added)) if percent == 99 else ("", "printed")
        rows.append(_row(what, added, "ms", *judged, note))
    return rows


def _row(what: str, figure: float, unit: str, target: str, verdict: Any, note: str = "") -> Row:
    return Row(
        bench=NAME, what=what, figure=figure, unit=unit, target=target, verdict=verdict, note=note
    )
