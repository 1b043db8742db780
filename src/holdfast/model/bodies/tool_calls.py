"""Bodies of tool calls: what the model asked for, what was decided, what came of it."""

from typing import Annotated, Any

import msgspec

from holdfast.model.bodies.base import OURS, Body
from holdfast.model.decisions import Reason
from holdfast.model.tools import ArgumentRole


class ToolUseEmitted(Body, frozen=True, kw_only=True):
    """The model asked for a call. `digest` is of its arguments, empty for a torn one."""

    digest: str
    state: str
    agent_path: str


class PolicyAsked(msgspec.Struct, frozen=True, kw_only=True):
    """The moment and the taint that policy was asked with."""

    at_ns: int
    tainted: bool


class ToolCallDecided(Body, frozen=True, kw_only=True):
    """A verdict on a tool call; the verdict itself is the record's own.

    `arguments` are what it ran with, without secrets; with `arguments_kept` false they were too
    large. `digest` is of those, `emitted_digest` of what the model emitted. `made`: files that it
    writes, `stale` where others may be outdated by it. `query_bytes`: what its query carries that
    nobody typed. `effect_key`, `effect`, `attempt`: its entry in the effects ledger. `again`: a
    further attempt of one call. `behind`: the digest of what the server decides by.

    With `server_tool` it is work of the provider that a request asks for; then `fetched` are the
    digests of addresses that it reaches, and `removed`: the request went on without it. With
    `times` it is a number of such refusals that have no records of their own.
    """

    door: str
    arguments: dict[str, Any] | None
    reasons: tuple[Reason, ...]
    resource: str
    digest: Annotated[str, OURS]
    emitted_digest: Annotated[str, OURS]
    risk_reasons: Annotated[tuple[str, ...], OURS]
    policy_version: Annotated[str, OURS]
    tainted: Annotated[bool, OURS]
    behind: Annotated[str, OURS] = ""
    policy_asked: Annotated[PolicyAsked | None, OURS] = None
    made: Annotated[tuple[str, ...], OURS] = ()
    stale: Annotated[bool, OURS] = False
    arguments_kept: Annotated[bool, OURS] = True
    again: Annotated[bool, OURS] = False
    query_bytes: Annotated[int | None, OURS] = None
    effect_key: Annotated[str, OURS] = ""
    effect: Annotated[str, OURS] = ""
    attempt: Annotated[int | None, OURS] = None
    server_tool: str = ""
    granted: bool = False
    fetched: Annotated[tuple[str, ...], OURS] = ()
    removed: Annotated[bool, OURS] = False
    why: str = ""
    times: int = 0

    def arguments_json(self, most: int | None = None) -> str:
        """The arguments as JSON, at most so many characters; empty where it holds none."""
        if self.arguments is None:
            return ""
        return msgspec.json.encode(self.arguments).decode()[:most]

    def why_of(self, verdict: str) -> Reason | None:
        """The first reason of this verdict, None where nothing objected."""
        return next((one for one in self.reasons if one.verdict == verdict), None)


class ServerToolDecided(Body, frozen=True, kw_only=True):
    """`tool_call.decided` of work of the provider: it has no arguments and no resource."""

    door: str
    server_tool: str
    granted: bool
    reasons: tuple[Reason, ...]
    arguments: dict[str, Any] | None
    policy_version: Annotated[str, OURS]
    tainted: Annotated[bool, OURS]
    fetched: Annotated[tuple[str, ...], OURS] = ()
    removed: Annotated[bool, OURS] = False


class ToolCallLimited(Body, frozen=True, kw_only=True):
    """A tenant asked for more decisions than it may have; so many were refused in a second."""

    refused: int


