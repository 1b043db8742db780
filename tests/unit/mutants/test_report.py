"""The figures of a run: shares with their interval, what is told apart, entries with reasons."""

from typing import cast

import pytest

from tests.mutants.operators import mutants_of
from tests.mutants.report import Fate, Verdict, lines_of, share_line, wilson
from tests.mutants.sampling import EQUIVALENTS, equivalents
from tests.mutants.trials import ROOT

(MUTANT,) = mutants_of("src/x.py", b"LIMIT = 5\n")


def verdicts(**fates):
    return [
        Verdict(MUTANT, "LIMIT = 5", "LIMIT = 6", cast("Fate", fate.replace("_", " ")))
        for fate, times in fates.items()
        for _ in range(times)
    ]


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(95, 100, 0.8882, 0.9785), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (0, 0, 0.0, 1.0)],
)
def test_the_interval_is_wilsons(hits, of, low, high):
    assert wilson(hits, of) == pytest.approx((low, high), abs=5e-5)


def test_only_killed_and_survived_count_and_the_rest_stands_apart():
    line = share_line("core", verdicts(killed=9, survived=1, timed_out=2, equivalent=3), 0.9)
    assert line.startswith("core: 9 of 10 killed, 90.0%")
    assert "target 90% met" in line
    assert line.endswith("apart: 2 timed out, 3 equivalent")
    assert "missed" in share_line("core", verdicts(killed=8, survived=2), 0.9)
    assert "missed" in share_line("core", [], 0.9)


def test_a_survivor_is_shown_as_a_difference():
    assert lines_of(verdicts(survived=1), "survived") == [
        "src/x.py:1 constant, 0 tests",
        "    - LIMIT = 5",
        "    + LIMIT = 6",
    ]


def test_each_known_equivalent_is_a_mutant_of_today_with_a_reason():
    for path, before, after in equivalents():
        source = (ROOT / path).read_bytes()
        assert (before, after) in {m.changed(source) for m in mutants_of(path, source)}, after


def test_an_equivalent_without_a_reason_is_refused(tmp_path):
    assert EQUIVALENTS.exists()
    (tmp_path / "e.yaml").write_text("- {path: x, before: a, after: b, why: ''}\n")
    with pytest.raises(ValueError, match="needs a reason"):
        equivalents(tmp_path / "e.yaml")
