"""What only the SQLite store has: ownership, permissions, settings, refusals, access paths."""

import asyncio
import errno
import os
import sqlite3
import stat
import threading
import time
from pathlib import Path

import apsw
import pytest

from holdfast.backends.sql import queries, writer
from holdfast.backends.sql.database import Query
from holdfast.backends.sqlite import SqliteStore, connections, writing
from holdfast.backends.sqlite.dialect import SqliteDialect, numbered
from holdfast.backends.sqlite.log import Log
from holdfast.errors import Conflict, StoreUnavailable
from holdfast.model.events import Kind
from holdfast.ports.store import EffectFilter, RecordFilter
from holdfast.testing.conformance.store import a_hold, a_record, a_session
from holdfast.testing.conformance.store_runs import an_effect


class SystemClock:
    def now_ns(self) -> int:
        return time.time_ns()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "holdfast.db"


def opened(path: Path) -> SqliteStore:
    return SqliteStore.open(path, clock=SystemClock())


def with_store(path: Path, body) -> None:
    async def main():
        store = opened(path)
        try:
            await body(store)
        finally:
            await store.close()

    asyncio.run(main())


def test_only_its_owner_can_read_the_database_its_log_and_a_folder_made_for_it(path):
    async def body(store):
        await store.commit([a_record()])
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
        assert (path.parent / "holdfast.db-wal").exists()
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    before = os.umask(0)
    try:
        with_store(path, body)
    finally:
        os.umask(before)


def test_a_file_that_others_could_read_is_closed_to_them(path):
    with_store(path, lambda store: store.commit([a_record()]))
    path.chmod(0o644)
    with_store(path, lambda store: store.commit([a_record()]))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_server_is_refused_also_through_a_link(path):
    async def body(store):
        link = path.parent / "link.db"
        link.symlink_to(path)
        for way in (path, link):
            with pytest.raises(Conflict, match=f"process {os.getpid()}"):
                opened(way)
        await store.commit([a_record()])

    with_store(path, body)
    with_store(path, lambda store: store.commit())


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" * 300])
def test_a_damaged_file_is_refused_and_left_as_it_is(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StoreUnavailable, match=r"not a database|damaged"):
        opened(path)
    assert path.read_bytes() == content
    path.unlink()
    with_store(path, lambda store: store.commit())


def test_another_programs_database_is_refused_and_left_as_it_is(path):
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE journal (x)")
    other.commit()
    other.close()
    content = path.read_bytes()
    with pytest.raises(StoreUnavailable, match="not one of holdfast's"):
        opened(path)
    assert path.read_bytes() == content


def test_a_path_that_cannot_be_a_database_is_refused(path, tmp_path):
    (tmp_path / "file").write_text("x")
    for bad in (tmp_path, tmp_path / "file" / "below", Path("nul\0byte")):
        with pytest.raises(StoreUnavailable):
            opened(bad)


def test_settings_are_those_that_make_a_commit_durable(path):
    async def body(store):
        for name, wanted in (("journal_mode", "wal"), ("synchronous", 2), ("fullfsync", 1)):
            assert store._connection.raw.pragma(name) == wanted

    with_store(path, body)


def test_a_setting_that_sqlite_does_not_take_is_an_error(path, monkeypatch):
    monkeypatch.setitem(connections._WRITER, "page_size", 12345)
    with pytest.raises(StoreUnavailable, match="page_size"):
        opened(path)


async def settled(store: SqliteStore) -> None:
    """The tables have what was acknowledged, as other connections see them."""
    await asyncio.to_thread(store._filling.settle)


def test_the_journal_is_never_changed_nor_shortened(path):
    async def body(store):
        await store.commit([a_record()])
        await settled(store)
        for sql in ("UPDATE journal SET tenant = 'x'", "DELETE FROM journal"):
            with pytest.raises(apsw.ConstraintError, match="never"):
                store._connection.raw.execute(sql)

    with_store(path, body)


