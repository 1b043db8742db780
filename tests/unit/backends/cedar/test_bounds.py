"""A tool that acts is permitted on what its permit bounds: what has to be refused, and what has to pass.

A third of each list, by the digest of its text, is kept apart: the shapes that bound were written on
the other two.
"""

import hashlib

import pytest

from holdfast.backends.cedar.bundle import assemble
from holdfast.backends.cedar.inputs import AttributeType, PolicyInputs
from holdfast.backends.cedar.sources import Source
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Contract, Effect


def contract(name: str, effect: Effect, resource: str, **properties) -> Contract:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return Contract(
        name=name, description="d", effect=effect, risk=RiskLevel.LOW, risk_reason="r",
        input_schema=schema, resource=resource,
    )  # fmt: skip


TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
REGION = {"type": "string", "enum": ["eu", "us"]}
ONE_REGION = {"type": "string", "enum": ["eu"]}
INPUTS = PolicyInputs(
    version=1,
    contracts=(
        contract("pay", Effect.COMMIT, "arn:desk:order/{order}", order=TEXT, cents=NUMBER),
        contract("drop", Effect.DESTROY, "arn:db:{region}/{table}", region=REGION, table=TEXT),
        contract("wipe", Effect.DESTROY, "arn:db:{region}/{table}", region=ONE_REGION, table=TEXT),
        contract("look", Effect.READ, "arn:desk:order/{order}", order=TEXT),
        contract("note", Effect.WRITE, "arn:desk:note/{order}", order=TEXT),
        contract("route", Effect.COMMIT, "arn:desk:route/{region}", region=REGION),
        contract("close", Effect.COMMIT, "arn:desk:till"),
        contract("send", Effect.COMMIT, "", order=TEXT),
    ),
    task_attributes={"order": AttributeType.STRING, "orders": AttributeType.SET_OF_STRING},
    tenant_attributes={"region": AttributeType.STRING},
)
PAY, DROP, WIPE = (f'action == Action::"{name}"' for name in ("pay", "drop", "wipe"))
INPUT = "context.input"
# (principal and action; resource; conditions)
REFUSED = [
    (PAY, "resource", ""),
    (PAY, "resource is Resource", ""),
    (PAY, "resource", "when { true }"),
    (PAY, "resource", "unless { false }"),
    (PAY, "resource", 'when { principal.agent == "desk" }'),
    (PAY, "resource", f"when {{ {INPUT}.cents < 100 }}"),
    (PAY, "resource", 'when { resource.arn != "arn:desk:order/1" }'),
    (PAY, "resource", "when { resource.arn == resource.arn }"),
    (PAY, "resource", f"when {{ {INPUT}.order == {INPUT}.order }}"),
    (PAY, "resource", f"when {{ resource.arn == {INPUT}.order }}"),
    (PAY, "resource", "when { [resource.arn].contains(resource.arn) }"),
    (PAY, "resource", 'when { resource.arn like "arn:desk:order/*" }'),
    (PAY, "resource", 'when { resource.arn like "arn:desk:*" }'),
    (PAY, "resource", 'when { resource.arn like "*o*" }'),
    (PAY, "resource", 'when { resource.arn like "arn:*:order/*" }'),
    (PAY, "resource", f'when {{ {INPUT}.order like "*" }}'),
    (PAY, "resource", f'when {{ {INPUT}.order like "*a*" }}'),
    (PAY, "resource", 'when { resource.arn like "arn:desk:order/A*" || principal.agent == "desk" }'),
    (PAY, "resource", 'when { !(resource.arn like "arn:desk:order/A*") }'),
    (PAY, "resource", 'unless { resource.arn like "arn:desk:order/A*" }'),
    (PAY, "resource", 'unless { resource.arn == "arn:desk:order/A" }'),
    (PAY, "resource", 'unless { !(resource.arn == "arn:desk:order/A") && principal.agent == "x" }'),
    (PAY, "resource", 'when { if principal.agent == "x" then resource.arn == "arn:desk:order/A" else true }'),
    (PAY, "resource", 'when { context.tool == "pay" }'),
    (PAY, "resource", 'when { resource.tool == "pay" && context.effect == "commit" }'),
    (PAY, "resource", 'when { context.effect != "read" }'),
    (PAY, "resource", 'when { ["commit", "read"].contains(context.effect) }'),
    (PAY, "resource", "when { context.task has order }"),
    (PAY, "resource", "when { context.task has orders && context.task.orders.contains(principal.user) }"),
    (PAY, "resource", 'when { resource.hasTag("env") && resource.getTag("env") == "prod" }'),
    (DROP, "resource", ""),
    (WIPE, "resource", f'when {{ {INPUT}.region == "eu" }}'),
    (WIPE, "resource", 'when { resource.arn like "arn:db:eu/*" }'),
    (DROP, "resource", 'when { resource.arn like "arn:db:*/*" }'),
    ('action in [Action::"look", Action::"pay"]', "resource", ""),
    ('action in Action::"effect:commit"', "resource", ""),
    ('action in Action::"effect:destroy"', "resource", 'when { context.tool != "pay" }'),
    ('action in Action::"tools"', "resource", 'when { principal.agent == "desk" }'),
    ("action", "resource", 'when { context.tool != "drop" && context.tool != "wipe" }'),
    ('action in [Action::"pay", Action::"wipe"]', "resource", 'when { resource.arn like "arn:desk:order/*" }'),
    (PAY, "resource", 'when { context.tainted } when { context.risk == "LOW" }'),
]  # fmt: skip
PASSED = [
    (PAY, 'resource == Resource::"arn:desk:order/A"', ""),
    (PAY, 'resource in Resource::"arn:desk:order/A"', ""),
    (PAY, 'resource is Resource in Resource::"arn:desk:order/A"', ""),
    (PAY, "resource", 'when { resource == Resource::"arn:desk:order/A" }'),
    (PAY, "resource", 'when { resource in [Resource::"arn:desk:order/A"] }'),
    (PAY, "resource", 'when { resource.arn == "arn:desk:order/A" }'),
    (PAY, "resource", 'when { "arn:desk:order/A" == resource.arn }'),
    (PAY, "resource", 'when { resource.arn like "arn:desk:order/A*" }'),
    (PAY, "resource", 'when { resource.arn like "arn:desk:order/*-eu" }'),
    (PAY, "resource", f'when {{ {INPUT}.order like "A*" }}'),
    (PAY, "resource", f'when {{ {INPUT}.order == "A" }}'),
    (PAY, "resource", f"when {{ context.task has order && {INPUT}.order == context.task.order }}"),
    (PAY, "resource", f"when {{ context.task has orders && context.task.orders.contains({INPUT}.order) }}"),
    (PAY, "resource", "when { context.task has order && resource.arn == context.task.order }"),
    (PAY, "resource", f"when {{ {INPUT}.order == principal.user }}"),
    (PAY, "resource", f"when {{ principal.roles.contains({INPUT}.order) }}"),
    (PAY, "resource", f'when {{ ["A", "B"].contains({INPUT}.order) }}'),
    (PAY, "resource", 'when { ["arn:desk:order/A"].contains(resource.arn) }'),
    (PAY, "resource", 'when { resource.arn like "arn:desk:order/A*" || resource.arn == "arn:desk:order/B" }'),
    (PAY, "resource", f'when {{ principal.agent == "desk" }} when {{ {INPUT}.order like "A*" }}'),
    (PAY, "resource", 'unless { !(resource.arn like "arn:desk:order/A*") }'),
    (PAY, "resource", 'unless { resource.arn != "arn:desk:order/A" }'),
    (PAY, "resource", 'unless { principal.agent == "x" || resource.arn != "arn:desk:order/A" }'),
    (PAY, "resource", 'when { if principal.agent == "x" then resource.arn == "arn:desk:order/A" else resource.arn like "arn:desk:order/B*" }'),
    (PAY, "resource", 'when { if resource.arn like "arn:desk:order/A*" then true else false }'),
    (PAY, "resource", 'when { !(principal.agent == "x" || resource.arn != "arn:desk:order/A") }'),
    (DROP, "resource", f'when {{ {INPUT}.region == "eu" }}'),
    (DROP, "resource", 'when { resource.arn like "arn:db:eu/*" }'),
    (DROP, "resource", f"when {{ context.tenant has region && {INPUT}.region == context.tenant.region }}"),
    (WIPE, "resource", f'when {{ {INPUT}.table like "tmp_*" }}'),
    ('action in [Action::"look", Action::"note"]', "resource", ""),
    ('action == Action::"route"', "resource", ""),
    ('action == Action::"close"', "resource", ""),
    ('action == Action::"send"', "resource", ""),
    ('action in Action::"effect:read"', "resource", ""),
    ('action in Action::"effect:write"', "resource", ""),
    ("action", "resource", 'when { context.effect == "read" }'),
    ('action in Action::"tools"', "resource", 'when { ["read", "write"].contains(context.effect) }'),
    ('action in Action::"tools"', "resource", 'when { context.tool == "look" || context.tool == "note" }'),
    ('action in Action::"effect:commit"', "resource", 'when { context.tool != "pay" }'),
    ('action in [Action::"pay", Action::"look"]', "resource", 'when { resource.arn like "arn:desk:order/A*" }'),
]  # fmt: skip


