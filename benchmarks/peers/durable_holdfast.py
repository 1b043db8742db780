"""Durable runs by Holdfast, as a process that can be killed at any point and started again.

`python -m benchmarks.peers.durable_holdfast FOLDER CLASS RUNS STEPS IN_FLIGHT` works until every
run is done. CLASS is the idempotency of its tool: `keyed`, or `once`, where a person is asked;
that person looks at the world. Not here: starting and killing it.
"""

import asyncio
import sys
from functools import partial
from pathlib import Path

from benchmarks.durable_world import World
from benchmarks.in_process import TENANT, InProcess, at_most, tool
from holdfast.model.attempts import Next
from holdfast.model.events import Kind
from holdfast.model.tools import CallState, Idempotency
from holdfast.ports.store import RecordFilter
from holdfast.runtime.attempts import Attempt
from holdfast.runtime.live import LiveSession

TOOL = "affect"


class Worker:
    """Everything that one process does."""

    def __init__(self, house: InProcess, world: World) -> None:
        self._house = house
        self._world = world

    async def run(self, number: int, live: LiveSession, steps: int) -> None:
        """One run, from wherever it stands."""
        for step in range(steps):
            await self._step(number, live, step)

    async def _step(self, number: int, live: LiveSession, step: int) -> None:
        house, call_id = self._house, f"toolu_{number}_{step}"
        arguments = {"run": number, "step": step}
        house.emit(live, call_id, TOOL, arguments)
        if live.calls[call_id].state in (CallState.EXECUTED, CallState.FAILED):
            return
        attempt = await house.again(live, call_id, TOOL, arguments)
        if attempt.next is Next.PARKED:
            await self._resolve(live, attempt)
            attempt = await house.again(live, call_id, TOOL, arguments)
        if attempt.next is Next.ANSWERED:
            call = live.calls[call_id]
            said = house.outcomes.answered(live, call, f"step {step} done", failed=False)
            await house.journal.commit([said])
            return
        if attempt.next is not Next.EXECUTE or attempt.ruling is None:
            raise RuntimeError(f"{call_id}: {attempt.next}: {attempt.message}")
        await house.redeem(live, call_id, TOOL, attempt.ruling)
        self._world.affect(number, step, attempt.effect_key)
        await house.finish(live, call_id, f"step {step} done")

    async def _resolve(self, live: LiveSession, attempt: Attempt) -> None:
        """What a person does who was asked: look whether it took, and say so."""
        effects = self._house.effects
        entry = await effects.unknown_of(TENANT, attempt.effect_key)
        done, output = self._world.has(entry.key), "as the world shows"
        await effects.resolve(live, entry, done=done, output=output, by="mia", reason="looked")


async def main(arguments: list[str]) -> None:
    """Work to the end, then say how many effects were surfaced as unknown."""
    folder, idempotency = Path(arguments[0]), Idempotency(arguments[1])
    runs, steps, in_flight = map(int, arguments[2:])
    world = World(folder / "world.db", keyed=idempotency is Idempotency.KEYED)
    house = await InProcess.opened(folder / "holdfast.db", [tool(TOOL, idempotency)])
    worker = Worker(house, world)
    sessions = await house.runs(runs)
    work = [partial(worker.run, n, live, steps) for n, live in enumerate(sessions)]
    await at_most(in_flight, work)
    where = RecordFilter(tenant=TENANT, kinds=(Kind.EFFECT_UNKNOWN,), limit=runs * steps)
    unknown = len(await house.store.records(where))
    await house.store.close()
    (folder / "unknown").write_text(str(unknown))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
