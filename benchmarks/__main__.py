"""`python -m benchmarks [NAME…] [--quick] [--only WORDS]`: every figure of one run, side by side.

Writes `benchmarks/results.json`.
"""

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path

import msgspec

from benchmarks import machine
from benchmarks.processes import Unavailable, unavailable
from benchmarks.rows import Row, printed, table

NAMES = (
    "startup",
    "commit_floor",
    "decisions",
    "hooks",
    "gateway_cpu",
    "held_streams",
    "session_memory",
    "kills",
    "stops",
    "console",
    "burst",
    "burst_litellm",
    "relays",
    "starvation",
    "activations",
    "dispatch",
    "added",
    "restart",
    "durable_peers",
    "durable_calls",
    "durable_calls_postgres",
    "journal_size",
    "answers_oracle",
    "noisy_tenant",
    "jobs",
    "shell_risk",
    "hostile",
    "scrub",
)
_RESULTS = Path(__file__).with_name("results.json")


def main(arguments: list[str]) -> int:
    """0 when everything ran, whatever the verdicts; 1 when a benchmark broke."""
    if arguments[:1] == ["jobs"] and len(arguments) > 1:
        return int(import_module("benchmarks.jobs.command").main(arguments[1:]))
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="short rounds: to see that it runs")
    parser.add_argument(
        "--only", default="", metavar="WORDS", help="of hostile: the inputs whose name has these"
    )
    parser.add_argument("--markdown", action="store_true", help="also print the rows as Markdown")
    parser.add_argument(
        "--nice", type=int, default=0, help="priority over other work here, such as -5 (root only)"
    )
    given = parser.parse_args(arguments)
    os.nice(given.nice)
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {NAMES}")
    if given.only and given.names != ["hostile"]:
        parser.error("--only goes with hostile alone")
    here = machine.describe()
    say = sys.stdout.write
    say(f"{here.cpu}, {here.cores} cores, {here.memory_gb} GB, Linux {here.kernel}, ")
    say(f"Python {here.python}; load average at start {here.load_average}\n")
    say(", ".join(f"{name} {version}" for name, version in here.versions.items()) + "\n")
    rows: list[Row] = []
    foreign: dict[str, float] = {}
    broke = False
    for name in [n for n in NAMES if not given.names or n in given.names]:
        meter = machine.ForeignWork()
        say(f"\n{name}\n")
        sys.stdout.flush()
        try:
            more = {"only": given.only} if given.only else {}
            found: list[Row] = import_module(f"benchmarks.{name}").run(given.quick, **more)
        except (Unavailable, RuntimeError, OSError) as error:
            found, broke = [unavailable(name, name, "", error)], True
        printed(found, say)
        foreign[name] = round(meter.percent(), 1)
        say(f"  ({meter.lasted_s():.0f} s; others used {foreign[name]} % of this machine)\n")
        rows += found
        _keep(here, given, foreign, rows)
    missed = sum(1 for row in rows if row.verdict == "missed")
    met = sum(1 for row in rows if row.verdict == "met")
    say(f"\n{met} targets met, {missed} missed\n")
    if given.markdown:
        say("\n" + table(rows))
    return 1 if broke else 0


def _keep(
    here: machine.Machine,
    given: argparse.Namespace,
    foreign: dict[str, float],
    rows: list[Row],
) -> None:
    """Write what there is so far: a run that is broken off leaves the rows that it had."""
    result = {
        "machine": here,
        "quick": given.quick,
        "nice": given.nice,
        "foreign_cpu_percent": foreign,
        "rows": rows,
    }
    _RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
