"""Every error that Holdfast raises at a boundary, sorted by what the caller should do.

Inside `core` a refusal is a value; an exception is raised only where a value has to leave a
function that a foreign protocol calls. Each class carries a stable `code`, whether retrying can
help, the HTTP status of the control API and the error type of the Messages API envelope.
Messages are one lower-case sentence without a full stop. Docs: `docs/reference/errors.md`.

Not here: how an error is written to a wire (`apps/*/errors.py`).
"""

from typing import ClassVar


class HoldfastError(Exception):
    """Base of all; never raised itself.

    `fields` holds JSON values that explain the refusal (account, limit, rule, …); they are shown
    to the caller, so no secret and no other tenant's name may stand in them.
    """

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False
    http_status: ClassVar[int] = 500
    wire_type: ClassVar[str] = "api_error"

    def __init__(self, message: str, **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields


# --- fix it -----------------------------------------------------------------------------------
class InvalidRequest(HoldfastError):
    """The caller sent something that can never work as it stands."""

    code, http_status, wire_type = "invalid_request", 400, "invalid_request_error"


class TooLarge(InvalidRequest):
    """The body is larger than the limit of this door."""

    code, http_status, wire_type = "too_large", 413, "request_too_large"


class ContractViolation(InvalidRequest):
    """The arguments of a tool call do not fit the tool's contract."""

    code, http_status = "contract_violation", 422


class ConfigInvalid(InvalidRequest):
    """`holdfast.yaml`, an agent file or a policy bundle does not hold; names file and line."""

    code = "config_invalid"


class NotFound(InvalidRequest):
    """No such session, account, record or agent for this caller."""

    code, http_status, wire_type = "not_found", 404, "not_found_error"


class VersionMismatch(InvalidRequest):
    """Client and server are of versions that do not work together; the message says what to do."""

    code, http_status = "version_mismatch", 409


class ClientOutdated(InvalidRequest):
    """The client is too old for what its session rests on; the message says what to update to."""

    code = "client_outdated"


class UnknownModel(InvalidRequest):
    """No price is known for the model, so it cannot be paid for; refused, never free."""

    code, http_status = "unknown_model", 400


class HistoryUnknown(InvalidRequest):
    """The history holds a tool call or result of no session of this user and agent."""

    code = "history_unknown"


class HistoryRewritten(InvalidRequest):
    """A tool call or a provider's result in the history is not what it was, or stands twice."""

    code = "history_rewritten"


# --- identify ---------------------------------------------------------------------------------
class Unauthenticated(HoldfastError):
    """No token, or one that Holdfast never issued."""

    code, http_status, wire_type = "unauthenticated", 401, "authentication_error"


class CredentialExpired(Unauthenticated):
    """A token past its end; open a new session."""

    code, http_status, wire_type = "credential_expired", 403, "permission_error"


class KeyEnded(CredentialExpired):
    """The spending key expired or was revoked; whoever hands out keys gives another."""

    code = "key_ended"


# --- stop or ask ------------------------------------------------------------------------------
class Denied(HoldfastError):
    """Policy, risk, trust level or flow gate refused; `fields` names the decision and the rule."""

    code, http_status, wire_type = "permission_denied", 403, "permission_error"


class ApproverRequired(Denied):
    """Only an operator whom the configuration names as an approver may let this go on."""

    code = "approver_required"


class KeyRefused(Denied):
    """A spending key opens sessions of its agent, project and user; it was shown for more."""

    code = "key_refused"


class SessionStopped(Denied):
    """The session was killed, paused, expired or stopped by a limit of the loop guard."""

    code = "session_stopped"


class SessionPaused(SessionStopped):
    """A spent cap paused the session: a person raises the cap and resumes it; do not try again."""

    code, http_status, wire_type = "session_paused", 402, "billing_error"


class EvidenceMissing(Denied):
    """A tool result arrived for a call without a permit; where its own model made it, it stops."""

    code = "evidence_missing"


class ApprovalPending(Denied):
    """A person was asked and has not answered; `fields` names the approval. Ask again later."""

    code = "approval_pending"


class PermitInvalid(Denied):
    """The permit is forged, altered, expired, used up or of another session or call."""

    code = "permit_invalid"


class DelegationRefused(Denied):
    """A session asked for a child with more authority than its own; `fields` names which."""

    code = "delegation_refused"


class LoopDetected(Denied):
    """Turns, calls, repeats or a stall reached their limit."""

    code = "loop_detected"


# --- raise the cap ----------------------------------------------------------------------------
class Exhausted(HoldfastError):
    """A budget has no room; `fields` names the innermost account that refused."""

    code, http_status, wire_type = "budget_exceeded", 402, "billing_error"


# --- reload -----------------------------------------------------------------------------------
class Conflict(HoldfastError):
    """The state changed under the caller (already killed, stale version, name taken)."""

    code, http_status, wire_type = "conflict", 409, "invalid_request_error"


class KeyReused(HoldfastError):
    """An idempotency key came with another request than the one that it was first used for."""

    code, http_status, wire_type = "idempotency_key_reused", 422, "invalid_request_error"


class IllegalMove(Conflict):
    """What was asked of a call or a run is not possible from the state that it is in."""

    code = "illegal_move"


class LeaseLost(Conflict):
    """The run was given to another worker meanwhile, or taken back; stop working at it."""

    code = "lease_lost"


# --- retry ------------------------------------------------------------------------------------
class Unavailable(HoldfastError):
    """Something that Holdfast needs is down; nothing was allowed meanwhile."""

    code, retryable, http_status = "unavailable", True, 503


class DeadlineExceeded(HoldfastError):
    """The turn's seconds were over before an answer in one piece was whole; it is charged."""

    code, retryable, http_status, wire_type = "deadline_exceeded", True, 504, "timeout_error"


class StoreUnavailable(Unavailable):
    """The journal cannot be written (disk full, file locked, read-only); restart once it can."""

    code, retryable = "store_unavailable", False


class PolicyUnavailable(Unavailable):
    """The policy process does not answer, is slow, or has no valid bundle."""

    code = "policy_unavailable"


class UpstreamUnavailable(Unavailable):
    """The model provider cannot be reached or broke its own protocol."""

    code, http_status = "upstream_unavailable", 502


class RateLimited(Unavailable):
    """Too many calls at once for this session or tenant."""

    code, http_status, wire_type = "rate_limited", 429, "rate_limit_error"


# --- reconcile --------------------------------------------------------------------------------
class OutcomeUnknown(HoldfastError):
    """An effect may have happened; look before trying again, never retried by itself."""

    code, http_status = "outcome_unknown", 500


# --- report us --------------------------------------------------------------------------------
class InternalError(HoldfastError):
    """A fault in Holdfast; nothing was allowed because of it."""

    code = "internal_error"


def all_errors() -> tuple[type[HoldfastError], ...]:
    """Every concrete error class, sorted by code (for the reference page and its test)."""
    found: dict[str, type[HoldfastError]] = {}
    todo = list(HoldfastError.__subclasses__())
    while todo:
        cls = todo.pop()
        found[cls.code] = cls
        todo.extend(cls.__subclasses__())
    return tuple(found[code] for code in sorted(found))
