"""Health: the server's own word on itself, its providers, the policy in force, what it did."""

from collections.abc import Sequence

from starlette.routing import Route

from holdfast.apps.console.pages import Page
from holdfast.apps.console.visits import Visit, Visits
from holdfast.client import Client, PolicyStatus, StopView
from holdfast.errors import Denied, PolicyUnavailable

_LATEST = 50
_SCANNED = 1000
_LAST_S = 86_400


class HealthViews:
    """Look at the server."""

    def __init__(self, visits: Visits) -> None:
        self._visits = visits

    def routes(self) -> list[Route]:
        """Where they are."""
        return [Route("/health", self._visits.signed_in(self.show), methods=["GET"])]

    async def show(self, visit: Visit) -> Page:
        """All on one page."""
        client = visit.client
        return visit.page(
            "health",
            health=await client.health(),
            upstreams=await client.upstreams.list(),
            policy=await _policy(client),
            stops=await _stops(client),
            did=await _did(client),
        )


async def _policy(client: Client) -> PolicyStatus | None:
    try:
        return await client.policy.status()
    except PolicyUnavailable:
        return None


async def _stops(client: Client) -> Sequence[StopView]:
    """None for whoever acts in a part of the fleet alone."""
    try:
        return await client.stops.list()
    except Denied:
        return ()


async def _did(client: Client) -> Sequence[str] | None:
    """The last of a day, latest first; it is of no tenant, and theirs who act everywhere."""
    try:
        found = await client.audit.server(last_s=_LAST_S, limit=_SCANNED)
    except Denied:
        return None
    return found.lines[::-1][:_LATEST]
