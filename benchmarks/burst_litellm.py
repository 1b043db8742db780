"""The same burst through LiteLLM's proxy: what its caps let through, by the provider's own bill.

One worker, no database, no Redis (what a first-time user runs). Keys come from its custom
authentication with the common checks on: a virtual key with `max_budget`, once as it ships and once
with `fail_closed_budget_enforcement`; and an agent with `max_budget_per_session`. It runs on
`/v1/messages`; its calls do not wait, so the used share of the cap is only printed.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks import bursting
from benchmarks.bursting import burst, spent_nusd, told
from benchmarks.peers import litellm
from benchmarks.processes import Unavailable, scratch, unavailable
from benchmarks.rows import Row
from benchmarks.worlds import MODEL, Provider

NAME = "burst_litellm"
_SIZES = (1, 10, 50, 200, 1000)
_NUSD = 1_000_000_000
_CHECKS = {"custom_auth_run_common_checks": True}
_STRICT = {**_CHECKS, "fail_closed_budget_enforcement": True}


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows of overshoot (dollars), printed without a target."""
    return asyncio.run(_rows((10, 50) if quick else _SIZES))


async def _rows(sizes: tuple[int, ...]) -> list[Row]:
    folder = scratch(NAME)
    rows: list[Row] = []
    caps = {size: max(size, 2) * 10_500_000 // 2 for size in sizes}
    agents = {f"cap{size}": caps[size] / _NUSD for size in sizes}
    with contextlib.ExitStack() as stack:
        provider = stack.enter_context(Provider(folder, [bursting.scenario()]))
        async with aiohttp.ClientSession() as http:
            for name, governed in (("fail-closed flag", _STRICT), ("as it ships", _CHECKS)):
                try:
                    with litellm.serving(
                        folder, provider.url, model=MODEL, governed=governed, agents=agents
                    ) as (url, _):
                        side = _Side(url, provider, http, folder)
                        # A thousand calls take it minutes: once, with the flag, is enough.
                        for size in sizes if governed is _STRICT else sizes[:4]:
                            token = f"key-{caps[size] / _NUSD}-{size}"
                            what = f"litellm key cap, {name}, {size} calls"
                            rows += await side.judged(what, token, size, caps[size])
                            if governed is _STRICT:
                                # Keys are spent for good: each burst has its own.
                                more = {"max_tokens": bursting.WIDE_TOKENS}
                                what += f" of {bursting.WIDE_TOKENS:,} tokens"
                                rows += await side.judged(what, f"{token}w", size, caps[size], more)
                        if governed is _CHECKS:
                            for size in sizes[:4]:
                                what = f"litellm session cap, {size} calls"
                                token = f"agent-cap{size}-{size}"
                                rows += await side.judged(what, token, size, caps[size])
                except Unavailable as error:
                    rows.append(unavailable(NAME, f"litellm, {name}", "USD", error))
    return rows


class _Side:
    def __init__(
        self, url: str, provider: Provider, http: aiohttp.ClientSession, folder: Path
    ) -> None:
        self.url, self.provider, self.http, self.folder = url, provider, http, folder

    async def judged(
        self, what: str, token: str, size: int, cap: int, more: dict[str, int] | None = None
    ) -> list[Row]:
        """One burst with one token: overshoot, the used share, and whom it refused wrongly."""
        await self._warm()
        await self.provider.reset(self.http)
        body = _in_session(bursting.small_request(MODEL, **(more or {})), token)
        statuses, lasted_s = await burst(self.url, [(token, body)] * size, self.folder)
        bill = await self.provider.bill(self.http)
        spent = spent_nusd(bill)
        refused = sum(count for status, count in statuses.items() if status != 200)
        wrongly = min(refused, max(cap - spent, 0) // bursting.CALL_NUSD)
        note = f"cap ${cap / _NUSD:.4f}, spent ${spent / _NUSD:.4f} ({100 * spent / cap:.0f} %);"
        note += f" {wrongly} refused wrongly;"
        return [
            Row(
                bench=NAME,
                what=f"{what}: overshoot",
                figure=max(0, spent - cap) / _NUSD,
                unit="USD",
                note=f"{note} {told(statuses)}; {lasted_s:.1f} s",
            )
        ]

    async def _warm(self) -> None:
        body = bursting.small_request(MODEL)
        headers: dict[str, Any] = {
            "authorization": "Bearer open",
            "anthropic-version": "2023-06-01",
        }
        async with self.http.post(f"{self.url}/v1/messages", data=body, headers=headers) as answer:
            raw = await answer.read()
            if answer.status != 200:
                raise Unavailable(f"litellm does not answer: {answer.status} {raw[:200]!r}")


def _in_session(body: bytes, session: str) -> bytes:
    """The request with LiteLLM's own name for a session in it."""
    return body[:-1] + b',"litellm_metadata":{"session_id":"' + session.encode() + b'"}}'
