"""What a child may be given: the tables behind the properties."""

import msgspec
import pytest

from holdfast.core.delegation import (
    DELEGATE_TOOL,
    Asked,
    Authority,
    Profile,
    Refusal,
    crowded,
    narrowed,
    reaches,
)
from holdfast.model.budgets import Dimension
from holdfast.model.principals import Principal, TrustLevel
from holdfast.model.sessions import LoopLimits, Session, SessionState

PARENT = Session(
    session_id="s",
    principal=Principal(
        tenant="acme",
        project="shop",
        user="ann",
        agent="lead",
        session="s",
        task="t",
        trust=TrustLevel.SUPERVISED,
    ),
    state=SessionState.ACTIVE,
    opened_at_ns=0,
    expires_at_ns=100,
    token_digest="d",
    limits=(),
    loop=LoopLimits(max_turns=10, turn_timeout_s=90),
    task_attributes={
        "max_refund": 50,
        "max_text": "50",
        "allowed_regions": ["EU", 1],
        "denied_regions": ["US", "CN"],
        "urgent": True,
    },
    allowed_tools=("look", "pay", DELEGATE_TOOL),
    allowed_models=("haiku",),
    max_output_tokens=1000,
)
PROFILE = Profile(
    agent="reader",
    tools=("look",),
    models=(),
    trust=TrustLevel.AUTONOMOUS,
    caps={Dimension.TOOL_CALLS: 9},
    loop=LoopLimits(max_turns=50, turn_timeout_s=30),
    max_output_tokens=2000,
    ttl_ns=500,
    config_version="v2",
)


@pytest.mark.parametrize(
    ("given", "resource", "covered"),
    [
        ("arn:shop:order/1", "arn:shop:order/1", True),
        ("arn:shop:order/1", "arn:shop:order/1/line/2", True),
        ("arn:shop:order/1", "arn:shop:order/12", False),
        ("arn:shop:order/", "arn:shop:order/12", True),
        ("arn:shop:order/", "arn:shop:order", False),
        ("arn:shop:order", "arn:shop:orders/1", False),
        ("arn:shop:", "arn:shop:orders/1", True),
        ("tool:look", "tool:lookup", False),
        ("tool:", "tool:lookup", True),
    ],
)
def test_a_resource_is_covered_whole_or_from_a_border_on(given, resource, covered):
    assert reaches((given,), resource) == covered
    assert reaches(("x", given), resource) == covered
    assert reaches((), resource)


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("max_refund", 50, True),
        ("max_refund", 49.5, True),
        ("max_refund", 51, False),
        ("max_refund", float("nan"), False),
        ("max_refund", True, False),
        ("max_refund", "5", False),
        ("max_text", "40", False),
        ("max_other", 1, False),
        ("allowed_regions", ["EU"], True),
        ("allowed_regions", [], True),
        ("allowed_regions", ["EU", True], False),
        ("allowed_regions", "EU", False),
        ("denied_regions", ["US"], False),
        ("denied_regions", ["US", "CN"], True),
        ("urgent", False, False),
        ("urgent", 1, False),
    ],
)
def test_an_attribute_is_taken_where_its_name_says_that_it_is_tighter(name, value, taken):
    child = narrowed(PARENT, {}, Asked(tools=(), attributes={name: value}), 0)
    if taken:
        assert isinstance(child, Session)
        assert child.task_attributes == {**PARENT.task_attributes, name: value}
    else:
        assert isinstance(child, Refusal)
        assert child.authority is Authority.ATTRIBUTES


def test_an_agents_numbers_are_lowered_to_its_parents_and_its_trust_too():
    child = narrowed(PARENT, {Dimension.TOOL_CALLS: 4}, Asked(profile=PROFILE), 40)
    assert isinstance(child, Session)
    assert (child.principal.agent, child.principal.trust) == ("reader", TrustLevel.SUPERVISED)
    assert (child.loop.max_turns, child.loop.turn_timeout_s) == (10, 30)
    assert (child.max_output_tokens, child.expires_at_ns) == (1000, 60)
    assert [(x.dimension, x.amount) for x in child.limits] == [(Dimension.TOOL_CALLS, 4)]
    assert (child.allowed_tools, child.allowed_models) == (("look",), ("haiku",))
    assert (child.delegated_by, child.depth, child.config_version) == ("s", 1, "v2")


