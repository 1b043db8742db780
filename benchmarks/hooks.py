"""What a hook costs a decision, and what another agent's bad hook costs everybody else.

The runtime in one process on a store (`benchmarks/in_process`), hooks in their host processes. A
trivial hook's cost is the middle of five pairs, with it and without, in turns. Then the hook of
another agent hangs, leaks until its memory ends, or ends its process, again and again, while one
agent without hooks decides at half of the rate that it could: the middle of five pairs of p99,
quiet and beside it, in turns. Sessions are killed meanwhile, and each kill is timed.
"""

import asyncio
import statistics
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
import os
import time

async def trivial(given):
    return None

async def hangs(given):
    time.sleep(3600)

async def leaks(given):
    kept = []
    while True:
        kept.append(bytearray(4_000_000))

async def dies(given):
    os._exit(3)
"""
_FAULTS = {"hangs": "a hook that hangs", "leaks": "a hook that leaks", "dies": "a hook that dies"}
_LATE_S = 0.5
_BETWEEN_S = 0.02
_ROUNDS = 5
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
    """Rows of what a hook adds, and of decisions and kills beside each kind of bad hook."""
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
    for live in (plain, with_hook):
        await _decisions(house, live, 50)
    rows, busy_s = await _added(house, plain, with_hook, count)
    every_s = 2 * busy_s
    for kind, what in _FAULTS.items():
        rows += await _beside(house, plain, _Bad(hosts, kind), what, every_s)
    return rows


async def _added(
    house: InProcess, plain: LiveSession, hooked: LiveSession, count: int
) -> tuple[list[Row], float]:
    """Rows of a trivial hook, and seconds of a decision without one, with its outcome."""
    busy_s = 0.0
    pairs: list[tuple[float, float]] = []
    for _ in range(_ROUNDS):
        begun_s = time.perf_counter()
        without = percentile(await _decisions(house, plain, count // _ROUNDS), 50)
        busy_s += time.perf_counter() - begun_s
        pairs.append((without, percentile(await _decisions(house, hooked, count // _ROUNDS), 50)))
    alone = statistics.median(without for without, _ in pairs)
    added = statistics.median(withal - without for without, withal in pairs)
    rows = [
        _row("a decision, p50, no hook", alone),
        _row("a decision, p50, one trivial hook", statistics.median(w for _, w in pairs)),
        _judged("what a trivial hook adds, p50", added, 0.5, "ms", f"{_ROUNDS} pairs in turns"),
    ]
    return rows, busy_s / (count // _ROUNDS * _ROUNDS)


async def _beside(
    house: InProcess, plain: LiveSession, bad: "_Bad", what: str, every_s: float
) -> list[Row]:
    """Rows of decisions and kills beside another agent's bad hook."""
    quiet, noisy, kills = list[float](), list[float](), list[float]()
    each = max(100, round(6 * _LATE_S / every_s))
    for number in range(2 * _ROUNDS):
        # Quiet first, noisy first: what changes with time falls on both.
        if number % 4 in {0, 3}:
            quiet.append(percentile(await _decisions(house, plain, each, every_s), 99))
            continue
        async with bad.asked():
            noisy.append(percentile(await _decisions(house, plain, each, every_s), 99))
            kills += await _kills(house, 6)
    if not bad.faults:
        unmet = f"no fault of {what} came about meanwhile: nothing was compared"
        return [Row(bench=NAME, what=f"beside {what}", figure=None, unit="x", note=unmet)]
    ratio = statistics.median(b / q for q, b in zip(quiet, noisy, strict=True))
    note = f"{bad.faults} faults meanwhile, one decision each {every_s * 1000:.1f} ms"
    return [
        _row(f"another agent's decision, p99, quiet, before {what}", statistics.median(quiet)),
        _row(f"another agent's decision, p99, beside {what}", statistics.median(noisy)),
        _judged(f"the same, of quiet ({what})", ratio, 1.5, "x", note),
        _judged(f"a kill, longest of {len(kills)}, beside {what}", max(kills), 250, "ms"),
    ]


def _row(what: str, figure: float) -> Row:
    return Row(bench=NAME, what=what, figure=figure, unit="ms")


def _judged(what: str, figure: float, most: float, unit: str, note: str = "") -> Row:
    return Row(
        bench=NAME,
        what=what,
        figure=figure,
        unit=unit,
        target=f"<= {most:g}",
        verdict=at_most(most, figure),
        note=note,
    )


async def _decisions(
    house: InProcess, live: LiveSession, count: int, every_s: float = 0.0
) -> list[float]:
    """Milliseconds of each of `count` decisions; one each `every_s`, or as soon as it can be.

    A decision that is due while the one before is made counts from when it was due.
    """
    took: list[float] = []
    due_s = time.perf_counter()
    while len(took) < count:
        call_id, arguments = house.house.entropy.new_id("toolu"), {"n": len(took)}
        house.emit(live, call_id, "look", arguments)
        asked = Asked(call_id=call_id, tool="look", arguments=arguments, door="bench")
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        at_s = due_s if every_s else time.perf_counter()
        await house.guard.decide(live, asked)
        took.append((time.perf_counter() - at_s) * 1000)
        await house.finish(live, call_id, "done")
        due_s += every_s
    return took


async def _kills(house: InProcess, count: int) -> list[float]:
    """Milliseconds until each kill was acknowledged."""
    took = []
    for number in range(count):
        live = await house.session(f"killed-{number}-{time.perf_counter_ns()}", number)
        at_s = time.perf_counter()
        await house.house.killer.kill(live, "measured", by="bench")
        took.append((time.perf_counter() - at_s) * 1000)
        await asyncio.sleep(0.02)
    return took


class _Bad:
    """Another agent's hook that is asked again and again, and fails each time."""

    def __init__(self, hosts: HookHosts, kind: str) -> None:
        self._hook = hosts.hook(f"hooks_measured:{kind}", _LATE_S)
        self.faults = 0

    @asynccontextmanager
    async def asked(self) -> AsyncIterator[None]:
        """While the block runs."""
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(self._ask())
            yield
            asking.cancel()

    async def _ask(self) -> None:
        given = HookInput(point=HookPoint.PRE_TOOL, principal=_WHO, tool="look")
        while True:
            with suppress(HookFault):
                await self._hook(msgspec.structs.replace(given, call_id=str(self.faults)))
            self.faults += 1
            # A call of an agent is not asked for without a model's answer before it.
            await asyncio.sleep(_BETWEEN_S)
