"""Deciding: the traps of the engine, each closed, and what a refusal says."""

from typing import Any

import cedarpy
import pytest

from holdfast.backends.cedar.bundle import Bundle, assemble
from holdfast.backends.cedar.evaluation import decide
from holdfast.backends.cedar.inputs import AttributeType, PolicyInputs
from holdfast.backends.cedar.sources import BASELINE, Source
from holdfast.model.decisions import Verdict
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Contract, Effect
from holdfast.testing.conformance.policy import SUITE_CEDAR, SUITE_CONTRACTS, a_request

NESTED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "n": {"type": "integer"},
        "price": {"type": "number"},
        "flag": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "who": {"type": "object", "properties": {"name": {"type": "string"}}},
        "ref": {"$ref": "#/$defs/Person"},
        "free": {"type": "object"},
        "maybe": {"type": ["string", "null"]},
        "union": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        "__entity": {"type": "string"},
    },
    "$defs": {"Person": {"type": "object", "properties": {"age": {"type": "integer"}}}},
}


def bundle_of(
    cedar: str, schema: dict[str, Any] | None = None, *, baseline: bool = False
) -> Bundle:
    tool = Contract(
        name="tool", description="d", effect=Effect.WRITE, risk=RiskLevel.LOW, risk_reason="r", resource="arn:tool",
        input_schema=schema if schema is not None else NESTED,
    )  # fmt: skip
    inputs = PolicyInputs(
        version=1,
        contracts=(*SUITE_CONTRACTS, tool),
        task_attributes={
            "max_refund": AttributeType.LONG,
            "currency": AttributeType.STRING,
            "limit": AttributeType.DECIMAL,
            "hosts": AttributeType.SET_OF_STRING,
            "on": AttributeType.BOOL,
        },
        tenant_attributes={"tools": AttributeType.SET_OF_STRING},
    )
    sources = [Source("a.cedar", cedar.encode())]
    if baseline:
        sources.insert(0, Source("baseline", BASELINE.read_bytes()))
    found = assemble(inputs, tuple(sources))
    assert found.bundle is not None, found.findings
    return found.bundle


def asked(bundle: Bundle, **fields: Any):
    return decide(bundle, a_request(**fields))


def tool_answer(condition: str, given: dict[str, Any], **fields: Any):
    bundle = bundle_of(
        f'@id("p") permit (principal, action == Action::"tool", resource) when {{ {condition} }};'
    )
    return asked(bundle, action="tool", effect="write", input=given, **fields)


# --- what the engine does by itself, so that a new version of it that differs is noticed ----------
def test_the_engine_alone_skips_a_forbid_that_errors():
    raw = cedarpy.is_authorized(
        {"principal": 'U::"u"', "action": 'Action::"a"', "resource": 'R::"r"', "context": {"n": 1}},
        "permit (principal, action, resource); forbid (principal, action, resource) when { context.n + 9223372036854775807 > 0 };",
        "[]",
    )
    assert raw.allowed
    assert raw.diagnostics.errors


def test_the_engine_alone_accepts_duplicate_ids():
    text = '@id("x") permit (principal, action, resource);'
    assert len(cedarpy.PolicySet.from_str(text + text)) == 2


# --- the same traps, closed -------------------------------------------------------------------
def test_a_forbid_that_errors_denies_instead_of_being_skipped():
    bundle = bundle_of(
        '@id("p") permit (principal, action == Action::"refund", resource);'
        '@id("f") forbid (principal, action == Action::"refund", resource)'
        " when { context.input.amount + 9223372036854775807 > 0 };"
    )
    answer = asked(bundle)
    assert answer.verdict is Verdict.DENY
    assert answer.errors
    assert "f" in answer.errors[0]


def test_a_permit_that_errors_beside_one_that_holds_denies():
    bundle = bundle_of(
        '@id("p") permit (principal, action == Action::"refund", resource);'
        '@id("q") permit (principal, action == Action::"refund", resource)'
        " when { context.input.amount + 9223372036854775807 > 0 };"
    )
    assert asked(bundle).verdict is Verdict.DENY


