"""From nothing to the next effect: server and worker were killed in the middle of a run.

Both are killed with SIGKILL inside a tool, on a file and then on a Postgres of this machine, which
lives on. Both are started again at once, as by a machine that comes up, and the clock runs from
that until the run has its next effect. Leases are of ten seconds, the default: whatever is waited
of the dead worker's lease is part of the figure. Not here: how a Postgres itself comes back.
"""

import signal
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.processes import scratch
from benchmarks.rows import Row, at_most
from tests.native_project import SETTINGS, NativeProject, calls, end, script, until
from tests.postgres import serving

NAME = "restart"
_TARGET_S = 3.0
_WAIT_S = 30.0


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows of seconds from the start to the next effect, the worst of several."""
    folder, tries = scratch(NAME), 1 if quick else 10
    with serving() as postgres:
        return [
            _row("SQLite", folder / "sqlite", tries, lambda: ""),
            _row("Postgres", folder / "postgres", tries, postgres.new_database),
        ]


def _row(where: str, folder: Path, tries: int, store_url: Callable[[], str]) -> Row:
    took = sorted(_restarted(folder / str(number), store_url()) for number in range(tries))
    return Row(
        bench=NAME,
        what=f"{where}: server and worker killed, started again, to the next effect",
        figure=took[-1],
        unit="s",
        target=f"< {_TARGET_S:g} s",
        verdict=at_most(_TARGET_S, took[-1]),
        note=f"the worst of {tries}; median {took[len(took) // 2]:.2f} s",
    )


def _restarted(folder: Path, store_url: str) -> float:
    """Seconds from starting both again to the effect after the one that they died in."""
    played = script(refund=calls(("look", "o1"), ("pay", "slow1"), ("ship", "o2")))
    settings = SETTINGS.replace("lease_s: 1", "lease_s: 10")
    with NativeProject(folder, played, settings=settings, store_url=store_url) as house:
        worker = house.worker()
        run = house.submit("refund it")
        until(lambda: house.acts("pay"), _WAIT_S)
        end(worker)
        house.project.stop(signal.SIGKILL)
        began_s = time.perf_counter()
        house.worker()
        house.project.start()
        until(lambda: house.acts("ship"), _WAIT_S, lambda: f"{house.show(run)} {house.kinds(run)}")
        took_s = time.perf_counter() - began_s
        house.until(run, "done")
    return took_s
