"""Whose log is brought in, and whose is refused and left as it is."""

import asyncio
from pathlib import Path

import pytest

from holdfast.backends.sql import schema
from holdfast.backends.sqlite import filling
from holdfast.backends.sqlite.copying import SqliteCopy
from holdfast.backends.sqlite.log import paths_beside
from holdfast.errors import StoreUnavailable
from holdfast.testing.conformance.store import a_record
from tests.unit.backends.sqlite.test_filling import (
    OF_ACME,
    SystemClock,
    copied,
    opened,
    with_store,
)


@pytest.fixture
def killed(tmp_path: Path, monkeypatch) -> Path:
    """A database that a killed server left, its one record in the log alone."""
    monkeypatch.setattr(filling, "_LINGER_S", 3600)
    return left_by_a_kill(tmp_path / "at-work", tmp_path / "killed")


def left_by_a_kill(folder: Path, to: Path) -> Path:
    found = []

    async def body(store):
        await store.commit([a_record(7)])
        found.append(copied(folder / "holdfast.db", to))

    with_store(folder / "holdfast.db", body)
    return found[0]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        file.name: file.read_bytes()
        for file in folder.iterdir()
        if file.stat().st_size and not file.name.endswith((".lock", "-shm"))
    }


def times(path: Path) -> list[int]:
    found: list[int] = []

    async def body(store):
        found.extend(record.at_ns for record in await store.records(OF_ACME))

    with_store(path, body)
    return found


def test_a_log_of_another_database_is_refused_and_left_as_it_is(killed, tmp_path):
    other = left_by_a_kill(tmp_path / "other", tmp_path / "other-killed")
    for mine, theirs in zip(paths_beside(killed), paths_beside(other), strict=True):
        mine.write_bytes(theirs.read_bytes())
    before = contents(killed.parent)
    with pytest.raises(StoreUnavailable, match="is another database's"):
        opened(killed)
    assert contents(killed.parent) == before


def test_a_log_without_its_database_is_no_new_ones(killed):
    killed.unlink()
    killed.with_name(f"{killed.name}-wal").unlink(missing_ok=True)
    with pytest.raises(StoreUnavailable, match="is another database's"):
        opened(killed)
    assert any(path.stat().st_size for path in paths_beside(killed))
    for path in paths_beside(killed):
        path.unlink()
    assert times(killed) == []


def test_a_log_of_an_older_schema_is_refused_before_the_schema_changes(killed, monkeypatch):
    before, known = contents(killed.parent), schema.migrations("holdfast.backends.sqlite")
    newer = (*known, schema.Migration(known[-1].version + 1, "of_tomorrow", "CREATE TABLE t (x)"))
    with monkeypatch.context() as tomorrow:
        tomorrow.setattr(schema, "migrations", lambda package: newer)
        with pytest.raises(StoreUnavailable, match="start that one once more"):
            opened(killed)
    assert contents(killed.parent) == before
    assert times(killed) == [7]


def test_what_stands_behind_the_last_frame_is_no_matter(killed):
    (log,) = (path for path in paths_beside(killed) if path.stat().st_size)
    log.write_bytes(log.read_bytes() * 2)
    assert times(killed) == [7]
    assert not log.exists()


def test_a_store_that_is_moved_takes_what_a_kill_left_in_the_log(killed):
    async def main():
        copy = await SqliteCopy.open(killed, clock=SystemClock())
        pages = [page async for page in copy.rows("journal")]
        await copy.close()
        return pages

    (((_, at_ns, *_),),) = asyncio.run(main())
    assert at_ns == 7
    assert not any(path.exists() for path in paths_beside(killed))
