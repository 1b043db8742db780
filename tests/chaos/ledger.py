"""Crashes at every position of the effects ledger: the process's memory dropped, the disk kept.

A session makes calls of every class; each is decided, its permit used up, the outside world acted
on, the outcome reported. A *position* is a commit that does not become durable, or a moment before
or after the world was touched. From there on nothing of the old process counts: a new one loads
what the store kept and goes on. The world knows what really happened.

    python -m tests.chaos.ledger --points 10000 --store memory|sqlite|postgres
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdfast.core.calls import OUTSTANDING
from holdfast.errors import StoreUnavailable
from holdfast.model.attempts import Next
from holdfast.model.effects import EffectState
from holdfast.model.events import Kind
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Effect, Idempotency
from holdfast.ports.store import RecordFilter
from holdfast.runtime.attempts import Found, Retry
from tests.chaos.stores import Disk, Memory, PostgresDisk, SqliteDisk
from tests.postgres import serving
from tests.unit.runtime.house import CONTRACTS, House, contract

ARGUMENTS = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
TOOLS = tuple(
    contract(f"do_{i}", Effect.COMMIT, RiskLevel.LOW, input_schema=ARGUMENTS, idempotency=i)
    for i in Idempotency
)
CLASS = {one.name: one.idempotency for one in TOOLS}


class Crash(Exception):
    """The process ends here."""


@dataclass
class World:
    """What lies outside: it survives every crash, and counts.

    Only a keyed target and an idempotent one make a repeat harmless; the others take every act.
    """

    effects: Counter[str] = field(default_factory=Counter)
    keys: dict[str, str] = field(default_factory=dict)
    moments: int = 0
    crash_at: int = -1

    def moment(self) -> None:
        """One position; the crash that is due happens here."""
        now, self.moments = self.moments, self.moments + 1
        if now == self.crash_at:
            raise Crash

    def act(self, name: str, key: str, idempotency: Idempotency) -> None:
        """Do it."""
        self.moment()
        repeatable = idempotency in (Idempotency.KEYED, Idempotency.IDEMPOTENT)
        if not (repeatable and key in self.keys):
            self.effects[name] += 1
            self.keys[key] = name
        self.moment()

    def happened(self, key: str) -> bool:
        """What a probe finds."""
        return key in self.keys


@dataclass
class Told:
    """What one trial came to."""

    lost: int = 0
    repeated: int = 0
    parked: int = 0
    in_flight: int = 0
    surfaced: int = 0
    done: int = 0


class Trial:
    """One session, from its first call to its last, over any number of processes."""

    def __init__(self, calls: int, disk: Disk, store: Any) -> None:
        self.disk = disk
        self.names = [(f"c{n}", f"do_{list(Idempotency)[n % 5]}", n) for n in range(calls)]
        self.world = World()
        self.home = House(contracts=(*CONTRACTS, *TOOLS), store=store)
        self.session_id = ""
        self.parked: set[str] = set()

    async def play(self, crash_after_commits: int = -1) -> None:
        """Run until done; Crash or StoreUnavailable end the process half-way."""
        home = self.home
        if not self.session_id:
            self.session_id = (await home.open()).session.session_id
        live = await home.sessions.get(self.session_id)
        if crash_after_commits >= 0:
            home.store.fail_commits(after=crash_after_commits)
        answered = {
            record.call_id
            for record in await home.store.records(
                RecordFilter(tenant="acme", kinds=(Kind.RUN_TOOL_ANSWERED,))
            )
        }
        for call_id, tool, n in self.names:
            if call_id not in answered:
                await self._call(home, live, call_id, tool, n)

    async def _call(self, home, live, call_id, tool, n) -> None:
        if call_id not in live.calls:
            home.emit(live, call_id, tool, {"n": n})
        found, output = Found.NOTHING_KNOWN, None
        for _ in range(4):
            retry = Retry(
                call_id=call_id,
                tool=tool,
                arguments={"n": n},
                door="chaos",
                found=found,
                output=output,
            )
            attempt = await home.attempts.again(live, retry)
            if attempt.next is Next.PARKED:
                self.parked.add(call_id)
                return
            if attempt.next is Next.PROBE:
                happened = self.world.happened(attempt.effect_key)
                found = Found.HAPPENED if happened else Found.NOTHING_HAPPENED
                output = "as probed"
                continue
            if attempt.next is Next.EXECUTE:
                ruling = attempt.ruling
                await home.guard.redeem(live, ruling.permit, call_id, tool, {"n": n})
                key = ruling.effect_key or call_id
                self.world.act(call_id, key, CLASS[tool])
                await home.finish(live, call_id, ok=True, output="done", content="done")
                return
            assert attempt.next is Next.ANSWERED, attempt
            record = home.outcomes.answered(live, live.calls[call_id], "done", failed=False)
            await home.journal.commit([record])
            return
        raise AssertionError("a call neither ran nor was answered")

    async def crash(self) -> None:
        """Drop the process's memory; the disk stays."""
        store = await self.disk.crashed(self.home.store)
        entropy = self.home.entropy  # ids of the next process must not repeat those before
        self.home = House(contracts=(*CONTRACTS, *TOOLS), store=store, entropy=entropy)
        self.world.crash_at = -1

    async def judged(self, in_flight: set[str]) -> Told:
        """Hold what the world counted against what the ledger says."""
        told = Told(parked=len(self.parked), in_flight=len(in_flight))
        entries = await self.home.store.effects(self.session_id)
        unknown = {e.call_id for e in entries if e.state is EffectState.UNKNOWN}
        told.surfaced = len(unknown)
        assert unknown == self.parked, (unknown, self.parked)
        assert self.parked <= in_flight, (self.parked, in_flight)
        for call_id, tool, _ in self.names:
            count = self.world.effects[call_id]
            if CLASS[tool] is Idempotency.PURE:
                continue
            told.repeated += max(count - 1, 0)
            if call_id not in self.parked:
                told.lost += count == 0
                told.done += count == 1
        return told


