"""What the session paths take and answer. Money in nano-dollars, times in UTC nanoseconds."""

from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from holdfast.apps.control.wire import EMPTY_IS_ABSENT, Asked, Name, Reason, Shown
from holdfast.model.budgets import Dimension
from holdfast.model.principals import TrustLevel
from holdfast.model.sessions import SessionProfile, SessionState

MAX_LISTED = 1000
_MAX_TURN = 2**31 - 1
Cap = StrictInt | StrictFloat | StrictStr
"""Dollars as text or a number, pieces as a whole number."""


Scope = dict[
    Annotated[str, Field(max_length=128)],
    Annotated[list[Annotated[str, Field(max_length=512)]], Field(max_length=64)],
]


class AgentFile(Asked):
    """An agent that the configuration does not name; `name` is what its faults are reported at."""

    name: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]+$")]
    text: Annotated[str, Field(max_length=262_144)]


class OpenSession(Asked):
    """Who is to act for whom; exactly one of `agent` and `agent_file`.

    `task` is `kind` or `kind/instance`. `ttl_s` may only shorten; `limits` are caps on the session
    over its life and may only tighten. `scope` are patterns by argument, on top of the task's.
    `profile` holds where the agent names none. `folder` is where its work lies, absolute;
    `sandboxed` says that its commands run in a sandbox which was seen to hold, `sealed` that they
    were seen not to read the token of its hooks.
    """

    agent: Name = ""
    agent_file: AgentFile | None = None
    user: Name
    tenant: Name = ""
    project: Name = ""
    task: Name = ""
    ttl_s: Annotated[StrictInt, Field(ge=1, le=31_536_000)] | None = None
    parent: Name = ""
    limits: dict[Dimension, Cap] = Field(default_factory=dict)
    profile: Annotated[SessionProfile | None, EMPTY_IS_ABSENT] = None
    scope: Scope = Field(default_factory=dict)
    folder: Annotated[str, Field(max_length=4096)] = ""
    sandboxed: StrictBool = False
    sealed: StrictBool = False


class Told(Asked):
    """Why a session is told to stop, wait or go on."""

    reason: Reason = ""


class WhichSessions(Asked):
    """Filters of a list; an empty one does not filter."""

    tenant: Name = ""
    project: Name = ""
    user: Name = ""
    state: Annotated[SessionState | None, EMPTY_IS_ABSENT] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LISTED)] = 100


class SessionView(Shown):
    """One session as it stands.

    `tool_calls` counts its calls that were permitted, `streams` the answers streaming to it now.
    `context_percent` is how full its context was after the last answer in it, of 100.
    `query_bytes` of `query_bytes_limit` were carried by its queries to search providers since it
    read untrusted text.
    A session past its wall clock is shown as expired from that moment on. `delegated_by` is the
    session that started it, `children` those that it started; `cost_nusd` counts what these cost.
    """

    session_id: str
    tenant: str
    project: str
    user: str
    agent: str
    task: str
    trust: TrustLevel
    roles: list[str]
    state: SessionState
    state_reason: str
    opened_at_ns: int
    expires_at_ns: int
    cost_nusd: int
    turn: int
    tool_calls: int
    streams: int
    tainted: bool
    context_percent: int = 0
    query_bytes: int = 0
    query_bytes_limit: int = 0
    delegated_by: str = ""
    children: list[str] = Field(default_factory=list)
    resources: list[str] = Field(default_factory=list)
    scopes: list[dict[str, list[str]]] = Field(default_factory=list)


class SessionList(Shown):
    """Newest first."""

    sessions: list[SessionView]


class WhichTurns(Asked):
    """Rows after a turn, at least `limit` where there are as many: a turn is never divided."""

    after_turn: Annotated[int, Field(ge=0, le=_MAX_TURN)] = 0
    limit: Annotated[int, Field(ge=1, le=MAX_LISTED)] = MAX_LISTED


class TurnView(Shown):
    """One model call or one tool call of a session; see `core/turns` for each field."""

    turn: int
    at_ns: int
    kind: Literal["model", "tool"]
    outcome: str
    approved: bool
    tool: str
    call_id: str
    decision_id: str
    input: str
    output: str
    risk: str
    verdict: str
    rule: str
    ms: int
    cost_nusd: int
    model: str
    input_tokens: int
    output_tokens: int


class TurnList(Shown):
    """By turn, the model call before its tool calls; `cut_short` when more turns follow."""

    turns: list[TurnView]
    cut_short: bool


class Plan(Shown):
    """What the configuration gives the agent; `allowed_models` empty means any priced one.

    `model_port` is where its model calls go at the server's host; 0 for the server's own port.
    """

    model: str
    system_prompt: str
    allowed_tools: list[str]
    allowed_models: list[str]
    mcp_servers: dict[str, Any]
    task: dict[str, Any]
    max_turns: int
    model_port: int = 0


class Opened(Shown):
    """A new session; the token is shown only here."""

    session: SessionView
    token: str
    plan: Plan


class Lever(Shown):
    """One thing that the kill pulled; `ms` since it was asked for."""

    lever: str
    ms: float
    ok: StrictBool
    detail: str


class ChildKilled(Shown):
    """One session below the killed one."""

    session_id: str
    agent: str
    state: SessionState
    streams: int
    processes: int
    ok: StrictBool
    detail: str


class Receipt(Shown):
    """What a kill did; `already` when the session was dead before."""

    session_id: str
    state: SessionState
    already: bool
    levers: list[Lever]
    total_ms: float
    children: list[ChildKilled] = Field(default_factory=list)
    taken_along: list[str] = Field(default_factory=list)
