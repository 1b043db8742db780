"""Runs: those that wait for a person first, a page for each, and what a person does about it.

Not here: what a state allows (the server says).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal
from urllib.parse import quote, urlencode

import msgspec
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from holdfast.apps.console.pages import Page
from holdfast.apps.console.visits import Visit, Visits
from holdfast.client import Client, RunView
from holdfast.errors import InvalidRequest
from holdfast.model.effects import EffectEntry
from holdfast.model.runs import RunState

ROWS = 100
_WAITING_MOST = 500
_WAITING = "waiting"
_SHOWN = (_WAITING, "all", *(str(state) for state in RunState))
_ACTS: Mapping[RunState, tuple[str, ...]] = {
    RunState.DEAD: ("redrive", "discard"),
    RunState.PARKED: ("resume", "cancel"),
    RunState.QUEUED: ("cancel",),
    RunState.RUNNING: ("cancel",),
    RunState.DELAYED: ("cancel",),
}
Act = Callable[[str, str], Awaitable[object]]


class RunViews:
    """Look at runs, and settle those that wait."""

    def __init__(self, visits: Visits) -> None:
        self._visits = visits

    def routes(self) -> list[Route]:
        """Where they are."""
        signed_in, one = self._visits.signed_in, "/runs/{run_id}"
        return [
            Route("/runs", signed_in(self.show), methods=["GET"]),
            Route("/runs/settle", signed_in(self.settle), methods=["POST"]),
            Route(one, signed_in(self.run), methods=["GET"]),
            Route(one, signed_in(self.act), methods=["POST"]),
        ]

    async def show(self, visit: Visit) -> Page:
        """What waits for a person, or all runs of a state, a hundred at a time."""
        given, client = visit.request.query_params, visit.client
        shown = given.get("show", "")
        shown = shown if shown in _SHOWN else _WAITING
        if shown == _WAITING:
            runs = await client.dlq.list(limit=_WAITING_MOST)
            return visit.page(
                "runs", runs=runs, left=await _left(client, runs), **_choice(shown, "")
            )
        cursor = given.get("after", "")[:200]
        page = await client.runs.page(state="" if shown == "all" else shown, cursor=cursor)
        return visit.page("runs", runs=page.runs, left=(), **_choice(shown, page.next))

    async def run(self, visit: Visit) -> Page:
        """One, with what it waits for."""
        found = await visit.client.runs.show(_asked(visit))
        result = "" if found.result is None else _json(found.result)
        acts = _ACTS.get(found.state, ())
        return visit.page("runs", "run", run=found, result=result, acts=acts)

    async def act(self, visit: Visit) -> Response:
        """Queue it again, or end it. Errors: as of `client.runs` and `client.dlq`."""
        form, client = await visit.form(), visit.client
        verbs: dict[str, Act] = {
            "redrive": client.dlq.redrive,
            "discard": client.dlq.discard,
            "resume": client.runs.resume,
            "cancel": client.runs.cancel,
        }
        verb = verbs.get(form.get("act"))
        if verb is None:
            raise InvalidRequest("choose what is to be done with it")
        await verb(_asked(visit), _reason(form.get("reason")))
        return RedirectResponse(f"/console/runs/{quote(_asked(visit), safe='')}", 303)

    async def settle(self, visit: Visit) -> Response:
        """Say what became of an effect that nobody knows of; a run that waits for it goes on."""
        form = await visit.form()
        outcome: Literal["done", "failed"] | None = None
        if form.get("outcome") in ("done", "failed"):
            outcome = "done" if form.get("outcome") == "done" else "failed"
        if outcome is None:
            raise InvalidRequest("say what became of it: done or failed")
        await visit.client.effects.resolve(
            form.get("tenant"),
            form.get("key"),
            outcome,
            by=visit.me.operator,
            reason=_reason(form.get("reason")),
        )
        run_id = form.get("run")
        place = f"/console/runs/{quote(run_id, safe='')}" if run_id else "/console/runs"
        return RedirectResponse(place, 303)


def _asked(visit: Visit) -> str:
    return str(visit.request.path_params["run_id"])


def _reason(given: str) -> str:
    """Errors: InvalidRequest for none."""
    if not given.strip():
        raise InvalidRequest("say why: it stands in the journal")
    return f"console: {given.strip()}"


def _choice(shown: str, after: str) -> dict[str, Any]:
    following = urlencode({"show": shown, "after": after}) if after else ""
    return {"shown": shown, "all_shown": _SHOWN, "after": following}


async def _left(client: Client, runs: tuple[RunView, ...]) -> list[EffectEntry]:
    """Unknown effects that none of the runs waits for: those of sessions."""
    told = {entry.key for run in runs for entry in run.unknown_effects}
    found = await client.dlq.effects(limit=_WAITING_MOST)
    return [entry for entry in found if entry.key not in told]


def _json(value: object) -> str:
    if isinstance(value, str):
        return value
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
