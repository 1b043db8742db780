"""Whatever is asked, along any chain: a child's authority is within that of every session above it.

What is within what is said here once more, by enumerating what each side allows, not by the
comparisons that `core/delegation` makes.
"""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.budgets import chain
from holdfast.core.delegation import (
    DELEGATE_TOOL,
    MAX_DEPTH,
    Asked,
    Profile,
    Refusal,
    narrowed,
    reaches,
    trust_below,
)
from holdfast.core.risk.gate import gate
from holdfast.core.risk.registry import Risk
from holdfast.model.budgets import Dimension, Limit, Scope, Window
from holdfast.model.decisions import Verdict, strictest
from holdfast.model.principals import Principal, TrustLevel
from holdfast.model.risk import RiskLevel, RiskReason
from holdfast.model.sessions import LoopLimits, Session, SessionState
from holdfast.model.tools import Effect
from holdfast.runtime.budgets import owners

TOOLS = ("look", "pay", "wipe", DELEGATE_TOOL)
MODELS = ("opus", "haiku")
# Names that begin like one another and are not below one another.
RESOURCES = (
    "arn:",
    "arn:shop:order/",
    "arn:shop:order/1",
    "arn:shop:order/12",
    "arn:shop:orders/1",
    "arn:shop:order/1/line",
    "tool:",
    "tool:look",
    "tool:lookup",
)
DIMENSIONS = (Dimension.USD, Dimension.TOOL_CALLS, Dimension.TURNS)
STRICTNESS = (Verdict.ALLOW, Verdict.ASK, Verdict.DENY)

ATTRIBUTES = ("max_refund", "allowed_regions", "denied_regions", "region")

values = st.one_of(
    st.integers(-3, 9),
    st.floats(allow_nan=True),
    st.booleans(),
    st.sampled_from(["EU", "5", ""]),
    st.lists(st.sampled_from(["EU", "US", 1, True]), max_size=3),
)


def part_of(names, dice):
    return tuple(name for name in names if dice.random() < 0.7)


def mostly(fitting, anything, dice):
    """Mostly what a parent may grant, else nothing would ever be handed on; sometimes anything."""
    return anything if dice.random() < 0.06 else fitting


def a_profile(parent, dice):
    return Profile(
        agent=dice.choice(["clerk", "other"]),
        tools=mostly(part_of(parent.allowed_tools, dice), part_of(TOOLS, dice), dice),
        models=mostly(part_of(parent.allowed_models or MODELS, dice), MODELS, dice),
        trust=mostly(parent.principal.trust, dice.choice(list(TrustLevel)), dice),
        caps={d: dice.randint(0, 20) for d in part_of(DIMENSIONS, dice)},
        loop=LoopLimits(
            max_turns=dice.randint(1, 50),
            max_tool_calls=dice.randint(1, 50),
            turn_timeout_s=dice.randint(1, 99),
            repeat_calls=dice.randint(1, 9),
        ),
        max_output_tokens=dice.randint(1, 40_000),
        ttl_ns=dice.randint(1, 10**12),
        config_version="v2",
    )


def a_request(parent, dice):
    """A request to one parent, each part of it mostly one that the parent can grant."""
    profile = a_profile(parent, dice) if dice.random() < 0.3 else None
    trust = mostly(parent.principal.trust, dice.choice(list(TrustLevel)), dice)
    reachable = [name for name in RESOURCES if reaches(parent.resources, name)]
    few = {d: dice.randint(0, 4) for d in part_of(DIMENSIONS, dice) if d in left(parent)}
    fitting = {
        "tools": part_of(parent.allowed_tools, dice),
        "models": part_of(parent.allowed_models or MODELS, dice),
        "trust": trust,
        "caps": {d: min(n, left(parent)[d]) for d, n in few.items()},
        "resources": part_of(reachable, dice)[:3] or RESOURCES[:1],
        "attributes": {
            name: dice.choice([value, tightened(value)])
            for name, value in parent.task_attributes.items()
        },
    }
    anything = {
        "tools": part_of(TOOLS, dice),
        "models": part_of(MODELS, dice),
        "trust": dice.choice(list(TrustLevel)),
        "caps": {d: dice.randint(0, 20) for d in part_of(DIMENSIONS, dice)},
        "resources": tuple(dice.sample(RESOURCES, 2)),
        "attributes": {dice.choice(ATTRIBUTES): dice.choice([9, 1.5, True, "EU", ["EU", 1], []])},
    }
    asked = {
        name: mostly(fitting[name], anything[name], dice) for name in fitting if dice.random() < 0.7
    }
    ttl_ns = dice.choice([None, dice.randint(1, 10**12)])
    return Asked(profile=profile, ttl_ns=ttl_ns, **asked)


def tightened(value):
    if isinstance(value, list):
        return value[:-1]
    return value - 1 if type(value) is int else value


@st.composite
def roots(draw):
    dice = draw(st.randoms(use_true_random=False))
    limits = [
        Limit(scope=scope, dimension=d, window=w, amount=dice.randint(0, 20))
        for scope in (Scope.TASK, Scope.SESSION, Scope.USER)
        for w in (Window.LIFE, Window.DAY)
        for d in part_of(DIMENSIONS, dice)
    ]
    who = Principal(
        tenant="acme",
        project="shop",
        user="ann",
        agent="clerk",
        session="s0",
        task="t",
        trust=dice.choice(list(TrustLevel)),
    )
    return Session(
        session_id="s0",
        principal=who,
        state=SessionState.ACTIVE,
        opened_at_ns=0,
        expires_at_ns=dice.randint(1, 10**12),
        token_digest="d",
        limits=tuple(limits),
        loop=LoopLimits(max_turns=dice.randint(1, 50), repeat_calls=dice.randint(1, 9)),
        task_attributes=draw(st.dictionaries(st.sampled_from(ATTRIBUTES), values)),
        allowed_tools=mostly(TOOLS, part_of(TOOLS, dice), dice),
        allowed_models=dice.choice([(), MODELS, MODELS[:1]]),
        resources=dice.choice([(), part_of(RESOURCES, dice), RESOURCES[1:2]]),
        max_output_tokens=dice.randint(1, 40_000),
        upstream="main",
    )


