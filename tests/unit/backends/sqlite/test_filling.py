"""Commits that are in the log first, and in the tables later."""

import asyncio
import shutil
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.backends.sql import batch
from holdfast.backends.sqlite import SqliteStore, filling
from holdfast.backends.sqlite.filling import Home, logged, unlogged
from holdfast.backends.sqlite.log import paths_beside
from holdfast.backends.sqlite.writing import SqliteConnection
from holdfast.errors import Conflict
from holdfast.model.budgets import AccountKey, AccountState, Dimension, Scope, Window
from holdfast.model.effects import EffectState
from holdfast.ports.store import HoldClosed, RecordFilter
from holdfast.ports.store_rows import commit_rows
from holdfast.testing.conformance.store import a_call, a_hold, a_record, a_session
from holdfast.testing.conformance.store_runs import a_run, an_effect

OF_ACME = RecordFilter(tenant="acme")


class SystemClock:
    def now_ns(self) -> int:
        return time.time_ns()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "holdfast.db"


@pytest.fixture
def lagging(monkeypatch):
    """Nothing goes into the tables before somebody waits for it."""
    monkeypatch.setattr(filling, "_LINGER_S", 3600)


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


def behind(store: SqliteStore) -> int:
    """How many frames the tables lack."""
    return store._filling._logged - store._filling._filled


def copied(path: Path, to: Path) -> Path:
    """The files as a process that is killed now leaves them."""
    to.mkdir(parents=True)
    for file in path.parent.iterdir():
        if not file.name.endswith((".lock", "-shm")):
            shutil.copy(file, to)
    return to / path.name


TEXTS = st.sampled_from(["", "a", "é\0", "b" * 300])
NUMBERS = st.integers(0, 3) | st.sampled_from([2**63 - 2])
CHANGES = st.one_of(
    st.builds(lambda n, held: a_hold(f"h{n % 4}", nusd=held), NUMBERS, NUMBERS),
    st.builds(lambda n: HoldClosed(f"h{n % 4}"), NUMBERS),
    st.builds(lambda n, text: a_call(f"c{n % 4}", denial=text), NUMBERS, TEXTS),
    st.builds(lambda n, at: a_run(f"r{n % 4}", changed_at_ns=at), NUMBERS, NUMBERS),
    st.builds(lambda n, text: an_effect(f"k{n % 4}", output=text), NUMBERS, TEXTS),
    st.builds(
        lambda owner, n, alerted: AccountState(
            key=AccountKey(Scope.USER, f"acme/{owner}", Dimension.USD, Window.DAY),
            limit=None,
            settled=n,
            buckets={n: 5},
            alerted=tuple(alerted),
        ),
        TEXTS,
        NUMBERS,
        st.lists(st.integers(0, 100), max_size=2),
    ),
)
RECORDS = st.builds(
    lambda at, text, n: a_record(at, session=text, cost_nusd=n, body={"text": text, "n": [n]}),
    NUMBERS,
    TEXTS,
    NUMBERS,
)
COMMITS = st.lists(
    st.tuples(st.lists(RECORDS, max_size=3), st.lists(CHANGES, max_size=5)), max_size=6
)


@given(COMMITS)
def test_commits_come_out_of_a_frame_as_they_went_in(commits):
    rows = [commit_rows(*commit) for commit in commits]
    found = unlogged(logged(Home(5, b"x"), rows))
    assert batch.merged(found) == batch.merged(rows)
    assert [batch.merged([one]) for one in found] == [batch.merged([one]) for one in rows]


def test_what_is_acknowledged_is_read_at_once_and_lies_in_the_tables_once_it_was(path, lagging):
    async def body(store):
        for n in range(1, 6):
            await store.commit([a_record(n)], [a_call(f"c{n}"), a_hold(f"h{n}"), a_run(f"r{n}")])
        assert behind(store) == 5
        assert [r.at_ns for r in await store.records(OF_ACME)] == [1, 2, 3, 4, 5]
        assert behind(store) == 0
        for n, read in enumerate((store.holds, partial(store.calls, "ses_1"), store.last_at_ns), 6):
            await store.commit([a_record(n)], [a_call(f"c{n}"), a_hold(f"h{n}")])
            assert behind(store) == 1
            found = await read()
            assert (found if isinstance(found, int) else len(found)) == n
            assert behind(store) == 0

    with_store(path, body)


