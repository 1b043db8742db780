"""What programs import of Holdfast stays as `docs/reference/api.txt` shows it, and has docstrings."""

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.render_api import MODULES, PAGE, names_of, section
from tests.tidy.repository import imported, shown, source_modules, text_of, tracked_files, tree_of

SECTIONS = {
    part.partition("]")[0]: f"\n[{part}"
    for part in PAGE.read_text(encoding="utf-8").split("\n[")[1:]
}


@pytest.mark.parametrize("name", MODULES)
def test_what_programs_import_is_what_the_page_shows(name):
    assert SECTIONS[name].rstrip() == section(name).rstrip(), "run `python -m scripts.render_api`"


def test_the_page_shows_these_modules_alone():
    assert tuple(SECTIONS) == MODULES


def readable() -> list[Path]:
    """What users read and copy from."""
    found = [path for path in tracked_files() if path.suffix in (".md", ".py")]
    tops = ("README.md", "docs/tutorial/", "docs/howto/", "docs/explanation/", "examples/")
    return [path for path in found if shown(path).startswith(tops)]


def test_documents_and_examples_import_nothing_that_is_not_public():
    found = {
        (shown(path), module, name)
        for path in readable()
        for module, name in imported(text_of(path) or "")
    }
    assert len(found) >= 10
    public = {name: names_of(importlib.import_module(name)) for name in MODULES}
    assert [one for one in sorted(found) if one[2] not in public.get(one[1], ())] == []


def test_imports_are_seen_in_one_line_and_in_many():
    text = (
        "from holdfast.a import b, c  # why\n  from holdfast.d import (\n    e,\n    f as g,\n)\n"
    )
    assert list(imported(text)) == [
        ("holdfast.a", "b"),
        ("holdfast.a", "c"),
        ("holdfast.d", "e"),
        ("holdfast.d", "f"),
    ]


@pytest.mark.parametrize("name", MODULES)
def test_public_name_says_what_it_is(name):
    module = importlib.import_module(name)
    silent = [known for known in names_of(module) if not inspect.getdoc(getattr(module, known))]
    assert silent == []


def undocumented(tree: ast.Module) -> Iterator[str]:
    """Public functions and classes without a docstring; whatever a private one holds is not."""

    def look(body: list[ast.stmt], within: str) -> Iterator[str]:
        for node in body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            if node.name.startswith("_"):
                continue
            if not ast.get_docstring(node):
                yield within + node.name
            if isinstance(node, ast.ClassDef):
                yield from look(node.body, f"{within}{node.name}.")

    return look(tree.body, "")


def test_every_public_function_and_class_of_the_source_has_a_docstring():
    silent = [
        f"{shown(path)}: {name}"
        for path in source_modules()
        for name in undocumented(tree_of(path))
    ]
    assert silent == []


def test_the_rule_sees_what_says_nothing():
    text = 'class A:\n    """A."""\n    def a(self): ...\n    def _b(self): ...\nclass _C:\n    x = 1\n'
    assert list(undocumented(ast.parse(text))) == ["A.a"]
    assert list(undocumented(ast.parse("async def f(): ..."))) == ["f"]
