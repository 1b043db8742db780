"""From the command to a server that answers, and what it weighs when idle.

Resident memory is the sum over both processes: pages that they share count for each. CPU is that of
a whole command, which waiting for a core does not lengthen.
"""

import os
import time
from pathlib import Path

from benchmarks.processes import Child, cpu_s, environment, gone, python, rss_mb, scratch, tree
from benchmarks.rows import Row, at_most, percentile
from benchmarks.worlds import KEY, Server

NAME = "startup"
_IDLE_S = 5
_READY_S, _HELP_S, _RESIDENT_MB = 0.7, 0.2, 110


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows of seconds to ready, of resident megabytes, and of CPU while idle."""
    ready: list[float] = []
    leftovers = False
    size_mb = idle_cpu = 0.0
    for number in range(1 if quick else 5):
        with Server(scratch(f"{NAME}{number}"), "http://127.0.0.1:9") as server:
            ready.append(server.ready_s)
            if number == 0:
                time.sleep(_IDLE_S)
                size_mb = rss_mb(server.pid)
                before = cpu_s(server.pid)
                time.sleep(_IDLE_S)
                idle_cpu = (cpu_s(server.pid) - before) * 100 / _IDLE_S
            members = tree(server.pid)
        leftovers |= not gone(members)
    typical = percentile(ready, 50)
    project = scratch(f"{NAME}0again")
    with Server(project, "http://127.0.0.1:9"):
        pass
    tries = 1 if quick else 5
    return [
        Row(
            bench=NAME,
            what="command to ready (server and policy process), p50",
            figure=typical,
            unit="s",
            target=f"< {_READY_S:g} s",
            verdict=at_most(_READY_S, typical),
            note=f"worst of {len(ready)}: {max(ready):.2f} s",
        ),
        _typed(project / "project", tries),
        _help(tries),
        Row(
            bench=NAME,
            what=f"resident after {_IDLE_S} s idle, both processes",
            figure=size_mb,
            unit="MB",
            target=f"<= {_RESIDENT_MB} MB",
            verdict=at_most(_RESIDENT_MB, size_mb),
        ),
        Row(bench=NAME, what="CPU while idle", figure=idle_cpu, unit="% of core"),
        Row(
            bench=NAME,
            what="processes left after SIGTERM",
            figure=float(leftovers),
            unit="",
            target="0",
            verdict=at_most(0, float(leftovers)),
        ),
    ]


def _typed(project: Path, tries: int) -> Row:
    """`holdfast up` as it is typed: the command line, then the server that it becomes."""
    took: list[float] = []
    for number in range(tries):
        command = python("-m", "holdfast.apps.cli.main", "up", "-C", str(project), "--port", "0")
        began = time.perf_counter()
        log = project / f"up{number}.log"
        with Child(command, log=log, env=environment({"BENCH_KEY": KEY}), piped=True) as typed:
            typed.line()
            took.append(time.perf_counter() - began)
    return Row(
        bench=NAME,
        what="`holdfast up` typed to ready, p50",
        figure=percentile(took, 50),
        unit="s",
        note=f"a second start; worst of {tries}: {max(took):.2f} s",
    )


def _help(tries: int) -> Row:
    took, used = [], []
    for _ in range(2 * tries):
        began = time.perf_counter()
        pid = os.posix_spawn(
            python()[0],
            python("-m", "holdfast.apps.cli.main", "--help"),
            environment(),
            file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
        )
        _, _, spent = os.wait4(pid, 0)
        took.append(time.perf_counter() - began)
        used.append(spent.ru_utime + spent.ru_stime)
    return Row(
        bench=NAME,
        what="`holdfast --help`, p50",
        figure=percentile(took, 50),
        unit="s",
        target=f"< {_HELP_S:g} s",
        verdict=at_most(_HELP_S, percentile(took, 50)),
        note=f"CPU p50 {percentile(used, 50):.2f} s",
    )
