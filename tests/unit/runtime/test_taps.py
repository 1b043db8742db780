"""Taps see what became durable, all of it, and can hurt nobody."""

import asyncio

import pytest

from holdfast.core.scrub import RuleScrubber
from holdfast.errors import StoreUnavailable
from holdfast.model.events import Kind
from holdfast.runtime.journal import Journal
from holdfast.testing.clock import FakeClock
from holdfast.testing.memory_store import MemoryStore


class Onlooker:
    def __init__(self, fault=None):
        self.batches = []
        self.fault = fault

    def saw(self, records):
        self.batches.append(tuple(records))
        if self.fault is not None:
            raise self.fault

    def recalled(self, records, over):
        self.saw(records)


def house(*taps):
    store, said = MemoryStore(), list[str]()
    return store, Journal(store, FakeClock(), RuleScrubber(), taps=taps, say=said.append), said


def a_record(journal, n=0):
    return journal.record_as_told(Kind.HOOK_RAN, None, {"n": n})


def seen(onlooker):
    return [record.body["n"] for batch in onlooker.batches for record in batch]


def test_every_commit_is_seen_once_durable_in_order_waited_for_or_not():
    async def main():
        onlooker = Onlooker()
        store, journal, _ = house(onlooker)
        store.hold_commits()
        journal.queue([a_record(journal, 1)])
        waiting = journal.commit([a_record(journal, 2), a_record(journal, 3)])
        journal.commit([a_record(journal, 4)]).cancel()
        await asyncio.sleep(0)
        assert 1 not in seen(onlooker)
        store.release_commits()
        await waiting
        await journal.commit([])
        await asyncio.sleep(0)
        assert sorted(seen(onlooker)) == [1, 2, 3, 4]
        assert [len(batch) for batch in onlooker.batches].count(2) == 1

    asyncio.run(main())


def test_what_never_became_durable_is_not_seen():
    async def main():
        onlooker = Onlooker()
        store, journal, _ = house(onlooker)
        store.fail_commits()
        with pytest.raises(StoreUnavailable):
            await journal.commit([a_record(journal)])
        await asyncio.sleep(0)
        assert onlooker.batches == []

    asyncio.run(main())


def test_a_tap_that_raises_is_dropped_with_one_report_and_breaks_no_commit():
    async def main():
        bad, good = Onlooker(RuntimeError("odd")), Onlooker()
        store, journal, said = house(bad, good)
        for n in range(3):
            await journal.commit([a_record(journal, n)])
        await asyncio.sleep(0)
        assert seen(good) == [0, 1, 2]
        assert seen(bad) == [0]
        assert said == ["a tap on the journal failed and is dropped: RuntimeError('odd')"]
        assert len(store.journal) == 3

    asyncio.run(main())
