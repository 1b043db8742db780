"""Whole requests walked: all that is gathered of each, in order, or the sentence that refuses it.

`walks.json` holds the requests, the operator's lines, and what is read; it was read over by a
person when it was written.
"""

import json
from pathlib import Path

import msgspec
import pytest

from holdfast.core.wire.admitted import Admission, Admitted
from holdfast.core.wire.reading import NotInTable, Walked, shown, spelt_steps, walk

BASE = {"model": "m", "max_tokens": 9, "messages": []}
WALKS = json.loads(Path(__file__).with_name("walks.json").read_text(encoding="utf-8"))
NOTHING_READ = msgspec.to_builtins(Walked())


def gathered(body, lines):
    found = walk(BASE | body, Admitted([msgspec.convert(line, Admission) for line in lines]))
    plain = json.loads(msgspec.json.encode(found))
    return {name: value for name, value in plain.items() if value != NOTHING_READ[name]}


@pytest.mark.parametrize(
    "entry", [one for one in WALKS if "read" in one], ids=lambda one: json.dumps(one["body"])[:60]
)
def test_all_that_a_request_asks_for_is_gathered_in_order(entry):
    assert json.dumps(gathered(entry["body"], entry["lines"])) == json.dumps(entry["read"])


@pytest.mark.parametrize(
    "entry",
    [one for one in WALKS if "refused" in one],
    ids=lambda one: json.dumps(one["body"])[:60],
)
def test_what_may_not_stand_there_is_refused_with_its_place_and_the_next_step(entry):
    with pytest.raises(NotInTable) as refused:
        gathered(entry["body"], entry["lines"])
    assert str(refused.value) == entry["refused"]


def test_every_model_that_a_request_names_is_told():
    found = walk(
        BASE
        | {
            "fallbacks": [{"model": "a"}, {"model": "b"}],
            "tools": [
                {"type": "advisor_20260301", "model": "c"},
                {"type": "advisor_20260301", "model": ""},
                {"name": "x"},
            ],
        },
        Admitted(),
    )
    assert found.models() == ("b", "a", "c")


def test_an_object_of_two_kinds_of_one_type_is_the_least_that_has_its_fields():
    line = {"sort": "block", "name": "novel", "at": ["messages.content"]}

    def within(**inner):
        block = {"type": "novel", "in": {"type": "tool_reference", **inner}}
        return gathered({"messages": [{"role": "user", "content": [block]}]}, [line])

    assert "admitted" in within(name="x")
    assert "admitted" in within(tool_name="x")
    with pytest.raises(
        NotInTable, match=r"`messages\[0\].content\[0\].in.\w+` is not in the table"
    ):
        within(name="x", tool_name="y")


def test_a_name_of_the_clients_is_shown_bounded_on_one_line_without_marks():
    assert shown("x" * 60) == "x" * 60
    assert shown("x" * 61) == "x" * 60 + "…"
    assert shown("a`b\nc\u200bd") == "a?b?c?d"


def test_a_place_is_spelt_as_people_write_it_and_its_end_is_kept():
    assert spelt_steps(("messages", 0, "content", 12, "type")) == "messages[0].content[12].type"
    assert spelt_steps((0, "a")) == "[0].a"
    assert spelt_steps(()) == ""
    long = spelt_steps(("a" * 60, "b" * 60))
    assert long == "a" * 39 + "." + "b" * 60
    assert len(long) == 100
