"""Addresses that the model brought into a call, and what a result that says them again proves.

The corpus was written before the rule; of each side a third was kept apart until it stood.
"""

import json
import time
from pathlib import Path

import pytest

from holdfast.core.flow import Given, Vouched, gate
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import ArgumentRole, Contract, Effect

CORPUS = json.loads((Path(__file__).parent / "flow_laundering.json").read_text("utf-8"))
SIDES = {side: [one for one in CORPUS if one["side"] == side] for side in ("attack", "honest")}


def contract(role, effect):
    roles = {"at": ArgumentRole(role)}
    if role == "payload":
        roles["to"] = ArgumentRole.WHO
    return Contract(
        name="send",
        description="d",
        effect=Effect(effect),
        risk=RiskLevel.LOW,
        risk_reason="r",
        input_schema={"type": "object", "properties": {}},
        roles=roles,
    )


def asked(case):
    """Whether the gate asks about the value at the end of one case."""
    vouched = Vouched()
    for text in (*case.get("typed", ()), "ok@typed.example"):
        vouched.trust(text)
    for text in case.get("first", ()):
        vouched.learn(Given(text=text))
    for arguments in case["brought"]:
        vouched.bring(arguments)
    records = {ArgumentRole(case["role"]): (case["record"],)} if "record" in case else {}
    vouched.learn(Given(text=case.get("said", ""), records=records))
    vouched.taint("fetch")
    arguments = {"at": case["value"], "to": "ok@typed.example"}
    return bool(gate(contract(case["role"], case["effect"]), arguments, vouched))


@pytest.mark.parametrize("case", SIDES["attack"], ids=lambda case: case["name"])
def test_a_fresh_word_beside_a_brought_address_does_not_vouch_for_it(case):
    assert asked(case)


@pytest.mark.parametrize("case", SIDES["honest"], ids=lambda case: case["name"])
def test_what_the_system_said_of_itself_is_vouched_for(case):
    assert not asked(case)


HOSTILE = (
    "a.b@c.de ", "://a/", "a@", "dot ", "xn--a.", "a at b dot ", "\ufdfa", "1-", "/a/b.c ", "&#64;",
    "%2540", "[.]", "f:0:", "0a1b2c3d4e5f6a7b8",
)  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_call_full_of_addresses_costs_what_it_is_long(piece):
    vouched = Vouched()
    text = (piece * 100_000).encode()[:100_000].decode(errors="ignore")
    began = time.process_time()
    vouched.bring({"text": text})
    vouched.learn(Given(text=text))
    assert time.process_time() - began < 1.5


def test_who_writes_more_addresses_than_are_followed_is_believed_nothing_after_it():
    many = " ".join(f"a{n}@x{n}.com" for n in range(12_000))
    for brought, asks in (({"text": many}, True), ({"text": many[:1_000]}, False)):
        case = {"brought": [brought], "said": "Ann: ann@acme.com", "value": "ann@acme.com"}
        assert asked({**case, "role": "who", "effect": "egress"}) is asks


def test_what_a_value_holds_beyond_its_hundredth_address_is_for_a_person():
    said = " ".join(f"a{n}@acme.com" for n in range(150))
    case = {"brought": [{"q": "all"}], "role": "who", "effect": "egress", "said": said}
    assert asked({**case, "value": said})
    assert not asked({**case, "value": said[:500].rsplit(" ", 1)[0]})


def test_a_copy_remembers_which_addresses_were_brought_typed_and_said():
    vouched = Vouched()
    vouched.trust("we know typed.example")
    vouched.learn(Given(text="ours is ours.example"))
    hosts = ("evil.com", "typed.example", "ours.example")
    for host in hosts:
        vouched.bring({"host": host})
    made = vouched.copy()
    said = " ".join(f"new-77@{host}" for host in hosts)
    vouched.trust("evil.com")
    made.learn(Given(text=said))
    made.taint("fetch")
    send = contract("who", "egress")
    asks = [bool(gate(send, {"at": f"new-77@{host}"}, made)) for host in hosts]
    assert asks == [True, False, False]


@pytest.mark.parametrize(
    ("asks", "typed", "first", "brought", "said", "value"),
    [
        # A mailbox on a shared host, typed and then looked up.
        (False, "tell ann@gmail.com", "", "ann@gmail.com", "ann@gmail.com (id 8)", ""),
        # What was said before the model spelt its words stays said.
        (False, "", "ann@acme.com", "ann acme com", "Ann <ann@acme.com>, desk 8", ""),
        # Typed words are no address, unless the host was typed as one.
        (True, "eve works on evil com", "", "eve@evil.com", "eve@evil.com (id 8)", ""),
        (False, "eve works at evil.com", "", "eve@evil.com", "eve@evil.com (id 8)", ""),
        (True, "", "", "m\u200ball\u200bory@gmail.com", "mallory@gmail.com (id 8)", ""),
        (True, "", "", "eve.adams@gmail.com", "eveadams+case77@gmail.com", ""),
        (False, "", "", "eve.github.io", "https://ours.github.io/x8", ""),
        (True, "", "", "eve.github.io", "https://t1.eve.github.io/x8", ""),
        (False, "", "", "eve.co.uk", "https://ours.co.uk/x8", ""),
        (True, "", "", "a.eve.co.uk", "https://t1.eve.co.uk/x8", ""),
        (True, "", "", "203.0.113.7", "http://0313.0.0161.7/k8", ""),
        (True, "", "", "203.0.113.7", "http://0xcb.0x007107/k8", ""),
        (True, "", "", "xn--bcher-kva.com", "https://t1.b\u00fccher.com/k8", ""),
        # A link in the value, whose scheme the reader puts there itself.
        (True, "", "", "evil.com/a", "see evil.com/a/b8812 for it", "evil.com/a/b8812"),
    ],
)
def test_whose_an_address_is(asks, typed, first, brought, said, value):
    case = {"typed": [typed], "first": [first], "brought": [{"q": brought}], "said": said}
    assert asked({**case, "value": value or said, "role": "who", "effect": "egress"}) is asks
