"""Durable tool calls a second, 200 sessions at once in one process, on `SqliteStore`.

A call is its intent and its outcome, each durable before the session goes on. The whole pipeline
runs with policy in memory; then the very commits that it made are put to a fresh store without a
pipeline; then a bare apsw loop writes as many bytes, a batch of all sessions a commit. Garbage
collector and threads' turns are set as `apps/server` sets them, each row is the best of three. Not
here: doors, the policy process, tools.
"""

import asyncio
import gc
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import apsw
import msgspec

from benchmarks.in_process import InProcess, tool
from benchmarks.processes import scratch
from benchmarks.rows import Row, at_least
from holdfast.backends.sqlite import SqliteStore
from holdfast.backends.system.clock import SystemClock
from holdfast.model.attempts import Next
from holdfast.model.events import Record
from holdfast.model.tools import Idempotency
from holdfast.ports.store import Change, Store
from holdfast.runtime.live import LiveSession

NAME = "durable_calls"
SESSIONS = 200
_TARGET_PER_S = 5000
_TRIES = 3
# As `apps/gateway/serving` sets them.
_GC_THRESHOLD = 20_000
_SWITCH_INTERVAL_S = 0.0005
_TOOL = "refund"
_OUTPUT = "refunded: " + "receipt and balance of the order as the shop returned it. " * 5

Commit = tuple[tuple[Record, ...], tuple[Change, ...]]


class Seen:
    """A store that notes every commit that it passes on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.commits: list[Commit] = []

    def commit(
        self, records: Sequence[Record] = (), changes: Sequence[Change] = ()
    ) -> asyncio.Future[None]:
        """As the port says."""
        self.commits.append((tuple(records), tuple(changes)))
        return self._store.commit(records, changes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class Pace(msgspec.Struct, frozen=True):
    """How fast a number of calls went; CPU is the whole process's."""

    calls: int
    wall_s: float
    cpu_s: float

    @property
    def per_s(self) -> float:
        """Calls a second."""
        return self.calls / self.wall_s

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU a call."""
        return self.cpu_s * 1e6 / self.calls


async def paced(store: Store, calls: int, workers: Sequence[Callable[[], Awaitable[None]]]) -> Pace:
    """All workers at once, to their end, and until all that they did is in the tables."""
    cpu_s, began_s = time.process_time(), time.perf_counter()
    await asyncio.gather(*(worker() for worker in workers))
    # A read waits for that.
    await store.last_at_ns()
    return Pace(calls, time.perf_counter() - began_s, time.process_time() - cpu_s)


async def pipeline(
    path: Path, each: int, *, redeems: bool, seen: Callable[[Store], Store] = lambda store: store
) -> Pace:
    """Every session makes `each` calls, one after the other, through the whole guard."""
    house = await InProcess.opened(path, [tool(_TOOL, Idempotency.KEYED)], seen)
    sessions = await house.runs(SESSIONS)

    async def work(live: LiveSession) -> None:
        for number in range(each):
            call_id = f"toolu_{live.who.task}_{number}"
            arguments = {"order": f"A-{number}", "amount": number, "note": "x" * 150}
            house.emit(live, call_id, _TOOL, arguments)
            attempt = await house.again(live, call_id, _TOOL, arguments)
            if attempt.next is not Next.EXECUTE or attempt.ruling is None:
                raise RuntimeError(f"{attempt.next}: {attempt.message}")
            if redeems:
                await house.redeem(live, call_id, _TOOL, attempt.ruling)
            await house.finish(live, call_id, _OUTPUT)

    pace = await paced(house.store, SESSIONS * each, [partial(work, one) for one in sessions])
    await house.store.close()
    return pace


async def replayed(store: Store, commits: Sequence[Commit], calls: int) -> Pace:
    """The same commits again, each session's one after the other, without a pipeline.

    The store is closed afterwards.
    """
    lines: dict[str, list[Commit]] = defaultdict(list)
    for records, changes in commits:
        fresh = tuple(msgspec.structs.replace(record, seq=0) for record in records)
        lines[session_of(records)].append((fresh, changes))

    async def work(line: Sequence[Commit]) -> None:
        for records, changes in line:
            await store.commit(records, changes)

    pace = await paced(store, calls, [partial(work, line) for line in lines.values()])
    await store.close()
    return pace


async def replay_file(path: Path, commits: Sequence[Commit], calls: int) -> Pace:
    """`replayed` on a new file."""
    return await replayed(SqliteStore.open(path, clock=SystemClock()), commits, calls)


def session_of(records: Sequence[Record]) -> str:
    """The session whose tool call a commit is about; empty for any other commit."""
    return next((record.session for record in records if record.call_id), "")


def bare(path: Path, commit_bytes: int, rounds: int) -> Pace:
    """`rounds` transactions of one row of so many bytes for each session; two rows are a call."""
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", 2)
    connection.execute("CREATE TABLE floor (seq INTEGER PRIMARY KEY, body BLOB)")
    cpu_s, began_s = time.process_time(), time.perf_counter()
    for _ in range(rounds):
        with connection:
            rows = ((b"x" * commit_bytes,) for _ in range(SESSIONS))
            connection.executemany("INSERT INTO floor (body) VALUES (?)", rows)
    pace = Pace(SESSIONS * rounds // 2, time.perf_counter() - began_s, time.process_time() - cpu_s)
    connection.close()
    return pace


def encoded_bytes(commit: Commit) -> int:
    """Bytes of a commit's records and states as JSON."""
    return sum(len(msgspec.json.encode(one)) for part in commit for one in part)


