"""Whose yes a question takes: rules by objection, voices, quorum, and who joins with time."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core import reviewing
from holdfast.core.reviewing import Call, Reviewer, fits, found_for
from holdfast.model.approvals import Delegation, Need, ReviewRule, Step, Unanswered, Yes
from holdfast.model.decisions import Reason, Verdict
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Effect
from holdfast.testing.conformance.store_approvals import an_approval

S = 1_000_000_000
LARGE = Reason(stage="policy", verdict=Verdict.ASK, code="approval_required", text="x", rule="a, b")
RISKY = Reason(stage="risk", verdict=Verdict.ASK, code="risk.high", text="y", rule="gate")
STANDING: dict[str, Any] = {
    "tenant": "acme", "agent": "bot", "tool": "refund", "effect": Effect.COMMIT,
    "risk": RiskLevel.HIGH, "tainted": False, "objections": (LARGE,),
}  # fmt: skip


def call(**fields):
    return Call(**STANDING | fields)


def rule(name="r", **fields):
    return ReviewRule(name=name, **fields)


def needs(*rules, **fields):
    return [need.rule for need in found_for(rules, call(**fields)).needs]


@pytest.mark.parametrize(
    ("fits_it", "does_not"),
    [
        ({"tools": ("refund",)}, {"tools": ("refund2",)}),
        ({"effects": (Effect.COMMIT,)}, {"effects": (Effect.DESTROY,)}),
        ({"risks": (RiskLevel.HIGH,)}, {"risks": (RiskLevel.LOW,)}),
        ({"tenants": ("acme",)}, {"tenants": ("umbra",)}),
        ({"agents": ("bot",)}, {"agents": ("other",)}),
        ({"objections": ("b",)}, {"objections": ("c",)}),
        ({"objections": ("policy",)}, {"objections": ("risk",)}),
        ({"objections": ("approval_required",)}, {"objections": ("a, b",)}),
    ],
)
def test_a_rule_is_for_what_fits_each_of_its_lists(fits_it, does_not):
    assert needs(rule(**fits_it)) == ["r"]
    assert needs(rule(**does_not)) == []
    assert needs(rule(**fits_it | does_not)) == []


def test_each_objection_follows_the_first_rule_that_fits_it_and_each_rule_counts_once():
    first, then, last = (
        rule("first", objections=("a",)),
        rule("then", objections=("risk",)),
        rule("all"),
    )
    assert needs(first, then, last, objections=(LARGE, RISKY)) == ["first", "then"]
    assert needs(last, first, objections=(LARGE, RISKY)) == ["all"]
    assert needs(then, objections=(LARGE,)) == []


def test_the_shortest_wait_of_the_rules_holds():
    rules = (rule("a", objections=("a",), expires_s=60), rule("b", expires_s=30))
    assert found_for(rules, call(objections=(LARGE, RISKY))).expires_s == 30
    assert found_for(rules, call()).expires_s == 60
    assert found_for((), call()).expires_s is None


@pytest.mark.parametrize("effect", list(Effect))
@pytest.mark.parametrize("risk", list(RiskLevel))
@pytest.mark.parametrize("tainted", [False, True])
def test_only_what_can_be_undone_runs_unanswered(effect, risk, tainted):
    rules = (rule(on_expiry=Unanswered.ALLOW),)
    found = found_for(rules, call(effect=effect, risk=risk, tainted=tainted)).unanswered
    mild = effect in (Effect.READ, Effect.WRITE) and risk <= RiskLevel.MEDIUM and not tainted
    assert (found is Unanswered.ALLOW) is mild


def test_one_objection_without_such_a_rule_is_a_no_when_nobody_answers():
    mild = {"effect": Effect.READ, "risk": RiskLevel.LOW, "objections": (LARGE, RISKY)}
    lets = rule("lets", objections=("a",), on_expiry=Unanswered.ALLOW)
    assert found_for((lets,), call(**mild)).unanswered is Unanswered.DENY
    assert found_for((lets, rule("no")), call(**mild)).unanswered is Unanswered.DENY
    both = (lets, rule("too", on_expiry=Unanswered.ALLOW))
    assert found_for(both, call(**mild)).unanswered is Unanswered.ALLOW


def test_a_name_is_a_person_a_group_a_role_or_the_owner_and_nothing_else():
    mia = Reviewer(name="mia", role="approver", groups=frozenset({"money"}))
    for name, hers in {
        "mia": True, "leo": False, "group:money": True, "group:mia": False, "money": False,
        "role:approver": True, "role:admin": False, "owner": False, "approver": False,
    }.items():  # fmt: skip
        assert fits((name,), mia) is hers, name
    assert fits((), mia)
    assert fits(("leo", "mia"), mia)
    assert fits(("owner",), msgspec.structs.replace(mia, owner=True))
    assert not fits(("owner",), Reviewer(name="owner", role="approver"))


def test_who_is_named_grows_with_time_and_never_shrinks():
    need = Need(
        by=("leo",), escalate=(Step(after_s=60, to=("mia",)), Step(after_s=90, to=("leo",)))
    )
    assert reviewing.named(need, 0) == ("leo",)
    assert reviewing.named(need, 60 * S - 1) == ("leo",)
    assert reviewing.named(need, 60 * S) == ("leo", "mia")
    one = an_approval(needs=(need,), asked_at_ns=5 * S)
    assert [s.after_s for s in reviewing.reached(one, 94 * S)] == [60]
    assert [s.after_s for s in reviewing.reached(one, 95 * S)] == [60, 90]


def yes(by, *seats):
    return Yes(by=by, seats=seats or (by,), at_ns=1)


def test_a_voice_counts_once_though_two_people_speak_with_it():
    two = an_approval(needs=(Need(rule="r", quorum=2),))
    for said, left in (
        ((), 2),
        ((yes("mia"),), 1),
        ((yes("mia"), yes("leo")), 0),
        ((yes("mia"), yes("leo", "mia")), 1),
        ((yes("mia"), yes("leo", "")), 1),
    ):
        assert msgspec.structs.replace(two, yes=said).missing == left


def test_each_need_wants_its_own_voices():
    one = an_approval(needs=(Need(rule="a"), Need(rule="b", quorum=2)))
    assert one.missing == 2
    assert msgspec.structs.replace(one, yes=(yes("mia", "mia", "mia"),)).missing == 1
    both = (yes("mia", "", "mia"), yes("leo", "", "leo"))
    assert msgspec.structs.replace(one, yes=both).missing == 1
    assert msgspec.structs.replace(one, yes=(*both, yes("zoe", "zoe", ""))).missing == 0
    assert an_approval().missing == 1
    assert an_approval(yes=(yes("mia"),)).missing == 0


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), max_size=6))
def test_no_quorum_is_met_by_fewer_people_or_fewer_voices(said):
    once = dict(said)
    one = an_approval(
        needs=(Need(rule="r", quorum=2),), yes=tuple(yes(by, seat) for by, seat in once.items())
    )
    if not one.missing:
        assert len(once) >= 2
        assert len(set(once.values())) >= 2


def test_seats_are_those_that_others_left():
    left = (
        Delegation(by="mia", to="leo", seats=("mia", ""), at_ns=1),
        Delegation(by="ann", to="zoe", seats=("ann", "ann"), at_ns=2),
        Delegation(by="zoe", to="leo", seats=("", "ann"), at_ns=3),
    )
    one = an_approval(needs=(Need(rule="a"), Need(rule="b")), delegated=left)
    assert reviewing.delegated_to(one, "leo") == ("mia", "ann")
    assert reviewing.delegated_to(one, "mia") == ("", "")
