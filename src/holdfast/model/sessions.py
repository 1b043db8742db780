"""Sessions: what is opened, capped, paused, killed and audited."""

import enum
from typing import Any

import msgspec

from holdfast.model.budgets import AccountKey, Limit
from holdfast.model.principals import Principal


class SessionState(enum.StrEnum):
    """Where a session stands; the transitions are the table in `core/sessions`."""

    ACTIVE = "active"
    PAUSED = "paused"
    STOPPED = "stopped"
    KILLED = "killed"
    EXPIRED = "expired"
    ENDED = "ended"


class SessionProfile(enum.StrEnum):
    """Whom the usual caps are for: an agent that works alone, or one that a person sits before."""

    AUTONOMOUS = "autonomous"
    INTERACTIVE = "interactive"


class LoopLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the loop guard allows one session.

    Only what brought nothing new counts as a repeat or a stall (`core/progress`): `repeat_calls`
    identical calls within `repeat_window_s` alert, and from twice as many on are refused; a stall
    is `stall_window` results in a row that were seen before, of at most `stall_distinct` calls.
    After
    `no_news_alert` results that were all seen before somebody is told, after `no_news_stop` in a
    row the session stops.
    `each_prompt`: turns and tool calls are counted anew for each prompt, and calls alert only.
    `query_bytes`: what queries to search providers may carry after untrusted text, over all of the
    session (`core/flow/queries`); from there on they are judged as any text that leaves.
    """

    max_turns: int = 30
    warn_turns: int = 20
    alert_turns: int = 25
    max_tool_calls: int = 25
    turn_timeout_s: int = 60
    wall_clock_s: int = 3600
    repeat_calls: int = 3
    repeat_window_s: int = 300
    stall_window: int = 5
    stall_distinct: int = 2
    no_news_alert: int = 8
    no_news_stop: int = 100
    each_prompt: bool = False
    query_bytes: int = 2_000


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One durable conversation of one agent for one user.

    `token_digest`, `model_token_digest` and `hook_token_digest` are SHA-256 of the session's three
    tokens (`model/tokens`); the first is shown once, on opening, the others are derived from it.
    `limits` are the caps of the account chain; `task_attributes` are what policy sees as `task`.
    `allowed_models` empty means any priced model; `upstream`
    names the provider. `state_reason` says why it is not active. `parent` is the session that this
    one continues, `found` are those whose calls stood in its transcript. `delegated_by` is the one
    that started it as its child, `depth` how many stand above it, `ancestor_accounts` what they pay
    with, since they pay for it too. `resources` are the names, or beginnings of names, that its
    calls may touch; without any, all. `scopes` are patterns by argument (`core/scopes`), each of
    which has to hold. `purged_at_ns` says when retention deleted its calls, 0 while they are kept.
    `folder` is where it works, absolute, empty where nobody said; `sandboxed`: whoever opened it
    saw that its commands run in a sandbox; `sealed`: and that they cannot read its hooks' token.
    `held`: somebody paused or killed it and nobody resumed it since, whatever became of it.
    `by_stop`: nothing but a stop pauses it (`core/stops`), and it goes on where none does.
    `parks`: a spent cap pauses it; `parked_for` is the account that did. Its clock stands still
    while it is paused: `life_left_ns` is what it may act once it is resumed, and `expires_at_ns`
    when it is given up; `told_ending`: somebody was told that this is near.
    `asked` is SHA-256 of the request that opened it, where that came with a key (`core/repeats`).
    `context_window_tokens` stands in place of what the model's price says, 0 for that;
    `context_alert_percent` of it is told, 0 where a run tells it. `task_text` is its task in words.
    `has_run`: a run works in it, so that its tokens are with a worker of its own.
    """

    session_id: str
    principal: Principal
    state: SessionState
    opened_at_ns: int
    expires_at_ns: int
    token_digest: str
    limits: tuple[Limit, ...]
    loop: LoopLimits
    task_attributes: dict[str, Any] = {}
    tenant_attributes: dict[str, Any] = {}
    allowed_tools: tuple[str, ...] = ()
    allowed_models: tuple[str, ...] = ()
    max_output_tokens: int = 32_000
    state_reason: str = ""
    state_changed_at_ns: int = 0
    parent: str = ""
    upstream: str = ""
    model_token_digest: str = ""
    hook_token_digest: str = ""
    config_version: str = ""
    delegated_by: str = ""
    depth: int = 0
    ancestor_accounts: tuple[AccountKey, ...] = ()
    resources: tuple[str, ...] = ()
    scopes: tuple[dict[str, tuple[str, ...]], ...] = ()
    purged_at_ns: int = 0
    found: tuple[str, ...] = ()
    folder: str = ""
    sandboxed: bool = False
    sealed: bool = False
    held: bool = False
    context_window_tokens: int = 0
    context_alert_percent: int = 0
    asked: str = ""
    task_text: str = ""
    parks: bool = False
    parked_for: str = ""
    life_left_ns: int = 0
    told_ending: bool = False
    by_stop: bool = False
    has_run: bool = False
