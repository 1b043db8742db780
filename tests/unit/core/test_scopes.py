"""A scope: what fits, what is spelt otherwise, and what nobody thought of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.scopes import fits, outside, scope_fault

SCHEMA = {"properties": {"path": {"type": "string"}}}


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("a.md", "a.md", True),
        ("a.md", "a.mdx", False),
        ("*.md", "a.md", True),
        ("*.md", "docs/a.md", False),
        ("docs/*", "docs/a", True),
        ("docs/*", "docs/a/b", False),
        ("docs/**", "docs/a/b", True),
        ("docs/**", "docsx/a", False),
        ("**/*.py", "a.py", True),
        ("**/*.py", "x/y/a.py", True),
        ("**/*.py", "/etc/a.py", False),
        ("**", "/etc/passwd", False),
        ("/srv/**", "/srv/x", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("*a*b*", "xaxbx", True),
        ("*a*b*", "xbxax", False),
    ],
)
def test_what_fits(pattern, path, expected):
    assert fits(pattern, path) is expected


@pytest.mark.parametrize(
    "path",
    [
        "docs/../secret",
        "./docs/a",
        "docs//a",
        "docs/./a",
        "docs\\a",
        "~/a",
        "docs/a\n",
        "",
        "docs/",
    ],
)
def test_a_path_that_is_not_spelt_plainly_is_outside_of_every_scope(path):
    assert outside([{"path": ["**"]}], "read", SCHEMA, {"path": path})


@pytest.mark.parametrize("value", [None, 7, [], ["docs/a", 7], {"a": "docs/a"}])
def test_what_is_no_path_is_outside(value):
    assert outside([{"path": ["**"]}], "read", SCHEMA, {"path": value})


def test_every_path_of_a_list_has_to_fit():
    scope = [{"path": ["docs/**"]}]
    assert not outside(scope, "read", SCHEMA, {"path": ["docs/a", "docs/b"]})
    assert outside(scope, "read", SCHEMA, {"path": ["docs/a", "src/b"]})


def test_an_argument_that_is_left_out_is_outside_since_its_default_is_not_known():
    assert outside([{"path": ["docs/**"]}], "read", SCHEMA, {})


def test_a_tool_without_the_named_arguments_is_outside_unless_it_is_named():
    assert outside([{"path": ["**"]}], "shell", {}, {"command": "cat /etc/passwd"})
    assert not outside([{"path": ["**"], "tool": ["count"]}], "count", {}, {})
    assert not outside([], "shell", {}, {"command": "ls"})


def test_an_argument_that_the_tool_does_not_declare_lets_no_call_in():
    other = {"properties": {"target": {"type": "string"}}}
    added = {"target": "/etc/passwd", "path": "src/a"}
    assert outside([{"path": ["src/**"]}], "read", other, added)
    assert outside([{"path": ["src/**"]}], "read", {}, {"path": "src/a"})
    named = [{"path": ["src/**"], "tool": ["read"]}]
    assert outside(named, "read", other, {"target": "x", "path": "etc/a"})
    assert not outside(named, "read", other, {"target": "x", "path": "src/a"})


def test_of_two_scopes_both_hold():
    both = [{"path": ["docs/**"]}, {"path": ["**/*.md"]}]
    assert not outside(both, "read", SCHEMA, {"path": "docs/a.md"})
    assert outside(both, "read", SCHEMA, {"path": "docs/a.txt"})
    assert outside(both, "read", SCHEMA, {"path": "src/a.md"})


@pytest.mark.parametrize(
    "scope",
    [{"path": []}, {"path": ["a**"]}, {"path": ["../a"]}, {"path": ["a"] * 65}, {"path": [""]}],
)
def test_a_scope_that_cannot_be_held_is_a_fault(scope):
    assert scope_fault(scope)


@given(st.lists(st.text("ab*?", min_size=1, max_size=8), max_size=5), st.text("ab/", max_size=30))
def test_matching_ends_and_a_pattern_without_wildcards_fits_itself_alone(parts, path):
    pattern = "/".join(parts)
    fits(pattern, path)
    plain = path.replace("*", "")
    assert fits(plain, path)


def test_a_pattern_of_many_stars_is_decided_at_once():
    assert not fits("*a" * 200 + "b", "a" * 4_000)
