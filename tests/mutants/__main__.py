"""`make mutants`: seeded samples of mutants in `core` and `runtime` against their fastest tests."""

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.mutants.campaign import Campaign, Plan
from tests.mutants.forks import preload
from tests.mutants.reach import Reach, Uses, reach_of
from tests.mutants.report import Verdict, by_operator, lines_of, share_line
from tests.mutants.sampling import Population, equivalents
from tests.mutants.trials import ROOT

SAMPLES = {"core": (600, 0.95), "runtime": (400, 0.90)}
TESTS = ("tests/unit", "tests/properties", "tests/contract")
# Made by a script from the price list of another package: data, which tests compare with that.
GENERATED = frozenset({"src/holdfast/core/price_table.py"})


def folder_of(part: str) -> str:
    """Where the code of a part stands."""
    return f"src/holdfast/{part}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and say by the exit code whether each target was met."""
    given = _arguments(argv)
    began = time.monotonic()
    preload()
    sources = [folder_of(part) for part in SAMPLES]
    reach = reach_of(ROOT, sources, given.against, ROOT / ".venv" / "mutants", given.jobs)
    uses = Uses(ROOT, sources, given.against)
    _say(
        f"seed {given.seed}, {given.jobs} at a time, {len(reach.seconds)} tests mapped"
        f" in {time.monotonic() - began:.0f} s, {len(reach.left_out)} left out"
    )
    plan = Plan(ROOT, given.tests, given.jobs, equivalents())
    met = True
    for part in given.parts:
        met &= _part(part, given, plan, reach, uses)
    _say(f"{(time.monotonic() - began) / 60:.1f} minutes")
    return 0 if met else 1


def _part(part: str, given: argparse.Namespace, plan: Plan, reach: Reach, uses: Uses) -> bool:
    size, target = SAMPLES[part]
    folders = given.below or [folder_of(part)]
    folders = [folder for folder in folders if folder.startswith(folder_of(part))]
    population = Population(ROOT, folders, GENERATED)
    if not len(population):
        return True
    campaign = Campaign(plan, population, reach, uses)
    until = time.monotonic() + 60 * given.minutes
    verdicts = campaign.trusted(
        list(campaign.run(f"{given.seed} {part}", given.size or size, until))
    )
    sys.stderr.write("\n")
    for fate in ("survived", "timed out", "equivalent", "doubtful"):
        if found := lines_of(verdicts, fate):
            _say(f"\n{part}, {fate}:", *found)
    used = sum(verdict.cpu_seconds for verdict in verdicts)
    _say(
        "",
        share_line(f"{part} ({len(population)} mutants)", verdicts, target),
        *by_operator(verdicts),
        f"    {used / max(1, len(verdicts)):.2f} s of processor time a mutant",
    )
    if given.out:
        Path(given.out).mkdir(parents=True, exist_ok=True)
        _kept(Path(given.out) / f"{part}.json", verdicts)
    counted = [verdict.fate for verdict in verdicts if verdict.fate in ("killed", "survived")]
    return bool(counted) and counted.count("killed") >= target * len(counted)


def _kept(path: Path, verdicts: Sequence[Verdict]) -> None:
    path.write_text(json.dumps([asdict(verdict) for verdict in verdicts], indent=1))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--seed", default=time.strftime("%Y-%m-%d"), help="default: the date")
    parser.add_argument("--parts", nargs="+", choices=SAMPLES, default=list(SAMPLES))
    parser.add_argument("--size", type=int, help="mutants of each part; default 600 and 400")
    parser.add_argument("--below", nargs="+", help="only of these folders or files, from the root")
    parser.add_argument("--tests", type=int, default=20, help="tests a mutant, the fastest")
    parser.add_argument("--against", nargs="+", default=TESTS, help="folders of tests")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="of each part; what is tried by then counts"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--out", help="a folder for every verdict, as JSON")
    return parser.parse_args(argv)


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