ESCAPES: list[Any] = [
    {"__entity": {"type": "Role", "id": "admin"}},
    {"__extn": {"fn": "decimal", "arg": "1.0"}},
    {"__expr": "true"},
]


@pytest.mark.parametrize("escape", ESCAPES)
@pytest.mark.parametrize("name", ["n", "price", "flag", "tags", "who", "ref"])
def test_an_escape_of_the_engine_in_a_typed_argument_is_never_an_entity(name: str, escape: Any):
    answer = tool_answer("true", {name: escape})
    if name in ("who", "ref"):
        assert answer.verdict is Verdict.ALLOW, "its keys are undeclared, and nothing reads them"
        return
    assert answer.verdict is Verdict.DENY
    assert answer.errors


@pytest.mark.parametrize("escape", ESCAPES)
def test_an_escape_of_the_engine_in_a_free_form_argument_stays_text(escape: Any):
    key = next(iter(escape))
    allowed = tool_answer(
        f'context.input has free && context.input.free like "{{\\"{key}\\":\\*"'.replace(
            "\\*", "*"
        ),
        {"free": escape},
    )
    assert allowed.verdict is Verdict.ALLOW


def test_an_escape_of_the_engine_inside_a_set_is_refused():
    assert tool_answer("true", {"tags": ESCAPES}).errors


def test_an_argument_named_like_an_escape_is_left_out_and_named():
    answer = tool_answer('context.undeclared.contains("__entity")', {"__entity": "x"})
    assert answer.verdict is Verdict.ALLOW


def test_undeclared_arguments_are_named_also_within_objects():
    answer = tool_answer(
        'context.undeclared.containsAll(["extra", "who.extra"])',
        {"extra": 1, "who": {"name": "a", "extra": {"__entity": {}}}},
    )
    assert answer.verdict is Verdict.ALLOW


@pytest.mark.parametrize(
    "value", [2**63, -(2**63) - 1, 1.5, float("nan"), float("inf"), True, "1", None, [1], 1e300]
)
def test_what_is_no_64_bit_integer_is_denied_with_errors(value: Any):
    answer = tool_answer("true", {"n": value})
    assert answer.verdict is Verdict.DENY
    assert "input.n" in answer.errors[0]


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63), 5.0])
def test_every_64_bit_integer_is_taken(value: Any):
    assert tool_answer("context.input has n", {"n": value}).verdict is Verdict.ALLOW


@pytest.mark.parametrize(
    "value", [1.23456, 1e-5, float("nan"), float("-inf"), 10**15, 2**63, 1e300, 1e-300, "1.0", None]
)
def test_what_is_no_exact_four_place_decimal_is_denied_with_errors(value: Any):
    answer = tool_answer("true", {"price": value})
    assert answer.verdict is Verdict.DENY
    assert answer.errors


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (12, "12.0"),
        (-0.0001, "-0.0001"),
        (-0.0, "0.0"),
        (9.22e14, "922000000000000.0"),
    ],
)
def test_numbers_become_exact_decimals(value: Any, text: str):
    assert (
        tool_answer(
            f'context.input has price && context.input.price == decimal("{text}")', {"price": value}
        ).verdict
        is Verdict.ALLOW
    )


def test_deep_nesting_in_a_free_form_argument_is_denied():
    deep: Any = {}
    for _ in range(5_000):
        deep = {"a": deep}
    answer = tool_answer("true", {"free": deep})
    assert answer.verdict is Verdict.DENY
    assert "nested" in answer.errors[0]


@pytest.mark.parametrize("value", [float("nan"), 2**80, float("inf")])
def test_what_has_no_canonical_json_is_denied(value: Any):
    assert tool_answer("true", {"free": {"a": value}}).errors


def test_nullable_and_union_arguments_are_canonical_json():
    condition = 'context.input has maybe && context.input.maybe == "null" && context.input has union && context.input.union == "3"'
    assert tool_answer(condition, {"maybe": None, "union": 3}).verdict is Verdict.ALLOW


