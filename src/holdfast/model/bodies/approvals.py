"""Bodies of approvals: what a person was asked, and what came of it."""

from typing import Annotated, Any

from holdfast.model.bodies.base import OURS, Body
from holdfast.model.decisions import Reason


class ApprovalAsked(Body, frozen=True, kw_only=True):
    """A call waits for a person. `reasons` are what an answer lifts; the rest binds the answer."""

    approval_id: Annotated[str, OURS]
    digest: Annotated[str, OURS]
    definition: Annotated[str, OURS]
    policy_version: Annotated[str, OURS]
    resource: str
    reasons: tuple[Reason, ...]
    arguments: dict[str, Any]
    expires_at_ns: Annotated[int, OURS]


class ApprovalAnswered(Body, frozen=True, kw_only=True):
    """A person said yes or no."""

    approval_id: Annotated[str, OURS]
    approved: Annotated[bool, OURS]
    by: str
    note: str = ""


class ApprovalExpired(Body, frozen=True, kw_only=True):
    """Nobody answered in time, or nothing ran in time on what was answered (`approved`)."""

    approval_id: Annotated[str, OURS]
    approved: Annotated[bool, OURS] = False
