"""Which calls are one effect, and what an open entry lets a further attempt do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.effects import (
    KEPT_OUTPUT_BYTES,
    Recovery,
    Standing,
    finished,
    key_of,
    recovery,
    standing,
    unknown,
)
from holdfast.model.effects import EffectEntry, EffectState
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Contract, Effect, EffectKey, Idempotency


def contract(effect=Effect.COMMIT, idempotency=Idempotency.ONCE, **more):
    return Contract(
        name="pay",
        description="pays",
        effect=effect,
        risk=RiskLevel.LOW,
        risk_reason="for tests",
        input_schema={"type": "object"},
        idempotency=idempotency,
        **more,
    )


def entry(state, idempotency=Idempotency.ONCE, session="s", call_id="c"):
    return EffectEntry(
        tenant="acme",
        key="k",
        session=session,
        call_id=call_id,
        tool="pay",
        idempotency=idempotency,
        state=state,
        intended_at_ns=1,
        changed_at_ns=1,
    )


def key(one=None, **more):
    asked = {"task": "t", "session": "s", "call_id": "c", "arguments": {"to": "x", "n": 1}} | more
    return key_of(one or contract(), **asked)


def test_the_same_arguments_in_one_task_are_one_effect_whichever_call_asks():
    assert key() == key(session="other", call_id="other")
    assert key() == key(arguments={"n": 1, "to": "x"})


@pytest.mark.parametrize(
    "other",
    [{"task": "u"}, {"arguments": {"to": "x", "n": 2}}, {"given": "order-7"}, {"arguments": {}}],
)
def test_another_task_other_arguments_or_a_callers_key_are_another_effect(other):
    assert key() != key(**other)


def test_a_callers_key_stands_in_place_of_the_arguments():
    assert key(given="order-7") == key(given="order-7", arguments={"to": "y"})


def test_only_the_named_arguments_count_where_the_contract_names_them():
    one = contract(key_arguments=("to",))
    assert key(one) == key(one, arguments={"to": "x", "n": 99})
    assert key(one) != key(one, arguments={"to": "y", "n": 1})


@pytest.mark.parametrize("effect", [Effect.READ, Effect.WRITE, Effect.EGRESS])
def test_what_may_well_be_meant_twice_is_an_effect_of_its_own_call(effect):
    one = contract(effect)
    assert key(one) != key(one, call_id="d")
    assert key(one) == key(one, task="u")
    by_input = contract(effect, effect_key=EffectKey.INPUT)
    assert key(by_input) == key(by_input, call_id="d")


def test_arguments_without_a_canonical_form_are_the_calls_own():
    assert key(arguments={"n": float("nan")}) != key(arguments={"n": float("nan")}, call_id="d")


@given(
    st.dictionaries(
        st.text("ab", max_size=5),
        st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=5),
        max_size=3,
    )
)
def test_two_argument_objects_share_a_key_only_if_they_are_equal(arguments):
    same = key(arguments=dict(reversed(arguments.items()))) == key(arguments=arguments)
    assert same
    assert key(arguments=arguments | {"\x00more": 1}) != key(arguments=arguments)


ALL = list(Idempotency)
REPEATABLE = (Idempotency.IDEMPOTENT, Idempotency.KEYED)


@pytest.mark.parametrize("idempotency", ALL)
def test_what_was_done_is_never_done_again(idempotency):
    done = entry(EffectState.DONE, idempotency)
    assert standing(done, "s", "c") is Standing.STORED
    assert standing(done, "other", "d") is Standing.STORED


@pytest.mark.parametrize("idempotency", ALL)
def test_what_failed_or_was_never_tried_may_be_tried(idempotency):
    assert standing(None, "s", "c") is Standing.FRESH
    assert standing(entry(EffectState.FAILED, idempotency), "s", "c") is Standing.FRESH


@pytest.mark.parametrize("idempotency", ALL)
def test_an_effect_that_another_call_is_at_waits(idempotency):
    intended = entry(EffectState.INTENDED, idempotency)
    assert standing(intended, "s", "other") is Standing.IN_FLIGHT
    assert standing(intended, "other", "c") is Standing.IN_FLIGHT


@pytest.mark.parametrize("idempotency", ALL)
def test_an_unknown_effect_is_tried_again_only_where_a_second_try_does_no_more(idempotency):
    found = standing(entry(EffectState.UNKNOWN, idempotency), "s", "c")
    assert found is (Standing.FRESH if idempotency in REPEATABLE else Standing.UNKNOWN)
    intended = standing(entry(EffectState.INTENDED, idempotency), "s", "c")
    assert intended is (Standing.FRESH if idempotency in REPEATABLE else Standing.IN_FLIGHT)


def test_each_class_recovers_in_its_own_way():
    assert {i: recovery(i) for i in ALL} == {
        Idempotency.PURE: Recovery.EXECUTE,
        Idempotency.IDEMPOTENT: Recovery.EXECUTE,
        Idempotency.KEYED: Recovery.EXECUTE,
        Idempotency.PROBE: Recovery.PROBE,
        Idempotency.ONCE: Recovery.PARK,
    }


def test_an_outcome_keeps_what_a_repeat_will_be_answered_with():
    before = entry(EffectState.INTENDED)
    done = finished(before, 9, ok=True, output={"id": 7}, error="", uncertain=False)
    assert (done.state, done.output, done.output_kept) == (EffectState.DONE, {"id": 7}, True)
    large = finished(before, 9, ok=True, output="x" * KEPT_OUTPUT_BYTES, error="", uncertain=False)
    assert (large.state, large.output, large.output_kept) == (EffectState.DONE, None, False)


def test_only_a_tool_that_answered_makes_a_failure_known():
    before = entry(EffectState.INTENDED)
    said_no = finished(before, 9, ok=False, output=None, error="no", uncertain=False)
    silent = finished(before, 9, ok=False, output=None, error="time", uncertain=True)
    assert (said_no.state, silent.state) == (EffectState.FAILED, EffectState.UNKNOWN)
    assert unknown(before, 9, "died").state is EffectState.UNKNOWN
