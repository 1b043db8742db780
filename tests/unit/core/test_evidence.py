"""Which results may reach the model: a table over kinds, states and errors."""

import pytest

from holdfast.core.evidence import LIMITED, NEVER_RAN, Admitted, Ungoverned, check_evidence
from holdfast.core.messages import Evidence
from holdfast.model.tools import CallRecord, CallState

RAN = (CallState.ALLOWED, CallState.EXECUTED, CallState.FAILED)


def record(state, **more):
    return CallRecord(
        session="s", call_id="c", tool="look", digest="d", state=CallState(state), **more
    )


def judge(call, kind="tool_result", *, is_error=False, call_id="c"):
    block = Evidence(3, 1, kind, call_id, is_error)
    return check_evidence([block], {"c": call} if call else {})


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
    got = check_evidence([block], {"c": record(CallState.EMITTED)}, {"c"})
    if not is_error:
        assert isinstance(got, Ungoverned)
        return
    assert isinstance(got, Admitted)
    assert got.contents == {(3, 1): LIMITED}
    assert [c.denial for c in got.never_ran] == [LIMITED]
    # What was decided since, or told before, goes before it.
    for call in (record(CallState.DENIED, denial="denied: why"), record(CallState.FAILED)):
        later = check_evidence([block], {"c": call}, {"c"})
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
    got = check_evidence(blocks, calls)
    assert isinstance(got, Ungoverned)
    assert got.call_id == "z"
