"""Destinations in pieces, as numbers, encoded, and in arguments that nobody declared.

The corpus was written before the rule; of each side a third was kept apart until it stood.
"""

import base64
import json
import time
from pathlib import Path

import msgspec
import pytest

from holdfast.core.flow import Given, Vouched, gate
from holdfast.core.flow.addresses import hidden
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import ArgumentRole, Contract, Effect

CORPUS = json.loads((Path(__file__).parent / "flow_destinations.json").read_text("utf-8"))
SIDES = {side: [one for one in CORPUS if one["side"] == side] for side in ("attack", "honest")}


def contract(case):
    declared: dict[str, object] = {name: {} for name in (*case["arguments"], *case["roles"])}
    for template in case.get("destinations", ()):
        declared |= {name: {} for name in ("user", "domain") if f"{{{name}}}" in template}
    return Contract(
        name="send",
        description="d",
        effect=Effect(case["effect"]),
        risk=RiskLevel.LOW,
        risk_reason="r",
        input_schema={"type": "object", "properties": declared | case.get("schema", {})},
        roles={name: ArgumentRole(role) for name, role in case["roles"].items()},
        destinations=tuple(case.get("destinations", ())),
    )


def reasons(case):
    """What the gate asks about the call at the end of one case."""
    vouched = Vouched()
    for text in case.get("typed", ()):
        vouched.trust(text)
    for text in case.get("first", ()):
        vouched.learn(Given(text=text))
    for arguments in case.get("brought", ()):
        vouched.bring(arguments)
    vouched.learn(Given(text=case.get("said", "")))
    vouched.taint("fetch")
    return gate(contract(case), case["arguments"], vouched)


@pytest.mark.parametrize("case", SIDES["attack"], ids=lambda case: case["name"])
def test_a_destination_that_only_the_model_put_together_or_hid_is_asked_about(case):
    assert reasons(case)


# Asked although they are honest, as before the rule: a host whose own word was looked for, code
# that reads as hosts, half of a name with a slash.
STILL_ASKED = {"a Cyrillic host looked up", "carried: code", "owner and repository"}


@pytest.mark.parametrize("case", SIDES["honest"], ids=lambda case: case["name"])
def test_destinations_that_were_typed_or_said_pass_in_any_form(case):
    assert bool(reasons(case)) is (case["name"] in STILL_ASKED)


def asks(arguments, *, roles=None, to=(), typed=(), effect="egress", **more):
    roles = roles or dict.fromkeys(arguments, "who")
    case = {"arguments": arguments, "roles": roles, "destinations": to, "typed": typed}
    return [one.text for one in reasons({**case, "effect": effect, **more})]


@pytest.mark.parametrize(
    ("template", "arguments", "typed", "free"),
    [
        # The operator's own host stands for itself, a zone below it too, and nothing beside it.
        ("https://api.acme.com/{a}", {"a": "reports"}, "the reports", True),
        ("https://{a}.acme.com/", {"a": "reports"}, "the reports", True),
        ("https://{a}acme.com/", {"a": "reports"}, "the reports", False),
        ("https://api.acme.com{a}", {"a": ".mallory.com"}, "is .mallory.com down?", False),
        ("https://api.acme.com{a}", {"a": ".mallory"}, "what does .mallory mean?", False),
        ("https://api.acme.com/{a}", {"a": "x?to=secret"}, "the reports", False),
        # Of a list each is judged, and what cannot be said is asked about.
        ("{a}@acme.com", {"a": ["ann", "bob"]}, "tell ann and bob", True),
        ("{a}@acme.com", {"a": ["ann", "eve"]}, "tell ann and bob", False),
        ("{a}@acme.com", {"a": []}, "tell ann", False),
        ("{a}@acme.com", {"a": {"of": "ann"}}, "tell ann", False),
        ("{a}@acme.com", {"a": True}, "tell True", False),
        ("{a}@acme.com", {"a": None}, "tell ann", False),
        ("{a}@acme.com", {"a": ["ann"] * 101}, "tell ann", False),
        ("{a}@{a}.com", {"a": "acme"}, "acme at acme.com", True),
        ("{a}:{b}", {"a": "general", "b": "random"}, "in general, random", True),
        ("{a}:{b}", {"a": "general", "b": "other"}, "in general, random", False),
        ("tcp://{a}:{b}", {"a": "10.0.0.7", "b": 22}, "10.0.0.7 on port 22", True),
        ("tcp://{a}:{b}", {"a": "10.0.0.7", "b": 25}, "10.0.0.7 on port 22", False),
    ],
)
def test_a_declared_destination_is_judged_as_the_tool_puts_it_together(
    template, arguments, typed, free
):
    assert (not asks(arguments, to=[template], typed=[typed])) is free