def test_a_referenced_definition_is_typed():
    condition = "context.input has ref && context.input.ref has age && context.input.ref.age < 5"
    assert tool_answer(condition, {"ref": {"age": 4}}).verdict is Verdict.ALLOW


def test_a_definition_that_holds_itself_ends():
    schema: dict[str, Any] = {
        "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"$ref": "#/$defs/B"}},
        "$defs": {
            "A": {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}},
            "B": {"$ref": "#/$defs/B"},
        },
    }
    bundle = bundle_of('@id("p") permit (principal, action == Action::"tool", resource);', schema)
    assert asked(bundle, action="tool", input={"a": {"a": {"a": {}}}}).verdict is Verdict.ALLOW


@pytest.mark.parametrize(
    "name",
    [
        "refund\u202e",
        "\u2066refund",
        "refund\x00",
        "REFUND",
        'refund"',
        "Action::refund",
        "tools",
        "effect:read",
        "unknown_tool",
        "",
    ],
)
def test_a_name_that_only_looks_like_a_tool_is_an_unknown_tool(name: str):
    bundle = bundle_of(SUITE_CEDAR, baseline=True)
    assert asked(bundle, action=name).verdict is Verdict.DENY
    answer = asked(bundle, action=name, roles=("admin",))
    assert answer.verdict is Verdict.ASK
    assert answer.rules == ("holdfast.unknown-tool-asks",)


def test_lone_surrogates_are_denied():
    assert tool_answer("true", {"who": {"name": "\ud800"}}).errors
    assert tool_answer("true", {"free": {"\ud800": 1}}).errors


def test_a_tag_named_like_an_escape_stays_a_tag():
    bundle = bundle_of(
        '@id("p") permit (principal, action == Action::"lookup", resource)'
        ' when { resource.hasTag("__entity") && resource.getTag("__entity") == "x" };'
    )
    answer = asked(
        bundle,
        action="lookup",
        effect="read",
        input={"order": "1"},
        resource_tags={"__entity": "x"},
    )
    assert answer.verdict is Verdict.ALLOW


def test_a_role_smuggled_into_a_name_is_still_one_name():
    bundle = bundle_of(
        '@id("p") permit (principal in Role::"admin", action == Action::"lookup", resource);'
    )
    for fields in (
        {"roles": ('x", Role::"admin',)},
        {"user": "admin"},
        {"agent": 'Role::"admin"'},
        {"session": "admin"},
    ):
        assert (
            asked(bundle, action="lookup", effect="read", input={"order": "1"}, **fields).verdict
            is Verdict.DENY
        )


def test_a_tenant_with_a_slash_cannot_pose_as_another_tenants_user():
    bundle = bundle_of(
        '@id("p") permit (principal in User::"acme/ann", action == Action::"lookup", resource);'
    )
    call: dict[str, Any] = {"action": "lookup", "effect": "read", "input": {"order": "1"}}
    assert asked(bundle, **call).verdict is Verdict.ALLOW
    assert asked(bundle, **call, tenant="acme/ann", user="").verdict is Verdict.DENY
    assert asked(bundle, **call, tenant="other", user="acme/ann").verdict is Verdict.DENY


def test_a_question_after_a_like_one_is_judged_by_its_own_session_and_resource():
    bundle = bundle_of(
        '@id("p") permit (principal in Role::"support", action in Action::"effect:read", resource)'
        ' when { principal.tenant == "acme" && principal.trust == "autonomous" && resource.arn == "a"'
        ' && resource.hasTag("t") && resource.getTag("t") == "1" };'
    )
    fits: dict[str, Any] = {
        "action": "lookup", "effect": "read", "input": {"order": "1"}, "resource": "a",
        "trust": "autonomous", "resource_tags": {"t": "1"},
    }  # fmt: skip
    others: list[dict[str, Any]] = [
        {"roles": ()}, {"tenant": "b"}, {"trust": "supervised"}, {"resource": "b"},
        {"resource_tags": {"t": "2"}}, {"resource_tags": {}}, {"trust": "nonsense"},
        {"roles": ("other", "a", "t", "1"), "resource_tags": {}},
    ]  # fmt: skip
    for other in others:
        assert asked(bundle, **fits).verdict is Verdict.ALLOW
        assert asked(bundle, **fits | other).verdict is Verdict.DENY, other


