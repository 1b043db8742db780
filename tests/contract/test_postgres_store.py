"""The store on Postgres passes the shipped suite, and answers as the store in memory does."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.backends.postgres import PostgresStore
from holdfast.backends.system.clock import SystemClock
from holdfast.ports.store import Store
from holdfast.testing.conformance.store_runs import StoreRunsConformance
from holdfast.testing.memory_store import MemoryStore
from tests.contract.test_store_port import COMMITS, FILTERS, SESSION_FILTERS, answers
from tests.postgres import PostgresServer


class TestPostgresStore(StoreRunsConformance):
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


@settings(max_examples=40)
@given(COMMITS, st.lists(FILTERS, max_size=8), st.lists(SESSION_FILTERS, max_size=3))
def test_it_answers_as_the_store_in_memory_does(postgres, url, commits, filters, session_filters):
    async def main():
        ours = await PostgresStore.open(url, clock=SystemClock())
        try:
            theirs = await answers(MemoryStore(), commits, filters, session_filters)
            assert await answers(ours, commits, filters, session_filters) == theirs
        finally:
            await ours.close()

    try:
        asyncio.run(main())
    finally:
        postgres.execute("DROP SCHEMA holdfast CASCADE", url)
