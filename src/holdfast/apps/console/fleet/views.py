"""The fleet's pages: the list, the confirmation of an act on one or on many, what came of it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from starlette.responses import Response
from starlette.routing import Route

from holdfast.apps.console.fleet.asked import SORTS, STATES, Asked, asked_of
from holdfast.apps.console.fleet.fragments import list_drawn, listed
from holdfast.apps.console.pages import Page
from holdfast.apps.console.streams import changes
from holdfast.apps.console.visits import Form, Visit, Visits
from holdfast.client import Client, FleetRow
from holdfast.errors import HoldfastError, InvalidRequest

ACTS = ("pause", "resume", "kill")
_AT_ONCE = 64
_PAGE = 1000
_NAMED = 20


class FleetViews:
    """Find sessions, and hold them."""

    def __init__(self, visits: Visits, over: asyncio.Event) -> None:
        self._visits = visits
        self._over = over

    def routes(self) -> list[Route]:
        """Where they are."""
        signed_in = self._visits.signed_in
        return [
            Route("/fleet", signed_in(self.show), methods=["GET"]),
            Route("/fleet/changes", signed_in(self.stream), methods=["GET"]),
            Route("/fleet/confirm", signed_in(self.confirm), methods=["POST"]),
            Route("/fleet/act", signed_in(self.act), methods=["POST"]),
        ]

    async def show(self, visit: Visit) -> Page:
        """The list, or the part of it that a filter fetches."""
        asked = asked_of(visit.request.query_params)
        fleet = await listed(visit, asked)
        return visit.page("fleet", fleet=fleet, asked=asked, all_states=STATES, sorts=SORTS)

    async def stream(self, visit: Visit) -> Response:
        """The list again and again, as it stands."""
        asked = asked_of(visit.request.query_params)
        return changes(visit, lambda now: list_drawn(now, asked), self._over)

    async def confirm(self, visit: Visit) -> Page:
        """What an act would be done to, and the question whether it is to be."""
        form = await visit.form()
        chosen = await _chosen(visit.client, form)
        return _confirming(visit, chosen)

    async def act(self, visit: Visit) -> Page:
        """Do it, to each by itself: what fails at one is told, and the others are done."""
        form = await visit.form()
        chosen = await _chosen(visit.client, form)
        reason = form.get("reason").strip()
        if len(chosen.rows) > 1 and form.get("typed").strip().lower() != chosen.typed:
            return _confirming(visit, chosen, reason, f"to confirm, type “{chosen.typed}”")
        if not reason:
            return _confirming(visit, chosen, reason, "say why: it stands in the journal")
        done = await _each(visit.client, chosen, f"console: {reason}")
        return visit.page("fleet", "done", chosen=chosen, done=done, reason=reason)


class Chosen(NamedTuple):
    """An act, and what it is to be done to: `all_of` is empty where each was chosen by hand."""

    act: str
    rows: Sequence[FleetRow]
    all_of: Asked | None = None

    @property
    def typed(self) -> str:
        """What has to be typed before it is done to more than one."""
        return f"{self.act} {len(self.rows)}"

    @property
    def named(self) -> Sequence[FleetRow]:
        """So many as a person reads."""
        return self.rows[:_NAMED]


class Done(NamedTuple):
    """What came of an act at one session; `fault` is empty where it was done."""

    session_id: str
    fault: str = ""


def _confirming(visit: Visit, chosen: Chosen, reason: str = "", fault: str = "") -> Page:
    status = 422 if fault else 200
    return visit.page(
        "fleet", "confirm", status, chosen=chosen, reason=reason, fault=fault, query=chosen.all_of
    )


async def _chosen(client: Client, form: Form) -> Chosen:
    """Errors: InvalidRequest for no act, and where nothing was chosen."""
    act = form.get("act")
    if act not in ACTS:
        raise InvalidRequest("choose what is to be done: pause, resume or kill")
    if form.get("all"):
        given = {name: form.get(name) for name in Asked._fields}
        asked = asked_of(given)._replace(start=0)
        return Chosen(act, await _matching(client, asked), asked)
    wanted = list(dict.fromkeys(form.all("session")))
    if not wanted:
        raise InvalidRequest(f"no session is chosen to {act}")
    rows = await _together(client, wanted)
    return Chosen(act, rows)


async def _matching(client: Client, asked: Asked) -> list[FleetRow]:
    rows: list[FleetRow] = []
    while True:
        fleet = await client.fleet.show(
            words=asked.words,
            states=asked.states,
            sort=asked.sort,
            order=asked.order,
            skip=len(rows),
            limit=_PAGE,
        )
        rows += fleet.rows
        if len(rows) >= fleet.matches or not fleet.rows:
            return rows


async def _together(client: Client, wanted: Sequence[str]) -> list[FleetRow]:
    """Those that were chosen, as they stand. Errors: NotFound."""
    return [FleetRow(session=await client.sessions.show(name)) for name in wanted]


async def _each(client: Client, chosen: Chosen, reason: str) -> list[Done]:
    verbs: dict[str, Callable[[str, str], Awaitable[object]]] = {
        "pause": client.sessions.pause,
        "resume": client.sessions.resume,
        "kill": client.sessions.kill,
    }
    verb, room = verbs[chosen.act], asyncio.Semaphore(_AT_ONCE)

    async def one(session_id: str) -> Done:
        async with room:
            try:
                await verb(session_id, reason)
            except HoldfastError as error:
                return Done(session_id, error.message)
            return Done(session_id)

    names = [row.session.session_id for row in chosen.rows]
    return list(await asyncio.gather(*(one(name) for name in names)))
