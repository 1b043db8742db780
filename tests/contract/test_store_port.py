"""Both stores pass the shipped suite, and answer alike whatever is asked of them."""

import asyncio
import itertools
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.backends.sqlite import SqliteStore
from holdfast.errors import HoldfastError
from holdfast.model.budgets import AccountKey, AccountState, Dimension, Scope, Window
from holdfast.model.events import Kind
from holdfast.model.sessions import SessionState
from holdfast.model.stops import Reach
from holdfast.model.tools import CallState
from holdfast.ports.store import HoldClosed, RecordFilter, SessionFilter, Store
from holdfast.testing.conformance.store import a_call, a_hold, a_record, a_session
from holdfast.testing.conformance.store_approvals import StoreApprovalsConformance
from holdfast.testing.conformance.store_costs import StoreCostsConformance
from holdfast.testing.conformance.store_stops import StoreStopsConformance, a_stop
from holdfast.testing.memory_store import MemoryStore


class SystemClock:
    def now_ns(self) -> int:
        return time.time_ns()


class TestSqliteStore(StoreApprovalsConformance, StoreStopsConformance, StoreCostsConformance):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path):
        self.path = tmp_path / "holdfast.db"

    async def open_store(self) -> Store:
        return SqliteStore.open(self.path, clock=SystemClock())

    async def reopened(self, store: Store) -> Store:
        await store.close()
        return await self.open_store()


class TestMemoryStore(StoreApprovalsConformance, StoreStopsConformance, StoreCostsConformance):
    async def open_store(self) -> Store:
        return MemoryStore()

    async def reopened(self, store: Store) -> Store:
        assert isinstance(store, MemoryStore)
        return store.crashed()


# --- the same answers ------------------------------------------------------------------------
NAMES = st.sampled_from(["", "a", "b", "a\0", "é"])
TENANTS = st.sampled_from(["acme", "b"])
TIMES = st.integers(0, 6)

RECORDS = st.builds(
    a_record,
    at_ns=TIMES,
    kind=st.sampled_from([Kind.TOOL_CALL_DECIDED, Kind.SESSION_OPENED]),
    tenant=TENANTS | st.just(""),
    user=NAMES,
    agent=NAMES,
    session=NAMES,
    tool=NAMES,
    call_id=NAMES,
    body=st.dictionaries(
        st.text(max_size=3),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
            lambda inner: st.lists(inner, max_size=2),
            max_leaves=4,
        ),
        max_size=2,
    ),
)
CHANGES = st.one_of(
    st.builds(
        AccountState,
        key=st.builds(
            AccountKey,
            scope=st.sampled_from(Scope),
            owner=st.sampled_from(["acme", "acme/ann:x", "é"]),
            dimension=st.sampled_from([Dimension.USD, Dimension.TOKENS]),
            window=st.sampled_from([Window.LIFE, Window.DAY]),
        ),
        limit=st.none() | st.integers(0, 2**62),
        settled=st.integers(0, 2**62),
        held=st.integers(0, 9),
        buckets=st.dictionaries(st.integers(0, 5), st.integers(0, 5), max_size=2),
    ),
    st.builds(a_hold, st.sampled_from("xyz"), nusd=st.integers(0, 9), at_ns=TIMES),
    st.builds(HoldClosed, st.sampled_from("xyz")),
    st.builds(
        a_session,
        st.sampled_from(["s1", "s2", "s3", "\ud800"]),
        tenant=TENANTS,
        opened_at_ns=TIMES,
        token_digest=st.sampled_from(["", "t1", "t2", "t3"]),
        state=st.sampled_from(SessionState),
    ),
    st.builds(
        a_call,
        st.sampled_from("abc"),
        session=st.sampled_from(["s1", "s2"]),
        state=st.sampled_from(CallState),
    ),
    st.builds(
        a_stop,
        reach=st.builds(Reach, tenant=TENANTS, user=NAMES),
        at_ns=TIMES,
        lifted_at_ns=st.sampled_from([0, 0, 7]),
    ),
)
COMMITS = st.lists(
    st.tuples(st.lists(RECORDS, max_size=3), st.lists(CHANGES, max_size=3)), max_size=12
)
FILTERS = st.builds(
    RecordFilter,
    tenant=TENANTS | st.just(""),
    user=NAMES,
    session=NAMES,
    agent=NAMES,
    tool=NAMES,
    call_id=NAMES,
    kinds=st.sampled_from([(), (Kind.SESSION_OPENED,), tuple(Kind)]),
    from_ns=TIMES,
    until_ns=TIMES | st.just(2**63 - 1),
    after_seq=TIMES,
    limit=st.integers(-1, 20),
)
SESSION_FILTERS = st.builds(
    SessionFilter,
    tenant=TENANTS | st.just(""),
    user=st.sampled_from(["", "ann", "bob"]),
    states=st.sampled_from([(), (SessionState.ACTIVE, SessionState.KILLED)]),
    limit=st.integers(0, 3),
)


async def answers(store: Store, commits, filters, session_filters) -> list[object]:
    """Everything that can be seen of a store after the commits, errors by their code."""

    async def outcome(attempt):
        try:
            return await attempt()
        except HoldfastError as error:
            return error.code

    async def committed(records, changes):
        async def wait(pending):
            return await outcome(lambda: pending)

        try:
            pending = store.commit(records, changes)
        except HoldfastError as error:
            return error.code, None
        return "", asyncio.create_task(wait(pending))

    queued = [await committed(records, changes) for records, changes in commits]
    seen: list[object] = [refusal or await task for refusal, task in queued if refusal or task]
    for where in filters:
        found = await outcome(lambda where=where: store.records(where))
        if isinstance(found, list):
            assert all(record.tenant == where.tenant for record in found)
        seen.append(found)
    seen += [await store.sessions(where) for where in session_filters]
    seen += [await store.session_by_token(t) for t in ("", "t1", "t2", "t3")]
    seen += [await store.session(s) for s in ("s1", "s2", "s3")]
    seen += [await store.calls(s) for s in ("s1", "s2")]
    every = await store.accounts()
    seen += [await store.accounts([s.key for s in every[::2]]), await store.accounts([])]
    seen += [await store.stops()]
    return [*seen, every, await store.holds(), await store.last_at_ns()]


@pytest.fixture(scope="module")
def fresh_path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alike")
    return (folder / f"{n}.db" for n in itertools.count())


@given(COMMITS, st.lists(FILTERS, max_size=8), st.lists(SESSION_FILTERS, max_size=3))
def test_both_stores_answer_alike_and_never_with_another_tenants_records(
    fresh_path, commits, filters, session_filters
):
    async def main():
        sqlite = SqliteStore.open(next(fresh_path), clock=SystemClock())
        memory = MemoryStore()
        try:
            ours = await answers(sqlite, commits, filters, session_filters)
            theirs = await answers(memory, commits, filters, session_filters)
            assert ours == theirs
        finally:
            await sqlite.close()

    asyncio.run(main())
