"""Questions to people as operators read them."""

import msgspec

from holdfast.model.approvals import Approval


class ApprovalList(msgspec.Struct, frozen=True):
    """A page of approvals, newest first."""

    approvals: tuple[Approval, ...]
    next: str = ""
