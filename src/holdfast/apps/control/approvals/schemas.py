"""What the paths of approvals take. Times in UTC nanoseconds."""

from typing import Annotated

import msgspec
from msgspec import Meta

from holdfast.apps.control.paging import Cursor
from holdfast.apps.control.wire import Name, Reason
from holdfast.model.approvals import ApprovalState

MAX_LISTED = 1000


class WhichApprovals(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filters of a list; an empty one does not filter."""

    tenant: Name = ""
    project: Name = ""
    session: Name = ""
    state: ApprovalState | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_LISTED)] = 100
    cursor: Cursor = ""


class WhoseLoad(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose questions, and of how many seconds up to now."""

    tenant: Name = ""
    project: Name = ""
    last_s: Annotated[int, Meta(ge=60, le=90 * 86_400)] = 7 * 86_400


class AskedGrant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Calls like it may run as well: for how long, which arguments are free, how often at most.

    `most` 0 is as often as it comes.
    """

    for_s: Annotated[int, Meta(ge=60, le=86_400)]
    any: Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(max_length=64)] = []
    most: Annotated[int, Meta(ge=0, le=10_000)] = 0


class Approve(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A yes; `digest` is of the arguments that they were shown.

    `raise_to`: what a spent cap is raised to, in nano-dollars, pieces or seconds; of nothing else.
    """

    digest: Annotated[str, Meta(min_length=1, max_length=100)]
    note: Reason = ""
    grant: AskedGrant | None = None
    raise_to: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None


class Revoke(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a grant ends."""

    note: Reason = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A no; `digest` is of the arguments that they were shown."""

    digest: Annotated[str, Meta(min_length=1, max_length=100)]
    note: Reason = ""


class Delegate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """To which operator somebody leaves their voice."""

    to: Annotated[str, Meta(min_length=1, max_length=64)]
