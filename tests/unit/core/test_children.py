"""A child, field by field: what it takes from its parent, its profile and what was asked for."""

from types import MappingProxyType

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
    trust_below,
)
from holdfast.model.budgets import Dimension, Limit, Scope, Window
from holdfast.model.principals import Principal, TrustLevel
from holdfast.model.sessions import LoopLimits, Session, SessionState

USD, TURNS, CALLS = Dimension.USD, Dimension.TURNS, Dimension.TOOL_CALLS
LOOP = LoopLimits(
    max_turns=10, warn_turns=5, alert_turns=8, max_tool_calls=20, turn_timeout_s=90,
    wall_clock_s=900, repeat_calls=4, repeat_window_s=77, stall_window=6, stall_distinct=3,
    each_prompt=True,
)  # fmt: skip


def limit(scope, dimension=USD, window=Window.LIFE, amount=9, alerts=(50, 80, 100)):
    return Limit(scope=scope, dimension=dimension, window=window, amount=amount, alerts=alerts)


WHO = Principal(
    tenant="acme", project="shop", user="ann", agent="lead", session="s", task="t",
    roles=("r",), trust=TrustLevel.AUTONOMOUS,
)  # fmt: skip
PARENT = Session(
    session_id="s",
    principal=WHO,
    state=SessionState.PAUSED,
    opened_at_ns=3,
    expires_at_ns=1_000,
    token_digest="d",
    limits=(
        limit(Scope.SESSION, USD, alerts=(10,)),
        limit(Scope.SESSION, TURNS, Window.DAY, alerts=(20,)),
        limit(Scope.TASK, amount=1),
        limit(Scope.TENANT, amount=2),
        limit(Scope.USER, amount=3),
    ),
    loop=LOOP,
    task_attributes={"max_refund": 50, "allowed": [1]},
    tenant_attributes={"x": 1},
    allowed_tools=("look", "pay", DELEGATE_TOOL),
    allowed_models=("opus", "haiku"),
    max_output_tokens=1_000,
    state_reason="lunch",
    state_changed_at_ns=5,
    parent="before",
    upstream="up",
    model_token_digest="m",
    hook_token_digest="h",
    config_version="v1",
    delegated_by="top",
    depth=1,
    resources=("arn:a/", "arn:b"),
    folder="/f",
)
PROFILE = Profile(
    agent="reader",
    tools=("look", DELEGATE_TOOL),
    models=("haiku",),
    trust=TrustLevel.SUPERVISED,
    caps={CALLS: 4, USD: 6},
    loop=LoopLimits(
        max_turns=2, warn_turns=9, alert_turns=3, max_tool_calls=21, turn_timeout_s=10,
        wall_clock_s=9_000, repeat_calls=2, repeat_window_s=1, stall_window=1, stall_distinct=1,
    ),
    max_output_tokens=700,
    ttl_ns=500,
    config_version="v2",
)  # fmt: skip


def child(asked=None, left=None, parent=PARENT, now=100):
    return narrowed(parent, left or {}, asked or Asked(tools=("look",)), now)


def test_a_child_without_a_profile_is_its_parent_with_nothing_of_its_own():
    assert child() == msgspec.structs.replace(
        PARENT,
        session_id="",
        principal=msgspec.structs.replace(WHO, session=""),
        state=SessionState.ACTIVE,
        state_reason="",
        opened_at_ns=0,
        expires_at_ns=900,
        token_digest="",
        model_token_digest="",
        hook_token_digest="",
        limits=(limit(Scope.TASK, amount=1), limit(Scope.USER, amount=3),
                limit(Scope.TENANT, amount=2)),
        allowed_tools=("look",),
        parent="",
        delegated_by="s",
        depth=2,
    )  # fmt: skip


