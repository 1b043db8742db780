"""What the server answers, as frozen values.

Unknown fields are ignored, so that a newer server can say more; a missing or mistyped one is an
InternalError. Times are UTC nanoseconds, money nano-dollars. Journal records are
`holdfast.model.events.Record` itself.
"""

from typing import Any, Literal

import msgspec

from holdfast.model.budgets import Dimension, Scope, Window
from holdfast.model.decisions import Reason, Verdict
from holdfast.model.events import Record
from holdfast.model.principals import TrustLevel
from holdfast.model.sessions import SessionState


class TrustedFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Files of a checkout that are the operator's own as they stand in `commit`."""

    root: str
    ref: str
    commit: str


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """One session as it stands. `streams` counts its open model streams.

    `delegated_by` is the session that started it, `children` are those that it started;
    `cost_nusd` counts what these cost. `context_percent` is how full its context was after the last
    answer in it. `query_bytes` of `query_bytes_limit` were carried by its search queries.
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
    cost_nusd: int = 0
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


class SessionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration gives an agent: its model, its words, its tools.

    `allowed_models` empty means any priced model. `mcp_servers` is keyed by server name, in the
    shape of `.mcp.json`. `model_port` is where its model calls go at the
    server's host; 0 for the server's own port.
    """

    model: str = ""
    system_prompt: str = ""
    allowed_tools: tuple[str, ...] = ()
    allowed_models: tuple[str, ...] = ()
    mcp_servers: dict[str, Any] = {}
    task: dict[str, Any] = {}
    max_turns: int = 30
    model_port: int = 0


