"""The effects ledger at the guard: a side effect happens once a key, and doubt is said aloud."""

import asyncio

import pytest

from holdfast.core.canonical import digest
from holdfast.core.sessions import Command
from holdfast.errors import Conflict, PermitInvalid, PolicyUnavailable, StoreUnavailable
from holdfast.model.attempts import Next
from holdfast.model.budgets import Dimension
from holdfast.model.decisions import Verdict
from holdfast.model.effects import EffectState
from holdfast.model.events import Kind
from holdfast.model.risk import RiskLevel
from holdfast.model.sessions import LoopLimits
from holdfast.model.tools import CallState, Effect, Idempotency
from holdfast.runtime.attempts import Found, Retry
from holdfast.runtime.guard import Asked
from holdfast.testing.memory_policy import forbid, permit
from tests.unit.runtime.house import (
    CONTRACTS,
    SSE,
    House,
    contract,
    limit,
    result_message,
    started,
    stopped,
    text_block,
)

TO = {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]}
CLASSES = tuple(
    contract(
        f"pay_{i}",
        Effect.COMMIT,
        RiskLevel.LOW,
        input_schema=TO,
        idempotency=i,
        errors={"no_account": "there is no such account"},
    )
    for i in Idempotency
)
ASKED = {"to": "ann"}


def house():
    return House(contracts=(*CONTRACTS, *CLASSES))


async def opened(home):
    return await home.open(task_attributes={"who": "ann"})


async def ask(home, live, call_id, tool, arguments=None, *, takes_stored=False):
    home.emit(live, call_id, tool, arguments or ASKED)
    asked = Asked(
        call_id=call_id,
        tool=tool,
        arguments=arguments or ASKED,
        door="test",
        takes_stored=takes_stored,
    )
    return await home.guard.decide(live, asked)


async def again(home, live, call_id, tool, found=Found.NOTHING_KNOWN, **more):
    retry = Retry(call_id=call_id, tool=tool, arguments=ASKED, door="test", found=found, **more)
    return await home.attempts.again(live, retry)


async def shown(home, live, call_id, text):
    """The client sends a result to the model."""
    home.upstream.script = [(200, SSE, [started(), *text_block("ok"), *stopped()])]
    answer = await home.call(live, messages=[result_message(call_id, text)])
    async for _ in answer.events():
        pass
    await home.journal.commit(())


async def entry_of(home, ruling):
    return await home.store.effect("acme", ruling.effect_key)


def test_the_intent_is_durable_before_the_permit_is_handed_out():
    async def main():
        home = house()
        live = await opened(home)
        ruling = await ask(home, live, "c1", "pay_once")
        assert ruling.permit
        stored = await entry_of(home, ruling)
        assert (stored.state, stored.call_id) == (EffectState.INTENDED, "c1")
        assert home.written(Kind.TOOL_CALL_DECIDED)[0].body["effect_key"] == ruling.effect_key

    asyncio.run(main())


def test_a_repeat_of_what_was_done_runs_nothing_and_returns_the_stored_result():
    async def main():
        home = house()
        live = await opened(home)
        first = await ask(home, live, "c1", "pay_keyed")
        await home.finish(live, "c1", ok=True, output={"receipt": 7})
        second = await ask(home, live, "c2", "pay_keyed", takes_stored=True)
        assert second.effect_key == first.effect_key
        assert (second.permit, second.stored.output) == ("", {"receipt": 7})
        assert second.decision.verdict is Verdict.ALLOW
        assert live.calls["c2"].state is CallState.EXECUTED

    asyncio.run(main())


def test_a_door_that_cannot_hand_on_a_stored_result_is_refused_with_it_in_words():
    async def main():
        home = house()
        live = await opened(home)
        await ask(home, live, "c1", "pay_once")
        await home.finish(live, "c1", ok=True, output={"receipt": 7})
        second = await ask(home, live, "c2", "pay_once")
        assert (second.decision.verdict, second.permit) == (Verdict.DENY, "")
        assert second.message.startswith("already_done: ")
        assert '{"receipt":7}' in second.message
        home.nothing_held()

    asyncio.run(main())


def test_two_calls_for_one_effect_at_a_time_get_one_permit():
    async def main():
        home = house()
        live = await opened(home)
        rulings = await asyncio.gather(*(ask(home, live, f"c{n}", "pay_keyed") for n in range(8)))
        assert sum(bool(r.permit) for r in rulings) == 1
        others = [r.message for r in rulings if not r.permit]
        assert all(text.startswith("effect_in_flight: ") for text in others)

    asyncio.run(main())