class ToolCallFinished(Body, frozen=True, kw_only=True):
    """What became of a call, as its door reported. `output` is JSON, cut.

    `output_digest` and `output_bytes` are of the whole. `contract`: what of the output its contract
    does not allow. `replaced`: other calls whose results were put in its place. `given_up`: a hook
    wants no further try, so the same call is not allowed again. `news`: its digest without what
    changes by itself; empty in a record of before.

    With `outcome`, the server ended before it was reported: then nothing else stands there but the
    hold and its purpose.
    """

    output: str
    error: str
    contract: tuple[str, ...]
    replaced: tuple[str, ...] = ()
    given_up: Annotated[bool, OURS] = False
    news: Annotated[str, OURS] = ""
    ok: Annotated[bool, OURS]
    output_digest: Annotated[str, OURS]
    output_bytes: Annotated[int, OURS]
    duration_ms: Annotated[int, OURS]
    hold_id: str = ""
    purpose: str = ""
    outcome: str = ""


class ToolCallLost(Body, frozen=True, kw_only=True):
    """`tool_call.finished` of a call that a crash took."""

    hold_id: str
    purpose: str
    outcome: str


class ToolCallRetried(Body, frozen=True, kw_only=True):
    """One call is decided once more; `attempt` counts from 1, `error` is of the one before."""

    attempt: int
    error: str


class QuerySent(Body, frozen=True, kw_only=True):
    """A query went out to a search provider after untrusted text was read.

    `bytes` of it nobody typed; `spent` of `limit` are used up by then. `child`: whose query it was,
    where it is not the session's own.
    """

    text: str
    bytes: Annotated[int, OURS]
    spent: Annotated[int, OURS]
    limit: Annotated[int, OURS]
    child: Annotated[str, OURS] = ""


class Vouching(msgspec.Struct, frozen=True, kw_only=True):
    """Values of a first party's records by their role, and names in its directories."""

    records: dict[ArgumentRole, tuple[str, ...]]
    members: tuple[str, ...]


class ToolResultAdmitted(Body, frozen=True, kw_only=True):
    """A result reached the model for the first time. `characters` is how long it was.

    `neutral`: it says only what was known; `taints`: it is untrusted; `unread`: too long to be
    looked at. What it vouches for: `trusted` text, or with `trusted_answer` the text of the
    `run.tool_answered` before; and `given`.
    """

    characters: int
    neutral: bool = False
    taints: bool = False
    unread: bool = False
    trusted_answer: bool = False
    trusted: str = ""
    given: Vouching | None = None


class ToolResultReplaced(Body, frozen=True, kw_only=True):
    """The model read this text of ours in place of a result."""

    text: str


class EvidenceMissing(Body, frozen=True, kw_only=True):
    """A result came for a call that has no permit, and its session is stopped."""

    text: str


class EvidenceRefused(Body, frozen=True, kw_only=True):
    """A history does not hold."""

    code: str
    text: str


class PermitRefused(Body, frozen=True, kw_only=True):
    """A permit was not given or not taken. With `times`, so many without records of their own."""

    why: str
    door: str = ""
    digest: str = ""
    times: int = 0


class HookRan(Body, frozen=True, kw_only=True):
    """A hook of the operator ran at a point, or the point was reached (`hook` empty, `detail`).

    `chose`: the recovery or the strategy that it named.
    """

    point: str
    hook: str
    fault: str
    reason: str
    rewrote: bool
    detail: str = ""
    chose: str = ""


class HookPointReached(Body, frozen=True, kw_only=True):
    """`hook.ran` of the point itself, whether or not any hook stands there."""

    point: str
    hook: str
    detail: str


class RiskNotice(Body, frozen=True, kw_only=True):
    """A call of a risk that operators are told of; `code: text` of each reason."""

    reasons: tuple[str, ...]


class LoopAlert(Body, frozen=True, kw_only=True):
    """The loop guard saw something; `stops` where it ended the session."""

    code: str
    text: str
    stops: bool


class EffectUnknown(Body, frozen=True, kw_only=True):
    """Nobody knows whether a call took effect. `key` names it in the ledger, by a digest."""

    why: str
    key: Annotated[str, OURS]
    attempt: Annotated[int, OURS]


class EffectResolved(Body, frozen=True, kw_only=True):
    """A person said what became of an unknown effect."""

    by: str
    reason: str
    key: Annotated[str, OURS]
    outcome: Annotated[str, OURS]
