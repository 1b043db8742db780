"""Which results may reach the model: a table over kinds, states and errors."""

import time
from typing import Any

import msgspec
import pytest

from holdfast.core.evidence import (
    LIMITED,
    NEVER_RAN,
    Admitted,
    Rewritten,
    Ungoverned,
    check_evidence,
    check_history,
    unknown_calls,
)
from holdfast.core.history import UNREAD, Misshapen, ShownCall, marks, result_marks, shown_calls
from holdfast.core.messages import Evidence
from holdfast.model.tools import CallRecord, CallState

RAN = (CallState.ALLOWED, CallState.EXECUTED, CallState.FAILED)


def record(state, **more):
    return CallRecord(
        session="s", call_id="c", tool="look", digest="d", state=CallState(state), **more
    )


def judge(call, kind="tool_result", *, is_error=False, call_id="c"):
    block = Evidence(3, 1, kind, call_id, is_error)
    return check_evidence([block], {"c": call} if call else {}, "s")


@pytest.mark.parametrize("is_error", [False, True])
@pytest.mark.parametrize("state", RAN)
def test_result_of_a_permitted_call_passes_untouched(state, is_error):
    got = judge(record(state), is_error=is_error)
    assert isinstance(got, Admitted)
    assert got.contents == {}
    assert [c.call_id for c in got.first_seen] == ["c"]


def test_result_that_was_admitted_before_is_not_new():
    got = judge(record(CallState.EXECUTED, admitted=True))
    assert got == Admitted({}, (), ())


@pytest.mark.parametrize("state", [None, CallState.EMITTED, CallState.DENIED])
def test_successful_result_without_a_permit_is_ungoverned(state):
    got = judge(record(state, denial="no" if state is CallState.DENIED else "") if state else None)
    assert isinstance(got, Ungoverned)


def test_error_of_a_call_that_never_ran_is_replaced():
    assert judge(None, is_error=True).contents == {(3, 1): NEVER_RAN}
    got = judge(record(CallState.EMITTED), is_error=True)
    assert got.contents == {(3, 1): NEVER_RAN}
    assert [c.call_id for c in got.never_ran] == ["c"]
    got = judge(record(CallState.DENIED, denial="denied: why"), is_error=True)
    assert got.contents == {(3, 1): "denied: why"}
    assert got.never_ran == ()


@pytest.mark.parametrize("is_error", [True, False])
def test_call_refused_for_the_number_of_calls_says_so_and_is_no_less_ungoverned(is_error):
    block = Evidence(3, 1, "tool_result", "c", is_error)
    got = check_evidence([block], {"c": record(CallState.EMITTED)}, "s", {"c"})
    if not is_error:
        assert isinstance(got, Ungoverned)
        return
    assert isinstance(got, Admitted)
    assert got.contents == {(3, 1): LIMITED}
    assert [c.denial for c in got.never_ran] == [LIMITED]
    # What was decided since, or told before, goes before it.
    for call in (record(CallState.DENIED, denial="denied: why"), record(CallState.FAILED)):
        later = check_evidence([block], {"c": call}, "s", {"c"})
        assert isinstance(later, Admitted)
        assert later.contents == ({(3, 1): call.denial} if call.denial else {})


@pytest.mark.parametrize("kind", ["web_search_tool_result", "mcp_tool_result", "text", "x"])
@pytest.mark.parametrize("state", [None, *RAN, CallState.EMITTED, CallState.DENIED])
@pytest.mark.parametrize("is_error", [False, True])
def test_result_of_another_kind_answers_only_a_call_at_the_provider(kind, state, is_error):
    assert isinstance(judge(record(state) if state else None, kind, is_error=is_error), Ungoverned)
    assert judge(record(CallState.SERVER), kind, is_error=is_error) == Admitted({}, (), ())


@pytest.mark.parametrize("is_error", [False, True])
def test_clients_result_cannot_answer_a_call_at_the_provider(is_error):
    assert isinstance(judge(record(CallState.SERVER), is_error=is_error), Ungoverned)


def test_one_bad_block_among_good_ones_is_found():
    calls = {"c": record(CallState.EXECUTED)}
    blocks = [Evidence(0, 0, "tool_result", "c", False), Evidence(9, 9, "tool_result", "z", False)]
    got = check_evidence(blocks, calls, "s")
    assert isinstance(got, Ungoverned)
    assert got.call_id == "z"