def test_a_denied_call_leaves_no_intent_behind():
    async def main():
        home = house()
        live = await opened(home)
        home.policy.rules = (forbid("no"), permit("all"))
        ruling = await ask(home, live, "c1", "pay_once")
        assert ruling.decision.verdict is Verdict.DENY
        home.policy.rules = (permit("all"),)
        assert (await ask(home, live, "c2", "pay_once")).permit

    asyncio.run(main())


def test_a_store_that_fails_hands_out_no_permit_and_keeps_no_claim():
    async def main():
        home = house()
        live = await opened(home)
        home.store.fail_commits()
        with pytest.raises(StoreUnavailable):
            await ask(home, live, "c1", "pay_once")

    asyncio.run(main())


def test_a_tool_that_said_no_may_be_asked_again():
    async def main():
        home = house()
        live = await opened(home)
        await ask(home, live, "c1", "pay_once")
        await home.finish(live, "c1", ok=False, error="no such account", code="no_account")
        assert (await ask(home, live, "c2", "pay_once")).permit

    asyncio.run(main())


def test_a_tool_that_did_not_answer_leaves_an_unknown_effect_that_is_not_tried_again():
    async def main():
        home = house()
        live = await opened(home)
        ruling = await ask(home, live, "c1", "pay_once")
        await home.finish(live, "c1", ok=False, error="time ran out", uncertain=True)
        assert (await entry_of(home, ruling)).state is EffectState.UNKNOWN
        assert [r.call_id for r in home.written(Kind.EFFECT_UNKNOWN)] == ["c1"]
        second = await ask(home, live, "c2", "pay_once")
        assert second.message.startswith("outcome_unknown: ")

    asyncio.run(main())


@pytest.mark.parametrize("name", ["pure", "idempotent", "keyed"])
def test_a_call_that_may_be_repeated_gets_a_fresh_permit_under_the_same_key(name):
    async def main():
        home = house()
        live = await opened(home)
        first = await ask(home, live, "c1", f"pay_{name}")
        attempt = await again(home, live, "c1", f"pay_{name}")
        assert attempt.next is Next.EXECUTE
        assert attempt.ruling.permit not in ("", first.permit)
        assert attempt.effect_key == first.effect_key
        assert attempt.attempt == 2
        await home.finish(live, "c1", ok=True, output=1)
        assert [r.body["attempt"] for r in home.written(Kind.TOOL_CALL_RETRIED)] == [2]

    asyncio.run(main())


def test_a_probeable_call_is_probed_and_goes_by_what_the_tool_says():
    async def main():
        home = house()
        live = await opened(home)
        ruling = await ask(home, live, "c1", "pay_probe")
        assert (await again(home, live, "c1", "pay_probe")).next is Next.PROBE
        assert (await entry_of(home, ruling)).state is EffectState.UNKNOWN
        found = await again(home, live, "c1", "pay_probe", Found.HAPPENED, output={"receipt": 7})
        assert (found.next, found.entry.output) == (Next.ANSWERED, {"receipt": 7})
        assert live.calls["c1"].state is CallState.EXECUTED

    asyncio.run(main())


def test_a_probe_that_found_nothing_lets_the_call_run_once_more():
    async def main():
        home = house()
        live = await opened(home)
        await ask(home, live, "c1", "pay_probe")
        await again(home, live, "c1", "pay_probe")
        found = await again(home, live, "c1", "pay_probe", Found.NOTHING_HAPPENED)
        assert (found.next, found.attempt) == (Next.EXECUTE, 2)

    asyncio.run(main())


@pytest.mark.parametrize("found", [Found.NOTHING_KNOWN, Found.CANNOT_TELL])
def test_a_call_that_must_not_happen_twice_waits_for_a_person(found):
    async def main():
        home = house()
        live = await opened(home)
        ruling = await ask(home, live, "c1", "pay_once")
        parked = await again(home, live, "c1", "pay_once", found)
        assert (parked.next, parked.ruling) == (Next.PARKED, None)
        assert (await entry_of(home, ruling)).state is EffectState.UNKNOWN
        assert (await again(home, live, "c1", "pay_once")).next is Next.PARKED

    asyncio.run(main())


