"""The effects ledger alone: what is known of a key, and what each end of a call leaves of it."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from collections import OrderedDict
from typing import Any

import msgspec
import pytest

from holdfast.core.effects import Standing
from holdfast.errors import Conflict, InvalidRequest, NotFound
from holdfast.model.effects import EffectEntry, EffectState
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Contract, Effect, EffectKey, Idempotency
from holdfast.runtime import effects as module
from tests.unit.runtime.alone.desk import Desk, call

PAY = Contract(
    name="pay",
    description="pays",
    effect=Effect.COMMIT,
    risk=RiskLevel.LOW,
    risk_reason="as registered",
    input_schema={"type": "object"},
    idempotency=Idempotency.KEYED,
    effect_key=EffectKey.INPUT,
)
ARGUMENTS = {"to": "bob"}


def entry(desk, live, call_id="c1", **fields):
    given: dict[str, Any] = {
        "tenant": "acme",
        "key": f"key-{call_id}",
        "session": live.session.session_id,
        "call_id": call_id,
        "tool": "pay",
        "idempotency": Idempotency.ONCE,
        "state": EffectState.INTENDED,
        "intended_at_ns": desk.clock.now_ns(),
        "changed_at_ns": desk.clock.now_ns(),
    }
    return EffectEntry(**(given | fields))


async def proposed(desk, live, call_id, given="k"):
    known = live.calls.get(call_id) or call(live, call_id, "pay")
    return await desk.effects.propose(live, PAY, known, ARGUMENTS, given)


def test_claim_is_an_intent_under_its_key_and_the_next_call_of_it_is_in_its_way():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        first = await proposed(desk, live, "c1")
        now = desk.clock.now_ns()
        assert first.standing is Standing.FRESH
        assert first.before is None
        assert first.entry == EffectEntry(
            tenant="acme",
            key=first.entry.key,
            session=live.session.session_id,
            call_id="c1",
            tool="pay",
            idempotency=Idempotency.KEYED,
            state=EffectState.INTENDED,
            intended_at_ns=now,
            changed_at_ns=now,
            attempt=1,
        )
        assert first.entry.key.startswith("eff_")
        assert await desk.effects.find("acme", first.entry.key) == first.entry
        second = await proposed(desk, live, "c2")
        assert second == module.Proposal(Standing.IN_FLIGHT, first.entry)
        assert (await proposed(desk, live, "c3", given="other")).standing is Standing.FRESH

    asyncio.run(main())


def test_claim_that_is_given_back_leaves_what_stood_there_before():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        first = await proposed(desk, live, "c1")
        desk.effects.release(first)
        assert await desk.effects.find("acme", first.entry.key) is None
        failed = msgspec.structs.replace(first.entry, state=EffectState.FAILED)
        await desk.journal.commit([], [failed])
        again = await proposed(desk, live, "c2")
        assert (again.entry.attempt, again.before) == (2, failed)
        desk.effects.release(again)
        assert await desk.effects.find("acme", first.entry.key) == failed
        third = await proposed(desk, live, "c2")
        blocked = await proposed(desk, live, "c3")
        desk.effects.release(blocked)
        assert await desk.effects.find("acme", first.entry.key) == third.entry

    asyncio.run(main())


def test_entry_is_read_from_the_store_once_and_kept():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        stored = entry(desk, live, state=EffectState.DONE)
        await desk.journal.commit([], [stored])
        assert await desk.effects.find("acme", stored.key) == stored
        desk.store.fail_reads()
        assert await desk.effects.find("acme", stored.key) == stored
        desk.store.fail_reads("")
        assert await desk.effects.find("other", stored.key) is None
        assert await desk.effects.find("acme", "key-none") is None

    asyncio.run(main())


class SlowStore:
    """Answers about effects only when told to, with what it read when it was asked."""

    def __init__(self, store):
        self._store = store
        self.asked = 0
        self.go = asyncio.Event()

    async def effect(self, tenant, key):
        self.asked += 1
        found = await self._store.effect(tenant, key)
        await self.go.wait()
        return found


def test_entry_that_is_purged_while_it_is_read_is_read_again():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        stored = entry(desk, live, state=EffectState.DONE)
        await desk.journal.commit([], [stored])
        slow: Any = SlowStore(desk.store)
        effects = module.Effects(slow, desk.journal, desk.clock)
        finding = asyncio.create_task(effects.find("acme", stored.key))
        await asyncio.sleep(0)
        del desk.store._durable.effects["acme", stored.key]
        effects.forget([("acme", stored.key)])
        slow.go.set()
        assert await finding is None
        assert slow.asked == 2

    asyncio.run(main())


def test_entry_that_is_claimed_while_it_is_read_is_the_claimed_one():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        slow: Any = SlowStore(desk.store)
        effects = module.Effects(slow, desk.journal, desk.clock)
        finding = asyncio.create_task(effects.find("acme", "key-c1"))
        await asyncio.sleep(0)
        live.effects["c1"] = claimed = entry(desk, live)
        _, [done] = effects.finish(
            live, call(live, "c1"), ok=True, output=1, error="", uncertain=False
        )
        slow.go.set()
        assert await finding == done
        assert done.intended_at_ns == claimed.intended_at_ns
        assert slow.asked == 1

    asyncio.run(main())


@pytest.mark.parametrize("state", list(EffectState))
def test_retention_lets_go_of_what_is_over_and_never_of_what_may_be_at_work(state):
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        known = entry(desk, live, state=state)
        await desk.journal.commit([], [known])
        await desk.effects.find("acme", known.key)
        del desk.store._durable.effects["acme", known.key]
        desk.effects.forget([("acme", "unknown"), ("acme", known.key)])
        left = await desk.effects.find("acme", known.key)
        over = state in (EffectState.DONE, EffectState.FAILED)
        assert left == (None if over else known)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("ok", "uncertain", "state", "output", "error"),
    [
        (True, False, EffectState.DONE, {"n": 1}, ""),
        (False, False, EffectState.FAILED, None, "no"),
        (False, True, EffectState.UNKNOWN, None, "no"),
        (True, True, EffectState.DONE, {"n": 1}, ""),
    ],
)
def test_end_of_a_call_says_what_became_of_its_effect(ok, uncertain, state, output, error):
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        desk.intend(live, "c1", attempt=3)
        desk.clock.advance(2)
        records, changes = desk.effects.finish(
            live, call(live, "c1"), ok=ok, output={"n": 1}, error="no", uncertain=uncertain
        )
        [after] = changes
        assert (after.state, after.changed_at_ns) == (state, desk.clock.now_ns())
        assert after.attempt == 3
        if state is EffectState.DONE:
            assert after.output == output
        else:
            assert after.error == error
        assert live.effects == {}
        assert await desk.effects.find("acme", "key-c1") == after
        await desk.journal.commit(records, changes)
        expected = (
            [
                {
                    "kind": "effect.unknown",
                    "call_id": "c1",
                    "tool": "pay",
                    "body": {"key": "key-c1", "why": "no", "attempt": 3},
                }
            ]
            if state is EffectState.UNKNOWN
            else []
        )
        assert desk.since(1, live.who) == expected
        # Nothing of it is left to be told of a second time.
        assert desk.effects.finish(
            live, call(live, "c1"), ok=True, output=1, error="", uncertain=False
        ) == ([], [])

    asyncio.run(main())


def test_what_a_call_left_is_kept_without_secrets_and_no_longer_than_is_kept():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        secret = "AKIA" + "A" * 16
        desk.intend(live, "c1")
        _, [done] = desk.effects.finish(
            live, call(live, "c1"), ok=True, output={"t": secret}, error="", uncertain=False
        )
        assert done.output == {"t": "<secret:aws_key>"}
        desk.intend(live, "c2")
        long = "x" * 300_000
        _, [done] = desk.effects.finish(
            live, call(live, "c2"), ok=True, output=long, error="", uncertain=False
        )
        assert (done.output, done.output_kept) == (None, False)
        desk.intend(live, "c3")
        [told], [unknown] = desk.effects.finish(
            live, call(live, "c3"), ok=False, output=None, error="e" * 3_000, uncertain=True
        )
        assert unknown.error == "e" * 2_000
        assert told.body["why"] == "e" * 2_000
        desk.intend(live, "c4")
        [told], _ = desk.effects.finish(
            live, call(live, "c4"), ok=False, output=None, error="", uncertain=True
        )
        assert told.body["why"] == "the tool did not answer"

    asyncio.run(main())


def test_lost_call_is_unknown_once_and_of_a_session_that_ends_each_is():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        desk.intend(live, "c1")
        desk.intend(live, "c2", tool="wipe")
        assert desk.effects.lost(live, "none", "gone") == ([], [])
        records, [one] = desk.effects.lost(live, "c1", "gone")
        assert (one.state, one.error) == (EffectState.UNKNOWN, "gone")
        assert live.effects["c1"] == one
        assert await desk.effects.find("acme", "key-c1") == one
        assert desk.effects.lost(live, "c1", "gone") == ([], [])
        more, [other] = desk.effects.abandon(live, "over")
        assert other.call_id == "c2"
        await desk.journal.commit([*records, *more])
        assert desk.since(1, live.who) == [
            {
                "kind": "effect.unknown",
                "call_id": name,
                "tool": tool,
                "body": {"key": f"key-{name}", "why": why, "attempt": 1},
            }
            for name, tool, why in (("c1", "pay", "gone"), ("c2", "wipe", "over"))
        ]

    asyncio.run(main())


@pytest.mark.parametrize("done", [True, False])
def test_person_settles_an_unknown_effect_by_name_with_a_reason(done):
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        desk.intend(live, "c1")
        _, [unknown] = desk.effects.lost(live, "c1", "gone")
        await desk.journal.commit([], [unknown])
        assert await desk.effects.unknown_of("acme", "key-c1") == unknown
        desk.clock.advance(5)
        await desk.effects.resolve(
            live, unknown, done=done, output={"ok": 1}, by="root", reason="I looked"
        )
        stored = await desk.store.effect("acme", "key-c1")
        assert stored == msgspec.structs.replace(
            unknown,
            state=EffectState.DONE if done else EffectState.FAILED,
            output={"ok": 1} if done else None,
            error="" if done else "I looked",
            resolved_by="root",
            changed_at_ns=desk.clock.now_ns(),
        )
        assert live.effects == {}
        assert await desk.effects.find("acme", "key-c1") == stored
        assert desk.since(1, live.who) == [
            {
                "kind": "effect.resolved",
                "call_id": "c1",
                "tool": "pay",
                "body": {
                    "key": "key-c1",
                    "outcome": str(stored.state),
                    "by": "root",
                    "reason": "I looked",
                },
            }
        ]
        with pytest.raises(Conflict) as refused:
            await desk.effects.unknown_of("acme", "key-c1")
        assert refused.value.fields == {"state": str(stored.state)}

    asyncio.run(main())


def test_effect_is_not_settled_without_a_name_by_too_much_or_where_it_is_known():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        known = desk.intend(live, "c1")
        ask = {"done": True, "output": 1, "by": "root", "reason": ""}
        with pytest.raises(Conflict) as refused:
            desk.effects.resolve(live, known, **ask)
        assert refused.value.message == "the effect is intended, not unknown"
        assert refused.value.fields == {"state": "intended"}
        _, [unknown] = desk.effects.lost(live, "c1", "gone")
        with pytest.raises(InvalidRequest) as nameless:
            desk.effects.resolve(live, unknown, **ask | {"by": ""})
        assert nameless.value.fields == {"field": "by"}
        with pytest.raises(InvalidRequest) as large:
            desk.effects.resolve(live, unknown, **ask | {"output": "x" * 300_000})
        assert large.value.fields == {"field": "output"}
        assert await desk.effects.find("acme", "key-c1") == unknown
        # What is not kept of one that failed is nothing to refuse.
        await desk.effects.resolve(live, unknown, **ask | {"done": False, "output": "x" * 300_000})
        with pytest.raises(NotFound) as nothing:
            await desk.effects.unknown_of("acme", "k" * 100)
        assert nothing.value.message == f"no effect `{'k' * 80}`"

    asyncio.run(main())


def test_memory_keeps_the_latest_and_lets_go_of_nothing_that_is_at_work(monkeypatch):
    async def main():
        monkeypatch.setattr(module, "_KEPT_ENTRIES", 3)
        desk: Any = Desk()
        live = await desk.open()
        rows = [
            entry(desk, live, f"c{n}", state=EffectState.INTENDED if n == 0 else EffectState.DONE)
            for n in range(6)
        ]
        await desk.journal.commit([], rows)
        known: OrderedDict[tuple[str, str], EffectEntry] = desk.effects._known
        for row in rows[:3]:
            await desk.effects.find("acme", row.key)
        assert [key for _, key in known] == ["key-c0", "key-c1", "key-c2"]
        await desk.effects.find("acme", "key-c3")
        assert [key for _, key in known] == ["key-c1", "key-c2", "key-c3", "key-c0"]
        await desk.effects.find("acme", "key-c4")
        assert [key for _, key in known] == ["key-c3", "key-c0", "key-c4"]

    asyncio.run(main())


def test_decided_intent_is_the_sessions_until_its_outcome():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        claimed = await proposed(desk, live, "c1")
        desk.effects.intended(live, claimed.entry)
        assert live.effects == {"c1": claimed.entry}

    asyncio.run(main())