def test_entities_kept_between_questions_are_bounded():
    bundle = bundle_of(SUITE_CEDAR)
    for number in range(1_100):
        asked(bundle, session=f"s{number}")
    asked(bundle, resource="x" * 5_000)
    asked(bundle, roles=("x" * 5_000,))
    for kept in (bundle.entities.askers, bundle.entities.questions):
        assert len(kept.entries) == 1024
        assert not any("x" * 5_000 in key for key in kept.entries)


def test_the_entity_of_a_session_is_made_once_for_all_that_it_asks_for():
    bundle = bundle_of(SUITE_CEDAR)
    for number in range(5):
        asked(bundle, resource=f"file:{number}")
    asked(bundle, session="other")
    assert len(bundle.entities.askers.entries) == 2
    assert len(bundle.entities.questions.entries) == 6


@pytest.mark.parametrize(
    "fields", [{"risk": "low"}, {"risk": ""}, {"effect": "nothing"}, {"trust": "full"}]
)
def test_a_word_outside_the_glossary_is_denied_with_errors(fields: dict[str, Any]):
    answer = asked(bundle_of(SUITE_CEDAR), roles=("admin",), **fields)
    assert answer.verdict is Verdict.DENY
    assert answer.errors


def test_attributes_of_task_and_tenant_are_typed_and_undeclared_ones_dropped():
    condition = (
        'context.task has limit && context.task.limit.lessThan(decimal("2.0")) && context.task has on && context.task.on'
        ' && context.task has hosts && context.task.hosts.contains("a") && context.tenant has tools'
    )
    task = {"limit": 1.5, "hosts": ["a"], "on": True, "other": {"__entity": {}}}
    assert (
        tool_answer(condition, {}, task=task, tenant_attributes={"tools": []}).verdict
        is Verdict.ALLOW
    )
    assert tool_answer("true", {}, task={"max_refund": "5"}).errors


# --- the shipped baseline ---------------------------------------------------------------------
BASE = '@id("all") permit (principal in Role::"support", action, resource);'


def test_blocked_risk_is_denied_whatever_permits_it():
    answer = asked(bundle_of(BASE, baseline=True), risk="BLOCK")
    assert (answer.verdict, answer.rules) == (Verdict.DENY, ("holdfast.blocked-risk",))


def test_a_read_only_session_reads_and_nothing_else():
    bundle = bundle_of(BASE, baseline=True)
    reads = asked(bundle, action="lookup", effect="read", input={"order": "1"}, trust="read_only")
    assert reads.verdict is Verdict.ALLOW
    for action, given in (("refund", {"amount": 1, "currency": "EUR"}), ("drop", {}), ("what", {})):
        answer = asked(bundle, action=action, input=given, trust="read_only", effect="read")
        assert (answer.verdict, answer.rules[0]) == (Verdict.DENY, "holdfast.read-only-trust")


def test_destroying_asks():
    answer = asked(bundle_of(BASE, baseline=True), action="drop", input={})
    assert (answer.verdict, answer.rules) == (Verdict.ASK, ("holdfast.destroy-asks",))


def test_a_call_that_turns_out_to_destroy_asks_whatever_its_contract_says():
    answer = asked(bundle_of(BASE, baseline=True), effect="destroy")
    assert answer.rules == ("holdfast.destroy-asks",)


def test_a_claimed_effect_milder_than_the_contract_is_not_believed():
    answer = asked(bundle_of(BASE, baseline=True), action="drop", input={}, effect="read")
    assert answer.verdict is Verdict.ASK