@pytest.mark.parametrize(
    ("where", "index", "sorts"),
    [
        ({}, "journal_by_tenant (tenant=?)", False),
        ({"after_seq": 7}, "journal_by_tenant (tenant=? AND rowid>?)", False),
        ({"from_ns": 5}, "journal_by_time (tenant=? AND at_ns>? AND at_ns<?)", True),
        ({"user": "u"}, "journal_by_user (tenant=? AND user=?)", True),
        (
            {"user": "u", "from_ns": 5, "kinds": tuple(Kind)},
            "journal_by_user (tenant=? AND user=? AND at_ns>? AND at_ns<?)",
            True,
        ),
        (
            {"tool": "t", "until_ns": 9},
            "journal_by_tool (tenant=? AND tool=? AND at_ns>? AND at_ns<?)",
            True,
        ),
        (
            {"session": "s", "user": "u", "after_seq": 7},
            "journal_by_session (session=? AND rowid>?)",
            False,
        ),
        (
            {"call_id": "c", "session": "s", "after_seq": 7},
            "journal_by_call (call_id=? AND rowid>?)",
            False,
        ),
    ],
)
def test_every_kind_of_question_has_its_index(path, where, index, sorts):
    async def body(store):
        query = queries.records(SqliteDialect(), RecordFilter(tenant="acme", **where))
        sql = numbered(f"EXPLAIN QUERY PLAN {query.sql}")
        found = store._connection.raw.execute(sql, query.values)
        plan = [detail for *_, detail in found]
        assert plan[0] == f"SEARCH journal USING INDEX {index}"
        assert any("TEMP B-TREE" in step for step in plan) is sorts

    with_store(path, body)


def fail_next_write(monkeypatch, error: Exception) -> None:
    def append(log, payload, filled):
        monkeypatch.undo()
        raise error

    monkeypatch.setattr(Log, "append", append)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "x"), "the disk is full"),
        (OSError(errno.EDQUOT, "x"), "the disk is full"),
        (OSError(errno.EIO, "x"), "the disk refused"),
        (ZeroDivisionError("a fault of ours"), "the database failed"),
    ],
)
def test_after_a_commit_that_failed_nothing_more_is_accepted_until_a_restart(
    path, monkeypatch, error, reason
):
    async def body(store):
        await store.commit([a_record(1)])
        assert store.failure == ""
        fail_next_write(monkeypatch, error)
        failing = [store.commit([a_record(n)]) for n in (2, 3, 4)]
        for result in await asyncio.gather(*failing, return_exceptions=True):
            assert isinstance(result, StoreUnavailable)
            assert reason in result.message
        assert reason in store.failure
        with pytest.raises(StoreUnavailable, match="restart to go on"):
            await store.commit([a_record(5)])
        assert [r.at_ns for r in await store.records(RecordFilter(tenant="acme"))] == [1]

    async def afterwards(store):
        await store.commit([a_record(6)])
        assert [r.at_ns for r in await store.records(RecordFilter(tenant="acme"))] == [1, 6]

    with_store(path, body)
    with_store(path, afterwards)


def test_a_batch_is_kept_whole_or_not_at_all(path, monkeypatch):
    async def body(store):
        insert_sql = writing._insert_sql

        def broken(table, columns, rows):
            sql = insert_sql(table, columns, rows)
            return sql.replace("INTO holds", "INTO nowhere")

        monkeypatch.setattr(writing, "_insert_sql", broken)
        with pytest.raises(StoreUnavailable):
            await store.commit([a_record()], [a_session(), a_hold("h")])
        monkeypatch.undo()
        assert await store.records(RecordFilter(tenant="acme")) == []
        assert await store.session("ses_1") is None

    with_store(path, body)