@pytest.mark.parametrize("done", [True, False])
def test_what_a_person_says_of_an_unknown_effect_decides_how_the_call_goes_on(done):
    async def main():
        home = house()
        live = await opened(home)
        ruling = await ask(home, live, "c1", "pay_once")
        await again(home, live, "c1", "pay_once")
        entry = await home.effects.unknown_of("acme", ruling.effect_key)
        await home.effects.resolve(live, entry, done=done, output="paid", by="mia", reason="seen")
        then = await again(home, live, "c1", "pay_once")
        assert then.next is (Next.ANSWERED if done else Next.EXECUTE)
        assert home.written(Kind.EFFECT_RESOLVED)[0].body["by"] == "mia"
        with pytest.raises(Conflict):
            await home.effects.unknown_of("acme", ruling.effect_key)

    asyncio.run(main())


def test_policy_is_asked_again_for_a_further_attempt():
    async def main():
        home = house()
        live = await opened(home)
        await ask(home, live, "c1", "pay_pure")
        home.policy.rules = (forbid("stop"), permit("all"))
        attempt = await again(home, live, "c1", "pay_pure")
        assert (attempt.next, attempt.ruling.permit) == (Next.DENIED, "")

    asyncio.run(main())


@pytest.mark.parametrize("done", [True, False])
def test_a_further_attempt_that_is_denied_leaves_the_first_for_a_person_to_settle(done):
    async def main():
        home = house()
        live = await opened(home)
        ruling = await ask(home, live, "c1", "pay_keyed")
        home.policy.rules = (forbid("stop"), permit("all"))
        for _ in range(2):
            attempt = await again(home, live, "c1", "pay_keyed")
            assert (attempt.next, attempt.effect_key) == (Next.PARKED, ruling.effect_key)
        assert (await entry_of(home, ruling)).state is EffectState.UNKNOWN
        assert len(home.written(Kind.EFFECT_UNKNOWN)) == 1
        entry = await home.effects.unknown_of("acme", ruling.effect_key)
        await home.effects.resolve(live, entry, done=done, output="paid", by="mia", reason="seen")
        then = await again(home, live, "c1", "pay_keyed")
        assert then.next is (Next.ANSWERED if done else Next.DENIED)
        assert "permission_denied" in then.message or then.entry.output == "paid"

    asyncio.run(main())


@pytest.mark.parametrize("tried", [False, True])
def test_while_policy_is_away_a_loop_s_call_is_neither_denied_nor_counted_again(tried):
    async def main():
        home = house()
        live = await home.open(
            limit(Dimension.TOOL_CALLS, 5),
            task_attributes={"who": "ann"},
            loop=LoopLimits(stall_window=0, repeat_calls=2, max_turns=1000),
        )
        home.emit(live, "c1", "pay_keyed", ASKED)
        if tried:
            assert (await again(home, live, "c1", "pay_keyed")).next is Next.EXECUTE
        before = live.calls["c1"]
        home.policy.down = True
        for _ in range(5):
            with pytest.raises(PolicyUnavailable):
                await again(home, live, "c1", "pay_keyed")
        assert live.calls["c1"].state is (CallState.BEGUN if tried else CallState.EMITTED)
        # What was tried counts at once, however long policy is away.
        assert live.calls["c1"].hold_id == before.hold_id == "" or tried
        assert home.account(live, Dimension.TOOL_CALLS).settled == tried
        assert len(home.written(Kind.TOOL_CALL_DECIDED)) == tried
        home.policy.down = False
        attempt = await again(home, live, "c1", "pay_keyed")
        # What the loop guard is built again from after a crash.
        assert home.written(Kind.TOOL_CALL_DECIDED)[-1].body["digest"]
        assert (attempt.next, attempt.attempt) == (Next.EXECUTE, 1 + tried)
        permitted = attempt.ruling.permit
        await home.guard.redeem(live, permitted, "c1", "pay_keyed", ASKED)
        await home.finish(live, "c1", output={"receipt": 7})
        assert home.account(live, Dimension.TOOL_CALLS).settled == 1 + tried
        home.nothing_held()
        # Another call with the same arguments is the second, not the seventh.
        home.emit(live, "c2", "pay_keyed", ASKED)
        assert (await again(home, live, "c2", "pay_keyed")).next is Next.ANSWERED

    asyncio.run(main())


