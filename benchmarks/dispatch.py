"""What one step of the queue of runs costs while few wait, and while many do.

In one process: the queue by itself for picks (pick, keep, serve; then the run waits again), and
`Dispatch.tick` over the same number of runs. Ten tenants of two projects, three agents. Claims also
write a record each, which `activations` measures.
"""

import asyncio
import time
from collections.abc import Callable

import msgspec

from benchmarks.in_process import InProcess
from benchmarks.processes import scratch
from benchmarks.rows import Row, at_most, percentile
from holdfast.core.run_queue import RunQueue
from holdfast.core.runs import Shares
from holdfast.model.runs import Run, RunPlan, RunState

NAME = "dispatch"
_FEW, _MANY = 100, 100_000
_TIMES_FEW = 3.0


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows of microseconds a step, and of what many cost beside few."""
    return asyncio.run(_rows(200 if quick else 2000))


async def _rows(steps: int) -> list[Row]:
    calm, full = await _house(_FEW), await _house(_MANY)
    try:
        few, many = _queue(_FEW), _queue(_MANY)
        picks = _both(lambda: _claim(few), lambda: _claim(many), steps)
        ticks = _both(calm.house.dispatch.tick, full.house.dispatch.tick, steps)
        return [*_told("a pick", *picks), *_told("a tick", *ticks)]
    finally:
        await calm.store.close()
        await full.store.close()


def _runs(count: int) -> list[Run]:
    return [
        Run(
            run_id=f"run_{n:06}",
            session=f"ses_{n:06}",
            tenant=f"t{n % 10}",
            project=f"p{n % 2}",
            user="u",
            agent=f"a{n % 3}",
            state=RunState.QUEUED,
            prompt="",
            plan=RunPlan(model="claude-haiku-4-5"),
            submitted_at_ns=n,
            changed_at_ns=n,
        )
        for n in range(count)
    ]


def _queue(count: int) -> RunQueue:
    queue = RunQueue(lambda *_: Shares(tenant=50))
    for one in _runs(count):
        queue.keep(one)
    return queue


async def _house(count: int) -> InProcess:
    """A house in which so many runs wait."""
    house = await InProcess.opened(scratch(f"{NAME}-{count}") / "holdfast.db", ())
    for one in _runs(count):
        house.house.dispatch.put(one)
    return house


def _claim(queue: RunQueue) -> None:
    found = queue.pick(0)
    if found is None:
        raise RuntimeError("a queue of runs hands out none")
    queue.keep(msgspec.structs.replace(found, state=RunState.RUNNING))
    queue.serve(found.tenant)
    queue.keep(found)


def _both(
    few: Callable[[], object], many: Callable[[], object], steps: int
) -> tuple[list[float], list[float]]:
    """Microseconds of either, in turns: what else the machine does falls on both."""
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(steps):
        for step, took in zip((few, many), found, strict=True):
            began = time.perf_counter()
            step()
            took.append((time.perf_counter() - began) * 1e6)
    return found


def _told(what: str, few: list[float], many: list[float]) -> list[Row]:
    ratio = percentile(many, 50) / percentile(few, 50)
    rows = [
        Row(
            bench=NAME,
            what=f"{what}, {count:,} runs wait, p50",
            figure=percentile(took, 50),
            unit="us",
            note=f"p99 {percentile(took, 99):.1f} us, of {len(took)}",
        )
        for count, took in ((_FEW, few), (_MANY, many))
    ]
    return [
        *rows,
        Row(
            bench=NAME,
            what=f"{what}: {_MANY:,} beside {_FEW}",
            figure=ratio,
            unit="x",
            target=f"<= {_TIMES_FEW:g} x",
            verdict=at_most(_TIMES_FEW, ratio),
        ),
    ]
