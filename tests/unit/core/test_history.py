"""How clients show calls again: what they did, recorded, and what nobody may do.

`shown_calls.json` holds pairs of what a model emitted and what a client sent back of it: the Claude
Code that the SDK brings (long sessions, resumed, forked, compacted, interrupted) and the
`anthropic` package. Its folder stands there as `/srv/shop`. Pairs that were `kept_apart` were
recorded before the rules and looked at after them.
"""

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.history import (
    marked_arguments,
    marks,
    result_marks,
    same_arguments,
    same_result,
    same_tool,
)

PAIRS = json.loads((Path(__file__).parent / "shown_calls.json").read_text())


def agrees(emitted, shown):
    known = marks(emitted["name"], emitted["input"])
    found = [
        same_tool(emitted["name"], shown["name"])
        and same_arguments(known, emitted["name"], arguments)
        # As it is compared where the request is read elsewhere.
        for arguments in (shown["input"], marked_arguments(shown["input"]))
    ]
    assert found[0] is found[1]
    return found[0]


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
    emitted = [pair["emitted"] for pair in PAIRS]
    for one in emitted:
        for other in emitted:
            if one["name"] == other["name"] and one["input"] != other["input"]:
                assert not (agrees(one, other) and agrees(other, one))


# As JSON has them: JavaScript writes whole numbers without a fraction, and so they are one.
ALTERED = [
    pair
    for pair in PAIRS
    if json.dumps(pair["emitted"], sort_keys=True) != json.dumps(pair["shown"], sort_keys=True)
]


@pytest.mark.parametrize("pair", ALTERED, ids=lambda pair: pair["emitted"]["name"])
def test_no_change_of_a_client_is_taken_back(pair):
    assert not agrees(pair["shown"], pair["emitted"])


BIG = 2**53


@pytest.mark.parametrize(
    ("tool", "emitted", "shown"),
    [
        # Two texts that spell one number are two texts; a number comes of a text, never a text.
        ("look", {"a": "1.10"}, {"a": "1.1"}),
        ("look", {"a": "1.1"}, {"a": "1.10"}),
        ("look", {"a": "1e2"}, {"a": "100"}),
        ("look", {"a": "5"}, {"a": "5.0"}),
        ("look", {"a": 5}, {"a": "5"}),
        ("look", {"a": "true"}, {"a": "True"}),
        ("look", {"a": "[1, 2]"}, {"a": "[1,2]"}),
        ("look", {"a": '{"x": 1, "y": 2}'}, {"a": '{"y": 2, "x": 1}'}),
        ("look", {"a": '{"x": 1, "x": 2}'}, {"a": {"x": 1}}),
        # Numbers are rounded as JavaScript rounds them, and in that direction.
        ("look", {"a": str(BIG + 1)}, {"a": str(BIG)}),
        ("look", {"a": str(BIG)}, {"a": str(BIG + 1)}),
        ("look", {"a": str(BIG + 1)}, {"a": BIG + 2}),
        ("look", {"a": BIG}, {"a": BIG + 1}),
        ("look", {"a": BIG + 1}, {"a": BIG + 2}),
        ("look", {"a": [BIG * 8]}, {"a": [BIG * 8 + 1]}),
        ("look", {"a": 10**30}, {"a": 10**30 + 1}),
        ("look", {"a": 1}, {"a": 1.0000000000000002}),
        ("look", {"a": 0}, {"a": -0.0}),
        # Two names that become one by an escape stay two.
        ("look", {"\\u0061": 1, "a": 2}, {"a": 2}),
        ("look", {"\\u0061": 1, "a": 2}, {"a": 1}),
        ("look", {"\\u0061": 1, "a": 2}, {"\\u0061": 2, "a": 1}),
        ("look", {"\\u0061": 1, "\\u0061\\u0062": 2}, {"a": 2, "ab": 1}),
        ("look", {"o": {"\\u0061": 1, "a": 2}}, {"o": {"a": 2}}),
        ("look", {"a": 1}, {"\\u0061": 1}),
        # An escape is read once, where no other one escapes it, and never written.
        ("look", {"a": "\\u005cu0041"}, {"a": "A"}),
        ("look", {"a": "\\\\u0041"}, {"a": "\\A"}),
        ("look", {"a": "\\u0000"}, {"a": "\x00"}),
        ("look", {"a": "\\ud83d"}, {"a": "?"}),
        ("look", {"a": "A"}, {"a": "\\u0041"}),
        # A name that JavaScript loses is lost; nobody puts one in, or another in its place.
        ("look", {"a": 1}, {"a": 1, "__proto__": {"admin": True}}),
        ("look", {"a": {"b": 1}}, {"a": {"b": 1, "__proto__": {}}}),
        ("look", {"__proto__": {"x": 1}}, {"__proto__": {"x": 2}}),
        ("look", {"__proto__": 1, "a": 1}, {}),
        ("look", {"a": {"__proto__": 1}}, {}),
        # What an edit says by itself is one thing, and nothing is said beside what was emitted.
        ("Edit", {"old_string": "x"}, {"old_string": "x", "old_str": "y"}),
        ("Edit", {"old_str": "x"}, {"old_string": "x", "old_str": "x"}),
        ("Edit", {"old_str": "x", "old_string": "y"}, {"old_string": "x"}),
        ("Edit", {"new_string": "x"}, {"new_str": "x"}),
        ("Edit", {"a": "x"}, {"a": "x", "replace_all": 0}),
        ("Edit", {"a": "x"}, {"a": "x", "replace_all": "false"}),
        ("Edit", {"a": "x", "replace_all": False}, {"a": "x"}),
        ("Edit", {"new_string": "<output>"}, {"new_string": "<o>"}),
        ("Write", {"content": "x"}, {"content": "x "}),
        ("Write", {"content": "a \r\nb"}, {"content": "a\nb"}),
        ("Bash", {"command": "x \\; y"}, {"command": "x \\\\; y"}),
    ],
)
def test_two_calls_that_mean_different_things_are_two(tool, emitted, shown):
    assert not agrees({"name": tool, "input": emitted}, {"name": tool, "input": shown})


