import pytest

from holdfast.model.identity import Person, identity_fault, spelt


@pytest.mark.parametrize(
    "identity",
    ["email:ann@acme.example", "sub:<'&\">", "sub:auth0|5f7", "sub:a:b", "email:jürg@é.example"],
)
def test_somebody_can_be_added_by_an_identity(identity):
    assert identity_fault(identity) == ""


@pytest.mark.parametrize(
    "identity",
    [
        "", "ann@acme.example", "name:ann", "email:", "sub:", "email:ann", "email:@x", "email:x@",
        "email:a@b@c", "sub:a\n", "sub: a", "sub:a\u202eb", "EMAIL:a@b", "sub:" + "x" * 129, "sub:*",
    ],
)  # fmt: skip
def test_nobody_is_added_by_what_is_no_identity(identity):
    assert identity_fault(identity)


def test_capitals_of_an_address_say_nothing_and_of_a_subject_everything():
    assert spelt("email:Ann@ACME.example") == "email:ann@acme.example"
    assert spelt("sub:Ann") == "sub:Ann"


def test_no_address_becomes_another_by_being_made_small():
    assert spelt("email:\u212aate@acme.example") != spelt("email:kate@acme.example")


def test_an_address_that_is_not_verified_names_nobody():
    person = Person(issuer="i", subject="s", unverified="ann@acme.example")
    assert person.identities == ("sub:s",)
    assert person.called == "ann@acme.example"
    known = Person(issuer="i", subject="s", email="Ann@acme.example")
    assert known.identities == ("sub:s", "email:ann@acme.example")
