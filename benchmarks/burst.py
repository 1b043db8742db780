"""Overshoot and usable cap when many model calls arrive at once on one cap, and on three.

The cap is half of what the calls would cost. Overshoot is the provider's own bill at list prices
less the cap. Three composed caps: four sessions of one user; each session, the user's hour and the
tenant's day have a cap of their own, and the user's is the one that binds.
"""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks import bursting
from benchmarks.bursting import QUICK_SIZES, SIZES, burst, spent_nusd, told
from benchmarks.processes import scratch
from benchmarks.rows import Row, at_least, at_most
from benchmarks.worlds import MODEL, Provider, Server

NAME = "burst"
_NUSD = 1_000_000_000
_SESSIONS = 4
# A model whose `max_tokens` may be what Claude Code asks for; same list prices.
_WIDE_MODEL = "claude-sonnet-4-6"
_LARGE_SIZES = SIZES


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows of overshoot (dollars) and of the cap's used share (percent)."""
    return asyncio.run(_rows(quick=quick))


async def _rows(*, quick: bool) -> list[Row]:
    folder = scratch(NAME)
    sizes = QUICK_SIZES if quick else SIZES
    caps = {size: _small_cap(size) for size in sizes}
    rows: list[Row] = []
    with (
        Provider(folder, [bursting.scenario()]) as provider,
        Server(folder, provider.url, tenants=_tenants(caps)) as server,
    ):
        async with aiohttp.ClientSession() as http:
            for size in sizes:
                world = _World(server, provider, http, folder)
                rows += await world.one_cap(size, caps[size])
                rows += await world.three_caps(size, caps[size])
            for size in (10,) if quick else _LARGE_SIZES:
                rows += await _World(server, provider, http, folder).large(size)
    return rows


def _small_cap(size: int) -> int:
    return size * 10_500_000 // 2


def _tenants(caps: dict[int, int]) -> dict[str, Any]:
    """A tenant and a user of its own for each size, so that windows start empty."""
    return {
        f"burst{size}": {
            "limits": {"usd": {"calendar_day": _usd(cap * 6 // 5)}},
            "projects": {"desk": {}},
            "users": {"ann": {"roles": ["bench"], "limits": {"usd": {"hour": _usd(cap)}}}},
        }
        for size, cap in caps.items()
    }


def _usd(nusd: int) -> str:
    return f"{nusd / _NUSD:.9f}"


class _World:
    def __init__(
        self, server: Server, provider: Provider, http: aiohttp.ClientSession, folder: Path
    ) -> None:
        self.server, self.provider, self.http, self.folder = server, provider, http, folder

    async def one_cap(self, size: int, cap: int) -> list[Row]:
        """All calls in one session with one cap."""
        session = await self.server.open(self.http, limits={"usd": _usd(cap)})
        body = bursting.small_request(MODEL)
        calls = [(session.token, body)] * size
        return await self._judged(f"{size} calls, one cap", calls, {"session": cap})

    async def three_caps(self, size: int, cap: int) -> list[Row]:
        """The calls spread over four sessions of one user."""
        share = cap * 2 // 5 if size > _SESSIONS else cap
        sessions = [
            await self.server.open(self.http, tenant=f"burst{size}", limits={"usd": _usd(share)})
            for _ in range(min(_SESSIONS, size))
        ]
        body = bursting.small_request(MODEL)
        calls = [(sessions[n % len(sessions)].token, body) for n in range(size)]
        caps = {"user": cap, "tenant": cap * 6 // 5}
        return await self._judged(f"{size} calls, three composed caps", calls, caps)

    async def large(self, size: int) -> list[Row]:
        """Claude Code's own prompts: 100 KB, cached, thinking, 128,000 tokens asked for."""
        # One cold write of the prompt, then reads of it; half of that is the cap.
        each = 25_000 * bursting.READ + bursting.OUTPUT_TOKENS * bursting.OUTPUT
        cap = max((size * each + 25_000 * bursting.WRITE_5M) // 2, 500_000_000)
        session = await self.server.open(self.http, limits={"usd": _usd(cap)})
        calls = [(session.token, bursting.large_request(_WIDE_MODEL, n)) for n in range(size)]
        demand = size * each + 25_000 * bursting.WRITE_5M
        return await self._judged(
            f"{size} calls of 100 KB (Claude Code)", calls, {"session": cap}, demand=demand
        )

    async def _judged(
        self,
        what: str,
        calls: list[tuple[str, bytes]],
        caps: dict[str, int],
        *,
        demand: int | None = None,
    ) -> list[Row]:
        await self.provider.reset(self.http)
        statuses, lasted_s = await burst(self.server.url, calls, self.folder)
        bill = await self.provider.bill(self.http)
        spent, binding = spent_nusd(bill), min(caps.values())
        over = max(0, *(spent - cap for cap in caps.values()))
        # A cap that is larger than everything asked for cannot be used up.
        usable = min(binding, demand) if demand is not None else binding
        note = f"cap ${binding / _NUSD:.4f}; {told(statuses)}; {bill.cut} cut; {lasted_s:.1f} s"
        return [
            Row(
                bench=NAME,
                what=f"{what}: overshoot",
                figure=over / _NUSD,
                unit="USD",
                target="0.00",
                verdict=at_most(0, over),
                note=note,
            ),
            Row(
                bench=NAME,
                what=f"{what}: cap used",
                figure=100 * spent / usable,
                unit="%",
                target=">= 90 %",
                verdict=at_least(90, 100 * spent / usable),
            ),
        ]
