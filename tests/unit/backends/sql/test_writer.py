"""The queue before a database that suspends, fails, and is asked to stop, in a loop and a thread."""

import asyncio
import threading
from collections.abc import Coroutine
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.backends.sql import writer as writers
from holdfast.backends.sql.batch import Tables
from holdfast.backends.sql.bells import LoopBell, ThreadBell
from holdfast.backends.sql.writer import Writer
from holdfast.backends.sqlite.threads import ran
from holdfast.errors import Conflict, StoreUnavailable
from holdfast.testing.conformance.store import a_session
from tests.unit.backends.sql.fake_database import FakeDatabase, rows_of


async def in_loop(database: FakeDatabase, body) -> None:
    """A writer as a task, stopped when the body is done."""
    writer = Writer(Tables(database), LoopBell())
    task = asyncio.create_task(writer.run())
    try:
        await body(writer)
    finally:
        writer.stop()
        await asyncio.wait_for(task, 5)


def looped(database: FakeDatabase, body) -> None:
    asyncio.run(in_loop(database, body))


def said(error: object) -> str:
    assert isinstance(error, StoreUnavailable), error
    return error.message


COMMIT, JOB, PAUSE = "commit", "job", "pause"


@given(
    st.lists(st.sampled_from([COMMIT, COMMIT, COMMIT, JOB, PAUSE]), max_size=30),
    st.lists(st.integers(0, 4), max_size=30),
)
def test_what_is_put_becomes_durable_in_the_order_of_the_calls_jobs_between(steps, suspends):
    database = FakeDatabase(suspends)
    seen_by_jobs: list[tuple[int, list[int]]] = []

    def answered(mine: int, _: object) -> None:
        durable.append(mine in database.journal())

    async def body(writer: Writer) -> None:
        async def job(connection: Any) -> int:
            assert not database.writing
            seen_by_jobs.append((put, database.journal()))
            return len(seen_by_jobs)

        put, answers = 0, []
        jobs_at: list[int] = []
        for step in steps:
            if step == COMMIT:
                put += 1
                answers.append(writer.put(rows_of(put)))
                answers[-1].add_done_callback(partial(answered, put))
            elif step == JOB:
                jobs_at.append(put)
                answers.append(writer.act(job))
            else:
                await asyncio.sleep(0)
        await asyncio.gather(*answers)
        assert database.journal() == list(range(1, put + 1))
        assert [journal for _, journal in seen_by_jobs] == [list(range(1, n + 1)) for n in jobs_at]
        assert durable == [True] * put

    durable: list[bool] = []
    looped(database, body)


def test_what_gathers_while_a_batch_is_on_its_way_is_one_batch():
    database = FakeDatabase([5])

    async def body(writer: Writer) -> None:
        first = writer.put(rows_of(1))
        await asyncio.sleep(0)
        await asyncio.gather(first, *(writer.put(rows_of(n)) for n in range(2, 50)))
        assert database.writes == 2

    looped(database, body)


def test_a_batch_is_bounded_in_commits_and_in_bytes(monkeypatch):
    monkeypatch.setattr(writers, "MAX_BATCH_COMMITS", 4)
    database = FakeDatabase()

    async def body(writer: Writer) -> None:
        await asyncio.gather(*(writer.put(rows_of(n)) for n in range(10)))
        assert database.writes == 3
        monkeypatch.setattr(writers, "MAX_BATCH_BYTES", 1)
        await asyncio.gather(*(writer.put(rows_of(n)) for n in range(10, 13)))
        assert database.writes == 6

    looped(database, body)