def test_a_permit_of_an_attempt_before_policy_was_away_opens_nothing():
    async def main():
        home = house()
        live = await opened(home)
        ruling = await ask(home, live, "c1", "pay_keyed")
        home.policy.down = True
        with pytest.raises(PolicyUnavailable):
            await again(home, live, "c1", "pay_keyed")
        with pytest.raises(PermitInvalid):
            await home.guard.redeem(live, ruling.permit, "c1", "pay_keyed", ASKED)

    asyncio.run(main())


def test_a_session_that_ends_says_which_effects_nobody_reported():
    async def main():
        home = house()
        live = await opened(home)
        ruling = await ask(home, live, "c1", "pay_keyed")
        await home.sessions.change(live, Command.KILL, "enough")
        assert (await entry_of(home, ruling)).state is EffectState.UNKNOWN
        assert len(home.written(Kind.EFFECT_UNKNOWN)) == 1

    asyncio.run(main())


def test_no_attempt_is_given_for_a_call_of_another_session_or_with_other_arguments():
    async def main():
        home = house()
        live, other = await opened(home), await opened(home)
        await ask(home, live, "c1", "pay_keyed")
        with pytest.raises(PermitInvalid):
            await again(home, other, "c1", "pay_keyed")
        retry = Retry(call_id="c1", tool="pay_keyed", arguments={"to": "eve"}, door="test")
        with pytest.raises(PermitInvalid):
            await home.attempts.again(live, retry)
        assert digest({"to": "eve"}) != live.calls["c1"].digest

    asyncio.run(main())


def test_a_reported_call_is_not_attempted_again():
    async def main():
        home = house()
        live = await opened(home)
        await ask(home, live, "c1", "pay_pure")
        await home.finish(live, "c1", ok=True, output=1)
        with pytest.raises(Conflict):
            await again(home, live, "c1", "pay_pure")

    asyncio.run(main())


def test_the_models_text_is_journalled_with_the_outcome_in_one_commit():
    async def main():
        home = house()
        live = await opened(home)
        await ask(home, live, "c1", "pay_keyed")
        await home.finish(live, "c1", ok=True, output={"n": 1}, content='{"n": 1}')
        kinds = [record.kind for record in home.store.journal[-2:]]
        assert kinds == [Kind.TOOL_CALL_FINISHED, Kind.RUN_TOOL_ANSWERED]
        assert home.store.journal[-1].body == {"content": '{"n": 1}', "is_error": False}

    asyncio.run(main())


def test_a_result_is_written_once_and_still_vouches_after_a_restart():
    async def main():
        home = house()
        live = await opened(home)
        await ask(home, live, "c1", "look", {"order": "7"})
        await home.finish(live, "c1", ok=True, output={"to": "bob"}, content="pay bob 70")
        await shown(home, live, "c1", "pay bob 70")
        (finished,) = home.written(Kind.TOOL_CALL_FINISHED)
        (admitted,) = home.written(Kind.TOOL_RESULT_ADMITTED)
        assert finished.body["output"] == ""
        assert "trusted" not in admitted.body
        assert live.vouched.believes("bob")
        after = House(contracts=(*CONTRACTS, *CLASSES), store=home.store, entropy=home.entropy)
        again = await after.sessions.get(live.session.session_id)
        assert again.vouched.believes("bob")
        assert not again.vouched.believes("eve")

    asyncio.run(main())


def test_a_result_that_is_not_what_the_journal_keeps_is_written_as_it_came():
    async def main():
        home = house()
        live = await opened(home)
        await ask(home, live, "c1", "look", {"order": "7"})
        await home.finish(live, "c1", ok=True, output={"to": "bob"}, content="pay bob 70")
        await shown(home, live, "c1", "pay eve 70")
        (admitted,) = home.written(Kind.TOOL_RESULT_ADMITTED)
        assert admitted.body["trusted"] == "pay eve 70"

    asyncio.run(main())


def test_attempts_at_one_call_are_no_loop_live_or_after_a_restart():
    async def main():
        home = house()
        live = await opened(home)
        await ask(home, live, "c1", "pay_keyed")
        for _ in range(8):
            assert (await again(home, live, "c1", "pay_keyed")).next is Next.EXECUTE
            after = House(contracts=(*CONTRACTS, *CLASSES), store=home.store, entropy=home.entropy)
            live = await after.sessions.get(live.session.session_id)
            home = after
        assert home.written(Kind.LOOP_ALERT) == []
        home.emit(live, "c2", "look", {"order": "7"})
        assert (await home.decide(live, "c2", "look", {"order": "7"})).permit

    asyncio.run(main())
