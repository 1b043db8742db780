"""`python -m benchmarks [NAME…] [--quick]`: every figure of one run, side by side.

Writes `benchmarks/results.json`.
"""

import argparse
import sys
import time
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
    "gateway_cpu",
    "held_streams",
    "kills",
    "burst",
    "burst_litellm",
)
_RESULTS = Path(__file__).with_name("results.json")


def main(arguments: list[str]) -> int:
    """0 when everything ran, whatever the verdicts; 1 when a benchmark broke."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="short rounds: to see that it runs")
    parser.add_argument("--markdown", action="store_true", help="also print the rows as Markdown")
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {NAMES}")
    here = machine.describe()
    say = sys.stdout.write
    say(f"{here.cpu}, {here.cores} cores, {here.memory_gb} GB, Linux {here.kernel}, ")
    say(f"Python {here.python}; load average at start {here.load_average}\n")
    say(", ".join(f"{name} {version}" for name, version in here.versions.items()) + "\n")
    rows, broke = [], False
    for name in [n for n in NAMES if not given.names or n in given.names]:
        began = time.monotonic()
        say(f"\n{name}\n")
        sys.stdout.flush()
        try:
            found: list[Row] = import_module(f"benchmarks.{name}").run(given.quick)
        except Unavailable as error:
            found, broke = [unavailable(name, name, "", error)], True
        printed(found, say)
        say(f"  ({time.monotonic() - began:.0f} s)\n")
        rows += found
    result = {"machine": here, "quick": given.quick, "rows": rows}
    _RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    missed = sum(1 for row in rows if row.verdict == "missed")
    met = sum(1 for row in rows if row.verdict == "met")
    say(f"\n{met} targets met, {missed} missed\n")
    if given.markdown:
        say("\n" + table(rows))
    return 1 if broke else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
