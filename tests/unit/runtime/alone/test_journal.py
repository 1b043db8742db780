"""Records as they are written: of whom, without secrets, in order, and who looks on."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import msgspec
import pytest

from holdfast.core.scrub import RuleScrubber
from holdfast.errors import StoreUnavailable
from holdfast.model import bodies
from holdfast.model.decisions import Verdict
from holdfast.model.events import Kind, Record
from holdfast.model.principals import Principal, TrustLevel
from holdfast.runtime.journal import Journal, noted
from holdfast.testing.clock import FakeClock
from holdfast.testing.memory_store import MemoryStore
from tests.unit.runtime.alone.desk import told

SECRET = "AKIA" + "A" * 16
WHO = Principal(
    tenant="acme",
    project="shop",
    user="ann",
    agent="clerk",
    session="ses_1",
    task="t1",
    trust=TrustLevel.AUTONOMOUS,
)
OF_WHOM = {
    "tenant": "acme",
    "project": "shop",
    "user": "ann",
    "agent": "clerk",
    "session": "ses_1",
    "task": "t1",
}
KIND = Kind.PERMIT_REFUSED


@pytest.fixture(autouse=True, params=["holdfast.runtime.journal"])
def module(request):
    """What these tests are about."""


class Tap:
    """Remembers what it saw; raises what it is told."""

    def __init__(self):
        self.saw_batches: list[Any] = []
        self.fault: Exception | None = None

    def saw(self, batch):
        self.saw_batches.append(batch)
        if self.fault is not None:
            raise self.fault

    def recalled(self, records, over):
        self.saw((records, over))


def journal(**more):
    store: Any = MemoryStore()
    clock: Any = FakeClock(7)
    made: Any = Journal(store, clock, RuleScrubber(), **more)
    return made, store, clock


async def spin():
    for _ in range(5):
        await asyncio.sleep(0)


def test_record_says_of_whom_it_is_when_and_what_without_the_secrets_in_it():
    made, _, clock = journal()
    clean = {"key": "[secret]", "list": [1, {"a": "[secret]"}]}
    assert made.scrubbed({"key": SECRET, "n": 1})["n"] == 1
    hidden = made.scrubbed({"key": SECRET})["key"]
    assert SECRET not in hidden
    body = {"key": SECRET, "list": [1, {"a": SECRET}]}
    clean = {"key": hidden, "list": [1, {"a": hidden}]}
    clock.advance(2e-9)
    found = made.record_as_told(KIND, WHO, body, turn=3, call_id="c1", verdict=Verdict.DENY)
    plain = msgspec.structs.asdict(Record(kind=KIND, at_ns=9))
    flat = {"turn": 3, "call_id": "c1", "verdict": Verdict.DENY}
    assert msgspec.structs.asdict(found) == plain | OF_WHOM | flat | {"body": clean}
    # Of the server itself nobody is named; what is marked as ours stays as it is.
    unknown = bodies.EffectUnknown(why=SECRET, key=SECRET, attempt=2)
    about_us = made.record(unknown, None, tool="look")
    said = {"tool": "look", "body": {"why": hidden, "key": SECRET, "attempt": 2}}
    assert msgspec.structs.asdict(about_us) == plain | {"kind": Kind.EFFECT_UNKNOWN} | said
    assert made.record_as_told(KIND, WHO, {}).body == {}
    refused = bodies.PermitRefused(why=SECRET)
    assert made.record(refused, WHO).body == {"why": hidden}
    as_it_is = made.record_of_ours(refused, WHO, turn=1)
    ours = {"turn": 1, "body": {"why": SECRET}}
    assert msgspec.structs.asdict(as_it_is) == plain | OF_WHOM | ours
    assert (made.behind, journal(behind="sha256:x")[0].behind) == ("", "sha256:x")


def test_commit_writes_in_order_and_what_is_queued_is_written_too():
    async def main():
        made, store, _ = journal()
        first = made.commit([made.record_as_told(KIND, WHO, {"n": 1})])
        made.queue([made.record_as_told(KIND, WHO, {"n": 2})])
        await first
        await made.commit(())
        assert [one.body["n"] for one in store.journal] == [1, 2]

    asyncio.run(main())


def test_store_that_fails_is_told_to_whoever_waits_and_not_reported_as_forgotten():
    async def main():
        made, store, _ = journal()
        store.fail_commits()
        with pytest.raises(StoreUnavailable):
            await made.commit([made.record_as_told(KIND, WHO, {})])
        loop = asyncio.get_running_loop()
        asked = []

        class Failing:
            def commit(self, records, changes):
                asked.append((records, changes))
                return futures[-1]

        made._store = Failing()
        records, changes = [made.record_as_told(KIND, WHO, {})], [object()]
        futures: list[Any] = []
        for way in (lambda: made.queue(records, changes), lambda: noted(futures[-1])):
            written: Any = loop.create_future()
            futures.append(written)
            way()
            written.set_exception(StoreUnavailable("full"))
            await spin()
            # An exception that nobody took would be logged when it is let go of.
            assert not written._log_traceback
        assert asked == [(records, changes)]
        faults: list[Any] = []
        loop.set_exception_handler(lambda _, what: faults.append(what))
        written = loop.create_future()
        noted(written)
        written.cancel()
        await spin()
        assert faults == []

    asyncio.run(main())


def test_taps_see_what_became_durable_and_one_that_raises_is_dropped_and_told_of():
    async def main():
        said: list[str] = []
        one, other = Tap(), Tap()
        made, store, _ = journal(taps=[one, other], say=said.append)
        records = [made.record_as_told(KIND, WHO, {"n": n}) for n in (1, 2)]
        durable = made.commit(records)
        assert one.saw_batches == []
        await durable
        await spin()
        assert one.saw_batches == other.saw_batches == [tuple(records)]
        await made.commit(())  # Nothing to see.
        await spin()
        assert len(one.saw_batches) == 1
        one.fault = ValueError("no")
        for _ in range(2):
            await made.commit(records[:1])
            await spin()
        assert (len(one.saw_batches), len(other.saw_batches)) == (2, 3)
        assert said == ["a tap on the journal failed and is dropped: ValueError('no')"]
        # Whoever left took nothing back; what was not written is not shown.
        written = made.commit(records[:1])
        written.cancel()
        await spin()
        assert len(other.saw_batches) == 4
        store.fail_commits()
        with pytest.raises(StoreUnavailable):
            await made.commit(records[:1])
        await spin()
        assert len(other.saw_batches) == 4

    asyncio.run(main())


def test_tap_that_raises_where_nobody_is_to_be_told_is_dropped_in_silence():
    async def main():
        tap = Tap()
        made, _, _ = journal(taps=[tap])
        tap.fault = ValueError("no")
        for _ in range(2):
            await made.commit([made.record_as_told(KIND, WHO, {})])
            await spin()
        assert len(tap.saw_batches) == 1

    asyncio.run(main())


def test_refusals_are_records_until_they_are_many_and_then_one_record_of_their_number():
    async def main():
        made, store, clock = journal()
        for _ in range(22):
            await made.refused(bodies.PermitRefused(why=SECRET), WHO, call_id="c1")
        assert len(store.journal) == 20
        assert told(store.journal[0]) == OF_WHOM | {
            "kind": "permit.refused",
            "call_id": "c1",
            "body": {"why": made.scrubbed({"why": SECRET})["why"]},
        }
        clock.advance(59.999)
        made.tell_refusals()
        await made.commit(())
        assert len(store.journal) == 20
        made.tell_refusals(all_of_them=True)
        await made.commit(())
        assert told(store.journal[20]) == OF_WHOM | {
            "kind": "permit.refused",
            "verdict": "deny",
            "body": {"why": "refused 2 times more within a minute", "times": 2},
        }
        for _ in range(21):
            await made.refused(bodies.PermitRefused(why="no"), None)
        clock.advance(60)
        made.tell_refusals()
        made.tell_refusals(all_of_them=True)
        await made.commit(())
        assert len(store.journal) == 42
        assert told(store.journal[41]) == {
            "kind": "permit.refused",
            "verdict": "deny",
            "body": {"why": "refused 1 times more within a minute", "times": 1},
        }

    asyncio.run(main())


def test_refusal_is_durable_once_it_is_told():
    async def main():
        made, store, _ = journal()
        store.hold_commits()
        refusing = asyncio.ensure_future(made.refused(bodies.PermitRefused(why="no"), WHO))
        await spin()
        assert not refusing.done()
        store.release_commits()
        await refusing
        assert len(store.journal) == 1

    asyncio.run(main())
