"""Both stores keep conversations and purge alike, whatever is old, live or needed."""

import asyncio
import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.backends.sqlite import SqliteStore
from holdfast.backends.system.clock import SystemClock
from holdfast.errors import Conflict
from holdfast.model.conversations import ConversationClosed
from holdfast.model.effects import EffectState
from holdfast.model.retention import Cuts
from holdfast.model.runs import RunState
from holdfast.model.sessions import SessionState
from holdfast.ports.store import ConversationFilter, Store
from holdfast.testing.conformance.store import a_call
from holdfast.testing.conformance.store_retention import (
    StoreRetentionConformance,
    a_conversation,
    an_ended_session,
    an_old_effect,
    an_old_run,
    counts_of,
    purged_to_the_end,
)
from holdfast.testing.memory_store import MemoryStore


class TestSqliteStore(StoreRetentionConformance):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path):
        self.path = tmp_path / "holdfast.db"

    async def open_store(self) -> Store:
        return SqliteStore.open(self.path, clock=SystemClock())

    async def reopened(self, store: Store) -> Store:
        await store.close()
        return await self.open_store()


class TestMemoryStore(StoreRetentionConformance):
    async def open_store(self) -> Store:
        return MemoryStore()

    async def reopened(self, store: Store) -> Store:
        assert isinstance(store, MemoryStore)
        return store.crashed()


# --- the same answers ------------------------------------------------------------------------
SESSIONS = st.sampled_from(["s1", "s2", "s3", "s4"])
RUNS = st.sampled_from(["", "r1", "r2", "r3"])
TIMES = st.integers(1, 6)
CHANGES = st.one_of(
    st.builds(
        an_ended_session,
        SESSIONS,
        parent=st.sampled_from(["", "s1", "s2", "s3"]),
        state=st.sampled_from(SessionState),
        state_changed_at_ns=TIMES,
        tenant=st.sampled_from(["acme", "b"]),
        purged_at_ns=st.sampled_from([0, 0, 3]),
    ),
    st.builds(
        an_old_run,
        st.sampled_from(["r1", "r2", "r3", "r4"]),
        SESSIONS,
        state=st.sampled_from(RunState),
        changed_at_ns=TIMES,
        retry_of=RUNS,
        batch=st.sampled_from(["", "", "b"]),
    ),
    st.builds(
        an_old_effect,
        st.sampled_from("klm"),
        SESSIONS | st.just("nobody"),
        state=st.sampled_from(EffectState),
        changed_at_ns=TIMES,
    ),
    st.builds(a_call, st.sampled_from("abc"), session=SESSIONS),
    st.builds(
        a_conversation,
        st.sampled_from(["x", "y"]),
        version=st.integers(1, 4),
        user=st.sampled_from(["ann", "bob"]),
        saved_at_ns=TIMES,
        expires_at_ns=TIMES,
    ),
    st.builds(
        ConversationClosed,
        tenant=st.just("acme"),
        user=st.sampled_from(["ann", "bob"]),
        name=st.sampled_from(["x", "y"]),
        replaces=st.integers(0, 3),
    ),
)
CUT = st.integers(0, 7)
CUTS = st.builds(Cuts, sessions_ns=CUT, effects_ns=CUT, saved_ns=CUT, expired_ns=CUT)


async def seen(store: Store, commits, cuts: Cuts, limit: int) -> list[object]:
    """Everything that can be seen of a purge, conflicts by name."""
    found: list[object] = []
    for changes in commits:
        # One session of a token at a time: what else conflicts is another test's.
        try:
            await store.commit([], changes)
        except Conflict as refused:
            found.append(refused.message)
    tried = await store.purgeable(cuts)
    steps = await purged_to_the_end(store, cuts, limit=limit)
    assert tried == counts_of(steps)
    found += [[step.runs, step.sessions, step.effects, step.calls] for step in steps]
    for name in ("s1", "s2", "s3", "s4"):
        found += [await store.session(name), await store.calls(name), await store.effects(name)]
    found += [await store.run(name) for name in ("r1", "r2", "r3", "r4")]
    for user in ("ann", "bob"):
        found.append(await store.conversations(ConversationFilter(tenant="acme", user=user)))
    return found


@pytest.fixture(scope="module")
def fresh_path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("purged")
    return (folder / f"{n}.db" for n in itertools.count())


@settings(max_examples=60)
@given(st.lists(st.lists(CHANGES, min_size=1, max_size=4), max_size=10), CUTS, st.integers(1, 4))
def test_both_stores_purge_alike_and_as_much_as_a_trial_says(fresh_path, commits, cuts, limit):
    async def main():
        sqlite = SqliteStore.open(next(fresh_path), clock=SystemClock())
        try:
            ours = await seen(sqlite, commits, cuts, limit)
        finally:
            await sqlite.close()
        assert ours == await seen(MemoryStore(), commits, cuts, limit)

    asyncio.run(main())


def test_a_file_shrinks_by_what_was_purged(tmp_path):
    async def main():
        path = tmp_path / "holdfast.db"
        store = SqliteStore.open(path, clock=SystemClock())
        big = b"[" + b"1," * 500_000 + b"1]"
        await store.commit([], [a_conversation(f"c{n}", messages=big) for n in range(8)])
        await purged_to_the_end(store, Cuts(saved_ns=10), limit=100)
        freed = 0
        while step := (await store.compact(1024 * 1024)).freed_bytes:
            assert step <= 1024 * 1024
            freed += step
        assert freed > 7_000_000
        await store.close()
        assert path.stat().st_size < 1_000_000

    asyncio.run(main())
