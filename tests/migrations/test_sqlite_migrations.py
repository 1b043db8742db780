"""The SQLite schema's way up, and the refusal to go down."""

import asyncio
import time
from pathlib import Path

import apsw
import pytest

from holdfast.backends.sql import batch, schema
from holdfast.backends.sqlite import SqliteStore
from holdfast.backends.sqlite.owning import owning
from holdfast.backends.sqlite.schema import PACKAGE
from holdfast.backends.sqlite.threads import ran
from holdfast.errors import StoreUnavailable
from holdfast.ports.store import RecordFilter
from holdfast.ports.store_rows import commit_rows
from holdfast.testing.conformance.store import a_record
from holdfast.testing.conformance.store_runs import an_effect


class SystemClock:
    def now_ns(self) -> int:
        return time.time_ns()


def opened(path: Path) -> SqliteStore:
    return SqliteStore.open(path, clock=SystemClock())


def open_and_close(path: Path) -> None:
    asyncio.run(opened(path).close())


def applied(path: Path) -> list[tuple]:
    connection = apsw.Connection(str(path))
    found = connection.execute("SELECT version, name, applied_at_ns > 0 FROM migrations").fetchall()
    connection.close()
    return found


def with_migration(monkeypatch, sql: str) -> int:
    known = schema.migrations(PACKAGE)
    new = schema.Migration(known[-1].version + 1, "of_tomorrow", sql)
    monkeypatch.setattr(schema, "migrations", lambda package: (*known, new))
    return new.version


def test_migrations_are_numbered_without_a_gap():
    assert [m.version for m in schema.migrations(PACKAGE)] == list(
        range(1, len(schema.migrations(PACKAGE)) + 1)
    )


def test_a_new_database_gets_every_migration_once(tmp_path):
    path = tmp_path / "holdfast.db"
    wanted = [(m.version, m.name, 1) for m in schema.migrations(PACKAGE)]
    for _ in range(2):
        open_and_close(path)
        assert applied(path) == wanted


def test_a_newer_database_is_refused_and_left_as_it_is(tmp_path, monkeypatch):
    path = tmp_path / "holdfast.db"
    version = with_migration(monkeypatch, "CREATE TABLE tomorrow (x)")
    open_and_close(path)
    monkeypatch.undo()
    content = path.read_bytes()
    with pytest.raises(StoreUnavailable, match=f"has schema {version} .* up to {version - 1}"):
        opened(path)
    assert path.read_bytes() == content
    with_migration(monkeypatch, "")
    open_and_close(path)


def test_an_older_database_keeps_its_records_on_the_way_up(tmp_path, monkeypatch):
    path = tmp_path / "holdfast.db"

    async def write():
        store = opened(path)
        await store.commit([a_record(7)])
        await store.close()

    async def read():
        store = opened(path)
        found = await store.records(RecordFilter(tenant="acme"))
        await store.close()
        return [record.at_ns for record in found]

    asyncio.run(write())
    version = with_migration(monkeypatch, "ALTER TABLE sessions ADD COLUMN note TEXT")
    assert asyncio.run(read()) == [7]
    assert applied(path)[-1][0] == version


def test_a_migration_that_fails_changes_nothing(tmp_path, monkeypatch):
    path = tmp_path / "holdfast.db"
    open_and_close(path)
    before = applied(path)
    with_migration(monkeypatch, "CREATE TABLE half (x); INSERT INTO nowhere VALUES (1)")
    with pytest.raises(StoreUnavailable, match="nowhere"):
        opened(path)
    monkeypatch.undo()
    assert applied(path) == before
    connection = apsw.Connection(str(path))
    assert not connection.table_exists(None, "half")
    connection.close()
    open_and_close(path)


def test_a_first_migration_that_fails_leaves_an_empty_database(tmp_path, monkeypatch):
    path = tmp_path / "holdfast.db"
    with_migration(monkeypatch, "INSERT INTO nowhere VALUES (1)")
    with pytest.raises(StoreUnavailable):
        opened(path)
    monkeypatch.undo()
    open_and_close(path)
    assert len(applied(path)) == len(schema.migrations(PACKAGE))


def test_effects_of_a_database_that_kept_them_by_key_are_all_there_afterwards(
    tmp_path, monkeypatch
):
    path = tmp_path / "holdfast.db"
    before = schema.migrations(PACKAGE)[:3]
    kept = [an_effect(f"k{9 - n}", intended_at_ns=n, tenant=t) for n in range(9) for t in "ab"]
    after = an_effect("k5", intended_at_ns=4, tenant="a", session="ses_2", attempt=2)

    def write():
        with owning(path, SystemClock()) as owned:
            ran(batch.write(owned.connection, [commit_rows([], kept)]))
            owned.connection.raw.close()
            owned.ownership.release()

    async def read():
        store = opened(path)
        await store.commit([], [after])
        found = [await store.effect(one.tenant, one.key) for one in kept]
        listed = (await store.effects("ses_1"), await store.effects("ses_2"))
        await store.close()
        return found, listed

    with monkeypatch.context() as older:
        older.setattr(schema, "migrations", lambda package: before)
        write()
    found, (first, second) = asyncio.run(read())
    wanted = [after if (one.tenant, one.key) == ("a", "k5") else one for one in kept]
    assert found == wanted
    assert len(first) == 17
    assert first == [one for one in wanted if one is not after]
    assert second == [after]
