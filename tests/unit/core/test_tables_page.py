"""docs/reference/tables.md says by which words and numbers the core decides, as the code has it."""

import re

import pytest

from scripts.render_tables import MARK, PAGE, modules, section, spelt

HEAD, FOUND, BELOW = PAGE.read_text(encoding="utf-8").partition(MARK)
SHOWN = {
    "holdfast." + part.partition("`")[0].replace("/", "."): f"\n## `{part}"
    for part in BELOW.split("\n## `")[1:]
}


@pytest.mark.parametrize("name", list(SHOWN))
def test_the_page_shows_the_tables_of_a_module_as_they_are(name):
    assert SHOWN[name].rstrip("\n") == section(name).rstrip("\n"), (
        "run `python -m scripts.render_tables`"
    )


def test_the_page_shows_every_module_that_has_a_table():
    assert FOUND
    assert list(SHOWN) == modules(), "run `python -m scripts.render_tables`"


def test_one_table_is_spelt_in_one_way():
    assert spelt({"b", "a"}) == spelt({"a", "b"}) == "{`'a'`, `'b'`}"
    assert spelt({"k": (1, None, True)}) == "{`'k'`: (1, None, True)}"
    assert spelt(re.compile("a`b", re.ASCII)) == "`` 'a`b' `` re.ASCII"
    assert spelt("a") != spelt(b"a")
