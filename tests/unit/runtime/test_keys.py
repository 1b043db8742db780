"""Spending keys in a house: one budget for all their sessions, and an end that holds at once."""

import asyncio
import re

import msgspec
import pytest

from holdfast.core.sessions import Command
from holdfast.errors import Conflict, NotFound, SessionStopped, Unauthenticated
from holdfast.model.budgets import AccountKey, Dimension, Reserved, Scope, Window
from holdfast.model.events import Kind
from holdfast.model.keys import KeyState, SpendingKey
from holdfast.model.sessions import SessionState
from holdfast.runtime.born import token_digest
from holdfast.runtime.keys import Keys, accounts_of
from tests.unit.runtime.house import House, limit

S = 1_000_000_000
FIVE = limit(Dimension.USD, 5, Scope.KEY)


def draft(name="ci", **changes):
    key = SpendingKey(
        name=name,
        digest="",
        tenant="acme",
        project="shop",
        agent="clerk",
        users=("ann",),
        limits=(FIVE,),
        added_at_ns=0,
        added_by="admin",
        expires_at_ns=60 * S,
    )
    return msgspec.structs.replace(key, **changes)


def run(main):
    asyncio.run(main())


def restarted(home):
    """What the next process makes of what is durable."""
    return House(store=home.store.crashed(), clock=home.clock, entropy=home.entropy)


def stands(home, live):
    """Whether the session may act, and what it is told if not."""
    try:
        home.sessions.check_live(live)
    except SessionStopped as stopped:
        return stopped.message
    return ""


def test_a_key_is_known_by_its_token_which_is_kept_nowhere():
    async def main():
        home = House()
        key, token = await home.keys.add(draft())
        assert re.fullmatch(r"hfk_[a-z2-7]{52}", token) or token.startswith("hfk_")
        assert home.keys.of_digest(token_digest(token)) == key
        assert key.digest == token_digest(token)
        stored = b"".join(
            msgspec.json.encode(part)
            for part in (home.store.journal, await home.store.spending_keys())
        )
        assert token.encode() not in stored
        assert key.digest.encode() not in msgspec.json.encode(home.store.journal)
        for wrong in (token[:-1], token.upper(), token + "a", "", "hfk_"):
            assert home.keys.of_digest(token_digest(wrong)) is None

    run(main)


def test_a_name_is_given_once_also_after_the_key_is_over():
    async def main():
        home = House()
        first = await asyncio.gather(
            *(home.keys.add(draft()) for _ in range(3)), return_exceptions=True
        )
        assert [type(one) for one in first].count(Conflict) == 2
        await home.keys.revoke("ci", "admin", "")
        with pytest.raises(Conflict, match="or was"):
            await home.keys.add(draft())
        assert len(home.written(Kind.KEY_ADDED)) == 1

    run(main)


def test_another_token_ends_the_one_before_and_no_session():
    async def main():
        home = House()
        live = await home.open(FIVE)
        before = home.keys.get(live.who.key)
        key, token = await home.keys.rotate(before.name, "ann")
        assert home.keys.of_digest(before.digest) is None
        assert list(home.keys.digests()) == [key.digest]
        assert home.keys.of_digest(token_digest(token)) == key
        assert stands(home, live) == ""
        assert home.written(Kind.KEY_ROTATED)[0].body == {"key": before.name, "by": "ann"}
        await home.keys.revoke(key.name, "ann", "")
        with pytest.raises(Conflict, match="was revoked"):
            await home.keys.rotate(key.name, "ann")
        with pytest.raises(NotFound):
            await home.keys.rotate("nobody", "ann")

    run(main)


def test_a_revoked_key_stops_its_sessions_and_those_below_them_before_it_is_durable():
    async def main():
        home = House()
        live = await home.open(FIVE)
        other = await home.open(limit(Dimension.USD, 5))
        cut: list[str] = []
        live.streams["h"] = cut.append
        home.store.hold_commits()
        durable = home.keys.revoke(live.who.key, "ann", "lost")
        assert stands(home, live) == "the session is stopped: the key `key0` was revoked"
        assert cut == ["session_stopped: the key `key0` was revoked"]
        assert stands(home, other) == ""
        assert not durable.done()
        home.store.release_commits()
        await durable
        kinds = [r.kind for r in home.store.journal]
        assert kinds.index(Kind.KEY_REVOKED) < kinds.index(Kind.SESSION_STOPPED)
        again = len(home.store.journal)
        await home.keys.revoke(live.who.key, "ann", "lost")
        assert len(home.store.journal) == again

    run(main)


