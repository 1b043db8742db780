"""Which tests are tried on a line that no test runs: a table that is made while its module loads."""

import pytest

from tests.mutants import reach as reaching
from tests.mutants.operators import mutants_of
from tests.mutants.reach import Reach, Uses

PATH = "src/house/table.py"
TABLE = 'WORDS = ("a",)\nMADE = [*WORDS]\n\n\ndef first():\n    return MADE[0]\n'
FILES = {
    PATH: TABLE,
    "tests/test_first.py": (
        "from house.table import first\n\n\ndef test_first():\n    assert first() == 'a'\n"
    ),
    "tests/test_whole.py": (
        "from house import table\n\n\ndef test_all():\n    assert table.MADE == ['a']\n"
    ),
    "tests/test_other.py": (
        "from house import other\n\n\ndef test_all():\n    assert other.MADE == ['b']\n"
    ),
}
SECONDS = {
    "tests/test_first.py::test_first": 0.1,
    "tests/test_whole.py::test_all": 0.5,
    "tests/test_whole.py::test_all[x]": 0.4,
    "tests/test_other.py::test_all": 0.2,
    "tests/test_page.py::test_page[house.table]": 0.9,
    "tests/test_page.py::test_page[house.table_of]": 0.3,
}
FIRST = "tests/test_first.py::test_first"


@pytest.fixture
def tried(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    reach, uses = Reach(SECONDS, {PATH: {6: [FIRST]}}), Uses(tmp_path, ["src"], ["tests"])

    def of(line, most=20):
        mutant = next(one for one in mutants_of(PATH, TABLE.encode()) if one.line == line)
        function = range(6, 7) if line == 6 else range(0)
        return reaching.tests_of(mutant, reach, uses, function, most)

    return of


def test_a_table_is_tried_by_what_is_about_its_module_then_by_what_names_what_is_made_of_it(tried):
    found = [
        "tests/test_page.py::test_page[house.table]",
        "tests/test_whole.py::test_all[x]",
        "tests/test_whole.py::test_all",
        FIRST,
    ]
    assert tried(1) == found
    assert tried(1, most=2) == found[:2]


def test_a_line_of_a_function_is_tried_by_what_is_about_its_module_then_by_what_runs_it(tried):
    assert tried(6) == ["tests/test_page.py::test_page[house.table]", FIRST]
    assert tried(6, most=1) == ["tests/test_page.py::test_page[house.table]"]