def test_a_full_queue_refuses_at_once_and_loses_nothing(path, monkeypatch):
    async def body(store):
        at_work, release = threading.Event(), threading.Event()
        append = Log.append

        def slow(log, payload, filled):
            at_work.set()
            assert release.wait(60)
            return append(log, payload, filled)

        monkeypatch.setattr(Log, "append", slow)
        monkeypatch.setattr(writer, "MAX_QUEUED_COMMITS", 50)
        # With the writer standing in its first batch, nothing leaves the queue behind it.
        accepted = [store.commit([a_record(0)])]
        assert await asyncio.to_thread(at_work.wait, 60)
        accepted += [store.commit([a_record(n)]) for n in range(1, 51)]
        refused = [store.commit([a_record(99)]) for _ in range(200)]
        results = await asyncio.gather(*refused, return_exceptions=True)
        assert all(isinstance(result, StoreUnavailable) for result in results)
        assert store.failure == ""
        assert not any(commit.done() for commit in accepted)
        release.set()
        await asyncio.gather(*accepted)
        await store.commit([a_record(100)])

    with_store(path, body)
    with sqlite3.connect(path) as kept:
        assert kept.execute("SELECT count(*) FROM journal").fetchone() == (52,)


def test_waiting_bytes_are_bounded_too(path, monkeypatch):
    async def body(store):
        monkeypatch.setattr(writer, "MAX_QUEUED_BYTES", 100_000)
        large = a_record(body={"x": "y" * 200_000})
        with pytest.raises(StoreUnavailable, match="bytes are waiting"):
            await store.commit([large])
        await store.commit([a_record()])

    with_store(path, body)


def test_a_lock_held_by_another_program_is_waited_for(path):
    async def body(store):
        other = apsw.Connection(str(path))
        other.execute("BEGIN IMMEDIATE")
        await store.commit([a_record()])
        waiting = [asyncio.ensure_future(settled(store)), store.commit([], [a_session()])]
        await asyncio.sleep(0.2)
        assert not any(one.done() for one in waiting)
        other.execute("ROLLBACK")
        other.close()
        await asyncio.gather(*waiting)

    with_store(path, body)


def test_a_lock_that_is_never_given_up_fails_the_store(path, monkeypatch):
    monkeypatch.setattr(connections, "BUSY_TIMEOUT_MS", 200)

    async def body(store):
        other = apsw.Connection(str(path))
        other.execute("BEGIN IMMEDIATE")
        await store.commit([a_record(1)])
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="locked by another process"):
                await store.records(RecordFilter(tenant="acme"))
        assert "locked by another process" in store.failure
        with pytest.raises(StoreUnavailable, match="restart to go on"):
            await store.commit([a_record(2)])
        other.close()

    async def afterwards(store):
        assert [r.at_ns for r in await store.records(RecordFilter(tenant="acme"))] == [1]

    with_store(path, body)
    with_store(path, afterwards)


def test_an_abandoned_event_loop_does_not_stop_the_writer(path):
    store = opened(path)

    async def abandon():
        _ = store.commit([a_record(1)])

    asyncio.run(abandon())

    async def body():
        await store.commit([a_record(2)])
        found = await store.records(RecordFilter(tenant="acme"))
        assert [r.at_ns for r in found] == [1, 2]
        await store.close()

    asyncio.run(body())