def left(session):
    """Nothing is spent: what the accounts of the session and of those above it were opened with."""
    mine = [x for x in session.limits if x.scope is Scope.SESSION and x.window is Window.LIFE]
    return {limit.dimension: limit.amount for limit in mine}


def as_opened(draft, parent, number):
    who = draft.principal.__class__(
        **{field: getattr(draft.principal, field) for field in draft.principal.__struct_fields__}
        | {"session": f"s{number}"}
    )
    keys = chain(parent.limits, owners(parent.principal), ancestors=parent.ancestor_accounts)
    fields = {name: getattr(draft, name) for name in draft.__struct_fields__}
    return Session(
        **fields
        | {
            "session_id": f"s{number}",
            "principal": who,
            "ancestor_accounts": tuple(k for k in keys if k.scope is Scope.SESSION),
        }
    )


def verdicts(trust):
    for level, effect in itertools.product(RiskLevel, Effect):
        ruled = gate(Risk(level, (RiskReason("x", "why", level, ""),)), trust, effect)
        yield STRICTNESS.index(strictest(ruled.reasons))


def touched(session):
    names = [*RESOURCES, "arn:shop:order/7", "arn:shop:order/1/line/2", "tool:pay", "x"]
    return {name for name in names if reaches(session.resources, name)}


def usable(session):
    return set(session.allowed_models or (*MODELS, "any other"))


def no_looser(name, value, above):
    if value is above or (type(value) is type(above) and value == above):
        return True
    if name == "max_refund":
        return value <= above
    return name == "allowed_regions" and all(
        any(type(x) is type(y) and x == y for y in above) for x in value
    )


def assert_within(child, parent):
    assert set(child.allowed_tools) <= set(parent.allowed_tools)
    assert usable(child) <= usable(parent)
    assert touched(child) <= touched(parent)
    pairs = zip(verdicts(child.principal.trust), verdicts(parent.principal.trust), strict=True)
    assert all(mine >= above for mine, above in pairs)
    assert child.max_output_tokens <= parent.max_output_tokens
    for name in ("max_turns", "max_tool_calls", "turn_timeout_s", "wall_clock_s", "repeat_calls"):
        assert getattr(child.loop, name) <= getattr(parent.loop, name)
    assert child.task_attributes.keys() == parent.task_attributes.keys()
    for name, value in child.task_attributes.items():
        assert no_looser(name, value, parent.task_attributes[name])
    for same in ("tenant", "project", "user", "task", "roles"):
        assert getattr(child.principal, same) == getattr(parent.principal, same)
    assert (child.upstream, child.tenant_attributes) == (parent.upstream, parent.tenant_attributes)
    keys = set(chain(child.limits, owners(child.principal), ancestors=child.ancestor_accounts))
    above = chain(parent.limits, owners(parent.principal), ancestors=parent.ancestor_accounts)
    # All of the parent's accounts pay, so its caps hold over all that is below it.
    assert set(above) <= keys
    for dimension, amount in left(parent).items():
        assert left(child)[dimension] <= amount


@settings(max_examples=200)
@given(root=roots(), dice=st.randoms(use_true_random=False))
def test_every_authority_along_a_chain_is_within_that_of_every_session_above(root, dice):
    line = [root]
    for number in range(1, 7):
        parent = line[-1]
        asked = a_request(parent, dice)
        child = narrowed(parent, left(parent), asked, 0)
        if isinstance(child, Refusal):
            assert child.text
            continue
        assert child.expires_at_ns <= parent.expires_at_ns
        assert (child.delegated_by, child.parent) == (parent.session_id, "")
        child = as_opened(child, parent, number)
        for above in line:
            assert_within(child, above)
        line.append(child)
    assert line[-1].depth == len(line) - 1 <= MAX_DEPTH
    if line[-1].depth == MAX_DEPTH:
        assert DELEGATE_TOOL not in line[-1].allowed_tools


@given(root=roots(), dice=st.randoms(use_true_random=False))
def test_what_is_asked_for_is_what_is_given_or_nothing_is(root, dice):
    asked = a_request(root, dice)
    child = narrowed(root, left(root), asked, 0)
    if isinstance(child, Refusal):
        return
    if asked.tools is not None:
        assert set(child.allowed_tools) == set(asked.tools)
    if asked.trust is not None:
        assert child.principal.trust is asked.trust
    if asked.resources is not None:
        assert child.resources == asked.resources
    for dimension, amount in asked.caps.items():
        assert left(child)[dimension] <= amount


@given(trust=st.sampled_from(TrustLevel), above=st.sampled_from(TrustLevel))
def test_trust_is_below_another_only_where_every_row_of_the_gate_is_as_strict(trust, above):
    as_strict = all(
        mine >= theirs for mine, theirs in zip(verdicts(trust), verdicts(above), strict=True)
    )
    assert trust_below(trust, above) == as_strict
