"""What a run says: how many were noticed, within which interval, and each that was not.

Not here: running.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tests.mutants.operators import Mutant

Fate = Literal["killed", "survived", "timed out", "equivalent", "stillborn", "doubtful"]
_Z = 1.959964


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one mutant; `by` is the test that noticed, or why there is none."""

    mutant: Mutant
    before: str
    after: str
    fate: Fate
    by: str = ""
    tests: int = 0
    cpu_seconds: float = 0.0


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The interval of 95 % for a share of `hits` in `of` trials."""
    if of == 0:
        return 0.0, 1.0
    share, square = hits / of, _Z * _Z
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = _Z / (1 + square / of) * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def share_line(name: str, verdicts: Sequence[Verdict], target: float) -> str:
    """One line: killed of those that count, with its interval, and what does not count."""
    fates = Counter(verdict.fate for verdict in verdicts)
    counted = fates["killed"] + fates["survived"]
    low, high = wilson(fates["killed"], counted)
    share = fates["killed"] / counted if counted else 0.0
    apart = ", ".join(
        f"{fates[fate]} {fate}"
        for fate in ("timed out", "equivalent", "stillborn", "doubtful")
        if fates[fate]
    )
    return (
        f"{name}: {fates['killed']} of {counted} killed, {share:.1%}"
        f" ({low:.1%} to {high:.1%}; target {target:.0%}{' met' if share >= target else ' missed'})"
        + (f"; apart: {apart}" if apart else "")
    )


def lines_of(verdicts: Sequence[Verdict], fate: Fate) -> list[str]:
    """Each mutant of this fate as a difference, in the order of the files."""
    found: list[str] = []
    of_fate = [verdict for verdict in verdicts if verdict.fate == fate]
    for one in sorted(of_fate, key=lambda v: (v.mutant.path, v.mutant.line, v.mutant.start)):
        found += [
            f"{one.mutant.path}:{one.mutant.line} {one.mutant.operator}, {one.tests} tests"
            + (f", {one.by}" if one.by else ""),
            f"    - {one.before}",
            f"    + {one.after}",
        ]
    return found


def by_operator(verdicts: Sequence[Verdict]) -> list[str]:
    """Killed of counted, an operator a line."""
    killed, counted = Counter[str](), Counter[str]()
    for verdict in verdicts:
        if verdict.fate in ("killed", "survived"):
            counted[verdict.mutant.operator] += 1
            killed[verdict.mutant.operator] += verdict.fate == "killed"
    return [f"    {name}: {killed[name]} of {counted[name]}" for name in sorted(counted)]
