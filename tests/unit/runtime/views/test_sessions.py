"""Sessions as they are shown: the same of a live one, a stored one and one that just ran out."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import msgspec
import pytest

from holdfast.core.sessions import Command
from holdfast.errors import NotFound
from holdfast.model.budgets import Dimension
from holdfast.model.principals import TrustLevel
from holdfast.model.sessions import LoopLimits, SessionState
from holdfast.model.tools import CallState
from holdfast.model.views.sessions import SessionView
from holdfast.ports.store import SessionFilter
from holdfast.runtime.views.sessions import SessionViews
from tests.unit.runtime.alone.desk import Desk, call, draft, limit

SCOPES: tuple[dict[str, tuple[str, ...]], ...] = (
    {"path": ("src/*",)},
    {"path": ("src/a",), "ref": ("main",)},
)
S = SessionState
NS = 1_000_000_000


def views_of(desk: Any) -> SessionViews:
    return desk.session_views


async def used(desk: Any) -> Any:
    """A session that has something in every field."""
    live = await desk.open(
        task="t7",
        roles=("buyer",),
        resources=("arn:1",),
        scopes=SCOPES,
        loop=LoopLimits(query_bytes=77),
    )
    for number, state in enumerate(CallState):
        call(live, f"c{number}", state=state)
    call(live, "other", state=CallState.EXECUTED, session="ses_other")
    live.cost_nusd, live.turn = 7, 3
    live.streams["h"] = lambda why: None
    live.children.append("ses_c")
    live.vouched.taint("fetch")
    live.residue.hold(9)
    live.context.answered("", 41, 0, tools=True)
    return live


def test_what_runs_is_shown_apart_from_what_is_settled_and_counts_those_below():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(Dimension.USD, 100))
        child, _ = await desk.sessions.open_child(
            live, draft(delegated_by=live.session.session_id, depth=1), ""
        )
        for one, hold_id, held, used in ((live, "h1", 30, 11), (child, "h2", 20, 5)):
            desk.hold(one, hold_id, "model", usd=held)
            one.paying[hold_id] = lambda used=used: used
        desk.hold(live, "h3", "tool")
        views = views_of(desk)
        shown = [
            (view.cost_nusd, view.reserved_nusd, view.estimated_nusd)
            for view in (views.of_live(live), views.of_live(child))
        ]
        assert shown == [(0, 50, 16), (0, 20, 5)]
        (listed, *_), _ = await views.listed(SessionFilter(), None)
        assert listed.estimated_nusd in (5, 16)
        for one, hold_id, used in ((live, "h1", 12), (child, "h2", 6)):
            one.paying.clear()
            desk.budgets.settle_now(hold_id, {Dimension.USD: used}, one.who)
        view = views.of_live(live)
        assert (view.cost_nusd, view.reserved_nusd, view.estimated_nusd) == (18, 0, 0)

    asyncio.run(main())


def test_live_session_shows_all_but_its_tokens_and_counts_its_own_calls_that_ran():
    async def main():
        desk: Any = Desk()
        live = await used(desk)
        session = live.session
        shown = views_of(desk).of_live(live)
        assert shown == SessionView(
            session_id=session.session_id,
            tenant="acme",
            project="shop",
            user="ann",
            agent="clerk",
            task="t7",
            trust=TrustLevel.AUTONOMOUS,
            roles=("buyer",),
            state=S.ACTIVE,
            state_reason="",
            opened_at_ns=session.opened_at_ns,
            expires_at_ns=session.expires_at_ns,
            cost_nusd=7,
            turn=3,
            tool_calls=4,
            streams=1,
            tainted=True,
            context_percent=41,
            query_bytes=9,
            query_bytes_limit=77,
            delegated_by="",
            children=("ses_c",),
            resources=("arn:1",),
            scopes=SCOPES,
        )
        empty = [name for name, value in msgspec.structs.asdict(shown).items() if not value]
        runs = ["reserved_nusd", "estimated_nusd"]
        assert empty == ["state_reason", "life_left_ns", "stops", *runs, "delegated_by", "key"]

    asyncio.run(main())


def test_stored_session_shows_what_it_showed_while_it_was_in_memory():
    async def main():
        desk: Any = Desk()
        live = await desk.open(roles=("buyer",), resources=("arn:1",), scopes=SCOPES)
        await desk.sessions.change(live, Command.PAUSE, "lunch")
        before = await views_of(desk).show(live.session.session_id)
        after = await views_of(await desk.restarted()).show(live.session.session_id)
        assert before == after
        assert (after.state, after.state_reason, after.scopes) == (S.PAUSED, "lunch", SCOPES)

    asyncio.run(main())


@pytest.mark.parametrize("stored", [False, True])
def test_session_past_its_wall_clock_is_expired_from_that_nanosecond_on(stored):
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        name, end_ns = live.session.session_id, live.session.expires_at_ns
        if stored:
            desk = await desk.restarted()
        desk.clock.advance((end_ns - desk.clock.now_ns() - 1) / NS)
        for state, why in ((S.ACTIVE, ""), (S.EXPIRED, "the session reached its wall clock")):
            shown = await views_of(desk).show(name)
            desk.clock.advance(1 / NS)
            assert (shown.state, shown.state_reason) == (state, why)

    asyncio.run(main())


def test_list_goes_by_the_state_of_now_and_not_by_the_stored_one():
    async def main():
        desk: Any = Desk()
        short = await desk.open()
        desk.clock.advance(1)
        long = await desk.open()
        desk.clock.advance(3599)
        views = views_of(desk)

        async def names(state: S | None, limit: int = 9) -> list[str]:
            found, _ = await views.listed(SessionFilter(tenant="acme", limit=limit), state)
            return [one.session_id for one in found]

        assert await names(None) == [long.session.session_id, short.session.session_id]
        assert await names(S.ACTIVE, 1) == [long.session.session_id]
        assert await names(S.EXPIRED, 1) == [short.session.session_id]
        assert await names(S.KILLED) == []

    asyncio.run(main())


def test_session_that_nobody_opened_is_not_found():
    async def main():
        with pytest.raises(NotFound):
            await views_of(Desk()).show("ses_none")

    asyncio.run(main())
