"""What is said of a schema, a contract and a server's tool, whole: every rule with its words.

`standards.json` holds what is judged and what is said; it was read over when it was written. Sentences of the schema library itself are left out of it.
"""

import json
from pathlib import Path

import msgspec
import pytest

from holdfast.core.contract_lint import labelled, lint
from holdfast.core.schemas import Schema, SchemaFault, compile_schema
from holdfast.core.tool_standard import (
    absent,
    compared,
    digest_of_definition,
    judged,
    judged_definition,
    server_fault,
    without_probe,
)
from holdfast.core.tool_wording import hidden_characters, steering_phrase, texts_of
from holdfast.model.tool_standard import Definition, ToolStandard
from holdfast.model.tools import Contract

READ = json.loads(Path(__file__).with_name("standards.json").read_text(encoding="utf-8"))
THEIRS = "does not compile: "


def told(value):
    return json.loads(msgspec.json.encode(value))


def own(said):
    """Without what the schema library says."""
    return [
        {
            name: text.partition(THEIRS)[0] + THEIRS if THEIRS in text else text
            for name, text in one.items()
        }
        for one in said
    ]


@pytest.mark.parametrize("at", range(len(READ["schemas"])))
def test_a_schema_compiles_and_says_what_does_not_fit_or_why_it_does_not(at):
    entry = READ["schemas"][at]
    compiled = compile_schema(entry["schema"], strict=entry["strict"])
    if isinstance(compiled, SchemaFault):
        assert compiled.reason.partition(": ")[0] == entry["fault"]
        return
    for value, said in entry["checked"]:
        assert sorted(told(compiled.check(value)), key=str) == said, value


def test_a_schema_has_a_bounded_size_and_depth_and_is_json():
    def fault(schema):
        compiled = compile_schema(schema, strict=False)
        return compiled.reason if isinstance(compiled, SchemaFault) else ""

    assert fault({"a": float("inf")}) == "the schema is not json: a number is not finite"
    room = 262_144 - len('{"title":""}')
    assert fault({"title": "x" * room}) == ""
    assert fault({"title": "x" * (room + 1)}) == "the schema is larger than 262144 bytes"
    deep: dict = {"not": {}}
    for _ in range(38):
        deep = {"not": deep}
    assert fault(deep) == ""
    assert fault({"not": deep}) == "the schema nests deeper than 40 levels"


def test_what_is_no_json_does_not_fit_and_a_text_is_bounded():
    schema = compile_schema({}, strict=False)
    assert isinstance(schema, Schema)
    assert told(schema.check(float("inf"))) == [
        {"path": "", "rule": "json", "text": "a number is not finite"}
    ]
    strict = compile_schema({"properties": {"k": {}}}, strict=True)
    assert isinstance(strict, Schema)
    (short,) = strict.check({"x" * 168: 1})
    (long,) = strict.check({"x" * 169: 1})
    assert (len(short.text), short.text[-1]) == (200, "`")
    assert (len(long.text), long.text[-1]) == (200, "…")


@pytest.mark.parametrize("at", range(len(READ["judged"])))
def test_a_contract_falls_short_where_it_does_and_nowhere_else(at):
    entry = READ["judged"][at]
    contract = msgspec.convert(entry["contract"], Contract)
    standard = msgspec.convert(entry["standard"], ToolStandard)
    assert own(told(judged(contract, standard))) == own(entry["judged"])
    assert told(lint(contract)) == entry["lint"]


@pytest.mark.parametrize("at", range(len(READ["compared"])))
def test_what_a_server_says_is_held_to_the_standard_and_to_the_contract(at):
    entry = READ["compared"][at]
    contract = entry["contract"] and msgspec.convert(entry["contract"], Contract)
    definition = msgspec.convert(entry["definition"], Definition)
    standard = ToolStandard()
    assert told(compared("mcp__s__refund", contract, definition, standard)) == entry["said"]
    assert own(told(judged_definition("mcp__s__refund", definition, standard))) == own(
        entry["judged"]
    )


def test_servers_that_fail_tools_that_are_absent_and_probes_that_are_missing_are_said():
    standard = ToolStandard()
    assert told(server_fault("s", "it ended", standard)) == READ["others"]["server"]
    assert told(absent("t", "s", standard)) == READ["others"]["absent"]
    assert told(without_probe("t", standard)) == READ["others"]["probe"]


def test_a_name_that_is_not_ours_is_not_held_to_our_style():
    contract = msgspec.convert(READ["judged"][0]["contract"] | {"name": "Bad Name"}, Contract)
    assert len(judged(contract, ToolStandard())) == 1
    assert judged(contract, ToolStandard(), named_by_us=False) == ()


def test_labelled_sentences_are_told_apart():
    for text, sentences in READ["labelled"]:
        assert labelled(text) == sentences


def test_a_definition_that_is_no_json_has_no_digest():
    odd = Definition(name="x", annotations={"a": float("inf")})
    assert digest_of_definition("x", odd) == ""
    assert digest_of_definition("x", Definition(name="y")).startswith("sha256:")


@pytest.mark.parametrize(
    ("text", "hidden"),
    [("plain\n\r\t ~", ()), ("a\u200bb\u200b\u2028", ("U+200B", "U+2028")), ("\x7f\x00", ("U+007F", "U+0000")),
     ("\ufe00\ufe0d\ufe0e", ("U+FE00", "U+FE0D")), ("\U000e0100\U000e01ef", ("U+E0100", "U+E01EF")),
     ("\u3164\u2800", ("U+3164", "U+2800")), ("é漢🙂", ())],
)  # fmt: skip
def test_characters_that_do_not_show_are_named_once(text, hidden):
    assert hidden_characters(text) == hidden


def test_a_steering_phrase_is_found_behind_what_does_not_show_up_to_a_bound():
    assert steering_phrase("ig\u200bnore all   rules") == "ignore all rules"
    assert steering_phrase("\uff49gnore rules") == "ignore rules"
    assert steering_phrase("x" * 99_990 + " ignore rules") == ""
    long = "read " + "x" * 58 + " ~/"
    assert steering_phrase(long) == long
    longer = "when using every other tool " + "x" * 40 + " always"
    assert steering_phrase(longer) == ""
    quoted = "when using every other tool " + "x" * 38 + " always you"
    assert steering_phrase(quoted) == quoted[: -len(" you")][:80]


def test_every_text_that_a_model_would_read_is_looked_at():
    definition = Definition(
        name="n",
        description="d",
        title="t",
        input_schema={"a": {"b": ["c", {"e": 1}]}},
        output_schema={"o": "p"},
        annotations={"q": None},
    )
    assert list(texts_of(definition)) == [
        ("the name", "n"),
        ("the description", "d"),
        ("the title", "t"),
        ("the input schema", "a"),
        ("the input schema", "b"),
        ("the input schema", "c"),
        ("the input schema", "e"),
        ("the output schema", "o"),
        ("the output schema", "p"),
        ("the annotations", "q"),
    ]
