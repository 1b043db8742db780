"""An approval's life, and what an answer covers: the very call that the person saw."""

import itertools

import msgspec
import pytest

from holdfast.core import approvals as rules
from holdfast.core.approvals import MOVES, By, Move, Shown, is_about, lifted, moved, objections
from holdfast.errors import IllegalMove
from holdfast.model.approvals import ApprovalState as S
from holdfast.model.decisions import Reason, Verdict
from holdfast.testing.conformance.store_approvals import ASKS, an_approval
from tests.unit.runtime.house import contract

ALLOWS = Reason(stage="policy", verdict=Verdict.ALLOW, code="x", text="fine")
OTHER = Reason(stage="flow", verdict=Verdict.ASK, code="untrusted", text="who it goes to")


def shown(**fields):
    standing = {
        "tool": "refund",
        "digest": "sha256:0",
        "definition": "sha256:1",
        "policy_version": "sha256:2",
        "objections": (ASKS,),
    }
    return Shown(**standing | fields)


@pytest.mark.parametrize(("state", "move", "by"), [*itertools.product(S, Move, By)])
def test_a_move_is_possible_only_as_the_table_says(state, move, by):
    maker, leads = MOVES[move]
    one = an_approval(state=state)
    if by is maker and state in leads:
        after = moved(one, move, by, at_ns=9, note="why")
        assert (after.state, after.changed_at_ns, after.note) == (leads[state], 9, "why")
    else:
        with pytest.raises(IllegalMove):
            moved(one, move, by, at_ns=9)


def test_what_is_over_stays_over_but_for_no_state_that_runs():
    over = set(S) - set(rules.OPEN)
    assert all(not over & set(leads) for _, leads in MOVES.values())


def test_an_answer_is_about_the_very_call_that_was_shown():
    assert is_about(an_approval(), shown())
    for field in ("tool", "digest", "definition", "policy_version"):
        assert not is_about(an_approval(), shown(**{field: "another"})), field


def test_an_objection_that_was_not_shown_is_not_answered():
    assert not is_about(an_approval(), shown(objections=(ASKS, OTHER)))
    assert is_about(an_approval(reasons=(ASKS, OTHER)), shown(objections=(OTHER,)))
    for field in ("stage", "code", "text", "rule"):
        changed = msgspec.structs.replace(ASKS, **{field: "another"})
        assert not is_about(an_approval(), shown(objections=(changed,))), field


def test_an_answer_lifts_what_asks_and_stands_among_the_reasons():
    approval = an_approval(answered_by="mia")
    found = lifted([ALLOWS, ASKS, OTHER], approval)
    assert objections(found) == ()
    assert [one.verdict for one in found] == [Verdict.ALLOW] * 4
    assert [one.code for one in found] == ["x", ASKS.code, OTHER.code, "approved"]
    assert (found[-1].rule, found[-1].text) == ("apr_1", "approved by mia")


def test_a_refusal_is_never_lifted():
    no = msgspec.structs.replace(ASKS, verdict=Verdict.DENY)
    assert lifted([no], an_approval(answered_by="mia"))[0].verdict is Verdict.DENY


def test_a_definition_is_all_that_a_contract_says():
    one = contract("look")
    assert rules.definition_of(None) == ""
    assert rules.definition_of(one) == rules.definition_of(contract("look"))
    for change in ({"description": "other"}, {"timeout_s": 3.5}, {"roles": {"to": "who"}}):
        assert rules.definition_of(msgspec.structs.replace(one, **change)) != rules.definition_of(
            one
        )
