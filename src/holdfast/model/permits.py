"""Permits: signed proof that one call was allowed, and why a proof does not hold.

Not here: signing and checking (`core/permits`).
"""

import enum

import msgspec


class Permit(msgspec.Struct, frozen=True, kw_only=True):
    """The right to execute one call once.

    `digest` is `sha256:` of the canonical arguments that may run. It holds from `issued_at_ns`
    up to, not including, `expires_at_ns`. `decision_id` is the journalled decision behind it.
    """

    permit_id: str
    session: str
    call_id: str
    tool: str
    digest: str
    issued_at_ns: int
    expires_at_ns: int
    decision_id: str


class PermitFaultCode(enum.StrEnum):
    """Why a token is no permit for this call."""

    MALFORMED = "malformed"
    BAD_SIGNATURE = "bad_signature"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_SESSION = "wrong_session"
    WRONG_CALL = "wrong_call"
    WRONG_TOOL = "wrong_tool"
    WRONG_DIGEST = "wrong_digest"


class PermitFault(msgspec.Struct, frozen=True):
    """The refusal of a token: a stable `code` and one lower-case sentence."""

    code: PermitFaultCode
    text: str
