"""A person's answer to one call that the guard asks about.

Not here: what may become of one (`core/approvals`), who may answer (`apps/control/approvers`).
"""

import enum
from typing import Any

import msgspec

from holdfast.model.decisions import Reason


class ApprovalState(enum.StrEnum):
    """Where an approval stands."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    USED = "used"
    WITHDRAWN = "withdrawn"


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """One call that waits for a person, or waited.

    It is bound to all that a person is shown: `session`, `tool`, `digest` of the canonical
    arguments, `definition` (the digest of the tool's contract), `policy_version`, and `reasons`,
    the objections that an answer lifts. `arguments` are those of the digest with secrets left out.
    `call_id` names the call that asked first. An approval that nobody answers by `expires_at_ns`
    is no; one that was given holds until then, once. `answered_by` and `note` are the person's,
    `used_by` is the call that ran on it. Times are UTC nanoseconds.
    """

    approval_id: str
    tenant: str
    project: str
    user: str
    agent: str
    session: str
    task: str
    call_id: str
    tool: str
    digest: str
    definition: str
    policy_version: str
    risk: str
    resource: str
    reasons: tuple[Reason, ...]
    arguments: dict[str, Any]
    state: ApprovalState
    asked_at_ns: int
    expires_at_ns: int
    tainted_by: str = ""
    changed_at_ns: int = 0
    answered_by: str = ""
    note: str = ""
    used_by: str = ""