def findings(rule: tuple[str, str, str], note: str = "") -> list[str]:
    action, resource, conditions = rule
    text = f'@id("one") {note}\npermit (principal, {action}, {resource}) {conditions};\n'
    found = assemble(INPUTS, (Source("a.cedar", text.encode()),))
    return [finding.code for finding in found.findings]


def apart(rule: tuple[str, str, str]) -> bool:
    return hashlib.sha256(repr(rule).encode()).digest()[0] % 3 == 0


def test_the_lists_are_long_enough_and_a_third_is_kept_apart():
    for rules in (REFUSED, PASSED):
        assert len(rules) >= 20
        assert len(rules) / 5 < sum(map(apart, rules)) < len(rules) / 2


@pytest.mark.parametrize("rule", REFUSED, ids=str)
def test_a_permit_that_bounds_nothing_is_refused(rule):
    assert findings(rule) == ["unbounded_resource"]


@pytest.mark.parametrize("rule", REFUSED, ids=str)
def test_a_permit_that_says_why_it_bounds_nothing_passes(rule):
    assert findings(rule, '@unbounded("the desk serves every order")') == []


@pytest.mark.parametrize("rule", PASSED, ids=str)
def test_a_permit_that_bounds_its_tools_passes(rule):
    assert findings(rule) == []


@pytest.mark.parametrize("note", ["@unbounded", '@unbounded("")', '@unbounded("  ")'])
def test_unbounded_without_a_reason_is_refused(note):
    assert findings(REFUSED[0], note) == ["unbounded_why"]


def test_unbounded_on_a_forbid_is_refused():
    text = '@id("one") @unbounded("why") forbid (principal, action, resource);'
    found = assemble(INPUTS, (Source("a.cedar", text.encode()),))
    assert [finding.code for finding in found.findings] == ["unbounded_why"]


def test_what_permits_everything_is_not_lifted_by_a_reason():
    assert findings(("action", "resource", ""), '@unbounded("why")') == ["permits_all"]
