"""`python -m tests.chaos.watched_server`: the real server, which tells what it holds on SIGUSR1.

Each signal appends one JSON line to the file that SOAK_GAUGES names: tasks of the event loop by
coroutine, objects by class for Holdfast's own, and with PYTHONTRACEMALLOC what was allocated where.
Nothing of the server is changed; the walk over its objects costs some tens of milliseconds.
"""

import asyncio
import contextlib
import gc
import json
import os
import signal
import sys
import tracemalloc
from collections import Counter
from pathlib import Path

from holdfast.apps.server.__main__ import main

_ALLOCATORS = 40


def _gauges() -> dict[str, object]:
    tasks: Counter[str] = Counter()
    with contextlib.suppress(RuntimeError):
        for task in asyncio.all_tasks():
            tasks[getattr(task.get_coro(), "__qualname__", "?")] += 1
    kept = gc.get_objects()
    ours: Counter[str] = Counter()
    plain: Counter[str] = Counter()
    for one in kept:
        kind = type(one)
        if str(kind.__module__).startswith("holdfast."):
            ours[f"{kind.__module__.removeprefix('holdfast.')}.{kind.__qualname__}"] += 1
        elif kind in (dict, list, tuple, set):
            plain[kind.__name__] += 1
    found: dict[str, object] = {
        "tasks": dict(tasks),
        "objects": len(kept),
        "ours": dict(ours.most_common(60)),
        "plain": dict(plain),
    }
    if tracemalloc.is_tracing():
        lines = tracemalloc.take_snapshot().statistics("lineno")[:_ALLOCATORS]
        found["allocated"] = {str(line.traceback): line.size for line in lines}
    return found


def _watched(path: Path) -> None:
    def tell(*_: object) -> None:
        with path.open("a") as log:
            log.write(json.dumps(_gauges()) + "\n")

    signal.signal(signal.SIGUSR1, tell)


if __name__ == "__main__":
    _watched(Path(os.environ["SOAK_GAUGES"]))
    sys.exit(main(sys.argv[1:]))
