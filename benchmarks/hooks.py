"""What a hook costs a decision, and what another agent's hook that hangs costs everybody else.

The runtime in one process on a store (`benchmarks/in_process`), hooks in their host processes. One
agent is timed without a hook, with a trivial one, and without one while the hook of another agent
sleeps past its deadline again and again; then sessions are killed and the kill is timed.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import uvloop

from benchmarks.in_process import InProcess, tool
from benchmarks.processes import environment, scratch
from benchmarks.rows import Row, at_most, percentile
from holdfast.backends.hook_host import HookHosts
from holdfast.backends.system.sandbox import SystemSandbox
from holdfast.model.hooks import HookInput, HookPoint
from holdfast.model.principals import Principal, TrustLevel
from holdfast.model.tools import Idempotency
from holdfast.ports.hooks import HookFault
from holdfast.runtime.guard import Asked
from holdfast.runtime.hooks import HookSet
from holdfast.runtime.live import LiveSession

NAME = "hooks"
_MODULE = """
import time

async def trivial(given):
    return None

async def hangs(given):
    time.sleep(3600)
"""
_HANGS_S = 0.5
_HOOKED = "hooked"
_WHO = Principal(
    tenant="acme",
    project="shop",
    user="bob",
    agent="stuck",
    session="ses_stuck",
    task="ses_stuck",
    trust=TrustLevel.AUTONOMOUS,
)


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows of decisions with and without a hook, and beside one that hangs."""
    return uvloop.run(_rows(100 if quick else 1000))


async def _rows(count: int) -> list[Row]:
    folder = scratch(NAME)
    (folder / "hooks_measured.py").write_text(_MODULE)
    hosts = HookHosts(folder, environment(), SystemSandbox())
    try:
        return await _measured(folder, hosts, count)
    finally:
        await hosts.close()


async def _measured(folder: Path, hosts: HookHosts, count: int) -> list[Row]:
    hook = hosts.hook("hooks_measured:trivial", 5.0)
    hooked = HookSet({HookPoint.PRE_TOOL: (("trivial", hook),)}, None)
    tools = (tool("look", Idempotency.PURE),)
    house = await InProcess.opened(folder / "store.db", tools, agent_hooks={_HOOKED: hooked})
    plain, with_hook = await house.session("plain", 1), await house.session("hooked", 1, _HOOKED)
    await _decisions(house, plain, 50)
    await _decisions(house, with_hook, 50)
    quiet = await _decisions(house, plain, count)
    hooked_ms = await _decisions(house, with_hook, count)
    quiet_kills = await _kills(house, count // 50)
    async with _hanging(hosts) as hung:
        beside = await _decisions(house, plain, count, least_s=12 * _HANGS_S)
        kills = await _kills(house, count // 20)
    added = percentile(hooked_ms, 50) - percentile(quiet, 50)
    p99, before = percentile(beside, 99), percentile(quiet, 99)
    note = f"{len(hung)} deadlines of {_HANGS_S:g} s passed meanwhile"
    return [
        _row("a decision, p50, no hook", percentile(quiet, 50)),
        _row("a decision, p50, one trivial hook", percentile(hooked_ms, 50)),
        _row("what the hook adds, p50", added),
        _row("what the hook adds, p99", percentile(hooked_ms, 99) - before),
        _row("another agent's decision, p99, quiet", before),
        Row(
            bench=NAME,
            what="another agent's decision, p99, beside a hook that hangs",
            figure=p99,
            unit="ms",
            target=f"<= {3 * before:.2f}",
            verdict=at_most(3 * before, p99),
            note=note,
        ),
        _row("a kill, longest, quiet", max(quiet_kills)),
        Row(
            bench=NAME,
            what="a kill, longest, beside a hook that hangs",
            figure=max(kills),
            unit="ms",
            target="<= 1000",
            verdict=at_most(1000, max(kills)),
        ),
    ]


def _row(what: str, figure: float) -> Row:
    return Row(bench=NAME, what=what, figure=figure, unit="ms")


async def _decisions(
    house: InProcess, live: LiveSession, count: int, *, least_s: float = 0.0
) -> list[float]:
    """Milliseconds of each of `count` decisions, one after the other; for `least_s` at least."""
    took: list[float] = []
    begun_s = time.perf_counter()
    while len(took) < count or time.perf_counter() - begun_s < least_s:
        call_id, arguments = house.house.entropy.new_id("toolu"), {"n": len(took)}
        house.emit(live, call_id, "look", arguments)
        asked = Asked(call_id=call_id, tool="look", arguments=arguments, door="bench")
        at_s = time.perf_counter()
        await house.guard.decide(live, asked)
        took.append((time.perf_counter() - at_s) * 1000)
        await house.finish(live, call_id, "done")
    return took


async def _kills(house: InProcess, count: int) -> list[float]:
    """Milliseconds until each kill was acknowledged."""
    took = []
    for number in range(max(count, 3)):
        live = await house.session(f"killed-{number}-{time.perf_counter_ns()}", number)
        at_s = time.perf_counter()
        await house.house.killer.kill(live, "measured", by="bench")
        took.append((time.perf_counter() - at_s) * 1000)
        await asyncio.sleep(0.02)
    return took


@asynccontextmanager
async def _hanging(hosts: HookHosts) -> AsyncIterator[list[str]]:
    """Another agent's hook is asked again and again, and hangs each time."""
    hook, ended = hosts.hook("hooks_measured:hangs", _HANGS_S), list[str]()
    given = HookInput(point=HookPoint.PRE_TOOL, principal=_WHO, tool="look")

    async def ask() -> None:
        while True:
            with suppress(HookFault):
                await hook(msgspec.structs.replace(given, call_id=str(len(ended))))
            ended.append("late")

    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(ask())
        yield ended
        asking.cancel()