@pytest.mark.parametrize(
    ("tool", "emitted", "shown"),
    [
        ("look", {"a": BIG + 1, "b": 12345678901234567890}, {"a": BIG, "b": 12345678901234567000}),
        ("look", {"a": -0.0, "b": 1.0, "c": 1e25}, {"a": 0, "b": 1, "c": 1e25}),
        ("look", {"a": str(BIG + 1)}, {"a": BIG}),
        ("look", {"a": '{"x": 1.0, "__proto__": 1}'}, {"a": {"x": 1}}),
        ("look", {"\\u00e9": {"\\u00e9": "\\u00e9"}}, {"é": {"é": "é"}}),
        ("look", {"\\u0061": 1, "a": 2}, {"a": 2, "\\u0061": 1}),
        ("look", {"a": 2, "\\u0061": 1}, {"a": 2, "\\u0061": 1}),
        ("look", {"__proto__": {"x": 1}, "a": {"__proto__": 1}}, {"a": {}}),
        ("look", {"__proto__": {"x": 1}}, {"__proto__": {"x": 1}}),
        ("look", {"a": "\\\\\\u00e9 \\u000a"}, {"a": "\\\\é \\u000a"}),
        ("Edit", {"old_str": "x", "new_str": "y "}, {"old_string": "x", "new_string": "y"}),
        ("Edit", {"old_str": "x", "old_string": "y"}, {"old_string": "y", "replace_all": False}),
        ("Edit", {"old_string": "<o>"}, {"old_string": "<output>", "replace_all": False}),
        ("Write", {"content": "a \r\nb\t"}, {"content": "a\r\nb"}),
        ("Bash", {"command": "cd /a && x \\\\; \\u00e9 "}, {"command": "x \\; é "}),
    ],
)
def test_each_change_of_the_table_passes_alone_and_beside_others(tool, emitted, shown):
    assert agrees({"name": tool, "input": emitted}, {"name": tool, "input": shown})
    assert agrees({"name": tool, "input": emitted}, {"name": tool, "input": emitted})


def test_a_call_that_is_kept_without_its_secrets_is_either_of_the_two_and_no_mixture():
    known = marks("look", {"a": "s3cret", "b": "s3cret"}) + marks("look", {"a": "***", "b": "***"})
    for a, b, same in (("s3cret", "s3cret", 1), ("***", "***", 1), ("s3cret", "***", 0)):
        assert same_arguments(known, "look", {"a": a, "b": b}) is bool(same)


def test_marks_of_an_unknown_form_fit_nothing():
    for known in ((), ("sha256:00/7",), ("x:y",)):
        assert not same_arguments(known, "look", {"a": 1})


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
    monkeypatch.setattr("holdfast.core.history._agrees", None)
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


# Nothing in these is tidied by anybody, so nothing but they themselves may be shown.
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.sampled_from("abcXYZ_-./ é"), max_size=6).map("t{}t".format),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("pqrs"), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.sampled_from(["Bash", "Edit", "Write", "look"]),
    st.dictionaries(st.sampled_from(["command", "content", "old_string", "a"]), PLAIN, min_size=1),
    st.data(),
)
def test_any_change_of_structure_that_is_not_in_the_table_is_found(tool, arguments, data):
    other = data.draw(st.sampled_from(list(changed(arguments))))
    assert same_arguments(marks(tool, arguments), tool, arguments)
    assert not same_arguments(marks(tool, arguments), tool, other)


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
    whole = number.is_integer() and abs(number) < 1e21
    return int(Decimal(repr(number))) if whole else number


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
    assert same_result(result_marks(SENT), shown)


def test_one_change_in_a_result_of_the_provider_is_found():
    for other in changed(SENT["content"]):
        assert not same_result(result_marks(SENT), SENT | {"content": other}), other
    for kind in ("web_search_tool_result", "tool_result", ""):
        assert not same_result(result_marks(SENT), SENT | {"type": kind})
    assert not same_result((), SENT)
    assert not same_result(result_marks(SENT), {"type": SENT["type"]})


def test_texts_of_a_result_of_the_provider_are_not_tidied():
    for text, other in (("x  ", "x"), ("5", 5), ("\\u0041", "A")):
        sent = SENT | {"content": [{"text": text}]}
        assert not same_result(result_marks(sent), SENT | {"content": [{"text": other}]})
