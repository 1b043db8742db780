"""A session's pages: its story, a stretch at a time, the last one live."""

import asyncio

from starlette.responses import Response
from starlette.routing import Route

from holdfast.apps.console.pages import Page
from holdfast.apps.console.sessions.fragments import list_drawn, shown
from holdfast.apps.console.streams import changes
from holdfast.apps.console.visits import Visit, Visits


class SessionViews:
    """Look at one session; holding it is the fleet's (`fleet/confirm`)."""

    def __init__(self, visits: Visits, over: asyncio.Event) -> None:
        self._visits = visits
        self._over = over

    def routes(self) -> list[Route]:
        """Where they are."""
        signed_in = self._visits.signed_in
        return [
            Route("/sessions/{session_id}", signed_in(self.show), methods=["GET"]),
            Route("/sessions/{session_id}/changes", signed_in(self.stream), methods=["GET"]),
        ]

    async def show(self, visit: Visit) -> Page:
        """The story: its last stretch, or the one before a cursor."""
        cursor = visit.request.query_params.get("before", "")[:200]
        return visit.page("sessions", **await shown(visit, _asked(visit), cursor))

    async def stream(self, visit: Visit) -> Response:
        """The last stretch again and again, as it stands."""
        session_id = _asked(visit)
        return changes(visit, lambda now: list_drawn(now, session_id), self._over)


def _asked(visit: Visit) -> str:
    return str(visit.request.path_params["session_id"])