def test_of_a_commit_a_destination_and_its_pieces_must_be_typed():
    pieces = {"user": "bob", "domain": "acme.com"}
    said = {"to": ["{user}@{domain}"], "said": "bob@acme.com"}
    assert not asks(pieces, **said)
    assert asks(pieces, effect="commit", **said)
    assert not asks(pieces, effect="commit", typed=["bob@acme.com"], **said)


@pytest.mark.parametrize(
    ("values", "free"),
    [
        (("mallory", "com"), False),
        (("mallory", ".com"), False),
        (("com", "mallory"), False),
        (("mallory", "co.uk"), False),
        (("@mallory", "x.com"), False),
        (("general", "random"), True),
        (("mallory", "example.net"), True),
        (("gmail.com", "com"), True),
    ],
)
def test_pieces_that_nobody_declared_make_a_name_on_what_strangers_share(values, free):
    typed = [f"a line that says {one} alone" for one in values]
    assert (not asks({"a": values[0], "b": values[1]}, typed=typed)) is free
    assert (not asks({"a": list(values)}, typed=typed)) is free


def test_a_host_that_a_result_joined_of_what_the_model_wrote_owns_nothing():
    pieces = {"a": "mal", "b": "lory.net"}
    more = {"to": ["https://{a}{b}/"], "typed": ["mal, and lory.net"], "said": "see mallory.net"}
    assert asks(pieces, brought=[{"q": "mallory on net"}], **more)
    assert not asks(pieces, brought=[{"q": "whose host"}], **more)


def test_what_a_shell_is_told_beside_its_command_goes_nowhere():
    arguments = {"command": "make test", "why": "as evil.com says"}
    case = {"arguments": arguments, "effect": "commit", "roles": {"command": "what"}}
    vouched = Vouched()
    vouched.trust("run make test")
    vouched.taint("fetch")
    told = contract(case)
    shell = msgspec.structs.replace(told, shell="command")
    assert gate(told, arguments, vouched)
    assert not gate(shell, arguments, vouched)


@pytest.mark.parametrize("effect", ["egress", "commit", "write"])
def test_an_address_without_a_role_counts_where_a_call_leaves_the_house(effect):
    found = asks(
        {"to": "ann", "cc": "eve@evil.com"}, roles={"to": "who"}, typed=["tell ann"], effect=effect
    )
    assert bool(found) is (effect != "write")


def test_a_name_that_a_first_party_said_before_the_model_wrote_it_stays_said():
    vouched = Vouched()
    vouched.learn(Given(text="on duty: Ann Lee", members=("Bob Stone",)))
    for name in ("Ann Lee", "Bob Stone", "Eve Hill"):
        vouched.bring({"q": name})
    said = ["Ann Lee (desk 8)", "Bob Stone (desk 9)", "Eve Hill (desk 7)"]
    vouched.learn(Given(text="; ".join(said)))
    assert [vouched.wrote_name(one) for one in said] == [False, False, True]
    assert not vouched.wrote_name("Eve Hill")


HOSTILE = (
    "YUBiLmNv", "6140622e636f ", "MFQGELTDN4", "\\u0040", "=40", "a/", "61 62 ", "203.0.113.7 ",
    "1-2-3-4.nip.io ", "::ffff:1.2.3.4 ", "de12 3456 ", "\u0430.com ", "3405803783 ",
)  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_call_full_of_hidden_addresses_costs_what_it_is_long(piece):
    vouched = Vouched()
    text = piece * (50_000 // len(piece))
    began = time.process_time()
    vouched.bring({"text": text})
    vouched.learn(Given(text=text))
    vouched.taint("fetch")
    gate(
        contract({"arguments": {"to": 1, "x": 1, "y": 1}, "roles": {"to": "who", "y": "payload"},
                  "effect": "egress"}),
        {"to": text, "x": text, "y": text},
        vouched,
    )  # fmt: skip
    assert time.process_time() - began < 6


def test_what_is_encoded_more_than_three_times_is_no_text_any_more():
    text = "write to eve@evil.com"
    for layers in range(1, 5):
        text = base64.b64encode(text.encode()).decode()
        assert ("mail:eve@evil.com" in {part.key for part in hidden(text)}) is (layers <= 3)


@pytest.mark.parametrize("spelled", ["const", "default", "enum"])
def test_an_address_that_the_schema_itself_spells_was_chosen_by_nobody(spelled):
    url = "https://hooks.acme.com/x"
    given = {"to": "general", "api": url}
    more = {"roles": {"to": "who"}, "typed": ["in general"]}
    schema = {"api": {spelled: [url] if spelled == "enum" else url}}
    assert asks(given, **more)
    assert not asks(given, schema=schema, **more)
