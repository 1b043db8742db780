"""Effects: keys digest for digest, what each standing allows, and every field of an outcome."""

import hashlib

import msgspec
import pytest

from holdfast.core.effects import (
    NOT_RUN,
    REFUSALS,
    Recovery,
    Standing,
    finished,
    fits,
    key_of,
    left_open,
    recovery,
    standing,
    unknown,
)
from holdfast.model.effects import EffectEntry, EffectState
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Contract, Effect, EffectKey, Idempotency


def contract(effect=Effect.COMMIT, **more):
    return Contract(
        name="pay", description="d", effect=effect, risk=RiskLevel.LOW, risk_reason="r",
        input_schema={}, **more,
    )  # fmt: skip


def hashed(*parts):
    return "eff_" + hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


BY_CALL = hashed("call", "s", "c")


def key(one, arguments, given="", spelled=None):
    return key_of(one, "t", "s", "c", arguments, given, spelled)


def test_a_key_is_the_digest_of_what_makes_the_effect_one():
    ab = {"b": 2, "a": 1}
    assert key(contract(), ab) == hashed("input", "t", "pay", '{"a":1,"b":2}')
    assert key(contract(Effect.DESTROY), ab) == key(contract(), ab)
    for effect in (Effect.READ, Effect.WRITE, Effect.EGRESS):
        assert key(contract(effect), ab) == BY_CALL
        by_input = contract(effect, effect_key=EffectKey.INPUT)
        assert key(by_input, ab) == hashed("input", "t", "pay", '{"a":1,"b":2}')
    assert key(contract(effect_key=EffectKey.CALL), ab) == BY_CALL
    assert key(contract(), ab, given="mine") == hashed("given", "t", "pay", "mine")
    assert key(contract(Effect.READ), ab, given="mine") == hashed("given", "t", "pay", "mine")
    assert key(contract(), {"a": float("nan")}) == BY_CALL
    assert key(contract(), ab, spelled=b"{}") == hashed("input", "t", "pay", "{}")
    named = contract(key_arguments=("a", "z"))
    assert key(named, ab, spelled=b"{}") == hashed("input", "t", "pay", '{"a":1}')


def entry(state=EffectState.INTENDED, idempotency=Idempotency.ONCE, **more):
    given = {"session": "s", "call_id": "c", "key": "k"} | more
    return EffectEntry(
        tenant="acme", tool="pay", idempotency=idempotency, state=state, intended_at_ns=1,
        changed_at_ns=2, **given,
    )  # fmt: skip


@pytest.mark.parametrize("idempotency", list(Idempotency))
@pytest.mark.parametrize("mine", [True, False])
def test_what_an_entry_means_for_a_call_that_wants_the_same(idempotency, mine):
    repeatable = idempotency in (Idempotency.IDEMPOTENT, Idempotency.KEYED)
    call = ("s", "c") if mine else ("s", "other")

    def means(state):
        return standing(entry(state, idempotency), *call)

    assert standing(None, *call) is Standing.FRESH
    assert means(EffectState.FAILED) is Standing.FRESH
    assert means(EffectState.DONE) is Standing.STORED
    fresh = mine and repeatable
    assert means(EffectState.INTENDED) is (Standing.FRESH if fresh else Standing.IN_FLIGHT)
    assert means(EffectState.UNKNOWN) is (Standing.FRESH if repeatable else Standing.UNKNOWN)


def test_another_session_is_another_call():
    one = entry(EffectState.INTENDED, Idempotency.KEYED)
    assert standing(one, "s", "c") is Standing.FRESH
    assert standing(one, "other", "c") is Standing.IN_FLIGHT


def test_each_class_recovers_in_its_own_way():
    assert {one: recovery(one) for one in Idempotency} == {
        Idempotency.PURE: Recovery.EXECUTE,
        Idempotency.IDEMPOTENT: Recovery.EXECUTE,
        Idempotency.KEYED: Recovery.EXECUTE,
        Idempotency.PROBE: Recovery.PROBE,
        Idempotency.ONCE: Recovery.PARK,
    }


@pytest.mark.parametrize(
    ("idempotency", "given_key", "code", "begun", "is_open"),
    [
        (Idempotency.IDEMPOTENT, "k", "boom", True, False),
        (Idempotency.KEYED, "k", "boom", True, False),
        (Idempotency.PURE, "k", "boom", True, False),
        (Idempotency.ONCE, "k", "boom", True, True),
        (Idempotency.PROBE, "k", "boom", False, True),
        (Idempotency.ONCE, BY_CALL, "boom", True, False),
        (Idempotency.ONCE, "k", NOT_RUN, True, True),
        (Idempotency.ONCE, "k", NOT_RUN, False, False),
        (Idempotency.ONCE, "k", "declared", True, False),
        (Idempotency.ONCE, "k", "unknown_tool", True, False),
        (Idempotency.ONCE, "k", "http_404", True, False),
        (Idempotency.ONCE, "k", "http_500", True, True),
        (Idempotency.ONCE, "k", "http_408", True, True),
    ],
)
def test_a_failure_leaves_it_open_unless_the_tool_answered(
    idempotency, given_key, code, begun, is_open
):
    one = entry(idempotency=idempotency, key=given_key)
    declared = contract(errors={"declared": "when it does"})
    assert left_open(one, declared, code, begun=begun) is is_open
    if code == "declared":
        assert left_open(one, None, code, begun=begun) is True


def test_refusals_are_the_houses_own_codes():
    assert {"unknown_tool", "invalid_request", "tool_not_loaded", "service_unreachable"} < REFUSALS
    assert all(code.startswith("http_4") for code in REFUSALS if code.startswith("http"))


@pytest.mark.parametrize(
    ("ok", "uncertain", "kept", "expected"),
    [
        (True, False, True, {"state": EffectState.DONE, "output": {"a": 1}, "output_kept": True}),
        (True, True, True, {"state": EffectState.DONE, "output": {"a": 1}, "output_kept": True}),
        (True, False, False, {"state": EffectState.DONE, "output": None, "output_kept": False}),
        (False, False, True, {"state": EffectState.FAILED, "output": None, "output_kept": True}),
        (False, True, False, {"state": EffectState.UNKNOWN, "output": None, "output_kept": True}),
    ],
)
def test_an_outcome_is_written_field_by_field(ok, uncertain, kept, expected):
    got = finished(
        entry(), 9, ok=ok, output={"a": 1}, error="e" * 2_001, uncertain=uncertain, kept=kept
    )
    assert got == msgspec.structs.replace(entry(), changed_at_ns=9, error="e" * 2_000, **expected)


def test_an_output_is_kept_up_to_256_kib_as_json():
    most = 256 * 1024
    assert fits("x" * (most - 2))
    assert not fits("x" * (most - 1))
    assert not fits(float("nan"))
    got = finished(entry(), 9, ok=True, output="x" * most, error="", uncertain=False)
    assert (got.output, got.output_kept) == (None, False)


def test_an_effect_that_nobody_can_report_is_unknown_and_says_why():
    got = unknown(entry(), 9, "w" * 2_001)
    assert got == msgspec.structs.replace(
        entry(), state=EffectState.UNKNOWN, changed_at_ns=9, error="w" * 2_000
    )
