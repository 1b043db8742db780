"""20,000 made-up answers through the gateway's own path, beside an oracle that bills them.

The answers and the oracle are the tests' (`tests/answer_oracle.py`), which shares nothing with the
product's arithmetic.
"""

from benchmarks.rows import Row, at_most
from tests.answer_oracle import fault, judge

_ANSWERS, _QUICK = 20_000, 500
_FIRST_SEED = 1_000_000


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """How many settle below their bill, or are called exact without a price."""
    count = _QUICK if quick else _ANSWERS
    judged = judge(range(_FIRST_SEED, _FIRST_SEED + count))
    faults = [found for one in judged if (found := fault(one))]
    below = [found for found in faults if found.startswith("settled")]
    told = [one for one in judged if one.case.told and not one.case.unpriced]
    same = sum(one.settled_nusd - one.case.bill_nusd <= 2 for one in told)
    unpriced = sum(one.case.unpriced for one in judged)

    def row(what: str, figure: float, unit: str, *, none: bool = False, note: str = "") -> Row:
        verdict = at_most(0, figure) if none else "printed"
        return Row(
            bench="answers_oracle",
            what=what,
            figure=figure,
            unit=unit,
            target="0" if none else "",
            verdict=verdict,
            note=note,
        )

    return [
        row("answers made up", len(judged), "answers"),
        row(
            "settled below the oracle's bill", len(below), "answers", none=True, note=_first(below)
        ),
        row("other disagreements on what is exact", len(faults) - len(below), "answers", none=True),
        row("of those that say all, settled to the nano-dollar", same / len(told) * 100, "%"),
        row("without a price: inexact, at the hold, and told", unpriced, "answers"),
    ]


def _first(faults: list[str]) -> str:
    return faults[0] if faults else ""
