"""Rules on the source files themselves: size, docstrings, names."""

import ast
import re
from pathlib import Path

import pytest

from tests.tidy.repository import (
    ROOT,
    SOURCE,
    nodes_of,
    shown,
    source_modules,
    text_of,
    tracked_files,
    tree_of,
)

MOST_LINES = 600
MOST_FUNCTION_LINES = 80
HOLLOW_WORDS = {"manager", "managers", "helper", "helpers", "util", "utils", "data", "info"}


def words_of(name: str) -> set[str]:
    return set(re.split(r"[^a-z0-9]+", name.lower()))


def test_there_are_source_files_to_check():
    assert (SOURCE / "__init__.py") in source_modules()


def test_no_source_file_is_longer_than_600_lines():
    long = {
        shown(path): count
        for path in source_modules()
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > MOST_LINES
    }
    assert not long, f"a noun is missing in {long}"


def test_no_function_is_longer_than_80_lines():
    long = []
    for path in source_modules():
        for node in nodes_of(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                count = (node.end_lineno or node.lineno) - node.lineno + 1
                if count > MOST_FUNCTION_LINES:
                    long.append(f"{shown(path)}:{node.lineno} {node.name} has {count} lines")
    assert not long, long


def test_every_module_says_what_lives_in_it():
    silent = [shown(path) for path in source_modules() if not ast.get_docstring(tree_of(path))]
    assert not silent, f"no module docstring in {silent}"


def test_no_file_or_folder_name_hides_a_missing_noun():
    hollow = [
        shown(path)
        for path in source_modules()
        if any(
            words_of(part) & HOLLOW_WORDS for part in path.relative_to(SOURCE).with_suffix("").parts
        )
    ]
    assert not hollow, f"{sorted(HOLLOW_WORDS)} say nothing; rename {hollow}"


@pytest.mark.parametrize("name", ["core_helpers", "util", "session-manager", "user_data"])
def test_the_name_rule_sees_a_hollow_word_in(name):
    assert words_of(name) & HOLLOW_WORDS


@pytest.mark.parametrize("name", ["information_flow", "database", "contracts"])
def test_the_name_rule_lets_a_real_noun_pass(name):
    assert not words_of(name) & HOLLOW_WORDS


UNFINISHED = re.compile(r"#\s*(TODO|FIXME|XXX)\b|\bNotImplementedError\b")


def test_no_source_file_is_left_unfinished():
    left = [
        f"{shown(path)}:{number}"
        for path in source_modules()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert not left, left


def machine_traces(text: str) -> list[str]:
    """The first few places where text names this machine or a package index's address."""
    setting = r"(?:index[-_]url|find[-_]links|default[-_]index)[\"'\s=:]+(?:https?|file)://"
    host = r"https?://(?:pypi\.org/simple|files\.pythonhosted\.org)"
    private = rf"(?:{setting})|(?:{host})|/home/(?!user\b|agent\b|alice\b|bob\b|\w*[<{{$])\w+/\w+\.?\w*/\w+"
    found = [match.group(0) for match in re.finditer(private, text, re.IGNORECASE)]
    if len(ROOT.parts) > 2:  # a checkout at /app or /repo would match ordinary words
        found += re.findall(rf"{re.escape(str(ROOT))}\b", text)
    return found[:3]


def test_no_tracked_file_names_this_machine_or_a_package_index():
    named: dict[str, list[str]] = {}
    for path in tracked_files():
        traces = machine_traces(text_of(path) or "")
        if traces and path != Path(__file__).resolve():
            named[shown(path)] = traces
    assert not named, named


@pytest.mark.parametrize(
    "text",
    [
        "--index-url https://mirror.example/simple",
        "extra-index-url = file:///srv/wheels",
        "UV_DEFAULT_INDEX=https://mirror.example",
        "see https://files.pythonhosted.org/packages/a/b.whl",
        "/home/carol/code/holdfast/x.py",
        f"{ROOT}/src/holdfast",
    ],
)
def test_the_machine_rule_sees(text):
    assert machine_traces(text) or len(ROOT.parts) <= 2


def test_the_machine_rule_lets_an_example_path_pass():
    assert not machine_traces("cat /home/user/notes.txt; pip config get global.index-url")