async def open_calls(trial: Trial) -> set[str]:
    """Calls that were allowed and not reported when the process ended, by what is on the disk."""
    calls = await trial.home.store.calls(trial.session_id)
    return {call.call_id for call in calls if call.state in OUTSTANDING}


async def positions(calls: int, disk: Disk) -> tuple[int, int]:
    """How many commits and how many moments a trial without a crash has."""
    trial = Trial(calls, disk, await disk.opened())
    commits = 0
    commit = trial.home.store.commit

    def counting(*given, **more):
        nonlocal commits
        commits += 1
        return commit(*given, **more)

    trial.home.store.commit = counting
    await trial.play()
    await trial.home.store.close()
    return commits, trial.world.moments


async def crashed_at(calls: int, crashes: list[tuple[str, int]], disk: Disk) -> Told:
    """One trial with these crashes, then one process that ends it."""
    trial = Trial(calls, disk, await disk.opened())
    in_flight: set[str] = set()
    for kind, at in crashes:
        trial.world.crash_at = trial.world.moments + at if kind == "moment" else -1
        with contextlib.suppress(Crash, StoreUnavailable):
            await trial.play(at if kind == "commit" else -1)
        await trial.crash()
        in_flight |= await open_calls(trial)
    await trial.play()
    told = await trial.judged(in_flight)
    await trial.home.store.close()
    return told


def schedules(commits: int, moments: int) -> Iterator[list[tuple[str, int]]]:
    """Every single position first, then every pair of positions near each other."""
    single = [("commit", n) for n in range(commits)] + [("moment", n) for n in range(moments)]
    yield from ([one] for one in single)
    for one in single:
        yield from ([one, ("commit", n)] for n in range(min(commits, 12)))
        yield from ([one, ("moment", n)] for n in range(min(moments, 12)))
    for one in single:
        for two in (("commit", 1), ("moment", 0), ("moment", 1), ("commit", 4)):
            yield from ([one, two, ("commit", n)] for n in range(10))
            yield from ([one, two, ("moment", n)] for n in range(10))


async def run(points: int, calls: int = 20, disk: Disk | None = None) -> tuple[int, Told]:
    """Up to `points` trials; the sum of what they came to."""
    total, tried, disk = Told(), 0, disk or Memory()
    for crashes in schedules(*await positions(calls, disk)):
        if tried >= points:
            break
        told = await crashed_at(calls, crashes, disk)
        tried += 1
        for name in vars(total):
            setattr(total, name, getattr(total, name) + getattr(told, name))
    return tried, total


@contextlib.contextmanager
def disk_of(kind: str) -> Iterator[Disk]:
    """Where the trials' stores lie."""
    if kind == "memory":
        yield Memory()
    elif kind == "sqlite":
        with tempfile.TemporaryDirectory(prefix="holdfast-chaos-") as folder:
            yield SqliteDisk(Path(folder))
    else:
        with serving() as postgres:
            yield PostgresDisk(postgres.new_database())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--store", choices=("memory", "sqlite", "postgres"), default="memory")
    given = parser.parse_args()
    begun = time.monotonic()
    with disk_of(given.store) as disk:
        tried, told = asyncio.run(run(given.points, given.calls, disk))
    sys.stdout.write(
        f"{given.store}: {tried} crash schedules in {time.monotonic() - begun:.0f} s:"
        f" lost {told.lost}, repeated {told.repeated}, once {told.done}, parked {told.parked}"
        f" (surfaced {told.surfaced}, in flight at the crashes {told.in_flight})\n"
    )
    return 1 if told.lost or told.repeated else 0


if __name__ == "__main__":
    sys.exit(main())
