"""Questions to people: look at them, answer them.

What is answered is what was shown: an answer takes the approval itself, and is for its digest.
"""

from collections.abc import AsyncIterator, Mapping
from urllib.parse import quote

import msgspec

from holdfast.errors import InvalidRequest
from holdfast.model.approvals import Approval, ApprovalState, GrantTerms
from holdfast.model.views.approvals import ApprovalList, ApprovalLoad

from .paging import each, listed
from .wire import Door


class Approvals:
    """What waits for a person."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def list(
        self,
        *,
        tenant: str = "",
        project: str = "",
        session: str = "",
        state: ApprovalState | str = "",
        limit: int | None = None,
    ) -> tuple[Approval, ...]:
        """Approvals, newest first: a page of at most 100 unless `limit` says."""
        query = {"tenant": tenant, "project": project, "session": session, "state": str(state)}
        return await listed(self._door, "/v1/approvals", ApprovalList, _shown, query, limit)

    async def page(
        self, *, state: ApprovalState | str = "", cursor: str = "", limit: int = 100
    ) -> ApprovalList:
        """One page, newest first; its `next` is the cursor of the page after it."""
        query: dict[str, str | int | None] = {
            "state": str(state),
            "cursor": cursor,
            "limit": limit,
        }
        return await self._door.get("/v1/approvals", ApprovalList, query)

    def each(
        self, *, tenant: str = "", project: str = "", session: str = "", state: str = ""
    ) -> AsyncIterator[Approval]:
        """All approvals, newest first, fetched a page at a time while they are gone through."""
        query = {"tenant": tenant, "project": project, "session": session, "state": state}
        return each(self._door, "/v1/approvals", ApprovalList, _shown, query)

    async def show(self, approval_id: str) -> Approval:
        """One as it stands. Errors: NotFound."""
        return await self._door.get(_path(approval_id), Approval)

    async def load(self, *, tenant: str = "", project: str = "", last_s: int = 0) -> ApprovalLoad:
        """How much each reviewer is asked, and how they answer; of a week unless `last_s` says."""
        query = {"tenant": tenant, "project": project}
        if last_s:
            query["last_s"] = str(last_s)
        return await self._door.get("/v1/approval-load", ApprovalLoad, query)

    async def approve(
        self,
        shown: Approval,
        note: str = "",
        grant: GrantTerms | None = None,
        *,
        raise_to: int | None = None,
    ) -> Approval:
        """Let the call run, once, as it was shown; with a grant, calls like it for a while.

        A question about a cap (`budget.raise`) is answered with what it is raised to, in
        nano-dollars, pieces or seconds; what waits for it then goes on.
        Errors: NotFound; Conflict for one that no longer waits, waits for something else, or cannot
        be granted; ApproverRequired.
        """
        more: dict[str, object] = {}
        if grant is not None:
            more["grant"] = msgspec.to_builtins(grant)
        if raise_to is not None:
            more["raise_to"] = raise_to
        return await self._answer(shown, "approve", note, more)

    async def deny(self, shown: Approval, note: str = "") -> Approval:
        """Refuse the call; the model is told so, with the note. Errors: as for `approve`."""
        return await self._answer(shown, "deny", note)

    async def delegate(self, approval_id: str, to: str) -> Approval:
        """Leave one's voice in a question to another operator.

        Errors: NotFound; Conflict for one that no longer waits; Denied, ApproverRequired.
        """
        return await self._door.post(f"{_path(approval_id)}/delegate", Approval, {"to": to})

    async def revoke(self, approval_id: str, note: str = "") -> Approval:
        """End a grant. Errors: NotFound; Conflict for what is none any more."""
        return await self._door.post(f"{_path(approval_id)}/revoke", Approval, {"note": note})

    async def _answer(
        self, shown: Approval, verb: str, note: str, more: Mapping[str, object] | None = None
    ) -> Approval:
        body: dict[str, object] = {"digest": shown.digest, "note": note, **(more or {})}
        return await self._door.post(f"{_path(shown.approval_id)}/{verb}", Approval, body)


def _shown(page: ApprovalList) -> tuple[Approval, ...]:
    return page.approvals


def _path(approval_id: str) -> str:
    if approval_id in ("", ".", ".."):
        raise InvalidRequest("that is no approval id")
    return f"/v1/approvals/{quote(approval_id, safe='')}"
