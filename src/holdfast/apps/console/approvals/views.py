"""Approvals: the list of what waits, a page for each question, and the answer to what was shown.

An answer carries the digest that stood on the page, so that it is for those bytes and no others.
Not here: who may answer (the server says).
"""

import asyncio
from collections.abc import Mapping
from urllib.parse import quote, urlencode

import msgspec
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from holdfast.apps.console.pages import Page, drawn
from holdfast.apps.console.streams import changes
from holdfast.apps.console.visits import Visit, Visits
from holdfast.errors import InvalidRequest
from holdfast.model.approvals import RAISE, ApprovalState
from holdfast.model.showing import shown_arguments

ROWS = 100
_STATES = tuple(str(state) for state in ApprovalState)


class ApprovalViews:
    """Look at questions, and answer them."""

    def __init__(self, visits: Visits, over: asyncio.Event) -> None:
        self._visits = visits
        self._over = over

    def routes(self) -> list[Route]:
        """Where they are."""
        signed_in, one = self._visits.signed_in, "/approvals/{approval_id}"
        return [
            Route("/approvals", signed_in(self.show), methods=["GET"]),
            Route("/approvals/changes", signed_in(self.stream), methods=["GET"]),
            Route(one, signed_in(self.question), methods=["GET"]),
            Route(one, signed_in(self.answer), methods=["POST"]),
            Route(f"{one}/changes", signed_in(self.stream_one), methods=["GET"]),
        ]

    async def show(self, visit: Visit) -> Page:
        """What waits, newest first; or what is in another state."""
        return await _listed(visit, visit.request.query_params)

    async def stream(self, visit: Visit) -> Response:
        """The list again and again, as it stands."""
        given = visit.request.query_params

        async def draw(now: Visit) -> str:
            return await drawn("approvals", "_list", (await _listed(now, given)).values)

        return changes(visit, draw, self._over)

    async def question(self, visit: Visit) -> Page:
        """One, whole."""
        found = await visit.client.approvals.show(_asked(visit))
        shown = list(shown_arguments(found.arguments, found.deciding))
        return visit.page("approvals", "question", question=found, arguments=shown, cap=RAISE)

    async def stream_one(self, visit: Visit) -> Response:
        """Where it stands, again and again."""
        approval_id = _asked(visit)

        async def draw(now: Visit) -> str:
            found = await now.client.approvals.show(approval_id)
            values = now.page("approvals", question=found).values
            return await drawn("approvals", "_state", values)

        return changes(visit, draw, self._over)

    async def answer(self, visit: Visit) -> Response:
        """Say yes or no to what was shown, or leave it to another. Errors: as of the client."""
        form, approvals = await visit.form(), visit.client.approvals
        approval_id, answer = _asked(visit), form.get("answer")
        if answer == "delegate":
            await approvals.delegate(approval_id, form.get("to").strip())
        elif answer in ("approve", "deny"):
            found = await approvals.show(approval_id)
            shown = msgspec.structs.replace(found, digest=form.get("digest"))
            verb = approvals.approve if answer == "approve" else approvals.deny
            await verb(shown, form.get("note"))
        else:
            raise InvalidRequest("choose an answer: approve or deny")
        return RedirectResponse(f"/console/approvals/{quote(approval_id, safe='')}", 303)


def _asked(visit: Visit) -> str:
    return str(visit.request.path_params["approval_id"])


async def _listed(visit: Visit, given: Mapping[str, str]) -> Page:
    state = given.get("state", "")
    state = state if state in _STATES else str(ApprovalState.PENDING)
    cursor = given.get("after", "")[:200]
    page = await visit.client.approvals.page(state=state, cursor=cursor, limit=ROWS)
    asked = {"state": state} | ({"after": cursor} if cursor else {})
    return visit.page(
        "approvals",
        found=page.approvals,
        after=urlencode({"state": state, "after": page.next}) if page.next else "",
        query=urlencode(asked),
        state=state,
        states=_STATES,
    )
