"""What a session may hand on to a child that it starts: never more than it has.

`narrowed` makes a child's session from its parent's and a request, or says what was asked for too
much. What cannot be known here is narrowed again where it is decided: calls of a child pay on its
parent's accounts too (`core/budgets.chain`), and policy is asked for every ancestor
(`runtime/guard`). Not here: opening the session, and what flows back (`runtime/delegation`).
"""

import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from holdfast.model.budgets import Dimension, Limit, Scope, Window
from holdfast.model.principals import TrustLevel
from holdfast.model.sessions import LoopLimits, Session, SessionState

DELEGATE_TOOL = "delegate"
"""Who has this tool may start children; at the last depth it is not handed on."""
MAX_DEPTH = 3
MAX_OPEN_CHILDREN = 8
MAX_CHILDREN = 100
MAX_RESOURCES = 64

_EQUAL = (
    "a child is less than the session that starts it in at least one way: name fewer `tools`, or"
    " `resources`, `models`, `limits`, `attributes`, a lower `trust` or a shorter life"
)
# `read_only` reads what `supervised` asks a person about, so neither is below the other.
_BELOW: Mapping[TrustLevel, frozenset[TrustLevel]] = {
    TrustLevel.READ_ONLY: frozenset({TrustLevel.READ_ONLY}),
    TrustLevel.SUPERVISED: frozenset({TrustLevel.SUPERVISED}),
    TrustLevel.SEMI_AUTONOMOUS: frozenset(TrustLevel) - {TrustLevel.AUTONOMOUS},
    TrustLevel.AUTONOMOUS: frozenset(TrustLevel),
}


class Authority(enum.StrEnum):
    """What was asked for too much."""

    DELEGATE = "delegate"
    DEPTH = "depth"
    CHILDREN = "children"
    TOOLS = "tools"
    MODELS = "models"
    LESS = "less"
    TRUST = "trust"
    LIMITS = "limits"
    RESOURCES = "resources"
    ATTRIBUTES = "attributes"


class Refusal(msgspec.Struct, frozen=True):
    """Nothing is handed on: the text says of which authority there was too little."""

    authority: Authority
    text: str


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration gives the agent that the child is to be.

    Numbers of it are lowered to what the parent has; its tools, models and trust must be the
    parent's own. `caps` are over the session's life.
    """

    agent: str
    tools: tuple[str, ...]
    models: tuple[str, ...]
    trust: TrustLevel
    caps: Mapping[Dimension, int]
    loop: LoopLimits
    max_output_tokens: int
    ttl_ns: int
    config_version: str


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a child; None is not asked for, and follows the profile or the parent.

    `tools` None takes the profile's. `resources` are names or the beginnings of names
    (`arn:shop:order/`). `ttl_ns` may only shorten.
    """

    profile: Profile | None = None
    tools: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    trust: TrustLevel | None = None
    caps: Mapping[Dimension, int] = {}
    ttl_ns: int | None = None
    resources: tuple[str, ...] | None = None
    attributes: Mapping[str, Any] = {}


def narrowed(
    parent: Session, left: Mapping[Dimension, int], asked: Asked, now_ns: int
) -> Session | Refusal:
    """The draft of a child: without ids, `expires_at_ns` counted from the opening.

    `left` is what the parent's own accounts have left over its life, by dimension; one that is
    missing has no cap of its own.
    """
    profile = asked.profile
    tools, models = _tools(parent, asked), _models(parent, asked)
    trust = _trust(parent.principal.trust, asked)
    caps = _caps(left, asked)
    resources = _resources(parent.resources, asked.resources)
    attributes = _attributes(parent.task_attributes, asked.attributes)
    for part in (_standing(parent), tools, models, trust, caps, resources, attributes):
        if isinstance(part, Refusal):
            return part
    ttl_ns = parent.expires_at_ns - now_ns
    for wish_ns in (asked.ttl_ns, profile.ttl_ns if profile else None):
        ttl_ns = min(ttl_ns, ttl_ns if wish_ns is None else wish_ns)
    who = msgspec.structs.replace(parent.principal, session="", trust=trust)
    if profile is not None:
        who = msgspec.structs.replace(who, agent=profile.agent)
    loop, most_output = parent.loop, parent.max_output_tokens
    draft = msgspec.structs.replace(
        parent,
        session_id="",
        has_run=False,
        principal=who,
        state=SessionState.ACTIVE,
        state_reason="",
        opened_at_ns=0,
        expires_at_ns=max(ttl_ns, 0),
        token_digest="",
        model_token_digest="",
        hook_token_digest="",
        limits=_limits(parent.limits, caps if isinstance(caps, dict) else {}),
        loop=_tighter(loop, profile.loop) if profile else loop,
        max_output_tokens=min(most_output, profile.max_output_tokens) if profile else most_output,
        task_attributes=attributes,
        allowed_tools=tools,
        allowed_models=models,
        resources=resources,
        parent="",
        delegated_by=parent.session_id,
        depth=parent.depth + 1,
        # It ends with the refusal, and who started it waits.
        parks=False,
        config_version=profile.config_version if profile else parent.config_version,
    )
    if not _less(parent, draft, left, now_ns):
        return Refusal(Authority.LESS, _EQUAL)
    return draft


