"""A whole run over a tiny package whose mutants are known: noticed, not noticed, endless, none."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants.campaign import Campaign, Plan
from tests.mutants.reach import Reach, Uses
from tests.mutants.sampling import Population

ROOT = Path(__file__).resolve().parents[3]
SOURCE = """\
LIMIT = 3


def fits(amount):
    return amount <= LIMIT


def untested(amount):
    return amount + 1


def doubled(amount):
    return amount * 2 if amount else 0


def made():
    return 5


def spent(times):
    total = 0
    while total < times:
        total += 1
    return total
"""
TESTS = """\
from tiny.core import doubled, fits, made, spent

MADE = made()


def test_what_was_made_while_this_file_was_imported():
    assert MADE == 5


def test_what_fits():
    assert fits(3)
    assert not fits(4)


def test_half_of_doubling():
    assert doubled(0) == 0


def test_spending():
    assert spent(2) == 2


def test_that_fails_as_it_is():
    assert fits(9)
"""
# In a process of its own: nothing that a mutant touches may be imported before the fork.
PLAYED = """
import dataclasses, json, sys
from pathlib import Path
from tests.mutants import campaign, reach, sampling
root = Path(sys.argv[1])
campaign._LEAST_S = 15.0
sources = ["src/tiny"]
found = reach.reach_of(root, sources, ["tests"], root / "cache", 4)
known = {("src/tiny/core.py", "total = 0", "total = 1"): sampling.Equivalent("", "", "", "asked")}
plan = campaign.Plan(root, 20, 4, known)
population = sampling.Population(root, sources)
run = campaign.Campaign(plan, population, found, reach.Uses(root, sources))
verdicts = run.trusted(list(run.run("a", 1_000)))
by = "tests/test_core.py::test_that_fails_as_it_is"
doubted = run.trusted([dataclasses.replace(v, fate="killed", by=by) for v in verdicts[:1]])
print(json.dumps({
    "doubted": [v.fate for v in doubted],
    "left_out": found.left_out,
    "verdicts": [[v.before, v.after, v.fate, v.by] for v in verdicts],
}))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    root = tmp_path_factory.mktemp("tiny")
    (root / "src" / "tiny").mkdir(parents=True)
    (root / "tests").mkdir()
    (root / "src" / "tiny" / "__init__.py").write_text("")
    (root / "src" / "tiny" / "core.py").write_text(SOURCE)
    (root / "tests" / "test_core.py").write_text(TESTS)
    (root / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["src"]\n')
    return root


@pytest.fixture(scope="module")
def ran(package):
    done = subprocess.run(
        [sys.executable, "-c", PLAYED, str(package)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def fates(ran):
    return {(before, after): fate for before, after, fate, _ in ran["verdicts"]}


def test_what_a_test_notices_is_killed_by_the_test_that_did(ran):
    found = {(before, after): (fate, by) for before, after, fate, by in ran["verdicts"]}
    noticed = ("killed", "tests/test_core.py::test_what_fits")
    assert found["return amount <= LIMIT", "return amount < LIMIT"] == noticed
    assert found["return amount <= LIMIT", "return None"] == noticed


def test_a_constant_outside_functions_is_found_by_its_uses(ran):
    assert fates(ran)["LIMIT = 3", "LIMIT = 4"] == "killed"


def test_what_runs_while_a_file_of_tests_is_imported_is_found_too(ran):
    assert fates(ran)["return 5", "return 6"] == "killed"


def test_what_no_test_notices_survives(ran):
    found = fates(ran)
    assert found["return amount + 1", "return (amount - 1)"] == "survived"
    assert found["return amount * 2 if amount else 0", "return (amount // 2) if amount else 0"] == (
        "survived"
    )
    reasons = {by for before, _, _, by in ran["verdicts"] if before == "return amount + 1"}
    assert reasons == {"no test reaches it"}


def test_what_never_ends_is_a_time_out_and_no_kill(ran):
    assert fates(ran)["total += 1", "total -= 1"] == "timed out"
    assert fates(ran)["total += 1", "pass"] == "timed out"


def test_an_equivalent_is_told_apart_and_not_tried(ran):
    assert fates(ran)["total = 0", "total = 1"] == "equivalent"


def test_a_test_that_fails_as_it_is_notices_nothing(ran):
    assert ran["left_out"] == ["tests/test_core.py::test_that_fails_as_it_is"]
    assert "test_that_fails" not in str(ran["verdicts"])


def test_a_test_that_fails_without_a_mutant_too_killed_none(ran):
    assert ran["doubted"] == ["doubtful"]


def test_the_same_seed_draws_the_same_sample_and_another_seed_another(package):
    population = Population(package, ["src/tiny"])
    first, again, other = ([m.text for m in population.drawn(seed)] for seed in "bbc")
    assert first == again != other
    assert sorted(first) == sorted(other)
    assert len(first) <= len(population)


def test_a_file_may_be_named_as_a_folder_is(package):
    one, all_of_it = (Population(package, [place]) for place in ("src/tiny/core.py", "src/tiny"))
    assert len(one) == len(all_of_it) > 0


def test_a_run_that_is_over_in_time_tries_no_more(package):
    population = Population(package, ["src/tiny"])
    plan = Plan(package, 20, 1, {})
    late = Campaign(plan, population, Reach(), Uses(package, ["src/tiny"]))
    assert list(late.run("a", 5, until=0.0)) == []
    assert {verdict.by for verdict in late.run("a", 5)} == {"no test reaches it"}