def test_a_child_by_a_profile_has_the_lower_of_each_number():
    got = child(Asked(profile=PROFILE), {USD: 5, TURNS: 3})
    assert isinstance(got, Session)
    assert got.principal == msgspec.structs.replace(
        WHO, session="", agent="reader", trust=TrustLevel.SUPERVISED
    )
    assert got.loop == LoopLimits(
        max_turns=2, warn_turns=5, alert_turns=3, max_tool_calls=20, turn_timeout_s=10,
        wall_clock_s=900, repeat_calls=2, repeat_window_s=77, stall_window=6, stall_distinct=3,
        each_prompt=True,
    )  # fmt: skip
    assert (got.max_output_tokens, got.expires_at_ns, got.config_version) == (700, 500, "v2")
    assert got.allowed_tools == ("look", DELEGATE_TOOL)
    assert got.allowed_models == ("haiku",)
    assert got.limits == (
        limit(Scope.TASK, amount=1),
        limit(Scope.SESSION, CALLS, amount=4),
        limit(Scope.SESSION, TURNS, amount=3),
        limit(Scope.SESSION, USD, amount=5, alerts=(10,)),
        limit(Scope.USER, amount=3),
        limit(Scope.TENANT, amount=2),
    )


@pytest.mark.parametrize(
    ("own_ns", "asked_ns", "now", "left_ns"),
    [(None, None, 100, 900), (500, None, 100, 500), (None, 300, 100, 300), (500, 300, 100, 300),
     (300, 500, 100, 300), (5_000, None, 100, 900), (None, 5_000, 100, 900), (None, 0, 100, 0),
     (None, None, 1_000, 0), (None, None, 2_000, 0), (500, -7, 100, 0)],
)  # fmt: skip
def test_a_child_lives_as_long_as_the_shortest_of_parent_profile_and_wish(
    own_ns, asked_ns, now, left_ns
):
    profile = None if own_ns is None else msgspec.structs.replace(PROFILE, ttl_ns=own_ns)
    got = child(Asked(profile=profile, tools=("look",), ttl_ns=asked_ns), now=now)
    assert isinstance(got, Session)
    assert got.expires_at_ns == left_ns


@pytest.mark.parametrize(
    ("left", "own", "asked", "caps"),
    [
        ({}, {}, {}, {}),
        ({USD: 5}, {}, {}, {USD: 5}),
        ({USD: -5}, {}, {}, {USD: 0}),
        ({USD: 5}, {USD: 6}, {}, {USD: 5}),
        ({USD: 5}, {USD: 4}, {}, {USD: 4}),
        ({}, {USD: 4}, {}, {USD: 4}),
        ({}, {}, {USD: 4}, {USD: 4}),
        ({USD: 5}, {}, {USD: 5}, {USD: 5}),
        ({USD: 5}, {}, {USD: 6}, None),
        ({USD: 5}, {USD: 3}, {USD: 4}, {USD: 3}),
        ({USD: 5}, {USD: 3}, {USD: 2}, {USD: 2}),
        ({USD: 5}, {}, {TURNS: 9}, {TURNS: 9, USD: 5}),
    ],
)
def test_caps_are_what_was_asked_for_within_what_is_left(left, own, asked, caps):
    profile = msgspec.structs.replace(PROFILE, caps=MappingProxyType(own))
    got = child(Asked(profile=profile, caps=asked), left)
    if caps is None:
        assert got == Refusal(Authority.LIMITS, "it has less `usd` left than it was to hand on")
        return
    assert isinstance(got, Session)
    assert {one.dimension: one.amount for one in got.limits if one.scope is Scope.SESSION} == caps


