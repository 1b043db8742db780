"""Questions to people as operators read them."""

import msgspec

from holdfast.model.approvals import Approval


class ApprovalList(msgspec.Struct, frozen=True):
    """A page of approvals, newest first."""

    approvals: tuple[Approval, ...]
    next: str = ""


class ReviewerLoad(msgspec.Struct, frozen=True, kw_only=True):
    """How much one operator is asked, and how they answer.

    `pending` could be answered by them now. Of what they said, yes or no: `answered`, `approved`,
    the median seconds from the question to the answer, and from the first look at it to the yes
    (0 where nobody looked here before).
    """

    name: str
    pending: int
    answered: int = 0
    approved: int = 0
    median_answer_s: float = 0.0
    median_look_s: float = 0.0


class ApprovalLoad(msgspec.Struct, frozen=True, kw_only=True):
    """What waits, and how those who answer are doing, since a moment.

    `limit` is the pending questions a reviewer that is too many; `whole` is false where there were
    more questions than are looked through.
    """

    since_ns: int
    pending: int
    limit: int
    reviewers: tuple[ReviewerLoad, ...]
    whole: bool = True
