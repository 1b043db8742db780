"""Keys and people: spending keys with what they spent, operators, and taking a key back.

Not here: handing out a key, whose token is shown once (`holdfast keys add`).
"""

from urllib.parse import quote

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from holdfast.apps.console.pages import Page
from holdfast.apps.console.visits import Visit, Visits
from holdfast.client import OperatorRecord
from holdfast.errors import Denied, InvalidRequest


class KeyViews:
    """Look at keys and operators; revoke a key."""

    def __init__(self, visits: Visits) -> None:
        self._visits = visits

    def routes(self) -> list[Route]:
        """Where they are."""
        signed_in, one = self._visits.signed_in, "/keys/{name}"
        return [
            Route("/keys", signed_in(self.show), methods=["GET"]),
            Route(one, signed_in(self.key), methods=["GET"]),
            Route(one, signed_in(self.revoke), methods=["POST"]),
        ]

    async def show(self, visit: Visit) -> Page:
        """Every key, and the operators where whoever looks may see them."""
        operators: tuple[OperatorRecord, ...] | None
        try:
            operators = await visit.client.operators.list()
        except Denied:
            operators = None
        return visit.page("keys", keys=await visit.client.keys.list(), operators=operators)

    async def key(self, visit: Visit) -> Page:
        """One key, and the button that takes it back."""
        return visit.page("keys", "key", key=await visit.client.keys.show(_asked(visit)))

    async def revoke(self, visit: Visit) -> Response:
        """Take it back: what it opened stops at once. Errors: InvalidRequest for no reason."""
        form = await visit.form()
        reason = form.get("reason").strip()
        if not reason:
            raise InvalidRequest("say why: it stands in the journal")
        await visit.client.keys.revoke(_asked(visit), f"console: {reason}")
        return RedirectResponse(f"/console/keys/{quote(_asked(visit), safe='')}", 303)


def _asked(visit: Visit) -> str:
    return str(visit.request.path_params["name"])