# --- explaining -------------------------------------------------------------------------------
def test_a_default_deny_names_the_nearest_rule_its_false_conditions_and_their_values():
    answer = asked(bundle_of(SUITE_CEDAR), input={"amount": 9000, "currency": "EUR"})
    assert answer.nearest is not None
    assert answer.nearest.rule == "refund-small"
    assert answer.nearest.failed == ("context.input.amount <= context.task.max_refund",)
    assert answer.text == (
        "no rule permits this; nearest is `refund-small`: context.input.amount <= "
        "context.task.max_refund is false (input.amount = 9000, task.max_refund = 50)"
    )


def test_a_scope_that_does_not_match_is_named():
    bundle = bundle_of(
        '@id("p") permit (principal in Role::"support", action == Action::"refund", resource);'
    )
    answer = asked(bundle, roles=())
    assert answer.nearest is not None
    assert answer.nearest.failed == ('principal in Role::"support"',)


def test_an_unless_that_held_is_named():
    answer = tool_answer(
        'true } unless { context.tainted || context.risk == "HIGH"', {}, tainted=True
    )
    assert answer.nearest is not None
    assert answer.nearest.failed == ("unless context.tainted",)


def test_an_absent_attribute_is_shown_as_absent():
    answer = asked(bundle_of(SUITE_CEDAR), task={"currency": "EUR"})
    assert "context.task has max_refund is false (task.max_refund = absent)" in answer.text


def test_of_two_rules_the_one_with_fewer_false_conditions_is_nearest():
    bundle = bundle_of(
        '@id("far") permit (principal in Role::"x", action == Action::"refund", resource) when { context.tainted };'
        '@id("near") permit (principal, action == Action::"refund", resource) when { context.tainted };'
    )
    answer = asked(bundle)
    assert answer.nearest is not None
    assert answer.nearest.rule == "near"


def test_control_characters_of_an_argument_are_escaped_in_the_explanation():
    answer = asked(
        bundle_of(SUITE_CEDAR), input={"amount": 1, "currency": "\x1b[31m\u202eEUR" + "x" * 500}
    )
    assert answer.text.isprintable()
    assert len(answer.text) < 400


def test_a_named_deny_has_no_nearest_rule_and_carries_its_reason():
    bundle = bundle_of(
        '@id("f") @reason("never") forbid (principal, action == Action::"refund", resource);'
    )
    answer = asked(bundle)
    assert (answer.verdict, answer.rules, answer.text, answer.nearest) == (
        Verdict.DENY,
        ("f",),
        "never",
        None,
    )


def test_every_shape_of_expression_is_rendered():
    condition = (
        'context.input has n && (context.input.n * 2 + 1 > 3 || !context.tainted) && resource.arn like "a*\\*" && '
        'principal in [Role::"a", Role::"b"] && principal is Session && ["a"].containsAny(principal.roles) && '
        'context.input has price && context.input.price.lessThan(decimal("0.1")) && '
        '(if context.tainted then context.risk == "LOW" else context.tool != "x") && '
        '!principal.roles.isEmpty() && resource.hasTag("a") && resource.getTag("a") == "b" && -context.input.n < 3'
    )
    answer = tool_answer(condition, {"n": 5, "price": 0.5}, roles=())
    assert answer.nearest is not None
    held = {"context.input has n", "context.input has price", "principal is Session"}
    parts = {
        "context.input.n * 2 + 1 > 3 || !context.tainted",
        'resource.arn like "a*\\\\*"',
        'principal in [Role::"a", Role::"b"]',
        '["a"].containsAny(principal.roles)',
        'context.input.price.lessThan(decimal("0.1"))',
        'if context.tainted then context.risk == "LOW" else context.tool != "x"',
        "!principal.roles.isEmpty()",
        'resource.hasTag("a")',
        'resource.getTag("a") == "b"',
        "-context.input.n < 3",
    }
    clauses, _ = (
        bundle_of(
            f'@id("p") permit (principal, action == Action::"tool", resource) when {{ {condition} }};'
        )
        .slice_for("tool")
        .sets.nearest._prepare()
    )
    assert {clause.text for clause in clauses.values()} == held | parts
    assert set(answer.nearest.failed) < parts