class OpenedSession(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to opening; the token is shown only here."""

    session: SessionView
    token: str
    plan: SessionPlan


class CollectedResult(msgspec.Struct, frozen=True, kw_only=True):
    """A child's result; `tainted` says the same of the session that collected it from now on."""

    tainted: bool
    text: str


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """What the guard said of one call.

    `permit` is empty unless the verdict is allow; `arguments` are those that may run; `message`
    is what the model may read; `risk` is the level's name (`LOW` to `BLOCK`).
    """

    verdict: Verdict
    decision_id: str
    arguments: dict[str, Any]
    permit: str = ""
    message: str = ""
    risk: str = ""
    reasons: tuple[Reason, ...] = ()
    cost_nusd: int = 0
    effect_key: str = ""
    stored: "Stored | None" = None


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """An effect as it was done before. `output` is None where it was too large to keep."""

    ok: bool
    output: Any = None
    output_kept: bool = True
    error: str = ""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What to do about a call that was allowed and lost its answer.

    `execute` comes with a ruling that holds a fresh permit under the same `effect_key`; `probe`
    asks the tool whether it happened; `answered` comes with what is stored; `parked` waits for a
    person; `denied` says why in `message`.
    """

    next: Literal["execute", "probe", "answered", "parked", "denied"]
    effect_key: str = ""
    attempt: int = 0
    ruling: Ruling | None = None
    stored: Stored | None = None
    message: str = ""


class ToolOutput(msgspec.Struct, frozen=True):
    """A tool's output as the hooks left it; `rewritten` when it is not what was reported.

    `content` is the reported text for the model as it was journalled, without secrets. `withheld`
    is what the model reads in place of the result where a hook objects to it, else empty.
    """

    output: Any
    rewritten: bool = False
    content: str | None = None
    withheld: str = ""


class RedeemedPermit(msgspec.Struct, frozen=True):
    """The permit that is now used up."""

    permit_id: str


class HookAnswer(msgspec.Struct, frozen=True):
    """What the hooks at a point object to."""

    reasons: tuple[Reason, ...] = ()


class Keys(msgspec.Struct, frozen=True):
    """Key id → base64 of the 32 raw bytes of an Ed25519 public key."""

    keys: dict[str, str]


class KillLever(msgspec.Struct, frozen=True, kw_only=True):
    """One lever of a kill and how long it took."""

    lever: str
    ms: float
    ok: bool
    detail: str = ""


class ChildKilled(msgspec.Struct, frozen=True, kw_only=True):
    """One session below a killed one, and what was cut and ended of it."""

    session_id: str
    agent: str
    state: SessionState
    streams: int
    processes: int
    ok: bool
    detail: str = ""


class KillReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """What a kill did. `already`: the session was dead before. `children`: all below it.

    `taken_along`: other sessions that lost a stream with a relay that had to be ended.
    """

    session_id: str
    state: SessionState
    already: bool
    levers: tuple[KillLever, ...]
    total_ms: float
    children: tuple[ChildKilled, ...] = ()
    taken_along: tuple[str, ...] = ()


class TurnRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One model call or one tool call of a session.

    `turn` 0 is a call whose turn a crash took. `input` is a tool call's arguments as JSON, or what
    the user typed before a model call; `output` is a tool's result as JSON; both are cut to 2,000
    characters. `approved` says that it was allowed to run. `outcome` is the stop reason of a model
    call, `done` of a tool call, else what went wrong. `input_tokens` counts cached ones.
    """

    turn: int
    at_ns: int
    kind: Literal["model", "tool"]
    outcome: str
    approved: bool
    tool: str = ""
    call_id: str = ""
    decision_id: str = ""
    input: str = ""
    output: str = ""
    risk: str = ""
    verdict: str = ""
    rule: str = ""
    ms: int = 0
    cost_nusd: int = 0
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0


class BudgetAccount(msgspec.Struct, frozen=True, kw_only=True):
    """One account; `limit` None means unlimited. Money in nano-dollars, the rest in pieces."""

    scope: Scope
    owner: str
    dimension: Dimension
    window: Window
    limit: int | None
    settled: int
    held: int = 0
    alerted: tuple[int, ...] = ()


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """How the server read an audit question: the window that it searched."""

    user: str
    from_ns: int
    until_ns: int
    tenant: str = ""
    at_text: str = ""


class AuditAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what, when: `lines` holds one sentence for each of `records`."""

    question: Question
    records: tuple[Record, ...]
    lines: tuple[str, ...]
    took_ms: float = 0.0


class ServerRecords(msgspec.Struct, frozen=True, kw_only=True):
    """What the server did itself: `lines` holds one dated sentence for each of `records`."""

    records: tuple[Record, ...]
    lines: tuple[str, ...]


class PolicyFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One fault of a policy bundle; `line` is 0 where it belongs to no line."""

    file: str
    text: str
    line: int = 0
    rule: str = ""
    code: str = ""


class PolicyApplied(msgspec.Struct, frozen=True, kw_only=True):
    """What was put in force, by ids of rules, and what it was before."""

    version: str
    previous: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """A decision as it was, and as it is made again.

    `same`: verdict and rules are those of then. `exact`: the question is the recorded one, to the
    letter; else `lacks` says in what it may differ. `unasked` are the stages that nobody asked
    then, since policy had said no.
    """

    decision_id: str
    call_id: str
    session: str
    tool: str
    at_ns: int
    verdict: str
    policy_version: str
    reasons: tuple[dict[str, Any], ...]
    again: str
    again_version: str
    again_reasons: tuple[dict[str, Any], ...]
    same: bool
    exact: bool
    lacks: tuple[str, ...]
    unasked: tuple[str, ...]


class PolicyCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The faults of the policy folder as it is now, and the version in force."""

    findings: tuple[PolicyFinding, ...]
    version: str = ""


class PolicyStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force, since when, and why the newest files are not.

    `version` is empty while nothing valid was ever loaded; `fault` is empty when the files on
    disk are what is in force.
    """

    version: str
    loaded_at_ns: int = 0
    fault: str = ""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The server's own word on itself."""

    status: str
    version: str
    policy: str
    store: str = "ok"
    gateway: str = ""


class SessionList(msgspec.Struct, frozen=True):
    """Wire form of a list of sessions."""

    sessions: tuple[SessionView, ...]


class TurnList(msgspec.Struct, frozen=True):
    """Wire form of a list of turns."""

    turns: tuple[TurnRecord, ...]
    cut_short: bool = False


class AccountList(msgspec.Struct, frozen=True):
    """Wire form of a list of accounts."""

    accounts: tuple[BudgetAccount, ...]


class Records(msgspec.Struct, frozen=True):
    """Wire form of a run's own records."""

    records: tuple[Record, ...]


class RecordList(msgspec.Struct, frozen=True):
    """Wire form of a list of journal records."""

    records: tuple[Record, ...]


class Nothing(msgspec.Struct, frozen=True):
    """An answer with nothing in it."""