def test_only_what_the_sessions_own_model_asked_for_stops_it():
    own = judge(record(CallState.EMITTED))
    earlier = judge(msgspec.structs.replace(record(CallState.DENIED), session="before"))
    assert (own.stops, earlier.stops, judge(None).stops) == (True, False, False)


def test_what_stops_goes_before_what_does_not():
    calls = {"c": record(CallState.DENIED)}
    blocks = [Evidence(0, n, "tool_result", name, False) for n, name in enumerate("azc")]
    got, before = check_evidence(blocks, calls, "s"), check_evidence(blocks[:2], calls, "s")
    assert isinstance(got, Ungoverned)
    assert isinstance(before, Ungoverned)
    assert (got.call_id, got.stops) == ("c", True)
    assert before.call_id == "a"


# --- the history itself -------------------------------------------------------------------------

ARGUMENTS = {"command": "ls /srv", "timeout": 5}
SEARCHED: dict[str, Any] = {
    "type": "web_search_tool_result",
    "tool_use_id": "w",
    "content": [{"type": "web_search_result", "url": "https://a.example", "title": "A"}],
}


def emitted(call_id="c", tool="Bash", arguments=ARGUMENTS, state=CallState.EXECUTED, **more):
    kept = marks(tool, arguments)
    return CallRecord(
        session="s", call_id=call_id, tool=tool, digest="d", state=state, shown=kept, **more
    )


def use(call_id="c", name="Bash", arguments=ARGUMENTS, kind="tool_use", **more):
    return {"type": kind, "id": call_id, "name": name, "input": arguments} | more


def result(call_id="c", kind="tool_result", **more):
    return {"type": kind, "tool_use_id": call_id, "content": "x"} | more


CALLS = {
    "c": emitted(),
    "d": emitted("d", "look", {"order": "7"}),
    "w": emitted(
        "w", "web_search", {"query": "x"}, CallState.SERVER, answered=result_marks(SEARCHED)
    ),
    "x": emitted(
        "x",
        "web_search",
        {"query": "y"},
        CallState.SERVER,
        answered=result_marks({"content": []}),
    ),
    "unanswered": emitted("unanswered", "web_search", {"query": "u"}, CallState.SERVER),
    "halved": msgspec.structs.replace(
        emitted("halved", "web_search", {}, CallState.SERVER_TORN), shown=(), digest=""
    ),
    "pieces": emitted("pieces", "code", {}, CallState.SERVER, answered=(UNREAD,)),
    "before": msgspec.structs.replace(emitted("before", "web", {}, CallState.SERVER), shown=()),
    "torn": msgspec.structs.replace(emitted("torn", state=CallState.TORN), shown=(), digest=""),
}


def looked_at(*blocks):
    """What the request with these blocks, each a message, is found to be."""
    messages = [{"role": "user", "content": [block]} for block in blocks]
    shown = shown_calls(messages)
    if isinstance(shown, Misshapen):
        return shown
    evidence = [
        Evidence(m, 0, block["type"], block["tool_use_id"], bool(block.get("is_error")))
        for m, block in enumerate(blocks)
        if "tool_use_id" in block
    ]
    return check_history(shown, evidence, messages, CALLS)


@pytest.mark.parametrize(
    "blocks",
    [
        [use(), result()],
        [use(), result(), use("d", "look", {"order": "7"}), result("d")],
        [use(cache_control={"type": "ephemeral"}, caller={"type": "direct"}), result()],
        [result("d")],
        [use("w", "web_search", {"query": "x"}, "server_tool_use"), SEARCHED],
        [SEARCHED | {"cache_control": {"type": "ephemeral"}, "caller": None}],
        [SEARCHED | {"content": [{**SEARCHED["content"][0], "page_age": None}]}],
        [use("torn", arguments={}), result("torn", is_error=True)],
        [use("nobody", "any", {"of": "these"})],
        [SEARCHED | {"tool_use_id": "before"}],
    ],
    ids=lambda blocks: "+".join(b["type"] for b in blocks),
)
def test_a_history_as_it_was_emitted_passes(blocks):
    assert looked_at(*blocks) is None