@pytest.mark.parametrize(
    ("given", "profile", "depth", "handed_on"),
    [
        (None, None, 1, ()),
        (("look", "pay", "look"), None, 1, ("look", "pay")),
        (("look", "gone"), None, 1, "gone"),
        ((DELEGATE_TOOL,), None, 1, (DELEGATE_TOOL,)),
        ((DELEGATE_TOOL,), None, 2, DELEGATE_TOOL),
        (None, ("pay", "look"), 1, ("pay", "look")),
        (("look",), ("pay", "look"), 1, ("look",)),
        (("pay",), ("look",), 1, "pay"),
        (None, ("look", "gone"), 1, "gone"),
        ((), ("look",), 1, ()),
    ],
)
def test_tools_are_the_parents_and_the_profiles_and_delegating_ends_at_the_last_depth(
    given, profile, depth, handed_on
):
    own = None if profile is None else msgspec.structs.replace(PROFILE, tools=profile)
    parent = msgspec.structs.replace(PARENT, depth=depth)
    got = child(Asked(profile=own, tools=given), parent=parent)
    if isinstance(handed_on, str):
        assert got == Refusal(Authority.TOOLS, f"`{handed_on}` is not a tool that it can hand on")
    else:
        assert isinstance(got, Session)
        assert got.allowed_tools == handed_on


@pytest.mark.parametrize(
    ("granted", "profile", "asked", "models"),
    [
        ((), (), None, ()),
        ((), ("a",), None, ("a",)),
        ((), ("a", "b"), ("b",), ("b",)),
        ((), (), ("b",), ("b",)),
        (("a", "b"), (), None, ("a", "b")),
        (("a", "b"), ("b",), None, ("b",)),
        (("a", "b"), ("c",), None, "c"),
        (("a", "b"), ("b",), ("a",), "a"),
        (("a",), (), ("b",), "b"),
    ],
)
def test_models_only_ever_become_fewer(granted, profile, asked, models):
    own = msgspec.structs.replace(PROFILE, models=profile)
    parent = msgspec.structs.replace(PARENT, allowed_models=granted)
    got = child(Asked(profile=own, models=asked), parent=parent)
    if isinstance(models, str):
        assert got == Refusal(Authority.MODELS, f"`{models}` is not a model that it can hand on")
    else:
        assert isinstance(got, Session)
        assert got.allowed_models == models


READ, SUP, SEMI, AUTO = TrustLevel


@pytest.mark.parametrize("above", list(TrustLevel))
@pytest.mark.parametrize("trust", list(TrustLevel))
def test_trust_is_below_itself_and_what_allows_all_of_it(trust, above):
    below = {READ: {READ}, SUP: {SUP}, SEMI: {READ, SUP, SEMI}, AUTO: {READ, SUP, SEMI, AUTO}}
    assert trust_below(trust, above) is (trust in below[above])


@pytest.mark.parametrize(
    ("parent", "profile", "asked", "trust"),
    [
        (AUTO, None, None, AUTO),
        (AUTO, None, SEMI, SEMI),
        (SEMI, None, AUTO, None),
        (SUP, None, READ, None),
        (AUTO, SUP, None, SUP),
        (SUP, AUTO, None, SUP),
        (SUP, SUP, None, SUP),
        (SUP, READ, None, None),
        (AUTO, SEMI, READ, READ),
        (AUTO, SUP, READ, None),
        (AUTO, SUP, AUTO, None),
        (SUP, AUTO, SUP, SUP),
    ],
)
def test_trust_is_the_least_of_parent_profile_and_wish_or_none(parent, profile, asked, trust):
    own = None if profile is None else msgspec.structs.replace(PROFILE, trust=profile)
    who = msgspec.structs.replace(WHO, trust=parent)
    got = child(
        Asked(profile=own, tools=(), trust=asked),
        parent=msgspec.structs.replace(PARENT, principal=who),
    )
    if trust is None:
        wanted = asked or profile
        assert got == Refusal(
            Authority.TRUST, f"trust `{wanted}` allows what it may not do at `{parent}`"
        )
    else:
        assert isinstance(got, Session)
        assert got.principal.trust is trust


