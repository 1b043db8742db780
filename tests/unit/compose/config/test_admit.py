"""`gateway.admit`: what a line means, and what is said of one that would let something pass unread."""

from pathlib import Path

import pytest

from holdfast.compose.config import parse_config
from holdfast.compose.upstreams import admissions
from holdfast.core.wire.admitted import Admission, Sort
from holdfast.errors import ConfigInvalid


def admitted(line: str):
    content = f"version: 1\ngateway:\n  admit:\n    - {line}\n".encode()
    return admissions(parse_config(content, Path("holdfast.yaml")).gateway)


def test_a_block_is_admitted_at_its_places_with_its_bound():
    line = "{block: novel, at: [messages.content, tool_result.content], tokens: 40, usd: 0.5}"
    found = admitted(line)
    assert found.block("novel", "messages.content") == Admission(
        sort=Sort.BLOCK,
        name="novel",
        nusd=500_000_000,
        tokens=40,
        at=("messages.content", "tool_result.content"),
    )
    assert found.block("novel", "user_message.content", "system") is None
    assert found.block("other", "messages.content") is None


def test_a_block_and_a_field_say_what_may_stand_in_them():
    block = admitted("{block: novel, at: [system], tokens: 0, fields: [text, n]}")
    assert [line.fields for line in block.lines] == [("text", "n")]
    field = admitted("{field: metadata.team, fields: [name]}").find(Sort.FIELD, "metadata.team")
    assert field is not None
    assert field.fields == ("name",)


def test_a_tool_keeps_its_price_and_its_bounds():
    found = admitted("{tool: oracle_1, usd: 0.002, calls: 2, tokens: 100}")
    line = found.find(Sort.TOOL, "oracle_1")
    assert line is not None
    assert (line.nusd, line.calls, line.tokens, line.dropped) == (2_000_000, 2, 100, False)
    field = admitted("{field: metadata.team, as: dropped}").find(Sort.FIELD, "metadata.team")
    assert field is not None
    assert field.dropped


@pytest.mark.parametrize(
    "line",
    [
        "{block: novel, at: [system], tokens: 0}",
        "{block: novel, at: [request.system], tokens: 0}",
        "{block: novel, at: [messages.content.content], tokens: 0}",
        "{block: novel, at: [other_block.parts], tokens: 0}",
    ],
)
def test_places_of_the_table_and_within_other_admitted_blocks_are_taken(line):
    assert admitted(line).named(Sort.BLOCK) == ("novel",)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{block: novel}", "at: [messages.content]"),
        ("{block: novel, tokens: 0}", "at: [messages.content]"),
        ("{block: novel, at: [], tokens: 0}", "at: [messages.content]"),
        ("{block: novel, at: [system]}", "`tokens`"),
        ("{block: novel, at: [messages.contents], tokens: 0}", "no such place"),
        ("{block: novel, at: [tool_result.novel], tokens: 0}", "no such place"),
        ("{field: metadata.team, at: [system]}", "only a block is admitted at places"),
        ("{block: novel, at: [system], tokens: 0, as: dropped}", "cannot be taken out"),
        ("{block: novel, tool: oracle, at: [system], tokens: 0}", "one thing"),
        ("{field: novel, calls: 2}", "only a tool is called"),
        ("{tool: oracle_1, fields: [text]}", "of a block or a field"),
    ],
)
def test_a_line_that_binds_nothing_is_refused_with_what_to_say(line, says):
    with pytest.raises(ConfigInvalid) as told:
        admitted(line)
    assert says in told.value.message
