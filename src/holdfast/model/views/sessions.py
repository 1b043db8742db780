"""Sessions as people and their own processes see them: no secret but in `OpenedSession`."""

from typing import Any

import msgspec

from holdfast.model.principals import TrustLevel
from holdfast.model.sessions import SessionState


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """One session as it stands: past its wall clock it is expired from that moment on.

    The clock of a paused one stands still: `life_left_ns` is what it may act once it is resumed,
    and `expires_at_ns` when it is given up.

    `turn` counts its model calls, `tool_calls` its own that were permitted, `streams` the answers
    streaming to it now. `context_percent` is how full its context was after the last answer in it,
    of 100. `query_bytes` of `query_bytes_limit` were carried by its queries to search providers
    since it read untrusted text. `delegated_by` is the session that started it, `children` are
    those that it started.

    `cost_nusd` is settled, that of its children counted in. `reserved_nusd` is held for model calls
    of it and of those that are under way, and `estimated_nusd` estimates what these cost so far:
    neither is in `cost_nusd` before they settle.

    `stops` are those that hold it, in words: it goes on once none does, and nothing else pauses it.

    `scopes` are patterns by argument, each of which has to hold; `resources` are names, or
    beginnings of names, that its calls may touch. `key` is the spending key that opened it.
    """

    session_id: str
    tenant: str
    project: str
    user: str
    agent: str
    task: str
    trust: TrustLevel
    state: SessionState
    opened_at_ns: int
    expires_at_ns: int
    roles: tuple[str, ...] = ()
    state_reason: str = ""
    life_left_ns: int = 0
    stops: tuple[str, ...] = ()
    cost_nusd: int = 0
    reserved_nusd: int = 0
    estimated_nusd: int = 0
    turn: int = 0
    tool_calls: int = 0
    streams: int = 0
    tainted: bool = False
    context_percent: int = 0
    query_bytes: int = 0
    query_bytes_limit: int = 0
    delegated_by: str = ""
    children: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    scopes: tuple[dict[str, tuple[str, ...]], ...] = ()
    key: str = ""


class SessionList(msgspec.Struct, frozen=True):
    """A page of sessions, newest first; it may be shorter than was asked for."""

    sessions: tuple[SessionView, ...]
    next: str = ""


class SessionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration gives an agent: its model, its words, its tools.

    `allowed_models` empty means any priced model. `mcp_servers` is keyed by server name, in the
    shape of `.mcp.json`. `task` has `kind`, `id`, `text` and `attributes`. `model_port` is where
    its model calls go at the server's host; 0 for the server's own port. `tool_timeout_s` is the
    longest that a tool of the agent's MCP servers may take, 0 where it has none. `approval_wait_s`
    is how long its program holds a call that a person is asked about.
    """

    model: str = ""
    system_prompt: str = ""
    allowed_tools: tuple[str, ...] = ()
    allowed_models: tuple[str, ...] = ()
    mcp_servers: dict[str, Any] = {}
    task: dict[str, Any] = {}
    max_turns: int = 30
    model_port: int = 0
    tool_timeout_s: float = 0.0
    approval_wait_s: float = 0.0


class OpenedSession(msgspec.Struct, frozen=True, kw_only=True):
    """A new session; the token is shown only here."""

    session: SessionView
    token: str
    plan: SessionPlan


class ChildRun(msgspec.Struct, frozen=True, kw_only=True):
    """A child that is a run of its own, as it stands; empty where the call started none.

    `result` is what it came to once its `state` is done, `reason` why it is not; `so_far` is then
    what it had said and what its calls came to, where it is over.
    """

    child: str = ""
    run_id: str = ""
    state: str = ""
    over: bool = False
    result: Any = None
    reason: str = ""
    so_far: str = ""


class CollectedResult(msgspec.Struct, frozen=True, kw_only=True):
    """A child's result; `tainted` says the same of the session that collected it from now on.

    `state` is the child's by then, and `reason` why: whoever collects learns that it was killed.
    """

    tainted: bool
    text: str
    state: SessionState = SessionState.ENDED
    reason: str = ""
