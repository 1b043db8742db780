"""Every test and benchmark that the specification and the page of attacks name exists."""

import re

import pytest

from tests.tidy.repository import ROOT

TEXT = (ROOT / "SPECIFICATION.md").read_text(encoding="utf-8")
ATTACKS = (ROOT / "docs" / "explanation" / "attacks.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/.-]+\.py)::(\w+)`", TEXT + ATTACKS)))


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[name for _, name in NAMED])
def test_the_named_test_exists(path, name):
    assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")


def test_every_named_file_exists():
    for path in re.findall(r"`((?:tests|benchmarks)/[\w/.-]+\.py)", TEXT + ATTACKS):
        assert (ROOT / path).is_file(), path


def test_every_row_of_the_attacks_names_what_shows_it():
    rows = [row for row in ATTACKS.splitlines() if row.startswith("| ")]
    assert [row for row in rows if not re.search(r"\| (shown by|.*\.py.*) \|$", row)] == []


def test_every_invariant_that_is_not_pending_says_which_test_shows_it_best():
    rows = re.findall(r"^\| (I\d+) \|.*\| ([^|]+) \|$", TEXT, re.MULTILINE)
    shown = set(re.findall(r"^### (I\d+):", TEXT, re.MULTILINE))
    assert {row for row, cell in rows if not cell.startswith("pending")} <= shown
