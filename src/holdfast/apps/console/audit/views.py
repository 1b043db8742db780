"""The ask box: what was done for a user at a time that a person would say.

Not here: reading the time, and the sentences (the server's).
"""

from starlette.routing import Route

from holdfast.apps.console.pages import Page
from holdfast.apps.console.visits import Visit, Visits
from holdfast.client import AuditAnswer
from holdfast.errors import InvalidRequest

_WINDOWS = {"1800": "half an hour", "14400": "four hours", "86400": "a day", "604800": "a week"}
_MOST_CHARACTERS = 256


class AuditViews:
    """Ask the journal."""

    def __init__(self, visits: Visits) -> None:
        self._visits = visits

    def routes(self) -> list[Route]:
        """Where they are."""
        return [Route("/audit", self._visits.signed_in(self.show), methods=["GET"])]

    async def show(self, visit: Visit) -> Page:
        """The box, and the answer where something was asked."""
        given = visit.request.query_params
        asked = {name: given.get(name, "")[:_MOST_CHARACTERS] for name in ("user", "at", "tenant")}
        window = given.get("window", "")
        window = window if window in _WINDOWS else "1800"
        answer: AuditAnswer | None = None
        fault = ""
        if asked["user"] and asked["at"]:
            try:
                answer = await visit.client.audit.ask(**asked, window_s=int(window))
            except InvalidRequest as error:
                fault = error.message
        told = zip(answer.records, answer.lines, strict=True) if answer else ()
        return visit.page(
            "audit",
            status=422 if fault else 200,
            asked=asked,
            window=window,
            windows=_WINDOWS,
            answer=answer,
            told=list(told),
            fault=fault,
        )