def _less(parent: Session, draft: Session, left: Mapping[Dimension, int], now_ns: int) -> bool:
    """Whether a child, which is no more than its parent in anything, is less in something."""
    mine = {limit.dimension: limit.amount for limit in draft.limits if limit.scope is Scope.SESSION}
    return (
        set(draft.allowed_tools) < set(parent.allowed_tools)
        or set(draft.allowed_models) != set(parent.allowed_models)
        or draft.principal.trust is not parent.principal.trust
        or any(amount < left.get(name, amount + 1) for name, amount in mine.items())
        or set(draft.resources) != set(parent.resources)
        or draft.task_attributes != parent.task_attributes
        or draft.loop != parent.loop
        or draft.max_output_tokens < parent.max_output_tokens
        or draft.expires_at_ns < parent.expires_at_ns - now_ns
    )


def crowded(open_children: int, children: int) -> Refusal | None:
    """Whether a session has as many children as it may."""
    if open_children >= MAX_OPEN_CHILDREN:
        text = f"it has {open_children} children at work; wait until one has ended"
        return Refusal(Authority.CHILDREN, text)
    if children >= MAX_CHILDREN:
        text = f"it has started {children} children, and may start no more"
        return Refusal(Authority.CHILDREN, text)
    return None


def reaches(resources: Sequence[str], resource: str) -> bool:
    """Whether a resource is one of those named, or lies below one; without any, all are.

    `arn:shop:order/7` names that order alone, `arn:shop:order/` every order.
    """
    return not resources or any(_covers(given, resource) for given in resources)


def _covers(given: str, resource: str) -> bool:
    below = given if given.endswith(("/", ":")) else f"{given}/"
    return resource == given or resource.startswith(below)


def trust_below(trust: TrustLevel, parent: TrustLevel) -> bool:
    """Whether an agent at `trust` may do nothing that one at `parent` may not."""
    return trust in _BELOW[parent]


def _standing(parent: Session) -> Refusal | None:
    if DELEGATE_TOOL not in parent.allowed_tools:
        text = f"it has no tool `{DELEGATE_TOOL}`, so it may start no child"
        return Refusal(Authority.DELEGATE, text)
    if parent.depth >= MAX_DEPTH:
        text = f"children stand at most {MAX_DEPTH} deep"
        return Refusal(Authority.DEPTH, text)
    return None


def _tools(parent: Session, asked: Asked) -> tuple[str, ...] | Refusal:
    profile = asked.profile
    wanted = profile.tools if asked.tools is None and profile else asked.tools or ()
    allowed = set(parent.allowed_tools)
    if profile is not None:
        allowed &= set(profile.tools)
    if parent.depth + 1 >= MAX_DEPTH:
        allowed.discard(DELEGATE_TOOL)
    # An agent's own tools beyond the parent's are refused as well: it would not work as it is.
    if missing := [tool for tool in wanted if tool not in allowed]:
        return Refusal(Authority.TOOLS, f"`{missing[0]}` is not a tool that it can hand on")
    return tuple(dict.fromkeys(wanted))


