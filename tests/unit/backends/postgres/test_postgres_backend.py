"""What only the Postgres store has: rows as arrays, text without NUL, reads of one round trip."""

import asyncio

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.backends.postgres import PostgresStore, connections
from holdfast.backends.postgres.dialect import escaped, keepable, unescaped
from holdfast.backends.system.clock import SystemClock
from holdfast.ports.store_tables import TABLES
from holdfast.testing.conformance.store import a_record
from holdfast.testing.conformance.store_runs import an_effect
from tests.postgres import PostgresServer


@pytest.fixture(scope="module")
def url(postgres: PostgresServer) -> str:
    return postgres.new_database()


def with_store(url: str, body) -> None:
    async def main() -> None:
        store = await PostgresStore.open(url, clock=SystemClock())
        try:
            await body(store)
        finally:
            await store.close()

    asyncio.run(main())


def test_a_row_has_the_columns_of_its_table_in_their_order(url):
    """Rows go in as arrays of the tables' own types."""

    async def body(store: PostgresStore) -> None:
        for table, columns in TABLES.items():
            found = await store._connection.fetch(
                "SELECT attname, atttypid::regtype::text FROM pg_attribute"
                " WHERE attrelid = $1::text::regclass AND attnum > 0 ORDER BY attnum",
                (table,),
            )
            assert found == [(name, kind.value) for name, kind in columns], table

    with_store(url, body)


def test_a_read_is_one_round_trip_and_effects_asked_for_at_once_are_one_read(url, monkeypatch):
    asked: list[str] = []

    def noting(way):
        async def noted(self, query, *values, **options):
            asked.append(query)
            return await way(self, query, *values, **options)

        return noted

    for name in ("fetch", "execute"):
        way = noting(getattr(asyncpg.Connection, name))
        monkeypatch.setattr(connections._Reader, name, way, raising=False)

    async def body(store: PostgresStore) -> None:
        await store.commit([], [an_effect("k1")])
        assert await store.session("s") is None
        await store.accounts()
        assert len(asked) == 2
        answers = await asyncio.gather(*(store.effect("acme", f"k{n}") for n in range(50)))
        assert answers == [None, an_effect("k1"), *[None] * 48]
        assert len(asked) == 3

    with_store(url, body)


def test_no_read_connection_can_write(url):
    async def body(store: PostgresStore) -> None:
        async with store._readers._pool.acquire() as connection:
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await connection.execute("DELETE FROM sessions")

    with_store(url, body)


def test_numbers_go_on_where_they_ended(url):
    async def body(store: PostgresStore) -> None:
        before = store._connection._last["journal"]
        await asyncio.gather(*(store.commit([a_record(n), a_record(n)]) for n in range(3)))
        assert store._connection._last["journal"] == before + 6
        ((last,),) = await store._connection.fetch("SELECT max(seq) FROM journal")
        assert last == before + 6

    with_store(url, body)
    with_store(url, body)


@given(st.lists(st.text(st.sampled_from("\0\1\2ab"), max_size=6), max_size=6))
def test_text_comes_back_as_it_was_in_the_same_order_and_without_a_nul(texts):
    kept = [escaped(text) for text in texts]
    assert list(unescaped(kept)) == texts
    assert not any("\0" in text for text in kept)
    assert [unescaped([text])[0] for text in sorted(kept)] == sorted(texts)
    assert escaped(texts) == kept
    assert all(keepable(text) == (escaped(text) == text) for text in texts)


def test_a_fault_of_ours_is_told_and_no_fault_of_postgres_names_an_address():
    assert "division" in connections.unavailable(ZeroDivisionError("division")).message
    assert "secret" not in connections.unavailable(OSError("ann:secret@db")).message