@pytest.mark.parametrize("suspends", [0, 3])
def test_after_a_batch_that_failed_everything_is_refused_also_what_was_queued(suspends):
    database = FakeDatabase([0, suspends])

    def fail_once() -> None:
        database.before_write = lambda: None
        raise OSError("no disk")

    async def body(writer: Writer) -> None:
        async def job(connection: Any) -> None:
            raise AssertionError("no job runs on a store that failed")

        await writer.put(rows_of(1))
        database.before_write = fail_once
        doomed = [writer.put(rows_of(2))]
        await asyncio.sleep(0)
        doomed += [writer.put(rows_of(3)), writer.act(job), writer.put(rows_of(4))]
        for answer in await asyncio.gather(*doomed, return_exceptions=True):
            assert "did not become durable: the fake failed (no disk)" in said(answer)
        with pytest.raises(StoreUnavailable, match="restart to go on"):
            await writer.put(rows_of(5))
        assert "no disk" in writer.failure
        assert database.journal() == [1]

    looped(database, body)


def test_a_connection_that_was_lost_fails_the_store_though_nothing_was_on_its_way():
    async def body(writer: Writer) -> None:
        await writer.put(rows_of(1))
        writer.lost(object())
        with pytest.raises(StoreUnavailable, match="the connection ended"):
            await writer.put(rows_of(2))

    looped(FakeDatabase(), body)


def test_a_connection_that_ends_after_the_store_was_stopped_is_no_failure():
    database = FakeDatabase([3])

    async def body(writer: Writer) -> None:
        pending = writer.put(rows_of(1))
        writer.stop()
        writer.lost()
        await pending
        assert writer.failure == ""

    looped(database, body)


def test_a_job_that_fails_stops_nothing_but_itself():
    async def body(writer: Writer) -> None:
        async def refused(connection: Any) -> None:
            raise Conflict("not now")

        async def broken(connection: Any) -> None:
            raise ZeroDivisionError("a fault of ours")

        first, second = writer.act(refused), writer.act(broken)
        with pytest.raises(Conflict, match="not now"):
            await first
        with pytest.raises(StoreUnavailable, match="a fault of ours"):
            await second
        await writer.put(rows_of(1))
        assert writer.failure == ""

    looped(FakeDatabase(), body)


def test_one_commit_that_is_refused_leaves_the_others_of_its_batch():
    database = FakeDatabase()

    async def body(writer: Writer) -> None:
        tokens = ("t1", "t1", "t2")
        changes = [a_session(f"s{n}", token_digest=token) for n, token in enumerate(tokens)]
        answers = [writer.put(rows_of(n, changes=[one])) for n, one in enumerate(changes)]
        first, second, third = await asyncio.gather(*answers, return_exceptions=True)
        assert first is None
        assert isinstance(second, Conflict)
        assert third is None
        assert database.journal() == [0, 2]

    looped(database, body)


def test_who_stops_waiting_does_not_take_the_commit_back():
    database = FakeDatabase([2])

    async def body(writer: Writer) -> None:
        leaving, staying = writer.put(rows_of(1)), writer.put(rows_of(2))
        leaving.cancel()
        await staying
        assert database.journal() == [1, 2]

    looped(database, body)


def test_what_was_put_before_stopping_is_answered_and_nothing_after_is_taken():
    database = FakeDatabase([2, 2])

    async def body(writer: Writer) -> None:
        answers = [writer.put(rows_of(1))]
        await asyncio.sleep(0)
        answers.append(writer.put(rows_of(2)))
        writer.stop()
        late = writer.put(rows_of(3))
        await asyncio.gather(*answers)
        with pytest.raises(StoreUnavailable, match="closed"):
            await late
        assert database.journal() == [1, 2]

    looped(database, body)


def test_a_full_queue_refuses_and_takes_again_once_it_was_written(monkeypatch):
    monkeypatch.setattr(writers, "MAX_QUEUED_COMMITS", 2)
    database = FakeDatabase([3])

    async def body(writer: Writer) -> None:
        answers = [writer.put(rows_of(n)) for n in (1, 2)]
        with pytest.raises(StoreUnavailable, match="2 commits are waiting"):
            await writer.put(rows_of(3))
        await asyncio.gather(*answers)
        await writer.put(rows_of(4))
        monkeypatch.setattr(writers, "MAX_QUEUED_BYTES", rows_of(5).size_bytes + 64)
        for n in (5, 6):
            await writer.put(rows_of(n))
        assert database.journal() == [1, 2, 4, 5, 6]

    looped(database, body)


