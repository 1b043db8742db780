"""Bodies of approvals: what a person was asked, and what came of it."""

from typing import Annotated, Any

from holdfast.model.approvals import Need
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
    needs: tuple[Need, ...] = ()


class ApprovalAnswered(Body, frozen=True, kw_only=True):
    """A person said yes or no; `missing` others have to say yes as well before it is one.

    Where it is a grant, the like may run until `granted_until_ns`, at `most` so often (0: any
    number), with any value of the arguments `free`.
    """

    approval_id: Annotated[str, OURS]
    approved: Annotated[bool, OURS]
    by: str
    note: str = ""
    missing: Annotated[int, OURS] = 0
    granted_until_ns: Annotated[int, OURS] = 0
    free: tuple[str, ...] = ()
    most: Annotated[int, OURS] = 0


class ApprovalDelegated(Body, frozen=True, kw_only=True):
    """A person left their voice in a question to another."""

    approval_id: Annotated[str, OURS]
    by: str
    to: str


class ApprovalEscalated(Body, frozen=True, kw_only=True):
    """Nobody answered a question for `after_s` seconds: it is for `to` as well."""

    approval_id: Annotated[str, OURS]
    to: tuple[str, ...]
    after_s: Annotated[int, OURS]


class ApprovalRevoked(Body, frozen=True, kw_only=True):
    """A person ended a grant."""

    approval_id: Annotated[str, OURS]
    by: str
    note: str = ""


class ApprovalExpired(Body, frozen=True, kw_only=True):
    """Nobody answered in time, or nothing ran in time on what was answered (`approved`).

    `lets`: a rule lets it run where nobody answered.
    """

    approval_id: Annotated[str, OURS]
    approved: Annotated[bool, OURS] = False
    lets: Annotated[bool, OURS] = False