def _models(parent: Session, asked: Asked) -> tuple[str, ...] | Refusal:
    """No models are any model: only who may use any can hand that on."""
    granted = parent.allowed_models
    for wanted in (asked.profile.models if asked.profile else (), asked.models or ()):
        if granted and (missing := [model for model in wanted if model not in granted]):
            return Refusal(Authority.MODELS, f"`{missing[0]}` is not a model that it can hand on")
        granted = tuple(wanted) or granted
    return granted


def _trust(parent: TrustLevel, asked: Asked) -> TrustLevel | Refusal:
    trust = parent
    if asked.profile is not None and not trust_below(parent, asked.profile.trust):
        trust = asked.profile.trust
    for wanted in (trust, asked.trust or trust):
        if not trust_below(wanted, trust) or not trust_below(wanted, parent):
            text = f"trust `{wanted}` allows what it may not do at `{parent}`"
            return Refusal(Authority.TRUST, text)
        trust = wanted
    return trust


def _caps(left: Mapping[Dimension, int], asked: Asked) -> dict[Dimension, int] | Refusal:
    """Caps over the child's life: what was asked for, else as much as the parent has left."""
    caps = {dimension: max(amount, 0) for dimension, amount in left.items()}
    for dimension, amount in (asked.profile.caps if asked.profile else {}).items():
        caps[dimension] = min(amount, caps.get(dimension, amount))
    for dimension, amount in asked.caps.items():
        if amount > left.get(dimension, amount):
            text = f"it has less `{dimension}` left than it was to hand on"
            return Refusal(Authority.LIMITS, text)
        caps[dimension] = min(amount, caps.get(dimension, amount))
    return caps


def _limits(parent: Iterable[Limit], caps: Mapping[Dimension, int]) -> tuple[Limit, ...]:
    """The parent's limits of other scopes, and the child's own caps."""
    shared = [limit for limit in parent if limit.scope is not Scope.SESSION]
    alerts = {
        limit.dimension: limit.alerts
        for limit in parent
        if limit.scope is Scope.SESSION and limit.window is Window.LIFE
    }
    own = [
        Limit(
            scope=Scope.SESSION,
            dimension=dimension,
            window=Window.LIFE,
            amount=amount,
            alerts=alerts.get(dimension, (50, 80, 100)),
        )
        for dimension, amount in sorted(caps.items())
    ]
    order = list(Scope)
    return tuple(sorted([*own, *shared], key=lambda limit: order.index(limit.scope)))


def _resources(parent: tuple[str, ...], asked: tuple[str, ...] | None) -> tuple[str, ...] | Refusal:
    if asked is None:
        return parent
    if not asked or len(asked) > MAX_RESOURCES or not all(asked):
        text = f"resources are 1 to {MAX_RESOURCES} names, none of them empty"
        return Refusal(Authority.RESOURCES, text)
    if missing := [given for given in asked if not reaches(parent, given)]:
        return Refusal(Authority.RESOURCES, f"`{missing[0]}` is not within its own resources")
    return asked


def _attributes(parent: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any] | Refusal:
    for name, value in asked.items():
        if name not in parent or not _tighter_attribute(name, value, parent[name]):
            text = f"`{name}` is no tighter than its own, or has no order of which is tighter"
            return Refusal(Authority.ATTRIBUTES, text)
    return {**parent, **asked}


def _tighter_attribute(name: str, value: Any, own: Any) -> bool:
    """Only names that say so have an order: less of a list of what is forbidden is looser."""
    if name.startswith("max_") and _number(value) and _number(own):
        return bool(value <= own)
    if name.startswith("allowed_") and isinstance(value, list) and isinstance(own, list | tuple):
        return all(any(_same(item, known) for known in own) for item in value)
    return _same(value, own)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(one: Any, other: Any) -> bool:
    """Equal and of one kind: 1, 1.0 and true are three things to policy."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    return type(one) is type(other) and bool(one == other)


def _tighter(parent: LoopLimits, own: LoopLimits) -> LoopLimits:
    """The parent's loop guard with the agent's lower numbers."""
    lower = {
        name: min(getattr(parent, name), getattr(own, name))
        for name in (
            "max_turns",
            "warn_turns",
            "alert_turns",
            "max_tool_calls",
            "turn_timeout_s",
            "wall_clock_s",
            "repeat_calls",
        )
    }
    return msgspec.structs.replace(parent, **lower)
