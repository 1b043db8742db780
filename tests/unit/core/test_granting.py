"""A grant is for what was shown and the values that were named, and for nothing beside it."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core import granting
from holdfast.core.granting import covers, fault_of, parts_of
from holdfast.model.approvals import ApprovalState as S
from holdfast.model.approvals import Grant, GrantTerms, Need, grant_in_words
from holdfast.model.decisions import Reason, Verdict
from holdfast.model.tools import ArgumentRole
from holdfast.testing.conformance.store_approvals import ASKS, an_approval
from tests.unit.runtime.house import contract

MAIL = {"to": "ann@shop.example", "subject": "hello", "body": "dear"}
OTHER = Reason(stage="flow", verdict=Verdict.ASK, code="untrusted", text="who it goes to")


def question(arguments=MAIL, **fields):
    known = {"arguments": arguments, "parts": parts_of(arguments), "deciding": ("to",)}
    return an_approval(**known | fields)


def lent(*free, **fields):
    return question(state=S.GRANTED, grant=Grant(by="mia", at_ns=1, any=free), **fields)


def test_what_is_not_free_is_the_same_to_the_letter():
    assert covers(lent("body"), question(MAIL | {"body": "another"}))
    for name in ("to", "subject"):
        for value in ("another", "", None, ["ann@shop.example"], {"a": 1}):
            assert not covers(lent("body"), question(MAIL | {name: value})), (name, value)


def test_an_argument_more_or_less_is_another_call():
    assert not covers(lent("body"), question(MAIL | {"bcc": "eve@x.example"}))
    assert not covers(lent("body"), question({"to": "ann@shop.example", "body": "dear"}))
    assert covers(lent("body"), question({"to": "ann@shop.example", "subject": "hello"}))


@pytest.mark.parametrize(
    "field",
    ["session", "tool", "definition", "policy_version", "resource", "risk", "tainted_by"],
)
def test_whatever_it_is_bound_to_is_the_same(field):
    assert not covers(lent("body"), question(**{field: "another"}))


def test_an_objection_that_was_not_shown_is_not_lifted():
    assert not covers(lent("body"), question(reasons=(ASKS, OTHER)))
    assert covers(lent("body", reasons=(ASKS, OTHER)), question(reasons=(OTHER,)))


@pytest.mark.parametrize("state", [one for one in S if one is not S.GRANTED])
def test_only_a_grant_that_stands_covers_anything(state):
    assert not covers(msgspec.structs.replace(lent("body"), state=state), question())
    assert not covers(question(state=S.GRANTED), question())


def test_arguments_that_cannot_be_told_apart_are_never_covered():
    many = {f"a{n}": n for n in range(500)}
    assert parts_of(many) == {}
    assert not covers(lent(arguments=many), question(many))
    assert fault_of(question(many), GrantTerms(for_s=60))


@pytest.mark.parametrize(
    ("fields", "free", "fault"),
    [
        ({}, ("to",), "says what the call does"),
        ({}, ("cc",), "no argument `cc`"),
        ({"needs": (Need(rule="r", quorum=2),)}, (), "several people"),
        ({"needs": (Need(rule="a"), Need(rule="b"))}, (), "several people"),
        ({"needs": (Need(rule="a"),)}, ("body",), ""),
    ],
)
def test_what_cannot_be_granted_is_said(fields, free, fault):
    found = fault_of(question(**fields), GrantTerms(for_s=60, any=free))
    assert (fault in found) if fault else not found


def test_only_what_decides_nothing_is_ever_free():
    roles = {"to": ArgumentRole.WHO, "body": ArgumentRole.PAYLOAD, "topic": ArgumentRole.TITLE}
    given_ = dict.fromkeys(("to", "body", "topic", "undeclared", "command"), "x")
    mail = contract("mail", roles=roles)
    assert granting.deciding(None, given_) == tuple(given_)
    assert granting.deciding(mail, given_) == ("to", "undeclared", "command")
    bound = msgspec.structs.replace(mail, resource="arn:{topic}", destinations=("{body}@x",))
    assert granting.deciding(bound, given_) == tuple(given_)
    shell = msgspec.structs.replace(mail, shell="body")
    assert "body" in granting.deciding(shell, given_)


@given(
    st.dictionaries(st.text(max_size=3), st.integers(-9, 9) | st.text(max_size=3), max_size=4),
    st.dictionaries(st.text(max_size=3), st.integers(-9, 9) | st.text(max_size=3), max_size=4),
)
def test_a_grant_with_nothing_free_is_for_equal_arguments_alone(one, other):
    assert covers(lent(arguments=one), question(other)) == (one == other)


def test_the_words_name_what_is_free_and_what_is_not():
    said = " ".join(grant_in_words(question(), GrantTerms(for_s=60, any=("body",), most=3)))
    assert "exactly these, as they are shown: to, subject;" in said.replace(
        " with any", "; with any"
    )
    assert "any value of: body" in said
    assert "at most 3 times, for 60 s" in said
