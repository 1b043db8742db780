"""The matrix is whole: a scenario for each cell, few that are not applicable, and a page that says so."""

import ast
import re
from pathlib import Path

import pytest

from scripts.render_doors import CAPABILITIES, DOORS, MARK, OPEN, PAGE, below, counts

HERE = Path(__file__).parent
SCENARIOS = [path for path in sorted(HERE.glob("test_*.py")) if path != Path(__file__)]


def promised(path: Path) -> list[str]:
    """The capabilities whose scenarios a file holds."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        str(ast.literal_eval(decorator.args[0]))
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "promise"
    ]


def test_each_capability_has_one_scenario():
    found = [name for path in SCENARIOS for name in promised(path)]
    assert sorted(found) == sorted(CAPABILITIES)


def test_at_most_a_tenth_of_the_cells_is_not_applicable():
    found = counts()
    assert sum(found.values()) == len(CAPABILITIES) * len(DOORS) == 490
    assert found["n. a."] * 10 <= 490


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_a_cell_that_does_not_hold_says_why_in_a_sentence(capability):
    excused = CAPABILITIES[capability].get("not", {})
    for said in (excused, OPEN.get(capability, {})):
        assert set(said) <= set(DOORS)
        assert all(re.search(r"\S.{15,}[.]$", sentence) for sentence in said.values())
    assert not set(excused) & set(OPEN.get(capability, {}))


def test_what_is_open_is_a_capability():
    assert set(OPEN) <= set(CAPABILITIES)


def test_the_page_shows_the_matrix_as_it_is():
    head, found, shown = PAGE.read_text(encoding="utf-8").partition(MARK)
    assert found
    assert head.startswith("# ")
    assert shown == below(), "run `python -m scripts.render_doors`"
