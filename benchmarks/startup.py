"""From the command to a server that answers, and what it weighs when idle."""

import time

from benchmarks.processes import cpu_s, gone, rss_mb, scratch, tree
from benchmarks.rows import Row, at_most, percentile
from benchmarks.worlds import Server

NAME = "startup"
_IDLE_S = 5


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
    return [
        Row(
            bench=NAME,
            what="command to ready (server and policy process), p50",
            figure=typical,
            unit="s",
            target="< 2 s",
            verdict=at_most(2, typical),
            note=f"worst of {len(ready)}: {max(ready):.2f} s",
        ),
        Row(
            bench=NAME,
            what=f"resident after {_IDLE_S} s idle, both processes",
            figure=size_mb,
            unit="MB",
            target="< 150 MB",
            verdict=at_most(150, size_mb),
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