@pytest.mark.parametrize("paused", [False, True])
def test_a_key_that_expires_stops_its_sessions_though_a_pause_holds_their_clock(paused):
    async def main():
        home = House()
        live = await home.open(FIVE, ttl_s=10**6)
        if paused:
            await home.sessions.change(live, Command.PAUSE, "lunch")
        home.clock.advance(3600)
        home.house.tick()
        assert live.session.state is SessionState.STOPPED
        assert live.session.state_reason == "the key `key0` expired"

    run(main)


def test_what_a_key_opened_stops_in_the_next_process_too():
    async def main():
        home = House()
        live = await home.open(FIVE)
        name, token = live.session.session_id, home.token
        await home.keys.revoke(live.who.key, "ann", "")
        after = restarted(home)
        await after.keys.load()
        back = await after.sessions.authenticate(token)
        assert back.session.session_id == name
        assert stands(after, back) == "the session is stopped: the key `key0` was revoked"

    run(main)


def test_a_session_of_a_key_that_nobody_knows_does_nothing():
    async def main():
        home = House()
        await home.open(FIVE)
        after = restarted(home)
        back = await after.sessions.authenticate(home.token)
        assert stands(after, back) == "the session is stopped: the key `key0` is not known"

    run(main)


def test_all_sessions_of_a_key_together_never_hold_more_than_it_has():
    async def main():
        home = House()
        first = await home.open(FIVE)
        more = [await _same_key(home, first) for _ in range(9)]
        account = AccountKey(Scope.KEY, "acme/key0", Dimension.USD, Window.LIFE)
        assert all(account in live.chain for live in (first, *more))
        held = [
            home.budgets.ledger.reserve(
                f"h{n}", live.chain, {Dimension.USD: 1}, session="s", purpose="model", now_ns=0
            )
            for n, live in enumerate((first, *more))
        ]
        assert [isinstance(one, Reserved) for one in held].count(True) == 5
        assert {one.key for one in held if not isinstance(one, Reserved)} == {account}

    run(main)


async def _same_key(home, first):
    session = msgspec.structs.replace(
        first.session,
        principal=msgspec.structs.replace(first.who, session="", task=""),
        expires_at_ns=60 * S,
    )
    live, _ = await home.sessions.open(session)
    return live


def test_what_a_key_spent_is_known_after_a_restart():
    async def main():
        home = House()
        key, _ = await home.keys.add(draft())
        (account,) = accounts_of(key)
        async with home.budgets.at_hand((account,)):
            home.budgets.ledger.reserve(
                "h", (account,), {Dimension.USD: 3}, session="s", purpose="model", now_ns=0
            )
            home.budgets.settle_now("h", {Dimension.USD: 3}, (await home.open()).who)
        await home.journal.commit(())
        after = restarted(home)
        (state,) = await after.budgets.states([account])
        assert (state.settled, state.limit) == (3, 5)

    run(main)


def test_each_use_is_counted_and_told_with_the_session_that_it_opened():
    async def main():
        home = House()
        live = await home.open(FIVE)
        for n in (1, 2):
            records, changes = home.keys.used("key0", live.who)
            await home.journal.commit(records, changes)
            (record,) = records
            assert (record.kind, record.body) == (Kind.KEY_USED, {"key": "key0", "opened": n})
            assert record.session == live.session.session_id
        (stored,) = await home.store.spending_keys()
        assert (stored.opened, stored.used_at_ns > 0) == (2, True)
        assert home.keys.state(stored) is KeyState.ACTIVE

    run(main)


def test_a_key_at_the_models_door_is_told_what_it_is_for():
    async def main():
        home = House()
        _, token = await home.keys.add(draft())
        with pytest.raises(Unauthenticated, match="opens sessions and takes no model call"):
            await home.doorkeeper.authenticate_model(token)

    run(main)


def test_keys_are_read_by_name():
    async def main():
        home = House()
        for name in ("b", "a"):
            await home.keys.add(draft(name))
        again = Keys(home.store, home.journal, home.budgets, home.clock, home.entropy)
        await again.load()
        assert [key.name for key in again.all()] == ["a", "b"]
        assert list(again.digests()) == [key.digest for key in again.all()]
        with pytest.raises(NotFound):
            again.get("c")

    run(main)
