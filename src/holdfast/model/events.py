"""Journal records: facts in the past tense that may not be lost.

One flat record for every kind keeps the read side's indexes simple; `body` holds what only that
kind has. Kinds are listed here and nowhere else. Not here: spans (they may be lost).
"""

import enum
from typing import Any

import msgspec


class Kind(enum.StrEnum):
    """What happened."""

    SERVER_STARTED = "server.started"
    SESSION_OPENED = "session.opened"
    SESSION_PAUSED = "session.paused"
    SESSION_ENDING = "session.ending"
    SESSION_RESUMED = "session.resumed"
    SESSION_STOPPED = "session.stopped"
    SESSION_KILLED = "session.killed"
    SESSION_EXPIRED = "session.expired"
    SESSION_ENDED = "session.ended"
    SESSION_DELEGATED = "session.delegated"
    SESSION_COLLECTED = "session.collected"
    SESSION_CONTINUED = "session.continued"
    KILL_RECEIPT = "kill.receipt"
    STOP_PLACED = "stop.placed"
    STOP_LIFTED = "stop.lifted"
    STOP_RECEIPT = "stop.receipt"
    PROMPT_SUBMITTED = "prompt.submitted"
    PROMPT_CONFIRMED = "prompt.confirmed"
    MODEL_CALL_REFUSED = "model_call.refused"
    MODEL_CALL_LIMITED = "model_call.limited"
    MODEL_CALL_COUNTED = "model_call.counted"
    MODEL_CALL_CUT = "model_call.cut"
    MODEL_CALL_SETTLED = "model_call.settled"
    TOOL_USE_EMITTED = "tool_use.emitted"
    TOOL_CALL_DECIDED = "tool_call.decided"
    TOOL_CALL_LIMITED = "tool_call.limited"
    TOOL_CALL_FINISHED = "tool_call.finished"
    QUERY_SENT = "query.sent"
    TOOL_RESULT_ADMITTED = "tool_result.admitted"
    TOOL_RESULT_REPLACED = "tool_result.replaced"
    EVIDENCE_MISSING = "evidence.missing"
    EVIDENCE_REFUSED = "evidence.refused"
    PERMIT_REFUSED = "permit.refused"
    HOOK_RAN = "hook.ran"
    BUDGET_DECIDED = "budget.decided"
    BUDGET_ALERT = "budget.alert"
    BUDGET_CHANGED = "budget.changed"
    BUDGET_OVERSHOT = "budget.overshot"
    LOOP_ALERT = "loop.alert"
    CONTEXT_ALERT = "context.alert"
    CONTEXT_COMPACTED = "context.compacted"
    RISK_NOTICE = "risk.notice"
    POLICY_CHANGED = "policy.changed"
    CLOCK_JUMPED = "clock.jumped"
    ADMIN_ACTED = "admin.acted"
    AUTH_REFUSED = "auth.refused"
    KEY_ADDED = "key.added"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"
    KEY_USED = "key.used"
    TOOL_CALL_RETRIED = "tool_call.retried"
    EFFECT_UNKNOWN = "effect.unknown"
    EFFECT_RESOLVED = "effect.resolved"
    APPROVAL_ASKED = "approval.asked"
    APPROVAL_ANSWERED = "approval.answered"
    APPROVAL_DELEGATED = "approval.delegated"
    APPROVAL_ESCALATED = "approval.escalated"
    APPROVAL_EXPIRED = "approval.expired"
    APPROVAL_REVOKED = "approval.revoked"
    RUN_SUBMITTED = "run.submitted"
    RUN_CLAIMED = "run.claimed"
    RUN_ANSWERED = "run.answered"
    RUN_TOOL_ANSWERED = "run.tool_answered"
    RUN_NOTED = "run.noted"
    RUN_JUDGED = "run.judged"
    RUN_COMPACTED = "run.compacted"
    RUN_RETRYING = "run.retrying"
    RUN_PARKED = "run.parked"
    RUN_RESUMED = "run.resumed"
    RUN_DONE = "run.done"
    RUN_FAILED = "run.failed"
    RUN_CANCELLED = "run.cancelled"
    RUN_DEAD = "run.dead"
    CONVERSATION_SAVED = "conversation.saved"
    CONVERSATION_LOADED = "conversation.loaded"
    CONVERSATION_DELETED = "conversation.deleted"
    RETENTION_APPLIED = "retention.applied"
    FILES_TRUSTED = "files.trusted"
    FILES_FORGOTTEN = "files.forgotten"
    FILES_WRITTEN = "files.written"
    FILES_UNSETTLED = "files.unsettled"
    UPSTREAM_OPENED = "upstream.opened"
    UPSTREAM_CLOSED = "upstream.closed"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One journal entry. `seq` is given by the store, 0 before that.

    `cost_nusd` is what this entry settled. `verdict` and `risk` are names, empty where they do
    not apply. Everything in `body` is JSON and already scrubbed of secrets.
    """

    kind: Kind
    at_ns: int
    seq: int = 0
    tenant: str = ""
    project: str = ""
    user: str = ""
    agent: str = ""
    session: str = ""
    task: str = ""
    turn: int = 0
    call_id: str = ""
    decision_id: str = ""
    tool: str = ""
    verdict: str = ""
    risk: str = ""
    cost_nusd: int = 0
    body: dict[str, Any] = {}
