"""Runs handed out and given back: activations a second, and how soon a run goes on once it may.

In one process, on a file and then on a Postgres of this machine, without HTTP: the queue, its
commits and the session's new tokens are what is measured. The floor is a bare commit of the same
store, measured in the same run.
"""

import asyncio
import time

from benchmarks.in_process import InProcess
from benchmarks.processes import scratch
from benchmarks.rows import Row, at_least, at_most, percentile
from holdfast.backends.postgres import PostgresStore
from holdfast.backends.sqlite import SqliteStore
from holdfast.backends.system.clock import SystemClock
from holdfast.model.events import Kind
from holdfast.model.principals import Principal
from holdfast.model.runs import Run, RunPlan, RunState
from holdfast.model.sessions import LoopLimits, Session, SessionState
from holdfast.ports.store import Store
from holdfast.runtime.runs import Order
from tests.postgres import serving

NAME = "activations"
_WORKERS = 64
_S = 1_000_000_000


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows of activations a second, of waiting, and of what a parked run weighs."""
    count = 200 if quick else 2000
    with serving() as postgres:
        return [
            *asyncio.run(_on_file(count)),
            *asyncio.run(_on_postgres(postgres.new_database(), count)),
        ]


async def _on_file(count: int) -> list[Row]:
    store = SqliteStore.open(scratch(NAME) / "holdfast.db", clock=SystemClock())
    return await _measured(store, "SQLite", count)


async def _on_postgres(url: str, count: int) -> list[Row]:
    return await _measured(await PostgresStore.open(url, clock=SystemClock()), "Postgres", count)


class _Queue:
    """A queue of runs over a store."""

    def __init__(self, house: InProcess) -> None:
        self.house = house
        self.dispatch, self.runs = house.house.dispatch, house.house.runs

    async def submit(self) -> Run:
        """One more run."""
        who = Principal(tenant="acme", project="p", user="u", agent="a", session="", task="")
        draft = Session(
            session_id="",
            principal=who,
            state=SessionState.ACTIVE,
            opened_at_ns=0,
            expires_at_ns=3600 * _S,
            token_digest="",
            limits=(),
            loop=LoopLimits(),
        )
        order = Order(prompt="go", plan=RunPlan(model="claude-haiku-4-5"))
        return await self.runs.submit(draft, order)

    async def leave(self, state: RunState) -> Run | None:
        """Claim one and give it back; the run, None when there was none."""
        claimed = await self.dispatch.claim("w")
        if claimed is None:
            return None
        live = await self.house.sessions.authenticate(claimed.token)
        await self.runs.leave(live, claimed.run.epoch, state, "")
        return claimed.run


async def _measured(store: Store, where: str, count: int) -> list[Row]:
    house = await InProcess.on(store, (), {"lease_s": 60.0, "rest_s": 0.0})
    queue = _Queue(house)
    try:
        for _ in range(_WORKERS * 2):
            await queue.submit()
        rate = await _activations(queue, count)
        floor = await _commits(house, count)
        wakes = await _wakes(queue, min(count, 400))
        parked = await _parked(queue, 200)
    finally:
        await house.store.close()
    return [
        Row(
            bench=NAME,
            what=f"{where}: activations a second (claim and give back, {_WORKERS} at a time)",
            figure=rate,
            unit="/s",
            target=">= 300 /s",
            verdict=at_least(300, rate),
            note=f"floor: {floor:,.0f} bare commits a second at the same concurrency",
        ),
        Row(
            bench=NAME,
            what=f"{where}: parked run resumed to claimed, p99",
            figure=percentile(wakes, 99) * 1000,
            unit="ms",
            target="< 100 ms",
            verdict=at_most(100, percentile(wakes, 99) * 1000),
            note=f"p50 {percentile(wakes, 50) * 1000:.1f} ms; a worker waits in claim",
        ),
        Row(
            bench=NAME,
            what=f"{where}: parked runs of which anything is kept in memory, of 200",
            figure=float(parked),
            unit="runs",
            target="0",
            verdict=at_most(0, float(parked)),
        ),
    ]


async def _activations(queue: _Queue, count: int) -> float:
    left = count

    async def worker() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await queue.leave(RunState.QUEUED)

    begun = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(_WORKERS)))
    return count / (time.perf_counter() - begun)


async def _commits(house: InProcess, count: int) -> float:
    left = count

    async def writer() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await house.journal.commit(
                [house.journal.record_as_told(Kind.ADMIN_ACTED, None, {"n": left})]
            )

    begun = time.perf_counter()
    await asyncio.gather(*(writer() for _ in range(_WORKERS)))
    return count / (time.perf_counter() - begun)


async def _wakes(queue: _Queue, count: int) -> list[float]:
    """Seconds from the word of a person to the claim, with one worker that waits."""
    while await queue.leave(RunState.DONE) is not None:
        continue
    taken = []
    await queue.submit()
    for _ in range(count):
        parked = await queue.leave(RunState.PARKED)
        if parked is None:
            raise RuntimeError("the run is gone")
        waiting = asyncio.create_task(queue.dispatch.claim("w", wait_s=20))
        await asyncio.sleep(0)
        begun = time.perf_counter()
        await queue.runs.resume(await queue.runs.get(parked.run_id), "yes")
        claimed = await waiting
        taken.append(time.perf_counter() - begun)
        if claimed is None:
            raise RuntimeError("the run was not handed out")
        live = await queue.house.sessions.authenticate(claimed.token)
        await queue.runs.leave(live, claimed.run.epoch, RunState.QUEUED, "")
    return taken


async def _parked(queue: _Queue, count: int) -> int:
    """How many of so many parked runs are still in memory, as a run or as a session."""
    for _ in range(count):
        await queue.submit()
    kept = 0
    for _ in range(count):
        parked = await queue.leave(RunState.PARKED)
        queue.dispatch.tick()
        if parked is not None:
            loaded = queue.house.sessions.loaded(parked.session) is not None
            kept += loaded or queue.dispatch.find(parked.run_id) is not None
    return kept