@pytest.mark.parametrize(
    ("asked", "handed_on"),
    [
        (None, PARENT.resources),
        (("arn:a/x",), ("arn:a/x",)),
        (("arn:b", "arn:b/c"), ("arn:b", "arn:b/c")),
        ((), "resources are 1 to 64 names, none of them empty"),
        (("arn:b", ""), "resources are 1 to 64 names, none of them empty"),
        (("arn:b",) * 64, ("arn:b",) * 64),
        (("arn:b",) * 65, "resources are 1 to 64 names, none of them empty"),
        (("arn:b", "arn:c"), "`arn:c` is not within its own resources"),
        (("arn:bc",), "`arn:bc` is not within its own resources"),
    ],
)
def test_resources_lie_within_the_parents(asked, handed_on):
    got = child(Asked(tools=(), resources=asked))
    if isinstance(handed_on, str):
        assert got == Refusal(Authority.RESOURCES, handed_on)
    else:
        assert isinstance(got, Session)
        assert got.resources == handed_on


def test_who_is_bound_to_no_resources_reaches_all():
    assert reaches((), "anything")
    assert not reaches(("a",), "b")


@pytest.mark.parametrize(
    ("own", "asked", "taken"),
    [
        ([1, 2], [1], True),
        ((1, 2), [2], True),
        ([1], [True], False),
        ([1], [1.0], False),
        ([[1, 2]], [(1, 2)], True),
        ([[1, 2]], [[1]], False),
        ([{"a": 1}], [{"a": 1}], True),
        ([{"a": 1}], [{"a": True}], False),
        ([{"a": 1}], [{"b": 1}], False),
        ([1], (1,), True),
        ([1], 1, False),
        (1, [1], False),
        (1, 1, True),
    ],
)
def test_what_is_allowed_is_a_part_of_the_parents_own_value_for_value(own, asked, taken):
    parent = msgspec.structs.replace(PARENT, task_attributes={"allowed_x": own, "kept": 1})
    got = child(Asked(tools=(), attributes={"allowed_x": asked}), parent=parent)
    if taken:
        assert isinstance(got, Session)
        assert got.task_attributes == {"allowed_x": asked, "kept": 1}
    else:
        assert got == Refusal(
            Authority.ATTRIBUTES,
            "`allowed_x` is no tighter than its own, or has no order of which is tighter",
        )


@pytest.mark.parametrize(
    ("own", "asked", "taken"),
    [(5, 5, True), (5, 6, False), (5.0, 4, True), (5, True, False), (True, 0, False), ("5", 4, False),
     ("5", "5", True)],
)  # fmt: skip
def test_a_most_is_a_number_that_only_falls(own, asked, taken):
    parent = msgspec.structs.replace(PARENT, task_attributes={"max_x": own})
    assert (
        isinstance(child(Asked(tools=(), attributes={"max_x": asked}), parent=parent), Session)
        is taken
    )


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        (
            {"allowed_tools": ("look",)},
            Refusal(Authority.DELEGATE, "it has no tool `delegate`, so it may start no child"),
        ),
        ({"depth": 3}, Refusal(Authority.DEPTH, "children stand at most 3 deep")),
        ({"depth": 4}, Refusal(Authority.DEPTH, "children stand at most 3 deep")),
    ],
)
def test_who_may_start_no_child_is_told_so_before_anything_else(changed, refusal):
    parent = msgspec.structs.replace(PARENT, **changed)
    assert child(Asked(tools=("gone",)), parent=parent) == refusal


@pytest.mark.parametrize(
    ("at_work", "ever", "text"),
    [
        (7, 99, None),
        (8, 8, "it has 8 children at work; wait until one has ended"),
        (9, 100, "it has 9 children at work; wait until one has ended"),
        (7, 100, "it has started 100 children, and may start no more"),
        (0, 101, "it has started 101 children, and may start no more"),
    ],
)
def test_a_session_has_a_bounded_number_of_children(at_work, ever, text):
    assert crowded(at_work, ever) == (None if text is None else Refusal(Authority.CHILDREN, text))
