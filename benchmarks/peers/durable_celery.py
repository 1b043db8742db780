"""Durable runs by Celery on Redis; runs in Celery's own environment.

`python -m benchmarks.peers.durable_celery RUNS STEPS SHAPE` enqueues; the worker is Celery's own
command with `--app benchmarks.peers.durable_celery`. SHAPE is `chain` (a task a step) or `task` (a
task a run). The broker's address and the world's file come from the environment.
"""

import os
import sys
from functools import cache
from pathlib import Path

from celery import Celery, chain  # type: ignore[import-not-found]

from benchmarks.durable_world import World

VISIBILITY_S = 5
app = Celery("durable", broker=os.environ["BENCH_BROKER"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    broker_transport_options={
        "visibility_timeout": VISIBILITY_S,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
    },
    broker_connection_retry_on_startup=True,
)


@cache
def _world() -> World:
    return World(Path(os.environ["BENCH_WORLD"]))


@app.task(name="durable.act")  # type: ignore[untyped-decorator]
def act(run: int, step: int) -> None:
    """One step."""
    _world().affect(run, step, f"{run}:{step}")


@app.task(name="durable.act_all")  # type: ignore[untyped-decorator]
def act_all(run: int, steps: int) -> None:
    """A whole run."""
    for step in range(steps):
        _world().affect(run, step, f"{run}:{step}")


def main(arguments: list[str]) -> None:
    """Enqueue every run."""
    runs, steps, shape = int(arguments[0]), int(arguments[1]), arguments[2]
    for run in range(runs):
        if shape == "chain":
            chain(*(act.si(run, step) for step in range(steps))).apply_async()
        else:
            act_all.delay(run, steps)


if __name__ == "__main__":
    main(sys.argv[1:])