def test_what_nobody_reads_goes_into_the_tables_soon(path, monkeypatch):
    monkeypatch.setattr(filling, "_LINGER_S", 0.05)

    async def body(store):
        await store.commit([a_record()])
        for _ in range(600):
            if not behind(store):
                return
            await asyncio.sleep(0.05)
        pytest.fail("it never did")

    with_store(path, body)


def test_what_is_enough_goes_into_the_tables_without_waiting(path, lagging, monkeypatch):
    monkeypatch.setattr(filling, "ENOUGH_COMMITS", 10)
    monkeypatch.setattr(filling, "ENOUGH_BYTES", 50_000)

    async def body(store):
        for commits, size in ((10, 1), (2, 30_000)):
            for n in range(commits):
                await store.commit([a_record(n, body={"x": "y" * size})])
            for _ in range(600):
                if not behind(store):
                    break
                await asyncio.sleep(0.05)
            assert behind(store) == 0

    with_store(path, body)


def test_an_effect_is_found_before_the_tables_have_it_and_waits_for_nothing(path, lagging):
    async def body(store):
        first = an_effect("k1")
        done = an_effect("k1", state=EffectState.DONE, output={"a": [1]})
        await store.commit([], [first, an_effect("k2")])
        assert await store.effect("acme", "k1") == first
        await store.commit([], [done])
        assert await store.effect("acme", "k1") == done
        assert await store.effect("acme", "k3") is None
        assert await store.effect("other", "k1") is None
        assert behind(store) == 2
        assert await store.effects("ses_1") == [done, an_effect("k2")]
        assert behind(store) == 0
        assert store._filling.fresh == {}
        assert await store.effect("acme", "k1") == done

    with_store(path, body)


def test_an_effect_that_changed_while_the_tables_took_it_is_kept_as_it_is_now(
    path, lagging, monkeypatch
):
    at_work, release = threading.Event(), threading.Event()
    fill = filling.fill

    async def slow(*given):
        await fill(*given)
        at_work.set()
        assert release.wait(60)

    async def body(store):
        await store.commit([], [an_effect("k1")])
        monkeypatch.setattr(filling, "fill", slow)
        reading = asyncio.ensure_future(store.effects("ses_1"))
        assert await asyncio.to_thread(at_work.wait, 60)
        done = an_effect("k1", state=EffectState.DONE)
        await store.commit([], [done])
        release.set()
        assert await reading == [an_effect("k1")]
        assert await store.effect("acme", "k1") == done
        assert await store.effects("ses_1") == [done]

    with_store(path, body)


def test_more_than_memory_should_hold_waits_for_the_tables(path, lagging, monkeypatch):
    monkeypatch.setattr(filling, "ENOUGH_COMMITS", 5)
    monkeypatch.setattr(filling, "MOST_COMMITS", 10)
    release = threading.Event()
    fill = filling.fill

    async def slow(*given):
        assert release.wait(60)
        await fill(*given)

    async def body(store):
        monkeypatch.setattr(filling, "fill", slow)
        for n in range(5):
            await store.commit([a_record(n)])
        for _ in range(600):
            if not store._filling._due:
                break
            await asyncio.sleep(0.05)
        for n in range(5, 15):
            await store.commit([a_record(n)])
        waiting = store.commit([a_record(15)])
        await asyncio.sleep(0.2)
        assert not waiting.done()
        release.set()
        await waiting
        assert [r.at_ns for r in await store.records(OF_ACME)] == list(range(16))

    with_store(path, body)


def test_a_session_goes_behind_what_was_logged_and_is_refused_by_what_is_stored(path, lagging):
    async def body(store):
        await store.commit([a_record(1)])
        assert behind(store) == 1
        await store.commit([a_record(2)], [a_session("s1", token_digest="t")])
        assert behind(store) == 0
        await store.commit([a_record(3)])
        with pytest.raises(Conflict):
            await store.commit([a_record(4)], [a_session("s2", token_digest="t")])
        await store.commit([a_record(5)])
        assert [r.at_ns for r in await store.records(OF_ACME)] == [1, 2, 3, 5]
        assert (await store.session_by_token("t")).session_id == "s1"

    with_store(path, body)


