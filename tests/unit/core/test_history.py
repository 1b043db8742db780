"""How clients show calls again: what they did, recorded, and what nobody may do.

`shown_calls.json` holds pairs of what a model emitted and what a client sent back of it: the Claude
Code that the SDK brings (long sessions, resumed, forked, compacted, interrupted) and the
`anthropic` package. Its folder stands there as `/srv/shop`. Pairs that were `kept_apart` were
recorded before the rules and looked at after them.
"""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.history import (
    marks,
    result_mark,
    same_arguments,
    same_result,
    same_tool,
)

PAIRS = json.loads((Path(__file__).parent / "shown_calls.json").read_text())


def agrees(emitted, shown):
    known = marks(emitted["name"], emitted["input"])
    return same_tool(emitted["name"], shown["name"]) and same_arguments(
        known, emitted["name"], shown["input"]
    )


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair["emitted"]["name"])
def test_what_a_real_client_shows_again_is_the_call(pair):
    assert agrees(pair["emitted"], pair["shown"])
    assert agrees(pair["emitted"], pair["emitted"])


def changed(value):
    """Every value that differs from `value` in one leaf, one key or one element."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield {name: v for name, v in value.items() if name != key}
            yield {(f"{name}x" if name == key else name): v for name, v in value.items()}
            for other in changed(inner):
                yield {**value, key: other}
        yield {**value, "one_more": 1}
    elif isinstance(value, list):
        yield [*value, "one more"]
        for n, inner in enumerate(value):
            yield value[:n] + value[n + 1 :]
            for other in changed(inner):
                yield [*value[:n], other, *value[n + 1 :]]
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, str):
        yield f"{value}x"
        yield f"x{value}"
        yield from {value[::-1]} - {value}
        yield None
    elif isinstance(value, int | float):
        yield value + 1 if abs(value) < 1e15 else value * 2
        yield f"{value}x"
    else:
        yield 0


# Leaving these out, or saying them, is among the changes that real clients make.
UNSAID = ({"replace_all": False}, {"__proto__": {"x": 1}}, {"replace_all": "false"})


def unread(arguments):
    """Whether clients drop something of these: an older name beside the newer one, and the like."""
    return "__proto__" in arguments or {"old_str", "old_string"} <= arguments.keys()


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair["emitted"]["name"])
def test_one_change_in_what_was_emitted_or_shown_is_found(pair):
    tried = 0
    for form in (pair["emitted"], pair["shown"]):
        for other in changed(form["input"]):
            lost = {k: v for k, v in form["input"].items() if k not in other}
            if lost in UNSAID or unread(form["input"]):
                continue
            shown = {"name": form["name"], "input": other}
            assert not agrees(pair["emitted"], shown), other
            tried += 1
        for name in (f"{form['name']}x", form["name"].swapcase(), "", "Write2"):
            assert not agrees(pair["emitted"], {**form, "name": name})
    assert tried


def test_no_two_calls_of_the_corpus_are_taken_for_each_other():
    known = [(p["emitted"], marks(p["emitted"]["name"], p["emitted"]["input"])[0]) for p in PAIRS]
    for emitted, mark in known:
        for other, other_mark in known:
            if mark.partition("/")[0] == other_mark.partition("/")[0]:
                assert agrees(emitted, {**other, "name": emitted["name"]})
            elif emitted["name"] == other["name"] != "Bash":
                assert not agrees(emitted, other)


BASH = {"command": "cd /srv/shop && make test", "timeout": 5}


@pytest.mark.parametrize(
    ("tool", "emitted", "shown"),
    [
        # A folder may be left out where it stands first, and only there; never put in or changed.
        ("Bash", BASH, {**BASH, "command": "cd /srv/other && make test"}),
        ("Bash", {"command": "make test"}, {"command": "cd /srv/shop && make test"}),
        ("Bash", {"command": "make && cd /srv/shop && ls"}, {"command": "make && ls"}),
        ("Bash", {"command": "cd /a && cd /b && ls"}, {"command": "ls"}),
        ("Bash", {"command": "cd $HOME && ls"}, {"command": "ls"}),
        ("Bash", {"command": "cd /a; ls"}, {"command": "ls"}),
        ("Bash", {"command": "cd /a b && ls"}, {"command": "ls"}),
        ("Bash", {"command": "cd / && rm -rf x"}, {"command": "rm -rf y"}),
        ("look", {"command": "cd /srv/shop && ls"}, {"command": "ls"}),
        # Blanks at the ends of lines are dropped where a file is written, and nowhere else.
        ("Bash", {"command": "ls  "}, {"command": "ls"}),
        ("Write", {"file_path": "a ", "content": "x"}, {"file_path": "a", "content": "x"}),
        ("Write", {"content": "  x"}, {"content": "x"}),
        ("Write", {"content": "x\n\n"}, {"content": "x\n"}),
        ("Edit", {"old_string": "x ", "new_string": "y"}, {"old_string": "x", "new_string": "y"}),
        ("look", {"content": "x  "}, {"content": "x"}),
        # What stands for something else does so in one tool.
        ("look", {"old_str": "x"}, {"old_string": "x"}),
        ("look", {"a": 1, "replace_all": False}, {"a": 1}),
        ("Edit", {"old_string": "x", "replace_all": True}, {"old_string": "x"}),
        ("Edit", {"old_string": "x"}, {"old_string": "x", "replace_all": True}),
        ("look", {"a": "<o>"}, {"a": "<output>"}),
        ("look", {"a": "x \\\\; y"}, {"a": "x \\; y"}),
        ("Bash", {"command": "x \\; y"}, {"command": "x ; y"}),
        # A text that is no JSON value is no value; null is something.
        ("look", {"a": "1 "}, {"a": 1}),
        ("look", {"a": "null"}, {"a": None}),
        ("look", {"a": "abc"}, {"a": ["abc"]}),
        ("look", {"a": None}, {}),
        ("look", {"a": ""}, {}),
        ("look", {"a": {"b": "5"}}, {"a": {"b": 5}}),
        ("look", {"a": 1}, {"a": True}),
        ("look", {"a": 0}, {"a": False}),
        ("look", {"a": 0.1}, {"a": 0.10000000000000002}),
        ("look", {"a": 2**53 - 1}, {"a": 2**53 - 2}),
        ("look", {"a": ["x", "y"]}, {"a": ["y", "x"]}),
        ("look", {"a": "é"}, {"a": "e\u0301"}),
        ("look", {"a": "A"}, {"a": "a"}),
        ("look", {"a": "\\u0041"}, {"a": "B"}),
    ],
)
def test_a_change_that_no_client_makes_is_found(tool, emitted, shown):
    assert not agrees({"name": tool, "input": emitted}, {"name": tool, "input": shown})


@pytest.mark.parametrize("shown", [None, [], "x", 1, [["command", "x"]]])
def test_arguments_that_are_no_object_are_nobodys(shown):
    assert not agrees({"name": "x", "input": {}}, {"name": "x", "input": shown})


def deep(levels):
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return {"a": value}


@pytest.mark.parametrize(
    "arguments", [deep(500), {"a": 10**400}, {"a": float("nan")}, {"a": float("inf")}]
)
def test_what_has_no_form_has_no_mark(arguments):
    assert marks("x", arguments) == ()


def test_what_is_far_longer_than_what_was_emitted_is_not_walked(monkeypatch):
    known = marks("look", {"a": 1})
    monkeypatch.setattr("holdfast.core.history._tidied", None)
    assert not same_arguments(known, "look", {"a": [[]] * 100_000})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
ARGUMENTS = st.dictionaries(
    st.sampled_from(["command", "content", "old_str", "new_string", "replace_all", "a", "b"])
    | st.text(),
    JSON,
    max_size=5,
)


@given(st.sampled_from(["Bash", "Edit", "Write", "look"]), ARGUMENTS)
def test_any_call_shown_as_it_was_or_as_javascript_spells_it_is_the_call(tool, arguments):
    known = marks(tool, arguments)
    if not known:
        return
    before = copy.deepcopy(arguments)
    assert same_arguments(known, tool, arguments)
    assert arguments == before
    assert same_arguments(known, tool, as_javascript(arguments))
    backwards = dict(reversed(list(arguments.items())))
    assert same_arguments(known, tool, backwards)


def as_javascript(value):
    if isinstance(value, dict):
        return {k: as_javascript(v) for k, v in value.items()}
    if isinstance(value, list):
        return [as_javascript(v) for v in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    number = float(value)
    return int(number) if number.is_integer() and abs(number) < 1e21 else number


SENT: dict[str, Any] = {
    "type": "web_fetch_tool_result",
    "tool_use_id": "w",
    "content": {"url": "https://a.example", "content": {"type": "document", "n": [1, None, {}]}},
}


@pytest.mark.parametrize(
    "shown",
    [
        SENT,
        SENT | {"cache_control": {"type": "ephemeral"}},
        SENT | {"caller": None},
        SENT | {"content": {**SENT["content"], "retrieved_at": None}},
        SENT | {"content": dict(reversed(SENT["content"].items()))},
    ],
)
def test_a_result_of_the_provider_as_a_client_keeps_it_is_the_result(shown):
    assert same_result((result_mark(SENT),), shown)


def test_one_change_in_a_result_of_the_provider_is_found():
    for other in changed(SENT["content"]):
        assert not same_result((result_mark(SENT),), SENT | {"content": other}), other
    for kind in ("web_search_tool_result", "tool_result", ""):
        assert not same_result((result_mark(SENT),), SENT | {"type": kind})
    assert not same_result((), SENT)
    assert not same_result((result_mark(SENT),), {"type": SENT["type"]})


def test_texts_of_a_result_of_the_provider_are_not_tidied():
    for text, other in (("x  ", "x"), ("5", 5), ("\\u0041", "A")):
        sent = SENT | {"content": [{"text": text}]}
        assert not same_result((result_mark(sent),), SENT | {"content": [{"text": other}]})
