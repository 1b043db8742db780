"""Pages of docs/reference say by which words and numbers the core decides, as the code has it."""

import re

import pytest

from holdfast.core.risk.shell_spec import table
from scripts.render_tables import MARK, PAGES, modules, path_of, section, spelt


def shown(page):
    head, found, below = path_of(page).read_text(encoding="utf-8").partition(MARK)
    assert found, page
    assert head.startswith("# "), page
    return {
        "holdfast." + part.partition("`")[0].replace("/", "."): f"\n## `{part}"
        for part in below.split("\n## `")[1:]
    }


SHOWN = {page: shown(page) for page in PAGES}
SECTIONS = {name: text for page in SHOWN.values() for name, text in page.items()}


@pytest.mark.parametrize("name", list(SECTIONS))
def test_the_page_shows_the_tables_of_a_module_as_they_are(name):
    assert SECTIONS[name].rstrip("\n") == section(name).rstrip("\n"), (
        "run `python -m scripts.render_tables`"
    )


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_every_module_that_has_a_table(page):
    assert list(SHOWN[page]) == modules(page), "run `python -m scripts.render_tables`"


def test_options_of_programs_are_spelt_in_the_words_of_their_table():
    read = table("x >\n    -g -W*l\nx > run test\n    -c=r @w\ny\n    --out? @l --:x\n")
    assert spelt(read["x"]) == "`-g` `-W*l` `@`; **run test** `-c=r` `@w`"
    assert spelt(read["y"]) == "`--out?` `@l` `--:x`"


def test_one_table_is_spelt_in_one_way():
    assert spelt({"b", "a"}) == spelt({"a", "b"}) == "{`'a'`, `'b'`}"
    assert spelt({"k": (1, None, True)}) == "{`'k'`: (1, None, True)}"
    assert spelt(re.compile("a`b", re.ASCII)) == "`` 'a`b' `` re.ASCII"
    assert spelt("a") != spelt(b"a")