@pytest.mark.parametrize(
    ("blocks", "says"),
    [
        ([use(name="look")], "another tool"),
        ([use(name="bash")], "another tool"),
        ([use(name="Bash ")], "another tool"),
        ([use("torn", name="look", arguments={})], "another tool"),
        ([use(arguments={"command": "ls /etc", "timeout": 5})], "other arguments"),
        ([use(arguments={"command": "ls /srv"})], "other arguments"),
        ([use(arguments={**ARGUMENTS, "run_in_background": True})], "other arguments"),
        ([use(arguments={**ARGUMENTS, "timeout": None})], "other arguments"),
        ([use(arguments={})], "other arguments"),
        ([use(arguments=None)], "other arguments"),
        ([use(arguments="ls /srv")], "other arguments"),
        ([use(arguments=[ARGUMENTS])], "other arguments"),
        ([use(arguments={**ARGUMENTS, "x": [[]] * 10_000})], "other arguments"),
        ([use("d", "look", ARGUMENTS)], "other arguments"),
        ([use("d", "look", {"order": "7 "})], "other arguments"),
        ([use("d", "Bash", ARGUMENTS), use("c", "look", {"order": "7"})], "another tool"),
        ([use(), use()], "twice"),
        ([use(), result(), use("d", "look", {"order": "7"}), use()], "twice"),
        ([use(), result(), result()], "twice"),
        ([use(), result(is_error=True), result()], "twice"),
        ([use("nobody", "x", {}), use("nobody", "x", {})], "twice"),
        ([use(kind="server_tool_use")], "elsewhere"),
        ([use(kind="mcp_tool_use")], "elsewhere"),
        ([use("w", "web_search", {"query": "x"})], "elsewhere"),
        ([use("w", "web_search", {"query": "z"}, "server_tool_use")], "other arguments"),
        ([SEARCHED | {"content": []}], "not what the provider sent"),
        ([SEARCHED | {"content": [SEARCHED["content"][0] | {"title": "B"}]}], "not what"),
        ([SEARCHED | {"content": SEARCHED["content"] * 2}], "not what"),
        ([SEARCHED | {"type": "web_fetch_tool_result"}], "not what"),
        ([SEARCHED | {"content": "https://a.example"}], "not what"),
        ([SEARCHED | {"tool_use_id": "x"}], "not what"),
        ([SEARCHED | {"tool_use_id": "unanswered"}], "not what"),
        ([SEARCHED | {"tool_use_id": "halved"}], "not what"),
        ([SEARCHED | {"tool_use_id": "pieces"}], "not what"),
        ([SEARCHED, SEARCHED], "twice"),
    ],
    ids=str,
)
def test_a_history_that_was_rewritten_is_found(blocks, says):
    got = looked_at(*blocks)
    assert isinstance(got, Rewritten)
    assert says in got.text


@pytest.mark.parametrize(
    "outer",
    [
        lambda call: {"type": "text", "text": "x", "content": [call]},
        lambda call: result() | {"content": [call]},
        lambda call: result() | {"content": [{"type": "document", "content": [call]}]},
        lambda call: use() | {"content": [{"type": "x", "content": [{"content": [call]}]}]},
    ],
)
@pytest.mark.parametrize("kind", ["tool_use", "server_tool_use", "mcp_tool_use", "x_tool_use"])
def test_a_call_within_another_block_is_refused(outer, kind):
    assert isinstance(looked_at(outer(use(kind=kind))), Misshapen)


@pytest.mark.parametrize("field", ["id", "name"])
@pytest.mark.parametrize("value", [None, 1, [], {}])
def test_a_call_without_a_readable_name_is_refused(field, value):
    assert isinstance(looked_at({**use(), field: value}), Misshapen)


def test_calls_that_nobody_knows_are_named_in_order_and_once():
    blocks = [
        Evidence(1, 0, "tool_result", "b", False),
        Evidence(1, 1, "tool_result", "e", True),
        Evidence(1, 2, "web_search_tool_result", "f", True),
        Evidence(1, 3, "tool_result", "c", False),
    ]
    shown = [ShownCall(0, 0, "tool_use", name, "x", {}) for name in "cab"]
    assert unknown_calls(shown, blocks, CALLS) == ["a", "b", "f"]


def test_looking_at_a_history_takes_time_in_its_size():
    def seconds(n):
        blocks = [use(f"c{i}", arguments={"command": f"ls {i}"}) for i in range(n)]
        messages = [{"role": "assistant", "content": [block]} for block in blocks]
        calls = {block["id"]: emitted(block["id"], arguments=block["input"]) for block in blocks}
        best = 9.0
        for _ in range(3):
            start = time.perf_counter()
            shown = shown_calls(messages)
            assert not isinstance(shown, Misshapen)
            assert unknown_calls(shown, [], calls) == []
            assert check_history(shown, [], messages, calls) is None
            best = min(best, time.perf_counter() - start)
        return best

    assert seconds(4000) < seconds(500) * 8 * 4
