"""A further attempt at a call without an outcome: each class of tool, each word of an executor."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import msgspec
import pytest

from holdfast.core.sessions import Command
from holdfast.errors import Conflict, PermitInvalid, PolicyUnavailable, SessionStopped
from holdfast.model.attempts import Next
from holdfast.model.budgets import Dimension
from holdfast.model.decisions import PolicyAnswer, Verdict
from holdfast.model.effects import EffectState
from holdfast.model.tools import CallState
from holdfast.runtime.attempts import Attempt, Found, Retry
from tests.unit.runtime.alone.desk import limit
from tests.unit.runtime.alone.gatehouse import Gatehouse

UNKNOWN = "it is not known whether this call took effect"
D = Dimension


@pytest.fixture(autouse=True, params=["holdfast.runtime.attempts"])
def about(request):
    """What these tests are about."""


class Lane(Gatehouse):
    """A gatehouse with a session whose calls lost their answers."""

    async def begin(self, *limits):
        self.live = await self.seat(*limits)
        return self.live

    async def allow(self, tool, call_id="c1", **arguments):
        ruling = await self.decide(self.live, call_id, tool, arguments)
        assert ruling.decision.verdict is Verdict.ALLOW
        await self.journal.commit(())
        self.from_seq = self.seq
        return ruling

    async def again(self, tool, call_id="c1", *, arguments=None, **fields) -> Any:
        retry = Retry(
            **(
                {"call_id": call_id, "tool": tool, "arguments": arguments or {}, "door": "t"}
                | fields
            )
        )
        return await self.attempts.again(self.live, retry)

    def entry(self):
        [found] = self.live.effects.values()
        return found

    async def kept(self, call_id="c1"):
        key = self.live.calls[call_id].effect_key
        found = await self.effects.find("acme", key)
        assert found is not None
        return found

    def told(self):
        return self.since(self.from_seq, self.live.who)

    def deny(self):
        self.policy.answer = PolicyAnswer(
            verdict=Verdict.DENY, text="not again", policy_version="v2"
        )


def seen(attempt):
    """An answer without what only the guard says."""
    return {
        name: value
        for name, value in msgspec.structs.asdict(attempt).items()
        if name not in ("ruling", "entry") and value not in ("", 0)
    }


def test_words_of_an_executor_and_of_the_answer_are_these():
    assert [str(one) for one in Found] == [
        *("", "happened", "nothing_happened", "cannot_tell", "given_up")
    ]
    assert [str(one) for one in Next] == [
        "execute",
        "probe",
        "answered",
        "parked",
        "denied",
        "asked",
    ]
    assert msgspec.structs.asdict(Retry(call_id="c", tool="t", arguments={}, door="d")) == {
        "call_id": "c",
        "tool": "t",
        "arguments": {},
        "door": "d",
        "found": Found.NOTHING_KNOWN,
        "output": None,
        "error": "",
    }
    assert msgspec.structs.asdict(Attempt(next=Next.PROBE)) == {
        "next": Next.PROBE,
        "effect_key": "",
        "attempt": 0,
        "ruling": None,
        "entry": None,
        "message": "",
        "approval": "",
    }


def test_call_that_the_model_did_not_make_here_has_no_attempt():
    async def main():
        lane: Any = Lane()
        live = await lane.begin()
        lane.emit(live, "c1", "look", {})
        lane.emit(live, "c2", "look", {}, session="ses_other")
        for call_id, tool in (("c9", "look"), ("c1", "fetch"), ("c2", "look")):
            with pytest.raises(PermitInvalid) as refused:
                await lane.again(tool, call_id)
            assert refused.value.message == "the model made no such call in this session"
        live.deciding.add("c1")
        with pytest.raises(Conflict) as deciding:
            await lane.again("look")
        assert (deciding.value.message, deciding.value.fields) == (
            "the call is being decided",
            {"call_id": "c1"},
        )
        live.deciding.clear()
        for state in (CallState.EXECUTED, CallState.FAILED):
            lane.emit(live, "c3", "look", {}, state=state)
            with pytest.raises(Conflict) as reported:
                await lane.again("look", "c3")
            assert (reported.value.message, reported.value.fields) == (
                "the outcome of this call was reported",
                {"call_id": "c3"},
            )
        await lane.sessions.change(live, Command.STOP, "enough")
        with pytest.raises(SessionStopped):
            await lane.again("look")

    asyncio.run(main())


def test_call_that_was_never_decided_is_decided_as_any_other():
    async def main():
        lane: Any = Lane()
        live = await lane.begin(limit(D.TOOL_CALLS, 10))
        lane.emit(live, "c1", "look", {})
        found = await lane.again("look")
        assert seen(found) == {"next": Next.EXECUTE, "attempt": 1}
        assert found.ruling.decision.verdict is Verdict.ALLOW
        assert (found.entry, live.calls["c1"].state) == (None, CallState.ALLOWED)
        assert "tool_call.retried" not in lane.written_kinds()
        lane.deny()
        lane.emit(live, "c2", "look", {})
        found = await lane.again("look", "c2")
        assert (found.next, found.ruling.decision.verdict) == (Next.DENIED, Verdict.DENY)
        assert found.message == live.calls["c2"].denial != ""
        # Asked once more, what was denied stays denied, by the ruling that is kept.
        later = await lane.again("look", "c2")
        assert (later.next, later.ruling, later.message) == (Next.DENIED, None, found.message)

    asyncio.run(main())


def test_call_without_an_effect_runs_again_and_the_try_before_counts():
    async def main():
        lane: Any = Lane()
        live = await lane.begin(limit(D.TOOL_CALLS, 10))
        await lane.allow("look")
        before = live.calls["c1"]
        assert before.attempts == 1
        found = await lane.again("look", error="e" * 2001)
        assert seen(found) == {"next": Next.EXECUTE, "attempt": 2}
        [retried] = [one for one in lane.told() if one["kind"] == "tool_call.retried"]
        assert retried == {
            "kind": "tool_call.retried",
            "turn": 2,
            "call_id": "c1",
            "tool": "look",
            "body": {"attempt": 2, "error": "e" * 2000},
        }
        now = live.calls["c1"]
        assert (now.state, now.attempts) == (CallState.ALLOWED, 2)
        assert now.permit_id not in ("", before.permit_id)
        states = {s.key.dimension: (s.settled, s.held) for s in lane.budgets.ledger.all_states(0)}
        assert states[D.TOOL_CALLS] == (1, 1)

    asyncio.run(main())


def test_reopened_call_is_kept_as_one_that_waits_for_its_decision():
    async def main():
        lane: Any = Lane()
        live = await lane.begin()
        await lane.allow("look")
        live.calls["c1"] = msgspec.structs.replace(live.calls["c1"], state=CallState.BEGUN)
        seen_calls: list[Any] = []

        async def look():
            seen_calls.append(live.calls["c1"])

        lane.policy.meanwhile = look
        await lane.again("look")
        [call] = seen_calls
        assert (
            call.state,
            call.permit_id,
            call.permitted_digest,
            call.hold_id,
        ) == (CallState.EMITTED, "", "", "")

    asyncio.run(main())


def test_policy_that_is_away_leaves_an_attempt_whose_permit_is_used_up():
    async def main():
        lane: Any = Lane()
        live = await lane.begin()
        await lane.allow("look")
        before = live.calls["c1"]
        lane.policy.answer = PolicyUnavailable("down")
        with pytest.raises(PolicyUnavailable):
            await lane.again("look")
        left = msgspec.structs.replace(before, state=CallState.BEGUN, hold_id="")
        assert live.calls["c1"] == left
        [kept] = await lane.store.calls(live.session.session_id)
        assert kept == left

    asyncio.run(main())


@pytest.mark.parametrize(
    ("tool", "found", "next_", "state"),
    [
        ("once", Found.NOTHING_KNOWN, Next.PARKED, EffectState.UNKNOWN),
        ("once", Found.NOTHING_HAPPENED, Next.PARKED, EffectState.UNKNOWN),
        ("once", Found.CANNOT_TELL, Next.PARKED, EffectState.UNKNOWN),
        ("once", Found.HAPPENED, Next.ANSWERED, EffectState.DONE),
        ("keyed", Found.NOTHING_KNOWN, Next.EXECUTE, EffectState.INTENDED),
        ("keyed", Found.NOTHING_HAPPENED, Next.EXECUTE, EffectState.INTENDED),
        ("keyed", Found.CANNOT_TELL, Next.EXECUTE, EffectState.INTENDED),
        ("keyed", Found.HAPPENED, Next.ANSWERED, EffectState.DONE),
        ("asks", Found.NOTHING_KNOWN, Next.PROBE, EffectState.UNKNOWN),
        ("asks", Found.CANNOT_TELL, Next.PARKED, EffectState.UNKNOWN),
        ("asks", Found.NOTHING_HAPPENED, Next.EXECUTE, EffectState.INTENDED),
        ("asks", Found.HAPPENED, Next.ANSWERED, EffectState.DONE),
    ],
)
def test_class_of_the_tool_says_what_may_be_done_and_what_was_found_what_is(
    tool, found, next_, state
):
    async def main():
        lane: Any = Lane()
        live = await lane.begin()
        ruling = await lane.allow(tool)
        answer = await lane.again(tool, found=found, output={"n": 1}, error="lost it")
        entry = await lane.kept()
        assert (answer.next, entry.state) == (next_, state)
        assert answer.effect_key == ruling.effect_key != ""
        assert answer.attempt == (2 if next_ is Next.EXECUTE else 1)
        kinds = [one["kind"] for one in lane.told()]
        if next_ in (Next.PARKED, Next.PROBE):
            assert seen(answer) == {
                "next": next_,
                "effect_key": entry.key,
                "attempt": 1,
                "message": UNKNOWN,
            }
            assert entry.error == "lost it"
            assert live.calls["c1"].state is CallState.ALLOWED
        elif next_ is Next.ANSWERED:
            assert answer.entry == entry
            assert entry.output == {"n": 1}
            assert live.calls["c1"].state is CallState.EXECUTED
            after = await lane.restarted()
            kept = await after.sessions.get(live.session.session_id)
            assert kept.calls["c1"].state is CallState.EXECUTED
        else:
            assert answer.ruling.decision.verdict is Verdict.ALLOW
            assert "tool_call.retried" in kinds

    asyncio.run(main())


def test_reasons_that_an_executor_does_not_give_are_given_for_it():
    async def main():
        lane: Any = Lane()
        await lane.begin()
        await lane.allow("once")
        await lane.again("once")
        assert (await lane.kept()).error == "the executor ended before it could report"
        for given, kept in (
            ("", "the tool says that nothing happened"),
            ("it was full", "it was full"),
        ):
            before: list[Any] = []
            lane = Lane()
            await lane.begin()
            await lane.allow("asks")

            async def look(lane=lane, before=before):
                before.append(await lane.kept())

            lane.policy.meanwhile = look
            await lane.again("asks", found=Found.NOTHING_HAPPENED, error=given)
            assert (before[0].state, before[0].error) == (EffectState.FAILED, kept)

    asyncio.run(main())


def test_tool_without_a_contract_is_taken_for_one_that_must_not_happen_twice():
    async def main():
        lane: Any = Lane()
        live = await lane.begin()
        await lane.allow("keyed")
        call = msgspec.structs.replace(live.calls["c1"], tool="bare")
        live.calls["c1"] = call
        assert (await lane.again("bare")).next is Next.PARKED

    asyncio.run(main())


def test_effect_that_is_done_is_answered_from_the_ledger_and_one_that_failed_runs_again():
    async def main():
        lane: Any = Lane()
        live = await lane.begin()
        await lane.allow("once")
        await lane.finish(live, "c1", output={"n": 7})
        entry = await lane.kept()
        # The report was kept, but the call's own record lost.
        live.calls["c1"] = msgspec.structs.replace(live.calls["c1"], state=CallState.ALLOWED)
        found = await lane.again("once")
        assert (found.next, found.entry, found.effect_key, found.attempt) == (
            Next.ANSWERED,
            entry,
            entry.key,
            1,
        )
        # What was executed is answered again and again, and its record stays as it is.
        executed = live.calls["c1"]
        assert executed.state is CallState.EXECUTED
        assert (await lane.again("once")).entry == entry
        assert live.calls["c1"] is executed
        lane = Lane()
        live = await lane.begin()
        await lane.allow("once")
        live.effects.clear()
        failed = msgspec.structs.replace(await lane.kept(), state=EffectState.FAILED)
        lane.effects._remember(failed)
        assert (await lane.kept()).state is EffectState.FAILED
        found = await lane.again("once")
        assert (found.next, found.attempt) == (Next.EXECUTE, 2)

    asyncio.run(main())


def test_no_that_comes_after_an_attempt_leaves_it_open_where_it_may_have_taken():
    async def main():
        for tool, parked in (("keyed", True), ("look", False)):
            lane: Any = Lane()
            live = await lane.begin()
            await lane.allow(tool)
            lane.deny()
            found = await lane.again(tool)
            call = live.calls["c1"]
            assert call.state is CallState.DENIED
            if not parked:
                assert seen(found) == {"next": Next.DENIED, "message": call.denial}
                assert found.ruling.decision.verdict is Verdict.DENY
                continue
            entry = await lane.kept()
            assert seen(found) == {
                "next": Next.PARKED,
                "effect_key": entry.key,
                "attempt": call.attempts,
                "message": UNKNOWN,
            }
            assert entry.state is EffectState.UNKNOWN
            assert entry.error == f"no further attempt was allowed: {call.denial}"
            # And so it does when it is asked about again.
            assert (await lane.again(tool)).next is Next.PARKED

    asyncio.run(main())


def test_no_about_what_another_call_did_is_a_plain_no():
    async def main():
        lane: Any = Lane()
        live = await lane.begin()
        await lane.allow("keyed")
        entry = lane.entry()
        for whose in ({"call_id": "c0"}, {"session": "ses_other"}):
            other = msgspec.structs.replace(entry, state=EffectState.UNKNOWN, **whose)
            call = msgspec.structs.replace(
                live.calls["c1"], state=CallState.DENIED, denial="not that"
            )
            found = await lane.attempts._denied(live, call, other)
            assert seen(found) == {
                "next": Next.DENIED,
                "effect_key": call.effect_key,
                "message": "not that",
            }
        mine = msgspec.structs.replace(entry, state=EffectState.FAILED)
        assert (await lane.attempts._denied(live, call, mine)).next is Next.DENIED
        done = msgspec.structs.replace(entry, state=EffectState.DONE)
        found = await lane.attempts._denied(live, call, done)
        assert (found.next, found.entry) == (Next.ANSWERED, done)

    asyncio.run(main())


def test_same_effect_of_another_call_that_is_done_answers_this_one():
    async def main():
        lane: Any = Lane()
        live = await lane.begin()
        await lane.allow("once", "c1")
        await lane.finish(live, "c1", output={"n": 7})
        lane.emit(live, "c2", "once", {})
        found = await lane.again("once", "c2")
        assert found.next is Next.ANSWERED
        assert found.entry == found.ruling.stored == await lane.kept("c1")

    asyncio.run(main())