class CountingBell(LoopBell):
    rings = 0

    def ring(self) -> None:
        self.rings += 1
        super().ring()


def test_the_bell_waits_for_the_end_of_the_turn_unless_enough_was_put_down(monkeypatch):
    monkeypatch.setattr(writers, "_ENOUGH_COMMITS", 8)

    async def main() -> None:
        database = FakeDatabase()
        bell = CountingBell()
        writer = Writer(Tables(database), bell)
        task = asyncio.create_task(writer.run())
        few = [writer.put(rows_of(n)) for n in range(7)]
        assert bell.rings == 0
        await asyncio.sleep(0)
        assert bell.rings == 1
        await asyncio.gather(*few)
        assert database.writes == 1
        many = [writer.put(rows_of(n)) for n in range(8)]
        assert bell.rings == 2
        await asyncio.gather(*many)
        writer.stop()
        await task

    asyncio.run(main())


class WaitedFor(ThreadBell):
    """Tells when its thread has nothing left to do."""

    def __init__(self) -> None:
        super().__init__()
        self.idle = threading.Event()

    async def rung(self) -> None:
        self.idle.set()
        await super().rung()


def test_what_a_turn_puts_down_is_one_batch_of_a_thread_that_waits():
    database = FakeDatabase()
    bell = WaitedFor()
    writer = Writer(Tables(database), bell)
    thread = threading.Thread(target=lambda: ran(writer.run()))
    thread.start()

    async def ask() -> None:
        for turn in range(1, 21):
            assert bell.idle.wait(10)
            bell.idle.clear()
            await asyncio.gather(*(writer.put(rows_of(1)) for _ in range(20)))
            assert database.writes == turn

    asyncio.run(ask())
    writer.stop()
    thread.join(10)


@pytest.mark.parametrize("loops", [1, 3])
def test_a_thread_answers_every_loop_that_asks_each_in_its_order(loops):
    database = FakeDatabase()
    writer = Writer(Tables(database), ThreadBell())
    thread = threading.Thread(target=lambda: ran(writer.run()))
    thread.start()
    answered: list[int] = []

    async def ask() -> None:
        for _ in range(20):
            await asyncio.gather(*(writer.put(rows_of(1)) for _ in range(10)))
            answered.append(len(database.journal()))

    askers = [threading.Thread(target=lambda: asyncio.run(ask())) for _ in range(loops)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(30)
    writer.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert len(answered) == 20 * loops
    assert len(database.journal()) == 200 * loops


def test_a_thread_that_is_stopped_while_others_put_answers_each_of_them():
    """What is put meanwhile is written or refused; nobody waits for ever."""

    async def one_round() -> None:
        database = FakeDatabase()
        writer = Writer(Tables(database), ThreadBell())
        thread = threading.Thread(target=lambda: ran(writer.run()))
        thread.start()
        stopping = threading.Thread(target=writer.stop)
        answers = [writer.put(rows_of(1))]
        stopping.start()
        answers += [writer.put(rows_of(1)) for _ in range(20)]
        results = await asyncio.wait_for(asyncio.gather(*answers, return_exceptions=True), 10)
        thread.join(10)
        assert len(database.journal()) == results.count(None) >= 1

    async def rounds() -> None:
        for _ in range(30):
            await one_round()

    asyncio.run(rounds())


def test_a_coroutine_that_waits_is_refused_by_a_thread_without_a_loop():
    async def waits() -> None:
        await asyncio.sleep(0)

    work: Coroutine[Any, Any, None] = waits()
    with pytest.raises(RuntimeError, match="waits for an event loop"):
        ran(work)
