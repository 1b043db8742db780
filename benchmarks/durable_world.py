"""The world outside a durable run: it counts every effect, and outlives whoever asked for it.

A SQLite file without fsync: a killed process loses nothing that it wrote. Only the standard
library is used, so that every peer's own environment can import it. Not here: who asks for effects.
"""

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_TABLE = """CREATE TABLE IF NOT EXISTS effects (
  n INTEGER PRIMARY KEY, run INTEGER, step INTEGER, key TEXT, took INTEGER, at_ns INTEGER)"""


class Tally(NamedTuple):
    """What came of a number of runs: `dropped` repeats were refused by a world that knows keys."""

    wanted: int
    happened: int
    lost: int
    repeated: int
    dropped: int


def tally(effects: Iterable[tuple[int, int, bool]], runs: int, steps: int) -> Tally:
    """Count effects, each a run, a step and whether it took, against `runs` times `steps`."""
    took: Counter[tuple[int, int]] = Counter()
    dropped = 0
    for run, step, happened in effects:
        took[run, step] += happened
        dropped += not happened
    wanted = [(run, step) for run in range(runs) for step in range(steps)]
    lost = sum(1 for name in wanted if not took[name])
    distinct = sum(1 for count in took.values() if count)
    return Tally(len(wanted), took.total(), lost, took.total() - distinct, dropped)


class World:
    """Every effect that anybody asked for. `keyed`: a key that is known does not take twice."""

    def __init__(self, path: Path, *, keyed: bool = False) -> None:
        self._keyed = keyed
        self._lock = threading.Lock()
        self._file = sqlite3.connect(
            path, timeout=30, isolation_level=None, check_same_thread=False
        )
        self._file.execute("PRAGMA journal_mode=WAL")
        self._file.execute("PRAGMA synchronous=OFF")
        self._file.execute(_TABLE)
        self._file.execute("CREATE INDEX IF NOT EXISTS by_key ON effects (key)")

    def affect(self, run: int, step: int, key: str) -> None:
        """One side effect."""
        known = "NOT EXISTS (SELECT 1 FROM effects WHERE key = ?4)" if self._keyed else "1"
        statement = (
            f"INSERT INTO effects (run, step, at_ns, key, took) SELECT ?1, ?2, ?3, ?4, {known}"
        )
        with self._lock:
            self._file.execute(statement, (run, step, time.time_ns(), key))

    def has(self, key: str) -> bool:
        """Whether the effect of that key took: what a person would look up."""
        with self._lock:
            found = self._file.execute("SELECT 1 FROM effects WHERE key = ? AND took", (key,))
            return found.fetchone() is not None

    def count(self) -> int:
        """Effects asked for so far."""
        with self._lock:
            return int(self._file.execute("SELECT coalesce(max(n), 0) FROM effects").fetchone()[0])

    def tally(self, runs: int, steps: int) -> Tally:
        """What came of the runs."""
        with self._lock:
            rows = self._file.execute("SELECT run, step, took FROM effects").fetchall()
        return tally(((run, step, bool(took)) for run, step, took in rows), runs, steps)

    def lasted_s(self) -> float:
        """From the first effect to the last."""
        with self._lock:
            row = self._file.execute("SELECT min(at_ns), max(at_ns) FROM effects").fetchone()
        return (row[1] - row[0]) / 1e9 if row[0] is not None else 0.0

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
