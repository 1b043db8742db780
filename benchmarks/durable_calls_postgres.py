"""Durable tool calls a second on a Postgres of this machine: the commits of `durable_calls`, again.

Postgres runs from the wheel that the tests use, as it ships, over a unix socket, and shares the
cores with the caller: its CPU is counted beside ours. The floor writes as many bytes by COPY, a
batch of all sessions a commit. Not here: the pipeline, which is the same on every store.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import asyncpg

from benchmarks.durable_calls import (
    SESSIONS,
    Commit,
    Pace,
    Seen,
    as_the_server,
    best,
    encoded_bytes,
    pipeline,
    replayed,
    row_of,
    session_of,
)
from benchmarks.processes import cpu_s, ended_cpu_s, scratch
from benchmarks.rows import Row
from holdfast.backends.postgres import PostgresStore
from holdfast.backends.system.clock import SystemClock
from holdfast.ports.store import Store
from tests.postgres import PostgresServer, serving

NAME = "durable_calls_postgres"
_TARGET_PER_S = 10_000
_TRIES = 3


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows of calls a second, each with the CPU of both sides, and what they are of the floor."""
    each, tries = (3, 1) if quick else (25, _TRIES)
    commits = _recorded(each)
    calls = SESSIONS * each
    commit_bytes = sum(map(encoded_bytes, commits)) // len(commits)
    with as_the_server(), serving() as postgres:
        floor = best(tries, lambda _: _both(postgres, partial(_bare, commit_bytes, 2 * each)))
        store = best(tries, lambda _: _both(postgres, partial(_replayed, commits, calls)))
    note = f"{len(commits) / calls:.1f} commits a call of {commit_bytes} bytes"
    return [
        row_of("floor: COPY, all sessions a commit", floor, floor, note),
        row_of("store alone: the same commits", store, floor, "", target=_TARGET_PER_S),
    ]


def _recorded(each: int) -> list[Commit]:
    """What the pipeline commits for so many calls of each session."""
    noted: list[Seen] = []

    def seen(store: Store) -> Store:
        noted.append(Seen(store))
        return cast("Store", noted[-1])

    asyncio.run(pipeline(scratch(NAME) / "seen.db", each, redeems=False, seen=seen))
    return [commit for commit in noted[0].commits if session_of(commit[0])]


def _both(postgres: PostgresServer, measure: Callable[[str], Pace]) -> Pace:
    """A measurement on a new database, with Postgres' own CPU added."""
    url = postgres.new_database()
    before = _postgres_cpu_s(postgres)
    pace = measure(url)
    return Pace(pace.calls, pace.wall_s, pace.cpu_s + _postgres_cpu_s(postgres) - before)


def _postgres_cpu_s(postgres: PostgresServer) -> float:
    """What its processes have used, those that ended included."""
    return cpu_s(postgres.pid) + ended_cpu_s(postgres.pid)


def _replayed(commits: Sequence[Commit], calls: int, url: str) -> Pace:
    async def whole() -> Pace:
        store: Store = await PostgresStore.open(url, clock=SystemClock())
        return await replayed(store, commits, calls)

    return asyncio.run(whole())


def _bare(commit_bytes: int, rounds: int, url: str) -> Pace:
    """`rounds` transactions of one row of so many bytes for each session; two rows are a call."""

    async def whole() -> Pace:
        connection = await asyncpg.connect(url)
        await connection.execute("CREATE TABLE floor (seq bigint PRIMARY KEY, body bytea)")
        cpu, began_s = time.process_time(), time.perf_counter()
        for number in range(rounds):
            first = number * SESSIONS
            rows = [(first + n, b"x" * commit_bytes) for n in range(SESSIONS)]
            await connection.copy_records_to_table("floor", records=rows)
        took_s, used_s = time.perf_counter() - began_s, time.process_time() - cpu
        await connection.close()
        return Pace(SESSIONS * rounds // 2, took_s, used_s)

    return asyncio.run(whole())