def test_commits_of_two_event_loops_are_both_answered(path):
    store = opened(path)

    def many():
        async def main():
            await asyncio.gather(*(store.commit([a_record(n)]) for n in range(100)))

        asyncio.run(main())

    threads = [threading.Thread(target=many) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    async def count():
        found = len(await store.records(RecordFilter(tenant="acme")))
        await store.close()
        return found

    assert asyncio.run(count()) == 200


def test_a_row_that_this_version_cannot_read_is_an_error_and_not_left_out(path):
    async def body(store):
        await store.commit([a_record()])
        await settled(store)
        store._connection.raw.execute("DROP TRIGGER journal_keeps_what_was")
        store._connection.raw.execute("UPDATE journal SET kind = 'of.tomorrow'")
        with pytest.raises(StoreUnavailable, match="cannot read"):
            await store.records(RecordFilter(tenant="acme"))

    with_store(path, body)


def test_no_read_connection_can_write(path):
    async def body(store):
        await store.commit([a_record()])
        with pytest.raises(StoreUnavailable, match="read-only"):
            await store._readers.read(Query("DELETE FROM sessions", (), list))

    with_store(path, body)


def test_reads_do_not_stop_the_event_loop(path, monkeypatch):
    async def body(store):
        started, release = threading.Event(), threading.Event()

        def slow(rows):
            started.set()
            assert release.wait(60)
            return list(rows)

        query = Query("SELECT 1 WHERE FALSE", (), slow)
        monkeypatch.setattr(queries, "records", lambda dialect, where: query)
        reading = asyncio.create_task(store.records(RecordFilter(tenant="acme")))
        assert await asyncio.to_thread(started.wait, 60)
        await store.commit([a_record()])
        assert not reading.done()
        release.set()
        assert await reading == []

    with_store(path, body)


def test_effects_asked_for_at_once_are_one_query_and_each_gets_its_own_answer(path, monkeypatch):
    queried = []
    named = queries.effects_named

    def counted(dialect, names):
        queried.append(len(names))
        return named(dialect, names)

    monkeypatch.setattr(queries, "effects_named", counted)

    async def body(store):
        kept = [an_effect(f"k{n}", output={"n": n}) for n in range(90)]
        await store.commit([], kept)
        await settled(store)
        asked = [("acme", f"k{n}") for n in range(100)] + [("other", "k3"), ("acme", "k3")]
        answers = await asyncio.gather(*(store.effect(*name) for name in asked))
        assert answers == [*kept, *[None] * 11, kept[3]]
        assert queried == [101]

    with_store(path, body)


def test_one_who_stops_asking_for_an_effect_takes_no_answer_from_the_others(path):
    async def body(store):
        await store.commit([], [an_effect()])
        leaving = asyncio.ensure_future(store.effect("acme", "k1"))
        staying = asyncio.ensure_future(store.effect("acme", "k1"))
        await asyncio.sleep(0)
        leaving.cancel()
        assert await staying == an_effect()

    with_store(path, body)


def test_a_fault_of_the_database_reaches_everyone_who_asked_for_an_effect(path):
    async def body(store):
        await store.commit([], [an_effect()])
        await settled(store)
        store._connection.raw.execute("UPDATE effects SET effect = x'00'")
        asked = [store.effect("acme", "k1"), store.effect("acme", "k2")]
        for fault in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(fault, StoreUnavailable)

    with_store(path, body)


def test_a_closed_store_says_so_to_whoever_asks_for_an_effect(path):
    async def main():
        store = opened(path)
        await store.close()
        with pytest.raises(StoreUnavailable, match="closed"):
            await store.effect("acme", "k1")

    asyncio.run(main())


@pytest.mark.parametrize("before", [None, (7, "k")])
def test_unknown_effects_are_looked_up_among_themselves(path, before):
    async def body(store):
        query = queries.unknown_effects(SqliteDialect(), EffectFilter(before=before))
        sql = numbered(f"EXPLAIN QUERY PLAN {query.sql}")
        (plan,) = [step[3] for step in store._connection.raw.execute(sql, query.values)]
        assert "USING INDEX effects_unknown" in plan

    with_store(path, body)


def test_each_effect_is_looked_up_by_its_key(path):
    async def body(store):
        query = queries.effects_named(SqliteDialect(), [("acme", "k1"), ("acme", "k2")])
        sql = numbered(f"EXPLAIN QUERY PLAN {query.sql}")
        plan = [step[3] for step in store._connection.raw.execute(sql, query.values)]
        assert "SEARCH effects USING INDEX sqlite_autoindex_effects_1 (tenant=? AND key=?)" in plan

    with_store(path, body)