@contextmanager
def as_the_server() -> Iterator[None]:
    """Collector and threads' turns as a server has them, for as long as this lasts."""
    thresholds, interval_s = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(_GC_THRESHOLD)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(interval_s)


def best(tries: int, measure: Callable[[int], Pace]) -> Pace:
    """The fastest of so many; each is told its number, for a file of its own."""
    return max((measure(number) for number in range(tries)), key=lambda pace: pace.per_s)


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows of calls a second, each with its CPU, and what they are of the floor."""
    with as_the_server():
        return _run(scratch(NAME), 3 if quick else 25, 1 if quick else _TRIES)


def _run(folder: Path, each: int, tries: int) -> list[Row]:
    noted: list[Seen] = []

    def seen(store: Store) -> Store:
        noted.append(Seen(store))
        return cast("Store", noted[-1])

    calls = SESSIONS * each
    asyncio.run(pipeline(folder / "seen.db", each, redeems=False, seen=seen))
    # The pipeline's own commits only: a session's opening is none of a call's.
    commits = [c for c in noted[0].commits if session_of(c[0])]
    commit_bytes = sum(map(encoded_bytes, commits)) // len(commits)

    def whole(number: int, *, redeems: bool) -> Pace:
        path = folder / f"{'redeemed' if redeems else 'whole'}-{number}.db"
        return asyncio.run(pipeline(path, each, redeems=redeems))

    floor = best(tries, lambda n: bare(folder / f"bare-{n}.db", commit_bytes, 2 * each))
    store = best(
        tries, lambda n: asyncio.run(replay_file(folder / f"replayed-{n}.db", commits, calls))
    )
    finished = best(tries, partial(whole, redeems=False))
    redeemed = best(tries, partial(whole, redeems=True))
    note = f"{len(commits) / calls:.1f} commits a call of {commit_bytes} bytes"
    return [
        row_of("floor: bare apsw, all sessions a commit", floor, floor, note),
        row_of("store alone: the same commits", store, floor, "", target=_TARGET_PER_S),
        row_of("whole pipeline: decide, finish", finished, floor, ""),
        row_of("whole pipeline: decide, redeem, finish", redeemed, floor, "3 commits a call"),
    ]


def row_of(what: str, pace: Pace, floor: Pace, note: str, *, target: int = 0) -> Row:
    """A row with its CPU and its floor; judged where it has a target."""
    of_floor = f"{pace.cpu_us:.0f} us CPU a call; floor / this {floor.per_s / pace.per_s:.1f} x"
    row = Row(
        bench=NAME,
        what=what,
        figure=pace.per_s,
        unit="calls/s",
        note="; ".join(part for part in (of_floor, note) if part),
    )
    if not target:
        return row
    verdict = at_least(target, pace.per_s)
    return msgspec.structs.replace(row, target=f">= {target}", verdict=verdict)