def test_trust_that_is_neither_below_nor_above_is_refused():
    read_only = msgspec.structs.replace(PROFILE, trust=TrustLevel.READ_ONLY)
    for asked in (Asked(profile=read_only), Asked(tools=(), trust=TrustLevel.READ_ONLY)):
        refused = narrowed(PARENT, {}, asked, 0)
        assert isinstance(refused, Refusal)
        assert refused.authority is Authority.TRUST


def test_who_has_not_the_tool_starts_no_child():
    alone = msgspec.structs.replace(PARENT, allowed_tools=("look",))
    refused = narrowed(alone, {}, Asked(tools=()), 0)
    assert isinstance(refused, Refusal)
    assert refused.authority is Authority.DELEGATE


@pytest.mark.parametrize("resources", [(), ("",), ("a",) * 65])
def test_resources_that_would_mean_all_or_too_many_are_refused(resources):
    refused = narrowed(PARENT, {}, Asked(tools=(), resources=resources), 0)
    assert isinstance(refused, Refusal)
    assert refused.authority is Authority.RESOURCES


def test_a_session_may_be_crowded_now_or_for_good():
    assert crowded(7, 99) is None
    assert crowded(8, 8) is not None
    assert crowded(0, 100) is not None


ALL = Asked(tools=PARENT.allowed_tools)
LEFT = {Dimension.TOOL_CALLS: 20}


@pytest.mark.parametrize(
    "asked",
    [
        ALL,
        Asked(tools=PARENT.allowed_tools[::-1], models=("haiku",), ttl_ns=100),
        Asked(tools=PARENT.allowed_tools, trust=TrustLevel.SUPERVISED),
        Asked(tools=PARENT.allowed_tools, caps={Dimension.TOOL_CALLS: 20}),
        Asked(tools=PARENT.allowed_tools, attributes={"max_refund": 50, "urgent": True}),
    ],
)
def test_a_child_that_has_all_that_its_parent_has_is_refused(asked):
    refused = narrowed(PARENT, LEFT, asked, now_ns=0)
    assert isinstance(refused, Refusal)
    assert refused.authority is Authority.LESS


@pytest.mark.parametrize(
    "less",
    [
        {"tools": ("look", DELEGATE_TOOL)},
        {"trust": TrustLevel.READ_ONLY},
        {"caps": {Dimension.TOOL_CALLS: 19}},
        {"caps": {Dimension.USD: 5}},
        {"resources": ("arn:shop:order/",)},
        {"attributes": {"max_refund": 49}},
        {"ttl_ns": 99},
    ],
)
def test_one_thing_less_is_enough(less):
    parent = PARENT
    if "trust" in less:
        who = msgspec.structs.replace(PARENT.principal, trust=TrustLevel.AUTONOMOUS)
        parent = msgspec.structs.replace(PARENT, principal=who)
    given = {"tools": PARENT.allowed_tools} | less
    assert isinstance(narrowed(parent, LEFT, Asked(**given), now_ns=0), Session)
    same = narrowed(parent, LEFT, ALL, now_ns=0)
    assert isinstance(same, Refusal)


def test_models_are_less_only_where_some_are_left_out():
    many = msgspec.structs.replace(PARENT, allowed_models=("haiku", "opus"))
    fewer = narrowed(many, LEFT, msgspec.structs.replace(ALL, models=("haiku",)), now_ns=0)
    assert isinstance(fewer, Session)
    turned = narrowed(many, LEFT, msgspec.structs.replace(ALL, models=("opus", "haiku")), now_ns=0)
    assert isinstance(turned, Refusal)
