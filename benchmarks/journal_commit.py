"""How fast a record becomes durable, beside the bare floor of the same disk in the same run.

Floors: one apsw connection that commits one row at a time; and a bare writer thread that commits
whatever 64 asyncio callers have queued, without states, checks or indexes. Then `SqliteStore`
with one record a commit, and with the states of a decided tool call. `busy` keeps the event loop
computing for 1 ms out of 2, as a server under load does.

Run: `python -m benchmarks.journal_commit [seconds per row]`.
"""

import asyncio
import queue
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import apsw

from holdfast.backends.sqlite import SqliteStore
from holdfast.model.budgets import AccountKey, AccountState, Dimension, HoldState, Scope, Window
from holdfast.model.events import Kind, Record
from holdfast.model.tools import CallRecord, CallState
from holdfast.ports.store import Change

Commit = Callable[[int], Awaitable[None]]
Line = tuple[str, int, float, float, float]


class _WallClock:
    def now_ns(self) -> int:
        return time.time_ns()


def a_record(number: int) -> Record:
    """A decided tool call, about 0.5 KB."""
    return Record(
        kind=Kind.TOOL_CALL_DECIDED,
        at_ns=time.time_ns(),
        tenant="acme",
        project="desk",
        user=f"user{number % 50}",
        agent="support",
        session=f"ses_{number % 64}",
        task="tsk_1",
        turn=3,
        call_id=f"toolu_{number}",
        decision_id=f"dec_{number}",
        tool="mcp__shop__refund",
        verdict="allow",
        risk="MEDIUM",
        body={"arguments": {"order": number, "note": "x" * 150}, "rules": ["refunds-allowed"]},
    )


def the_states(number: int) -> list[Change]:
    """What a decided tool call changes: 8 accounts, a hold, the call."""
    scopes = [(scope, window) for scope in Scope for window in (Window.LIFE, Window.DAY)][:8]
    keys = tuple(
        AccountKey(scope, f"acme/{number % 64}", Dimension.TOOL_CALLS, window)
        for scope, window in scopes
    )
    accounts = [AccountState(key=key, limit=10**6, settled=number) for key in keys]
    hold = HoldState(
        hold_id=f"hold_{number}",
        session="ses",
        purpose="tool_call",
        keys=keys,
        amounts={Dimension.TOOL_CALLS: 1},
        opened_at_ns=1,
    )
    call = CallRecord(
        session=f"ses_{number % 64}",
        call_id=f"toolu_{number}",
        tool="mcp__shop__refund",
        digest="sha256:" + "0" * 64,
        state=CallState.ALLOWED,
    )
    return [*accounts, hold, call]


def _line(name: str, waits_s: list[float], lasted_s: float) -> Line:
    waits_s.sort()
    at = len(waits_s) - 1
    p50, p99 = waits_s[at // 2] * 1e3, waits_s[int(at * 0.99)] * 1e3
    return name, len(waits_s), len(waits_s) / lasted_s, p50, p99


async def measure(name: str, commit: Commit, callers: int, last_s: float, *, busy: bool) -> Line:
    """`callers` tasks commit one after the other for `last_s` seconds."""
    waits_s: list[float] = []
    start = time.perf_counter()

    async def caller(first: int) -> None:
        number = first
        while (began := time.perf_counter()) < start + last_s:
            await commit(number)
            waits_s.append(time.perf_counter() - began)
            number += callers

    async def computing() -> None:
        while True:
            until = time.perf_counter() + 0.001
            while time.perf_counter() < until:
                pass
            await asyncio.sleep(0.001)

    load = asyncio.create_task(computing()) if busy else None
    await asyncio.gather(*(caller(n) for n in range(callers)))
    if load:
        load.cancel()
    return _line(name, waits_s, time.perf_counter() - start)


def _bare(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", 2)
    connection.execute("CREATE TABLE floor (seq INTEGER PRIMARY KEY, body BLOB)")
    return connection


def bare_loop(folder: Path, last_s: float) -> Line:
    """One row, one commit, one thread: what this disk can do for a single caller."""
    connection = _bare(folder / "loop.db")
    waits_s: list[float] = []
    start = time.perf_counter()
    while (began := time.perf_counter()) < start + last_s:
        connection.execute("INSERT INTO floor (body) VALUES (?)", (b"x" * 500,))
        waits_s.append(time.perf_counter() - began)
    lasted_s = time.perf_counter() - start
    connection.close()
    return _line("floor: bare apsw loop", waits_s, lasted_s)


class BareWriter:
    """Group commit with nothing around it: a queue, a thread, one statement a row."""

    def __init__(self, path: Path) -> None:
        self._connection = _bare(path)
        self._queue: queue.SimpleQueue[asyncio.Future[None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def commit(self, number: int) -> asyncio.Future[None]:
        """Durable when the future is done."""
        future = asyncio.get_running_loop().create_future()
        self._queue.put(future)
        return future

    def close(self) -> None:
        """Finish and close."""
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            futures = [first]
            while not self._queue.empty() and (more := self._queue.get()) is not None:
                futures.append(more)
            with self._connection:
                rows = ((b"x" * 500,) for _ in futures)
                self._connection.executemany("INSERT INTO floor (body) VALUES (?)", rows)
            futures[0].get_loop().call_soon_threadsafe(_resolve, futures)


def _resolve(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        future.set_result(None)


async def lines(folder: Path, last_s: float) -> list[Line]:
    """Every row of the table."""
    found = [bare_loop(folder, last_s)]
    bare = BareWriter(folder / "writer.db")
    for callers in (1, 64):
        name = f"floor: bare writer thread, {callers} callers"
        found.append(await measure(name, bare.commit, callers, last_s, busy=False))
    bare.close()
    store = SqliteStore.open(folder / "store.db", clock=_WallClock())

    def record_only(number: int) -> Awaitable[None]:
        return store.commit([a_record(number)])

    def with_states(number: int) -> Awaitable[None]:
        return store.commit([a_record(number)], the_states(number))

    for callers in (1, 64):
        for name, commit in (("record", record_only), ("record + 10 states", with_states)):
            for busy in (False, True):
                title = f"SqliteStore: {name}, {callers} callers{', busy loop' * busy}"
                found.append(await measure(title, commit, callers, last_s, busy=busy))
    await store.close()
    return found


def main() -> None:
    """Print the table."""
    last_s = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    with tempfile.TemporaryDirectory() as folder:
        table = asyncio.run(lines(Path(folder), last_s))
    print(f"{'':58}{'commits':>9}{'per s':>9}{'p50 ms':>9}{'p99 ms':>9}")
    for name, count, rate, p50, p99 in table:
        print(f"{name:58}{count:9}{rate:9.0f}{p50:9.2f}{p99:9.2f}")


if __name__ == "__main__":
    main()
