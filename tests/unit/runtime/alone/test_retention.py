"""Passes of retention over a store that a test scripts: cuts, steps, what is told and let go."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import pytest

from holdfast.errors import Conflict, StoreUnavailable
from holdfast.model.effects import EffectState
from holdfast.model.retention import Compacted, Cuts, PurgeCounts, Purged
from holdfast.runtime import retention as module
from holdfast.runtime.retention import Collected, Retention, Terms
from tests.unit.runtime.alone.desk import Desk, S

DAY = 86_400 * S


class Scripted:
    """Gives back these steps, one for each time it is asked; an exception is raised."""

    def __init__(self, *steps, sizes=()):
        self.steps = list(steps)
        self.sizes = list(sizes) or [Compacted()]
        self.asked: list[Any] = []

    async def purge(self, cuts, *, now_ns, limit):
        self.asked.append((cuts, now_ns, limit))
        await asyncio.sleep(0)
        step = self.steps.pop(0) if self.steps else Purged()
        if isinstance(step, Exception):
            raise step
        return step

    async def purgeable(self, cuts):
        self.asked.append(cuts)
        return PurgeCounts(runs=3)

    async def compact(self, at_most_bytes):
        self.asked.append(at_most_bytes)
        return self.sizes.pop(0)


def retention(desk, store=None, **terms):
    return Retention(
        store or Scripted(), desk.journal, desk.sessions, desk.effects, desk.clock, Terms(**terms)
    )


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch):
    monkeypatch.setattr(module, "_REST_S", 0)


@pytest.mark.parametrize(
    ("terms", "older_than_s", "ages"),
    [
        ({}, None, (None, None, None)),
        ({"sessions_days": 1, "effects_days": 2, "conversations_days": 3}, None, (1, 2, 3)),
        ({"sessions_days": 0}, None, (0, None, None)),
        ({"sessions_days": 5, "effects_days": 2}, 86_400, (1, 2, None)),
        ({}, 0, (0, None, None)),
        ({"effects_days": 10**6}, None, (None, 10**6, None)),
    ],
)
def test_what_is_old_is_so_many_days_before_now_and_nothing_without_a_term(
    terms, older_than_s, ages
):
    desk: Any = Desk()
    now = desk.clock.now_ns()
    sessions, effects, saved = (0 if a is None else max(now - a * DAY, 0) for a in ages)
    made = retention(desk, **terms)
    assert made.cuts(older_than_s) == Cuts(
        sessions_ns=sessions, effects_ns=effects, saved_ns=saved, expired_ns=now
    )
    assert made.every_s == 3_600.0


def test_trial_counts_and_deletes_nothing():
    async def main():
        desk: Any = Desk()
        store = Scripted()
        made = retention(desk, store, sessions_days=1)
        cuts = made.cuts(7)
        assert await made.trial(7) == Collected(dry_run=True, cuts=cuts, counts=PurgeCounts(runs=3))
        assert store.asked == [cuts]

    asyncio.run(main())


def test_pass_sums_its_steps_lets_memory_go_and_says_all_of_it():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        entry = desk.intend(live, "c1", state=EffectState.DONE)
        await desk.journal.commit([], [entry])
        await desk.effects.find("acme", "key-c1")
        name = live.session.session_id
        one = Purged(
            sessions=(name, "ses_gone"),
            runs=("r",),
            effects=(("acme", "key-c1"),),
            calls=4,
            conversations=2,
        )
        two = Purged(sessions=("s",), runs=("q", "p"), calls=1, conversations=1)
        sizes = [Compacted(freed_bytes=5, free_bytes=3), Compacted(freed_bytes=2, free_bytes=0)]
        store = Scripted(one, two, sizes=sizes)
        del desk.store._durable.effects["acme", "key-c1"]
        made = retention(desk, store, sessions_days=1, effects_days=2, conversations_days=3)
        cuts, now, seq = made.cuts(), desk.clock.now_ns(), desk.seq
        done = await made.collect(by="admin")
        counts = PurgeCounts(sessions=3, calls=5, runs=3, effects=1, conversations=3)
        assert done == Collected(
            dry_run=False, cuts=cuts, counts=counts, freed_bytes=7, free_bytes=0
        )
        assert store.asked == [(cuts, now, 25)] * 3 + [1024 * 1024] * 2
        assert desk.sessions.loaded(name) is None
        assert await desk.effects.find("acme", "key-c1") is None
        assert desk.since(seq) == [
            {
                "kind": "retention.applied",
                "body": {
                    "by": "admin",
                    "sessions": 3,
                    "calls": 5,
                    "runs": 3,
                    "effects": 1,
                    "conversations": 3,
                    "sessions_before_ns": cuts.sessions_ns,
                    "effects_before_ns": cuts.effects_ns,
                    "conversations_before_ns": cuts.saved_ns,
                    "freed_bytes": 7,
                    "fault": "",
                },
            }
        ]

    asyncio.run(main())


def test_pass_of_the_timer_that_found_nothing_says_nothing_and_one_of_a_person_does():
    async def main():
        desk: Any = Desk()
        await retention(desk).due()
        assert desk.since(0) == []
        made = retention(desk, Scripted(Purged(runs=("r",))))
        await made.due()
        assert desk.since(0)[0]["body"]["by"] == "the timer"
        await retention(desk).collect(by="admin")
        assert len(desk.since(0)) == 2

    asyncio.run(main())


def test_pass_that_fails_says_what_it_had_deleted_and_the_next_one_may_begin():
    async def main():
        desk: Any = Desk()
        made = retention(desk, Scripted(Purged(runs=("r",)), StoreUnavailable("the disk is full")))
        with pytest.raises(StoreUnavailable):
            await made.due()
        body = desk.since(0)[0]["body"]
        assert (body["runs"], body["fault"]) == (1, "the disk is full")
        await made.collect(by="admin")

    asyncio.run(main())


def test_only_one_pass_is_under_way():
    async def main():
        desk: Any = Desk()
        made = retention(desk, Scripted(Purged(runs=("r",))))
        first = asyncio.create_task(made.collect(by="admin"))
        await asyncio.sleep(0)
        with pytest.raises(Conflict):
            await made.collect(by="admin")
        await made.due()
        assert (await first).counts == PurgeCounts(runs=1)

    asyncio.run(main())
