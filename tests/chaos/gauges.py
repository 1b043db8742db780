"""What a process holds, sampled from outside, and whether it grows.

Not here: what it is loaded with (`soak_load`), what counts as failed (`soak`).
"""

import contextlib
import json
import math
import os
import signal
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

_Z = 1.96
_MB = 1e6
_LEAST_SAMPLES = 30


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One look. Times are seconds from the start, sizes megabytes.

    `recent`: how many sessions the load had opened in the ten minutes before, and stay in memory.
    """

    at_s: float
    recent: int
    rss_mb: float
    policy_rss_mb: float
    files: int
    threads: int
    tasks: int
    objects: int
    wal_mb: float
    database_mb: float


class Slope(msgspec.Struct, frozen=True, kw_only=True):
    """A line through samples: what it rises a minute, and the 95 % interval of that."""

    mb_per_min: float
    low: float
    high: float
    samples: int
    over_min: float


class Watch:
    """Samples a server that runs `watched_server`."""

    def __init__(self, pid: int, policy_pid: int, told: Path, database: Path) -> None:
        self._pid = pid
        self._policy_pid = policy_pid
        self._told = told
        self._database = database
        self._begun = time.monotonic()
        self.samples: list[Sample] = []
        self.inside: list[tuple[float, dict[str, Any]]] = []

    def look(self, *, within: bool, recent: int) -> Sample:
        """One more sample; `within` asks the server, too, what it holds."""
        at_s = time.monotonic() - self._begun
        if within:
            os.kill(self._pid, signal.SIGUSR1)
        self._read_told(at_s)
        seen = self.inside[-1][1] if self.inside else {}
        sample = Sample(
            at_s=at_s,
            recent=recent,
            rss_mb=_status(self._pid, "VmRSS") / _MB,
            policy_rss_mb=_status(self._policy_pid, "VmRSS") / _MB,
            files=_entries(self._pid, "fd"),
            threads=_entries(self._pid, "task"),
            tasks=sum(seen.get("tasks", {}).values()),
            objects=seen.get("objects", 0),
            wal_mb=_size(self._database.with_name(self._database.name + "-wal")),
            database_mb=_size(self._database),
        )
        self.samples.append(sample)
        return sample

    def _read_told(self, at_s: float) -> None:
        """What the server said since; the answer to a signal comes before the next look."""
        lines = self._told.read_text().splitlines() if self._told.exists() else []
        for line in lines[len(self.inside) :]:
            with contextlib.suppress(ValueError):
                self.inside.append((at_s, json.loads(line)))

    def grown(self, what: str, after_s: float, count: int = 12) -> list[tuple[str, int, int]]:
        """Names of `ours`, `plain`, `tasks` or `allocated` that grew most: first, last."""
        settled = [seen for at_s, seen in self.inside if at_s >= after_s]
        if len(settled) < 2:
            return []
        first, last = settled[0].get(what, {}), settled[-1].get(what, {})
        rows = [(name, first.get(name, 0), last[name]) for name in last]
        return sorted((r for r in rows if r[2] > r[1]), key=lambda r: r[1] - r[2])[:count]


def _status(pid: int, name: str) -> int:
    """Bytes of one field of `/proc/pid/status`; 0 for a process that is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return 0


def _entries(pid: int, what: str) -> int:
    """How many entries a folder of `/proc/pid` has."""
    return sum(1 for _ in Path(f"/proc/{pid}/{what}").iterdir())


def _size(path: Path) -> float:
    return path.stat().st_size / _MB if path.exists() else 0.0


def slope(
    points: Sequence[tuple[float, float]], beside: Sequence[float] | None = None
) -> Slope | None:
    """Least squares through (seconds, MB); None where there are too few to say anything.

    `beside` is what the load was at each point: the slope is then that of an even load. What a
    process holds hangs on what it held just before. The interval is widened for that by counting
    only as many samples as are worth an independent one.
    """
    n = len(points)
    if n < _LEAST_SAMPLES:
        return None
    times, sizes = _centred([x for x, _ in points]), _centred([y for _, y in points])
    if beside is not None:
        load = _centred(beside)
        times, sizes = _without(times, load), _without(sizes, load)
    spread = sum(x * x for x in times)
    rise = sum(x * y for x, y in zip(times, sizes, strict=True)) / spread
    rest = [y - rise * x for x, y in zip(times, sizes, strict=True)]
    squares = sum(r * r for r in rest)
    kin = sum(a * b for a, b in pairwise(rest)) / squares if squares else 0.0
    kin = min(max(kin, 0.0), 0.99)
    worth = max(3.0, n * (1 - kin) / (1 + kin))
    wide = _Z * math.sqrt(squares / worth / spread) if worth > 2 else math.inf
    return Slope(
        mb_per_min=rise * 60,
        low=(rise - wide) * 60,
        high=(rise + wide) * 60,
        samples=n,
        over_min=(points[-1][0] - points[0][0]) / 60,
    )


def _centred(values: Sequence[float]) -> list[float]:
    mean = sum(values) / len(values)
    return [value - mean for value in values]


def _without(values: Sequence[float], cause: Sequence[float]) -> list[float]:
    """What is left of centred values once a line through a centred cause is taken away."""
    squares = sum(one * one for one in cause)
    if not squares:
        return list(values)
    share = sum(v * c for v, c in zip(values, cause, strict=True)) / squares
    return [v - share * c for v, c in zip(values, cause, strict=True)]
