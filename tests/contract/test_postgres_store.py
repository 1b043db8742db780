"""The store on Postgres passes the shipped suite, and answers as the store in memory does."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.backends.postgres import PostgresStore
from holdfast.backends.system.clock import SystemClock
from holdfast.ports.store import Store
from holdfast.testing.conformance.store_approvals import StoreApprovalsConformance
from holdfast.testing.conformance.store_costs import StoreCostsConformance
from holdfast.testing.conformance.store_retention import StoreRetentionConformance
from holdfast.testing.conformance.store_stops import StoreStopsConformance
from holdfast.testing.memory_store import MemoryStore
from tests.contract import test_store_retention as retention
from tests.contract.test_store_port import COMMITS, FILTERS, SESSION_FILTERS, answers
from tests.postgres import PostgresServer


class TestPostgresStore(
    StoreApprovalsConformance,
    StoreRetentionConformance,
    StoreStopsConformance,
    StoreCostsConformance,
):
    @pytest.fixture(autouse=True)
    def _place(self, postgres: PostgresServer):
        self.url = postgres.new_database()

    async def open_store(self) -> Store:
        return await PostgresStore.open(self.url, clock=SystemClock())

    async def reopened(self, store: Store) -> Store:
        await store.close()
        return await self.open_store()


@pytest.fixture(scope="module")
def url(postgres: PostgresServer) -> str:
    return postgres.new_database()


def alike(
    postgres: PostgresServer, url: str, look: Callable[[Store], Coroutine[None, None, object]]
) -> None:
    """Both stores answer alike; ours is empty again afterwards."""

    async def main() -> None:
        ours = await PostgresStore.open(url, clock=SystemClock())
        try:
            theirs = await look(MemoryStore())
            assert await look(ours) == theirs
        finally:
            await ours.close()

    try:
        asyncio.run(main())
    finally:
        postgres.execute("DROP SCHEMA holdfast CASCADE", url)


@settings(max_examples=40)
@given(COMMITS, st.lists(FILTERS, max_size=8), st.lists(SESSION_FILTERS, max_size=3))
def test_it_answers_as_the_store_in_memory_does(postgres, url, commits, filters, session_filters):
    alike(postgres, url, lambda store: answers(store, commits, filters, session_filters))


@settings(max_examples=40)
@given(
    st.lists(st.lists(retention.CHANGES, min_size=1, max_size=4), max_size=10),
    retention.CUTS,
    st.integers(1, 4),
)
def test_it_purges_as_the_store_in_memory_does(postgres, url, commits, cuts, limit):
    alike(postgres, url, lambda store: retention.seen(store, commits, cuts, limit))
