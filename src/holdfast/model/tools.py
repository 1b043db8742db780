"""Tools as Holdfast sees them: what a contract declares, and one call of a tool.

Undeclared means dangerous: a tool without a contract commits, taints and is HIGH.
Not here: checking a call against a contract (`core/contracts`).
"""

import enum
from typing import Any

import msgspec

from holdfast.model.risk import RiskLevel


class Effect(enum.StrEnum):
    """What a call does to the world, mildest first."""

    READ = "read"
    WRITE = "write"
    EGRESS = "egress"
    COMMIT = "commit"
    DESTROY = "destroy"


class ArgumentRole(enum.StrEnum):
    """What an argument decides: after taint, it must come from a trusted source (`core/flow`).

    `who` it goes to, `what` it is about, how `much`, the `payload` it carries, the `url` it opens,
    the `title` of a thing it makes, the `query` it puts to a search provider.
    """

    WHO = "who"
    WHAT = "what"
    MUCH = "much"
    PAYLOAD = "payload"
    URL = "url"
    TITLE = "title"
    QUERY = "query"


class Idempotency(enum.StrEnum):
    """What a second try under the same key does.

    `pure`: there is no effect. `idempotent`: nothing more. `keyed`: nothing more, if the tool is
    given the key. `probe`: the tool can say whether the first took. `once`: it must not happen.
    """

    PURE = "pure"
    IDEMPOTENT = "idempotent"
    KEYED = "keyed"
    PROBE = "probe"
    ONCE = "once"


class EffectKey(enum.StrEnum):
    """What makes two calls the same effect.

    `input`: the same arguments within one task. `call`: each call of the model is its own.
    """

    INPUT = "input"
    CALL = "call"


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool promises.

    `name` is the name on the wire (`Bash`, `mcp__shop__refund`). `roles` maps an argument's
    top-level name to its role. `resource` is a template over arguments
    (`arn:shop:order/{order_id}`); without one the resource is `tool:<name>`. `first_party`: the
    result comes from the operator's own systems and does not taint. `records`: fields of a JSON
    result that are the operator's own wherever they stand in it, with the role they vouch for, in
    place of its text. `members`: fields of a JSON result that name members of a closed group, `*`
    for every value of it, in place of its text. `shell`: the argument that holds a shell command,
    classified by a real parse. `destinations`: templates over arguments of a
    role (`{user}@{domain}`) of which the tool makes the places where it sends; each is judged
    whole. `tags` describe the resource for policy. `definition_digest` pins
    the definition the contract was written for (`sha256:…`), empty when not pinned. `effect_key`
    None follows the effect: `input` for commit and destroy, `call` for the rest; `key_arguments`
    narrows `input` to those arguments.
    """

    name: str
    description: str
    effect: Effect
    risk: RiskLevel
    risk_reason: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None = None
    roles: dict[str, ArgumentRole] = {}
    idempotency: Idempotency = Idempotency.ONCE
    first_party: bool = False
    records: dict[str, ArgumentRole] = {}
    members: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    resource: str = ""
    shell: str = ""
    errors: dict[str, str] = {}
    timeout_s: float = 60.0
    max_output_bytes: int = 1_000_000
    tags: dict[str, str] = {}
    definition_digest: str = ""
    effect_key: EffectKey | None = None
    key_arguments: tuple[str, ...] = ()


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """One request of the model: `digest` is `sha256:` of the canonical (RFC 8785) arguments."""

    call_id: str
    tool: str
    arguments: dict[str, Any]
    digest: str


class CallState(enum.StrEnum):
    """Where a tool call stands; `core/calls` has the moves from one state to another.

    `torn` is emitted half-written, `begun` allowed with its permit used up; `server` and
    `server_torn` run at the provider.
    """

    EMITTED = "emitted"
    TORN = "torn"
    ALLOWED = "allowed"
    BEGUN = "begun"
    DENIED = "denied"
    EXECUTED = "executed"
    FAILED = "failed"
    SERVER = "server"
    SERVER_TORN = "server_torn"


class CallRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one call id of one session.

    `digest` is of the arguments the model emitted, empty where they are half-written, so that they
    match no request; `permitted_digest` of those that may run (they differ when a hook rewrote
    them). `permit_id` is empty until an allow. `admitted`: the result has reached the model.
    `denial` is the text the model reads in place of a result, fixed once, so that resent history
    stays the same. `quotes`: it holds the tool's own words (of a failure, or of a result that a
    hook rewrote), so it is judged as the result would be; else it is the house's own.
    `shown` are the marks (`core/history`) of the arguments as a client may show them again,
    `answered` those of what the provider answered where the call ran there; empty where there is
    nothing to compare: for a half-written call, and for one of a version before there were marks.
    `rewritten` are the marks (`core/rewritings`) of a result that a hook rewrote: what of the raw
    one may not be shown. `emitted_as` is the model's name of the tool where the client runs it
    under another one.
    """

    session: str
    call_id: str
    tool: str
    digest: str
    state: CallState
    turn: int = 0
    permit_id: str = ""
    permitted_digest: str = ""
    admitted: bool = False
    decision_id: str = ""
    hold_id: str = ""
    denial: str = ""
    effect_key: str = ""
    attempts: int = 0
    shown: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    emitted_as: str = ""
    rewritten: tuple[str, ...] = ()
    quotes: bool = False
