"""Stops as a session meets them: what it is told, what is journalled, and what a restart keeps."""

# mypy: no-check-untyped-defs

import asyncio
from typing import Any

import pytest

from holdfast.errors import SessionStopped
from holdfast.model.events import Kind
from holdfast.model.sessions import SessionState
from holdfast.model.stops import Reach
from holdfast.testing.conformance.store_stops import a_stop
from tests.unit.runtime.alone.desk import Desk, draft

ANN = Reach(tenant="acme", user="ann")


def test_a_refusal_names_every_stop_what_lifts_it_and_who_may():
    async def main():
        desk: Any = Desk()
        live = await desk.open(user="ann")
        stops = desk.sessions.stops
        stops.lifters = {ANN: "bob", Reach(): "admin"}.get
        for reach in (ANN, Reach()):
            stops.place(a_stop(reach=reach, by="eve", reason=""))
        desk.sessions.hold(live)
        both = (
            "user ann in acme is paused by eve"
            " (`holdfast sessions resume --tenant acme --user ann` lifts it, by bob);"
            " everything is paused by eve (`holdfast sessions resume --all` lifts it, by admin)"
        )
        refusal = stops.stopped("the session", live.who)
        assert refusal.message == f"the session is paused: {both}"
        assert refusal.fields == {
            "state": "paused",
            "reason": "user ann in acme is paused by eve; everything is paused by eve",
            "stop": "user ann in acme",
        }
        with pytest.raises(SessionStopped, match="nothing opens here: user ann") as refused:
            stops.check_open(draft(user="ann").principal)
        assert refused.value.message == f"nothing opens here: {both}"

    asyncio.run(main())


def test_a_session_below_one_that_waits_says_whose_stop_it_is():
    async def main():
        desk: Any = Desk()
        top = await desk.open(user="ann", agent="boss")
        below = draft(agent="aide", delegated_by=top.session.session_id, depth=1)
        child, _ = await desk.sessions.open_child(top, below, "")
        await desk.stopping.pause(Reach(agent="boss"), "", by="eve")
        with pytest.raises(SessionStopped, match="the session above it, boss, is paused: agent bo"):
            desk.sessions.check_live(child)
        assert child.session.state is SessionState.ACTIVE

    asyncio.run(main())


def test_who_is_read_while_a_stop_stands_is_held_and_who_is_read_after_it_goes_on():
    async def main():
        desk: Any = Desk()
        name = (await desk.open(user="ann")).session.session_id
        desk = await desk.restarted()
        stop = a_stop(reach=ANN, at_ns=desk.clock.now_ns())
        desk.sessions.stops.place(stop)
        live = await desk.sessions.get(name)
        assert (live.session.state, live.session.by_stop) == (SessionState.PAUSED, True)
        # Whoever lifted it ended before the session was let go.
        desk = await desk.restarted()
        live = await desk.sessions.get(name)
        assert (live.session.state, live.session.by_stop) == (SessionState.ACTIVE, False)
        await desk.journal.commit(())
        resumed = [r for r in desk.store.journal if r.kind is Kind.SESSION_RESUMED]
        assert [r.body for r in resumed] == [
            {"reason": "no stop holds it any more", "by": "", "from": "paused"}
        ]

    asyncio.run(main())


def test_a_house_without_stops_holds_nobody():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        assert desk.sessions.stops.of(live.who) == ()
        assert desk.sessions.hold(live) is None

    asyncio.run(main())
