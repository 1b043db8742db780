"""How a line of the table is read: each sign of it, what it refuses to say, and how it is told."""

import pytest

from holdfast.core.wire import table
from holdfast.core.wire.shapes import Field, Kind, Row, Shape, Use, compiled, row, shape_of
from holdfast.core.wire.table import BY_TYPE, GRANTED, KINDS, PLACES, TOOL_KINDS, Place, is_place

ROWS = {"one": row("one", a="text"), "two": row("two four", Use.GRANTED, b="url")}
UNIONS = {"both": "one two"}


def scalars(*names, **more):
    return Shape(scalars=frozenset(names), **more)


@pytest.mark.parametrize(
    ("line", "shape"),
    [
        ("text", scalars("text")),
        ("flag|whole", scalars("flag", "whole")),
        ("number", scalars("number")),
        ("any", scalars("any")),
        ("url", scalars("text", names=frozenset({"url"}))),
        ("file|connector", scalars("text", names=frozenset({"file", "connector"}))),
        ("label", scalars("text", names=frozenset({"label"}))),
        ("=a,b", Shape(words=frozenset({"a", "b"}))),
        ("=a|=b", Shape(words=frozenset({"a", "b"}))),
        ("one", Shape(kinds=("one",))),
        ("both", Shape(kinds=("one", "two"))),
        ("two|one", Shape(kinds=("two", "one"))),
        ("[text]", Shape(items=scalars("text"))),
        ("{one}", Shape(values=Shape(kinds=("one",)))),
        ("[[text|one]]", Shape(items=Shape(items=scalars("text", kinds=("one",))))),
        ("text|[one|two]|{flag}", scalars(
            "text", items=Shape(kinds=("one", "two")), values=scalars("flag"))),
    ],
)  # fmt: skip
def test_a_line_says_one_shape(line, shape):
    assert shape_of(line, ROWS, UNIONS) == shape


def test_a_name_of_nothing_is_refused():
    with pytest.raises(KeyError, match="three"):
        shape_of("text|three", ROWS, UNIONS)


@pytest.mark.parametrize(
    ("line", "followed"),
    [("url", {"url"}), ("[file]", {"file"}), ("{[connector]}", {"connector"}), ("label", set()),
     ("text", set()), ("two", set()), ("[url]|{file}", {"url", "file"})],
)  # fmt: skip
def test_what_the_provider_follows_is_told_at_any_depth_objects_apart(line, followed):
    assert shape_of(line, ROWS, UNIONS).follows() == followed


def test_a_row_becomes_a_kind_with_a_use_for_each_field():
    rows = {
        "kind": Row("a b", {"x": "text", "y": "priced:[flag]"}, Use.BOUNDED, untyped=True, tag="t")
    }
    assert compiled(rows, {}) == {
        "kind": Kind(
            "kind",
            ("a", "b"),
            {
                "x": Field(scalars("text"), Use.INERT),
                "y": Field(Shape(items=scalars("flag")), Use.PRICED),
            },
            Use.BOUNDED,
            untyped=True,
            tag="t",
        )
    }
    assert row("a", x="text") == Row("a", {"x": "text"}, Use.INERT, untyped=False, tag="type")


@pytest.mark.parametrize(
    ("use", "line", "loads"),
    [
        (Use.INERT, "url", False),
        (Use.BOUNDED, "[file]", False),
        (Use.PRICED, "connector", False),
        (Use.GRANTED, "url", True),
        (Use.REFUSED, "url", True),
        (Use.INERT, "granted:url", True),
        (Use.INERT, "refused:url", True),
        (Use.INERT, "bounded:url", False),
        (Use.INERT, "label", True),
    ],
)
def test_what_names_something_outside_is_asked_about_or_the_table_does_not_load(use, line, loads):
    rows = {"kind": row("kind", use, at=line)}
    if loads:
        assert compiled(rows, {})["kind"].use is use
    else:
        with pytest.raises(ValueError, match=r"`kind\.at` reaches outside"):
            compiled(rows, {})


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("text", "a string"),
        ("flag", "true or false"),
        ("whole", "a whole number"),
        ("number", "a number"),
        ("[text]", "a list"),
        ("{text}", "an object"),
        ("citing", "an object"),
        ("=b,a", "one of `a`, `b`"),
        ("=a|text", "a string"),
        ("text|[text]|citing", "a string or a list or an object"),
        ("any", "a string or true or false or a number"),
    ],
)
def test_a_place_says_what_it_expects(line, words):
    assert Place(shape_of(line, table.ROWS, table.UNIONS), "x.y").expects() == words


def test_a_place_knows_each_json_type_that_may_stand_there():
    def flags(line):
        place = Place(shape_of(line, table.ROWS, table.UNIONS), "x.y")
        return place.opaque, place.text, place.flag, place.whole, place.number

    assert flags("any") == (True, True, True, True, True)
    assert flags("text") == (False, True, False, False, False)
    assert flags("flag") == (False, False, True, False, False)
    assert flags("whole") == (False, False, False, True, False)
    assert flags("number") == (False, False, False, True, True)
    assert flags("citing") == (False, False, False, False, False)


def test_a_place_finds_its_kinds_by_their_tag_and_one_without_it():
    tool = PLACES["request"]["tools"][0].items
    assert tool is not None
    assert tool.holds_tools
    assert tool.tag == "type"
    assert tool.name == "request.tools"
    assert tool.by_tag[None] is tool.by_tag["custom"] is KINDS["custom_tool"]
    assert tool.by_tag["web_search_20250305"] is KINDS["web_search"]
    message = PLACES["request"]["messages"][0].items
    assert message is not None
    assert (message.tag, message.holds_tools) == ("role", False)
    assert set(message.by_tag) == {"user", "assistant", "system"}
    citing = PLACES["document"]["citations"][0]
    assert citing.by_tag == {None: KINDS["citing"]}


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("messages", True),
        ("messages.content", True),
        ("messages.content.content", True),
        ("messages.content.novel", False),
        ("novel", False),
        ("request.system", True),
        ("request.novel", False),
        ("user_message.content", True),
        ("tool_result.content", True),
        ("tool_result", False),
        ("tool_result.content.text", False),
        ("tools.configs.enabled", True),
        ("metadata.user_id", True),
        ("metadata.user_id.x", False),
        ("", False),
        (".", False),
    ],
)
def test_a_place_of_the_table_is_a_path_or_a_kind_with_its_field(name, is_one):
    assert is_place(name) is is_one


def test_kinds_of_one_type_are_found_by_it_and_granted_ones_name_their_grants():
    assert {kind.name for kind in BY_TYPE["tool_reference"]} == {
        "tool_reference", "tool_reference_by_name",
    }  # fmt: skip
    assert BY_TYPE["user"] == ()  # A role, which is no type.
    assert set(GRANTED) == {name for name, kind in KINDS.items() if kind.use is Use.GRANTED}
    assert GRANTED["container_upload"] == ("code_execution", "files")
    assert {"custom_tool", "mcp_toolset"} <= TOOL_KINDS
