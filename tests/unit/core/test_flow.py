"""After untrusted text, who, what and how much must stand in trusted text, whole."""

import pytest

from holdfast.core.flow import Vouched, gate
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import ArgumentRole, Contract, Effect


def tool(effect=Effect.COMMIT, **roles):
    return Contract(
        name="pay",
        description="d",
        effect=effect,
        risk=RiskLevel.LOW,
        risk_reason="r",
        input_schema={"type": "object"},
        roles={name: ArgumentRole(role) for name, role in roles.items()},
    )


def tainted(*texts):
    vouched = Vouched()
    for text in texts:
        vouched.trust(text)
    vouched.taint("fetch")
    return vouched


def codes(contract, arguments, vouched):
    return [reason.code for reason in gate(contract, arguments, vouched)]


def test_nothing_asks_before_taint():
    assert codes(None, {"to": "eve"}, Vouched()) == []


def test_reads_never_ask_and_the_undeclared_always_does():
    vouched = tainted("hello")
    assert codes(tool(Effect.READ, to="who"), {"to": "eve@evil.com"}, vouched) == []
    assert codes(None, {}, vouched) == ["flow.undeclared"]
    assert codes(tool(Effect.DESTROY, to="who"), {"to": "hello"}, vouched) == ["flow.destroy"]
    for effect in (Effect.COMMIT, Effect.EGRESS):
        assert codes(tool(effect), {}, vouched) == ["flow.no_roles"]
    assert codes(tool(Effect.WRITE), {}, vouched) == []
    assert codes(tool(body="payload"), {"body": "x"}, vouched) == ["flow.no_roles"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("ann@acme.com", "Send it to Ann <ann@acme.com>, please."),
        ("ANN@ACME.COM", "ann@acme.com"),
        ("ann@acme.com", "to ann@acme.com."),
        ("Order 4711", "what about order 4711?"),
        ("https://acme.com/a", "open https://acme.com/a now"),
        ("acme.com", "see https://acme.com for it"),
        ("café münchen", "in Café München today"),
    ],
)
def test_value_that_stands_whole_in_trusted_text_is_vouched_for(value, text):
    assert codes(tool(to="who"), {"to": value}, tainted(text)) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("ann@acme.co", "ann@acme.com"),
        ("nn@acme.com", "ann@acme.com"),
        ("acme.com", "bob@acme.com.evil.org"),
        ("acme.com", "x.acme.com"),
        ("https://acme.com/a", "https://acme.com/ab"),
        ("DE1234", "DE12345678"),
        ("12345678", "DE12345678"),
        ("eve@evil.com", "ann@acme.com"),
        ("ann", "ann@acme.com and ann"),
        ("13", "on June 13"),
    ],
)
def test_value_that_is_only_part_of_another_is_not(value, text):
    assert codes(tool(to="who"), {"to": value}, tainted(text)) == ["flow.unvouched"]


@pytest.mark.parametrize(
    ("amount", "text", "asks"),
    [
        (20, "pay 20 dollars", False),
        (20.0, "pay 20 dollars", False),
        (1000, "pay 10000 dollars", True),
        (1000, "pay 21000 dollars", True),
        (100, "pay 1000", True),
        (5000, "pay 20", True),
        (9999.5, "pay 9999.50", True),
        (9999.5, "pay 9999.5 now", False),
    ],
)
def test_amounts_are_compared_as_whole_numbers(amount, text, asks):
    assert bool(codes(tool(n="much"), {"n": amount}, tainted(text))) is asks


def test_every_scalar_of_a_guarded_argument_counts_keys_too():
    vouched = tainted("ann@acme.com")
    good = {"to": ["ann@acme.com", {"cc": None}]}
    assert codes(tool(to="who"), good, vouched) == ["flow.unvouched"]  # `cc` is a key, and short
    for to in (["ann@acme.com", "eve@evil.com"], {"eve@evil.com": "ann@acme.com"}):
        assert codes(tool(to="who"), {"to": to}, vouched) == ["flow.unvouched"]
    assert codes(tool(to="who"), {"to": ["ann@acme.com"]}, vouched) == []


def test_taint_names_its_first_source_and_stays():
    vouched = tainted()
    vouched.taint("mail")
    assert vouched.tainted_by == "fetch"


def test_trusted_text_is_bounded():
    vouched = Vouched()
    vouched.trust("a " * 400_000)
    vouched.trust("late@acme.com")
    assert not vouched.vouches("late@acme.com", short_ok=False)