def test_a_purge_and_its_trial_see_what_was_acknowledged(path, lagging):
    async def counted(connection):
        return await connection.fetch("SELECT count(*) FROM journal")

    async def body(store):
        await store.commit([a_record(1)])
        assert behind(store) == 1
        await store.compact(1)
        assert behind(store) == 0
        await store.commit([a_record(2)])
        assert await store._tried(counted) == [(2,)]

    with_store(path, body)


def test_a_store_that_was_closed_is_one_file(path, lagging):
    async def body(store):
        await store.commit([a_record()])

    with_store(path, body)
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, f"{path.name}.lock"]


# --- crashes ---------------------------------------------------------------------------------
def committed(path: Path, count: int, to: Path) -> Path:
    """`count` commits that each say the same four ways, a third of them in the tables; killed."""
    found = []

    async def body(store):
        for n in range(1, count + 1):
            await store.commit(
                [a_record(n)],
                [a_call(f"c{n}"), a_hold(f"h{n}", at_ns=n), HoldClosed(f"h{n - 1}"), an_effect()],
            )
            if n == count // 3:
                await store.holds()
        found.append(copied(path, to))

    with_store(path, body)
    return found[0]


def check_prefix(path: Path) -> int:
    """What is stored is the history up to some commit, in every table; which one."""
    last = 0

    async def body(store):
        nonlocal last
        records = await store.records(OF_ACME)
        last = len(records)
        assert [(r.seq, r.at_ns) for r in records] == [(n, n) for n in range(1, last + 1)]
        assert [c.call_id for c in await store.calls("ses_1")] == [
            f"c{n}" for n in range(1, last + 1)
        ]
        assert [h.hold_id for h in await store.holds()] == [f"h{last}"] * (last > 0)
        assert await store.effect("acme", "k1") == (an_effect() if last else None)
        # It goes on, and what goes on is kept too.
        await store.commit([a_record(last + 1)], [a_call("after")])

    async def again(store):
        assert (await store.records(OF_ACME))[-1].seq == last + 1
        assert (await store.calls("ses_1"))[-1].call_id == "after"

    with_store(path, body)
    with_store(path, again)
    return last


def test_a_killed_server_keeps_every_acknowledged_commit(path, tmp_path, lagging):
    assert check_prefix(committed(path, 9, tmp_path / "killed")) == 9


def test_a_log_that_was_cut_off_anywhere_is_a_prefix_of_what_happened(path, tmp_path, lagging):
    killed = committed(path, 6, tmp_path / "killed")
    (log,) = (file for file in paths_beside(killed) if file.stat().st_size)
    content = log.read_bytes()
    found = []
    # All bytes of one frame, and some of the others.
    one = len(content) // 6
    cuts = {*range(0, len(content), 97), *range(3 * one, 4 * one, 31), len(content)}
    for cut in sorted(cuts):
        torn = copied(killed, tmp_path / f"cut-{cut}")
        torn.with_name(log.name).write_bytes(content[:cut])
        found.append(check_prefix(torn))
    assert found == sorted(found)
    assert set(found) == {2, 3, 4, 5, 6}


def test_a_crash_while_the_tables_take_the_log_loses_and_repeats_nothing(
    path, tmp_path, lagging, monkeypatch
):
    """Recovery is killed before its transaction is kept, after it, and before the log is gone."""
    killed = committed(path, 6, tmp_path / "killed")
    with monkeypatch.context() as crashing:
        crashing.setattr(SqliteConnection, "execute", crash_at("UPDATE log_filled"))
        with pytest.raises(RuntimeError, match="crashed"):
            opened(killed)
    again = copied(killed, tmp_path / "again")
    with monkeypatch.context() as crashing:
        crashing.setattr(Path, "unlink", lambda *given, **more: crash())
        with pytest.raises(RuntimeError, match="crashed"):
            opened(killed)
    assert any(file.stat().st_size for file in paths_beside(killed))
    assert check_prefix(killed) == 6
    assert check_prefix(again) == 6


def crash() -> None:
    raise RuntimeError("crashed")


def crash_at(begins: str):
    execute = SqliteConnection.execute

    async def crashing(self, sql, values=()):
        if sql.startswith(begins):
            crash()
        return await execute(self, sql, values)

    return crashing
