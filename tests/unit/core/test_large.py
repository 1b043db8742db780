"""What comes back of a large body decides as the body itself would."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.edits import Edits
from holdfast.core.evidence import check_evidence, check_history, unknown_calls
from holdfast.core.history import (
    Misshapen,
    marked_arguments,
    marked_result,
    marks,
    result_marks,
    same_arguments,
    same_result,
)
from holdfast.core.large import (
    SLICE,
    Answer,
    Parse,
    Parsed,
    Read,
    Requested,
    Unusable,
    compact,
    counted,
    done,
    kept_content,
    taken_in,
)
from holdfast.core.messages import BadRequest, ModelRequest, read_request
from holdfast.core.rewritings import rewriting_marks
from holdfast.core.wire.splicing import Change
from holdfast.model.tools import CallRecord, CallState

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ARGUMENTS = st.dictionaries(st.text(), JSON, max_size=4)
TOOLS = st.sampled_from(["Bash", "Write", "Edit", "look"])


def spelled(*messages, **fields):
    request = {"model": "m", "max_tokens": 9, "messages": list(messages)} | fields
    return json.dumps(request).encode()


def crossed(body):
    """The request as it comes back over the wire."""
    answer, written = done(Read(), body)
    assert written is None
    back = msgspec.msgpack.decode(msgspec.msgpack.encode(answer), type=Answer)
    assert isinstance(back, Requested)
    return back


def both(body):
    full, small = read_request(body), crossed(body).request
    assert isinstance(full, ModelRequest)
    assert small is not None
    return full, small


def use(call_id, tool="look", arguments=None, kind="tool_use"):
    return {"type": kind, "id": call_id, "name": tool, "input": arguments or {"a": 1}}


def said(*blocks):
    return {"role": "assistant", "content": list(blocks)}


def told(*blocks):
    return {"role": "user", "content": list(blocks)}


def result(call_id, content="done", **more):
    return {"type": "tool_result", "tool_use_id": call_id, "content": content} | more


def known(call_id, tool="look", arguments=None, state=CallState.EXECUTED, **more):
    return CallRecord(
        session="s",
        call_id=call_id,
        tool=tool,
        digest="d",
        state=state,
        shown=marks(tool, arguments or {"a": 1}),
        **more,
    )


@given(TOOLS, ARGUMENTS, ARGUMENTS)
def test_marked_arguments_are_the_same_exactly_when_the_arguments_are(tool, emitted, shown):
    mark = marks(tool, emitted)
    for other in (emitted, shown):
        expected = same_arguments(mark, tool, other)
        assert same_arguments(mark, tool, marked_arguments(other)) is expected


@given(JSON, JSON)
def test_marked_results_are_the_same_exactly_when_the_results_are(sent, shown):
    block = {"type": "web_search_tool_result", "content": sent}
    mark = result_marks(block)
    for other in (block, {**block, "content": shown}):
        assert same_result(mark, marked_result(other)) is same_result(mark, other)


@pytest.mark.parametrize("shown", [[1], "text", None, 7])
def test_arguments_that_are_no_object_are_never_the_same(shown):
    assert not same_arguments(marks("look", {}), "look", marked_arguments(shown))


FOUND = {"type": "web_search_result", "title": "x", "url": "u", "encrypted_content": "e"}
SEARCHED = {"type": "web_search_tool_result", "tool_use_id": "srv", "content": [FOUND]}
HISTORIES = {
    "as it was": [said(use("a")), told(result("a"))],
    "other arguments": [said(use("a", arguments={"a": 2})), told(result("a"))],
    "another tool": [said(use("a", "other")), told(result("a"))],
    "twice": [said(use("a"), use("a")), told(result("a"))],
    "two results": [said(use("a")), told(result("a"), result("a", "again"))],
    "nobody's": [said(use("b")), told(result("b"))],
    "an error of nobody's": [told(result("x", "no", is_error=True))],
    "an error without permit": [said(use("n")), told(result("n", "no", is_error=True))],
    "a result without permit": [said(use("n")), told(result("n"))],
    "a provider's": [said(use("srv", "web_search", kind="server_tool_use"), SEARCHED)],
    "a provider's, changed": [
        said(use("srv", "web_search", kind="server_tool_use"), {**SEARCHED, "content": []})
    ],
    "what a hook left": [said(use("h")), told(result("h", "one\n***"))],
    "what a hook rewrote": [said(use("h")), told(result("h", "1\tone\n2\tsecret"))],
    "what a hook rewrote, in JSON": [
        said(use("h")),
        told(result("h", [{"type": "text", "text": '{"a": "one\\nsecret"}'}])),
    ],
    "what a hook rewrote, as a provider's": [
        said(use("h"), {**SEARCHED, "tool_use_id": "h", "content": [{**FOUND, "title": "secret"}]})
    ],
    "what a hook rewrote, and is withheld": [said(use("w")), told(result("w", "one\nsecret"))],
    "under its client's name": [said(use("e", "Agent")), told(result("e"))],
    "under its model's name": [said(use("e", "Task")), told(result("e"))],
    "under another name": [said(use("e", "TaskStop")), told(result("e"))],
    "an edit that says what goes without": [
        said(use("d", "Edit", {"old_string": "x", "replace_all": False})),
        told(result("d")),
    ],
    "an edit that says more": [
        said(use("d", "Edit", {"old_string": "x", "replace_all": True})),
        told(result("d")),
    ],
}
CALLS = {
    "a": known("a"),
    "n": known("n", state=CallState.EMITTED),
    "srv": known(
        "srv", "web_search", state=CallState.SERVER, answered=result_marks(SEARCHED)
    ),
    "h": known("h", rewritten=rewriting_marks("one\nsecret", "one\n***")),
    "w": known("w", rewritten=rewriting_marks("one\nsecret", "one\n***"), denial="no"),
    "e": msgspec.structs.replace(known("e", "Task"), tool="Agent", emitted_as="Task"),
    "d": known("d", "Edit", {"old_str": "x"}),
}  # fmt: skip


@pytest.mark.parametrize("messages", HISTORIES.values(), ids=HISTORIES.keys())
def test_a_history_is_judged_alike(messages):
    full, small = both(spelled(*messages))
    found = []
    for request in (full, small):
        shown = request.shown()
        whole = request.fields["messages"] if request.calls is None else ()
        judged = check_evidence(request.evidence, CALLS, "s")
        found.append(
            (
                unknown_calls(shown, request.evidence, CALLS),
                msgspec.to_builtins(judged),
                check_history(shown, request.evidence, whole, CALLS),
            )
        )
    assert found[0] == found[1]


def test_everything_else_of_a_request_comes_back_as_it_was():
    tools = [{"name": "look", "input_schema": {"type": "object"}}, {"type": "bash_20250124"}]
    body = spelled(
        told({"type": "text", "text": "x" * 9_000, "cache_control": {"type": "ephemeral"}}),
        said(use("a")),
        told(result("a", [{"type": "text", "text": "hi"}, {"type": "text", "text": "you"}])),
        tools=[tools[0]],
        stream=True,
        anthropic_beta=["context-1m-2025-08-07"],
        system="y" * 5_000,
        inference_geo="us",
    )
    full, small = both(body)
    for name in set(ModelRequest.__struct_fields__) - {
        "body",
        "fields",
        "evidence",
        "asks",
        "calls",
    }:
        assert getattr(small, name) == getattr(full, name), name
    full.asks.evidence = []
    assert small.asks == full.asks
    assert small.body == b""
    assert small.fields.keys() == full.fields.keys()
    assert small.fields["anthropic_beta"] == ["context-1m-2025-08-07"]
    assert (small.fields["inference_geo"], small.fields["system"]) == ("us", True)
    assert small.evidence[0].result.text == "hi\nyou"
    assert len(msgspec.msgpack.encode(small)) < 1_500


def test_of_texts_of_results_the_newest_come_along_up_to_a_bound():
    blocks = [result(f"t{n}", str(n) + "x" * 900_000) for n in range(8)]
    blocks.append(result("long", "y" * 1_000_001))
    _, small = both(spelled(told(*blocks)))
    kept = [one.call_id for one in small.evidence if one.result.text is not None]
    assert kept == ["t4", "t5", "t6", "t7"]
    left = small.evidence[0].result
    assert (left.characters, left.digest[:7]) == (900_001, "sha256:")
    assert small.evidence[-1].result.digest == ""


LONG = {
    "in one": [result("h", "z" * 1_000_000 + "\none")],
    "in all": [result("h", "one"), *(result(f"t{n}", "x" * 999_998) for n in range(4))],
    "in values of ours": [result("h", [{"type": "text", "text": "z" * 999_990}])],
}  # fmt: skip


@pytest.mark.parametrize("blocks", LONG.values(), ids=LONG.keys())
def test_what_is_too_long_to_compare_with_what_a_hook_rewrote_is_refused(blocks):
    _, small = both(spelled(said(use("h")), told(*blocks)))
    found = check_history(small.shown(), small.evidence, (), {"h": CALLS["h"]})
    assert found is not None
    assert (found.call_id, "too long to compare" in found.text) == ("h", True)
    # Where no hook rewrote it, its length is nobody's concern.
    assert check_history(small.shown(), small.evidence, (), {"h": known("h")}) is None


def test_a_call_that_cannot_be_read_is_said_to_be():
    full, small = both(spelled(said({**use("a"), "id": ""})))
    assert small.shown() == full.shown()


def test_what_the_table_does_not_know_is_refused_in_the_same_words():
    body = spelled(told({"type": "novel"}))
    refused = read_request(body)
    assert isinstance(refused, BadRequest)
    assert crossed(body) == Requested(bad=refused.text)


def test_the_body_of_a_count_holds_what_is_counted():
    body = spelled(told(result("a")), system="s", stream=True, metadata={"user_id": "u"})
    body = counted(
        body,
        Edits(
            model="other",
            max_tokens=3,
            changes=(Change(("stream",)), Change(("messages", 0, "role"))),
        ),
    )
    found = json.loads(body)
    assert found.keys() == {"model", "messages", "system"}
    assert found["model"] == "other"
    assert "role" not in found["messages"][0]


EDITS = {
    "model": "other",
    "max_tokens": 3,
    "contents": ((0, 0, "text"),),
    "changes": (Change(("system",)),),
    "removed": (Change(("tools",)),),
    "betas": "b",
    "told": "Task: one",
}


@pytest.mark.parametrize("name", EDITS)
def test_a_body_is_left_alone_only_where_nothing_of_it_changes(name):
    assert EDITS.keys() == set(Edits.__struct_fields__)
    edits = msgspec.convert({name: msgspec.to_builtins(EDITS[name])}, Edits)
    assert edits.leaves_body() is (name == "betas")


def test_what_is_taken_out_of_a_request_is_neither_read_nor_counted():
    without = (Change(("novel",)),)
    body = spelled(told(result("a")), novel=1)
    answer, _ = done(Read(without=without), body)
    assert isinstance(answer, Requested)
    assert answer.request is not None
    found = json.loads(
        counted(spelled(told(result("a")), system="s"), Edits(removed=(Change(("system",)),)))
    )
    assert found.keys() == {"model", "messages"}


def test_a_report_that_is_no_json_of_one_reading_is_read_all_the_same():
    body = b'{"call_id": "c", "ok": true, "output": {"a": 1, "a": NaN}}'
    answer, _ = done(Parse(outcome=True), body)
    assert isinstance(answer, Parsed)
    assert answer.value["output"] == {"a": "nan"}
    strict, _ = done(Parse(), body)
    assert isinstance(strict, Unusable)
    assert not strict.too_large


def test_content_that_was_shortened_is_not_shortened_again():
    once = kept_content("x" * 3_000_000)
    assert once.endswith("[2000000 further characters are left out]")
    assert kept_content(once) == once
    assert kept_content("short") == "short"


def test_compacting_leaves_the_request_that_was_read_alone():
    full = read_request(spelled(said(use("a")), told(result("a"))))
    assert isinstance(full, ModelRequest)
    small = compact(full)
    assert full.calls is None
    assert full.fields["messages"]
    assert small.calls is not None


@pytest.mark.parametrize("many", [0, 1, SLICE, SLICE + 1, 3 * SLICE + 7])
def test_a_long_history_comes_back_whole_and_no_more_of_it_at_a_time_than_a_slice(many):
    ids = [f"t{n}" for n in range(many)]
    history = [said(*(use(one) for one in ids)), told(*(result(one) for one in ids))]
    body = spelled(*(history if many else ()), told({"type": "text", "text": "go on"}))
    found = crossed(body)
    *waits, whole = taken_in(found)
    assert whole is not None
    assert waits == [None] * (2 * max(0, -(-(many - SLICE) // SLICE)))
    assert found.request is not None
    assert len(found.request.evidence) <= SLICE
    assert isinstance(found.request.calls, tuple)
    assert len(found.request.calls) <= SLICE
    full = read_request(body)
    assert isinstance(full, ModelRequest)
    assert whole.evidence == compact(full).evidence
    shown = whole.shown()
    assert not isinstance(shown, Misshapen)
    assert [call.call_id for call in shown] == ids


def test_calls_that_cannot_be_read_are_refused_beside_any_number_of_results():
    nameless = {"type": "tool_use", "id": "x", "name": "look", "input": "no object"}
    many = [result(f"t{n}") for n in range(SLICE + 5)]
    whole = [*taken_in(crossed(spelled(said(nameless), told(*many))))][-1]
    assert whole is None or isinstance(whole.shown(), Misshapen)
