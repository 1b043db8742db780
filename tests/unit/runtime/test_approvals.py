"""A person's answer reaches the very call that it was given for, once, and no other."""

import asyncio
import contextlib

import msgspec
import pytest

from holdfast.core.sessions import Command
from holdfast.errors import ApproverRequired, Conflict, NotFound, StoreUnavailable
from holdfast.model.approvals import ApprovalState as S
from holdfast.model.approvals import GrantTerms, ReviewRule, Step, Unanswered
from holdfast.model.bodies import BudgetChanged
from holdfast.model.budgets import Dimension
from holdfast.model.decisions import Verdict
from holdfast.model.events import Kind
from holdfast.model.sessions import LoopLimits
from holdfast.model.tools import ArgumentRole, CallState, Idempotency
from holdfast.ports.store import ApprovalFilter
from holdfast.runtime.approvals import Said
from holdfast.runtime.attempts import Retry
from holdfast.runtime.guard import Ruling
from holdfast.runtime.guard.asking import Terms
from holdfast.testing.memory_policy import forbid, permit
from tests.unit.runtime.house import CONTRACTS, ORDER, House, contract, limit

ASKING = (permit("all"), forbid("big", ask="approve a refund"))
SEVEN = {"order": "7"}


async def asking(contracts=CONTRACTS, **more):
    house = House(contracts=contracts)
    house.policy.rules = ASKING
    live = await house.open(limit(Dimension.TOOL_CALLS, 50), **more)
    return house, live


async def capped(house, live, key, amount):
    body = BudgetChanged(account=str(key), old=None, new=amount, by="mia", reason="")
    _, durable = house.budgets.set_limit(key, amount, house.journal.record(body, live.who))
    await durable


async def pending(house, live, call_id="c1", arguments=None):
    """A call that is asked about; its approval."""
    ruling = await house.decide(live, call_id, "look", arguments or SEVEN)
    assert ruling.decision.verdict is Verdict.ASK
    assert not ruling.permit
    found = await house.approvals.listed(ApprovalFilter(states=(S.PENDING,)))
    return found[0]


async def answer(house, approval, approved=True, **more):
    given = {"approved": approved, "by": "mia", "digest": approval.digest} | more
    return await house.approvals.answer(approval.approval_id, Said(**given))


def test_an_ask_is_a_question_that_holds_nothing_and_says_how_to_hear_the_answer():
    async def main():
        house, live = await asking()
        ruling = await house.decide(live, "c1", "look", SEVEN)
        assert "make the same call again to hear the answer" in ruling.message
        (one,) = await house.approvals.listed(ApprovalFilter())
        assert (one.state, one.tool, one.arguments) == (S.PENDING, "look", SEVEN)
        assert one.digest == live.calls["c1"].digest
        assert [r.code for r in one.reasons] == ["approval_required"]
        house.nothing_held()
        assert len(house.written(Kind.APPROVAL_ASKED)) == 1

    asyncio.run(main())


def test_the_same_call_runs_once_after_a_yes_and_asks_anew_after_that():
    async def main():
        house, live = await asking()
        await answer(house, await pending(house, live))
        ran = await house.decide(live, "c2", "look", SEVEN)
        assert ran.permit
        codes = [r.code for r in ran.decision.reasons]
        assert codes == ["approval_required", "approved"]
        again = await house.decide(live, "c3", "look", SEVEN)
        assert not again.permit
        states = [one.state for one in await house.approvals.listed(ApprovalFilter())]
        assert sorted(states) == [S.PENDING, S.USED]

    asyncio.run(main())


def test_two_calls_at_once_never_run_on_one_answer():
    async def main():
        house, live = await asking()
        await answer(house, await pending(house, live))
        both = [house.decide(live, name, "look", SEVEN) for name in ("c2", "c3")]
        rulings = await asyncio.gather(*both)
        assert sum(bool(one.permit) for one in rulings) == 1

    asyncio.run(main())


@pytest.mark.parametrize("what", ["arguments", "policy", "objection", "session", "contract"])
def test_an_answer_is_for_nothing_else(what):
    async def main():
        house, live = await asking()
        await answer(house, await pending(house, live))
        arguments = SEVEN
        if what == "arguments":
            arguments = {"order": "8"}
        elif what == "policy":
            house.policy._version = "sha256:newer"
        elif what == "objection":
            house.policy.rules = (permit("all"), forbid("bigger", ask="approve a refund"))
        elif what == "session":
            live = await house.open(limit(Dimension.TOOL_CALLS, 50))
        else:
            book = house.guard._stages._contracts
            known = book.get("look")
            book._contracts["look"] = msgspec.structs.replace(known, description="does more")
        ruling = await house.decide(live, "c2", "look", arguments)
        assert not ruling.permit
        assert ruling.decision.verdict is Verdict.ASK

    asyncio.run(main())


def test_a_no_is_told_with_its_note_and_stays_a_no():
    async def main():
        house, live = await asking()
        await answer(house, await pending(house, live), approved=False, note="not this month")
        for name in ("c2", "c3"):
            ruling = await house.decide(live, name, "look", SEVEN)
            assert ruling.decision.verdict is Verdict.DENY
            assert ruling.message.startswith("approval_denied: mia was asked and said no: not this")

    asyncio.run(main())


def test_nobody_answered_is_a_result_of_its_own_told_once():
    async def main():
        house, live = await asking(ttl_s=200_000)
        one = await pending(house, live)
        house.clock.advance(86_400)
        assert (await house.approvals.get(one.approval_id)).state is S.EXPIRED
        ruling = await house.decide(live, "c2", "look", SEVEN)
        assert ruling.message.startswith("approval_expired: a person was asked, and nobody")
        assert len(house.written(Kind.APPROVAL_EXPIRED)) == 1
        again = await house.decide(live, "c3", "look", SEVEN)
        assert again.decision.verdict is Verdict.ASK

    asyncio.run(main())


def test_what_was_approved_and_ran_out_does_not_run():
    async def main():
        house, live = await asking(ttl_s=200_000)
        await answer(house, await pending(house, live))
        house.clock.advance(86_400)
        ruling = await house.decide(live, "c2", "look", SEVEN)
        assert not ruling.permit

    asyncio.run(main())


def test_a_yes_is_taken_back_until_something_ran_on_it():
    async def main():
        house, live = await asking()
        one = await answer(house, await pending(house, live))
        taken = await answer(house, one, approved=False)
        assert taken.state is S.DENIED
        assert not (await house.decide(live, "c2", "look", SEVEN)).permit
        with pytest.raises(Conflict):
            await answer(house, one)

    asyncio.run(main())


def test_a_yes_that_is_taken_back_while_the_call_is_decided_lets_nothing_run():
    async def main():
        house, live = await asking()
        one = await answer(house, await pending(house, live))
        propose = house.budgets.at_hand
        taken = []

        def slow(*given, **more):
            # After the stage that found the answer, and before the decision is written.
            known = live.approvals[one.tool, one.digest]
            taken.append(known.state)
            live.approvals[one.tool, one.digest] = msgspec.structs.replace(one, state=S.DENIED)
            return propose(*given, **more)

        house.budgets.at_hand = slow
        ruling = await house.decide(live, "c2", "look", SEVEN)
        assert taken == [S.APPROVED]
        assert not ruling.permit
        assert ruling.message.startswith("approval_changed: ")
        house.nothing_held()

    asyncio.run(main())


def test_a_kill_while_an_approved_call_is_decided_withdraws_the_answer():
    async def main():
        house, live = await asking()
        one = await answer(house, await pending(house, live))
        at_hand = house.budgets.at_hand

        def killed(*given, **more):
            house.sessions.change(live, Command.KILL, "over")
            return at_hand(*given, **more)

        house.budgets.at_hand = killed
        assert not (await house.decide(live, "c2", "look", SEVEN)).permit
        assert (await house.store.approval(one.approval_id)).state is S.WITHDRAWN
        assert not live.lifting

    asyncio.run(main())


def test_while_a_call_is_decided_on_an_answer_another_is_not_and_asks_nobody_anew():
    async def main():
        house, live = await asking()
        await answer(house, await pending(house, live))
        at_hand, told = house.budgets.at_hand, list[Ruling]()

        @contextlib.asynccontextmanager
        async def beside(*given, **more):
            if not told:
                told.append(await house.decide(live, "c3", "look", SEVEN))
            async with at_hand(*given, **more) as held:
                yield held

        house.budgets.at_hand = beside
        assert (await house.decide(live, "c2", "look", SEVEN)).permit
        assert told[0].message.startswith("approval_taken: ")
        assert len(house.written(Kind.APPROVAL_ASKED)) == 1

    asyncio.run(main())


def test_an_answer_that_nothing_ran_on_still_holds():
    async def main():
        house, live = await asking()
        one = await answer(house, await pending(house, live))
        (key,) = [k for k in live.chain if k.dimension is Dimension.TOOL_CALLS]
        await capped(house, live, key, 0)
        refused = await house.decide(live, "c2", "look", SEVEN)
        assert refused.message.startswith("budget_exceeded")
        assert live.approvals[one.tool, one.digest].state is S.APPROVED
        await capped(house, live, key, 50)
        assert (await house.decide(live, "c3", "look", SEVEN)).permit

    asyncio.run(main())


@pytest.mark.parametrize("command", [Command.KILL, Command.STOP, Command.END, Command.EXPIRE])
def test_the_end_of_a_session_withdraws_its_questions(command):
    async def main():
        house, live = await asking()
        one = await pending(house, live)
        await house.sessions.change(live, command, "over")
        assert (await house.store.approval(one.approval_id)).state is S.WITHDRAWN
        with pytest.raises(Conflict):
            await answer(house, one)

    asyncio.run(main())


def test_an_answer_to_something_else_than_was_shown_is_refused():
    async def main():
        house, live = await asking()
        one = await pending(house, live)
        with pytest.raises(Conflict, match="another than what you were shown"):
            await answer(house, one, digest="sha256:" + "0" * 64)
        with pytest.raises(NotFound):
            await answer(house, msgspec.structs.replace(one, approval_id="apr_none"))
        assert (await house.approvals.get(one.approval_id)).state is S.PENDING

    asyncio.run(main())


def test_so_many_questions_of_a_session_wait_and_no_more():
    async def main():
        house, live = await asking()
        rulings = [await house.decide(live, f"c{n}", "look", {"order": str(n)}) for n in range(7)]
        verdicts = [one.decision.verdict for one in rulings]
        assert verdicts == [Verdict.ASK] * 5 + [Verdict.DENY] * 2
        assert rulings[-1].message.startswith("approvals_exhausted: ")
        assert len(await house.approvals.listed(ApprovalFilter())) == 5

    asyncio.run(main())


def test_asking_again_and_again_does_not_use_the_question_up():
    async def main():
        house, live = await asking(loop=LoopLimits(repeat_calls=3, stall_window=0))
        one = await pending(house, live)
        for n in range(2, 10):
            assert not (await house.decide(live, f"c{n}", "look", SEVEN)).permit
        assert len(await house.approvals.listed(ApprovalFilter())) == 1
        await answer(house, one)
        assert (await house.decide(live, "c99", "look", SEVEN)).permit

    asyncio.run(main())


def test_questions_and_answers_outlive_the_process():
    async def main():
        house, live = await asking()
        one = await pending(house, live)
        house = House(store=house.store.crashed(), clock=house.clock, entropy=house.entropy)
        await answer(house, one)
        house = House(store=house.store.crashed(), clock=house.clock, entropy=house.entropy)
        house.policy.rules = ASKING
        live = await house.sessions.get(live.session.session_id)
        assert (await house.decide(live, "c2", "look", SEVEN)).permit
        assert (await house.approvals.get(one.approval_id)).state is S.USED

    asyncio.run(main())


def test_a_door_that_waits_leaves_the_call_undecided_until_a_person_spoke():
    async def main():
        house, live = await asking()
        house.emit(live, "c1", "look", SEVEN)
        retry = Retry(call_id="c1", tool="look", arguments=SEVEN, door="native")
        first = await house.attempts.again(live, retry)
        assert first.next == "asked"
        assert live.calls["c1"].state is CallState.EMITTED
        house.nothing_held()
        assert (await house.attempts.again(live, retry)).approval == first.approval
        assert house.approvals.left_s(live, [first.approval]) == pytest.approx(86_400, abs=1)
        assert len(house.written(Kind.APPROVAL_ASKED)) == 1
        assert house.written(Kind.TOOL_CALL_DECIDED) == []
        await answer(house, await house.approvals.get(first.approval))
        assert house.approvals.left_s(live, [first.approval]) == 0
        ran = await house.attempts.again(live, retry)
        assert ran.next == "execute"

    asyncio.run(main())


def test_a_further_attempt_of_the_call_that_was_approved_runs_on_the_same_answer():
    async def main():
        house, live = await asking(
            contracts=(contract("look", input_schema=ORDER, idempotency=Idempotency.PURE),)
        )
        house.emit(live, "c1", "look", SEVEN)
        retry = Retry(call_id="c1", tool="look", arguments=SEVEN, door="native")
        first = await house.attempts.again(live, retry)
        await answer(house, await house.approvals.get(first.approval))
        assert (await house.attempts.again(live, retry)).next == "execute"
        again = await house.attempts.again(live, msgspec.structs.replace(retry))
        assert again.next == "execute"
        assert len(await house.approvals.listed(ApprovalFilter())) == 1

    asyncio.run(main())


def test_a_further_attempt_after_the_answer_ran_out_asks_anew():
    async def main():
        house, live = await asking(
            contracts=(contract("look", input_schema=ORDER, idempotency=Idempotency.PURE),),
            ttl_s=10**6,
        )
        house.emit(live, "c1", "look", SEVEN)
        retry = Retry(call_id="c1", tool="look", arguments=SEVEN, door="native")
        first = await house.attempts.again(live, retry)
        asked = await house.approvals.get(first.approval)
        await answer(house, asked)
        assert (await house.attempts.again(live, retry)).next == "execute"
        house.clock.advance(86_400)
        again = await house.attempts.again(live, retry)
        assert (again.next, again.approval != first.approval) == ("asked", True)

    asyncio.run(main())


def test_an_answer_to_a_session_whose_time_is_over_is_refused():
    async def main():
        house, live = await asking()
        asked = await pending(house, live)
        house.clock.advance(3_600)
        assert asked.expires_at_ns > house.clock.now_ns(), "the question itself still waits"
        with pytest.raises(Conflict, match="its session is expired"):
            await answer(house, asked)

    asyncio.run(main())


def test_a_stage_that_breaks_after_the_answer_was_taken_leaves_the_answer():
    async def main():
        house, live = await asking()
        await answer(house, await pending(house, live))
        line = house.guard._line

        async def broken(case):
            raise StoreUnavailable("it is away")

        house.guard._line = (*line[:-1], broken)
        with pytest.raises(StoreUnavailable):
            await house.decide(live, "c2", "look", SEVEN)
        house.guard._line = line
        assert (await house.decide(live, "c3", "look", SEVEN)).permit

    asyncio.run(main())


def test_questions_that_ran_out_are_told_of_once_and_make_room_for_others():
    async def main():
        house, live = await asking(ttl_s=10**6)
        for number in range(5):
            await pending(house, live, f"c{number}", {"order": f"a{number}"})
        full = await house.decide(live, "c5", "look", {"order": "b"})
        assert full.decision.reasons[-1].code == "approvals_exhausted"
        house.clock.advance(86_400)
        assert (await house.decide(live, "c6", "look", {"order": "c"})).decision.verdict == "ask"
        house.house.approvals.tick()
        house.house.approvals.tick()
        await house.journal.commit([])
        assert len(house.written(Kind.APPROVAL_EXPIRED)) == 5
        kept = [one.state for one in await house.store.approvals(ApprovalFilter())]
        assert sorted(kept) == [S.EXPIRED] * 5 + [S.PENDING]

    asyncio.run(main())


def reviewed(*rules, **more):
    house = House(decided={"approvals": Terms(rules=rules)})
    house.policy.rules = ASKING
    return house


def test_a_question_carries_the_needs_of_the_rules_that_stood_when_it_was_asked():
    async def main():
        house = reviewed(ReviewRule(name="two", by=("mia", "leo"), quorum=2, expires_s=60))
        live = await house.open(limit(Dimension.TOOL_CALLS, 50))
        one = await pending(house, live)
        assert [(n.rule, n.quorum) for n in one.needs] == [("two", 2)]
        assert one.expires_at_ns - one.asked_at_ns == 60 * 10**9
        with pytest.raises(ApproverRequired):
            await answer(house, one)
        await answer(house, one, seats=("mia",))
        assert not (await house.decide(live, "c2", "look", SEVEN)).permit
        with pytest.raises(Conflict, match="said yes already"):
            await answer(house, one, seats=("mia",))
        await answer(house, one, by="leo", seats=("leo",))
        ran = await house.decide(live, "c3", "look", SEVEN)
        assert ran.permit
        assert ran.decision.reasons[-1].text == "approved by mia, leo"

    asyncio.run(main())


@pytest.mark.parametrize("asks_again", [True, False])
def test_what_can_be_undone_runs_unanswered_where_a_rule_says_so(asks_again):
    async def main():
        house = reviewed(ReviewRule(name="mild", expires_s=60, on_expiry=Unanswered.ALLOW))
        live = await house.open(limit(Dimension.TOOL_CALLS, 50))
        one = await pending(house, live)
        house.clock.advance(59)
        house.approvals.tick()
        assert not (await house.decide(live, "c2", "look", SEVEN)).permit
        house.clock.advance(1)
        if not asks_again:
            house.approvals.tick()
        assert (await house.approvals.get(one.approval_id)).state is S.APPROVED
        ran = await house.decide(live, "c3", "look", SEVEN)
        assert ran.permit
        assert ran.decision.reasons[-1].text == "approved by nobody"
        (told,) = house.written(Kind.APPROVAL_EXPIRED)
        assert told.body["lets"] is True

    asyncio.run(main())


def test_the_next_are_told_once_when_it_is_their_turn_over_a_restart_too():
    async def main():
        steps = (Step(after_s=60, to=("leo",)), Step(after_s=120, to=("zoe", "kim")))
        house = reviewed(ReviewRule(name="r", by=("mia",), escalate=steps))
        live = await house.open(limit(Dimension.TOOL_CALLS, 50))
        await pending(house, live)
        for _ in range(2):
            house.approvals.tick()
            house.clock.advance(60)
        await house.journal.commit([])
        again = House(store=house.store.crashed(), clock=house.clock, entropy=house.entropy)
        await again.approvals.look()
        for _ in range(3):
            again.approvals.tick()
        await again.journal.commit([])
        told = [r.body["to"] for r in again.store.journal if r.kind is Kind.APPROVAL_ESCALATED]
        assert told == [["leo"], ["zoe", "kim"]]

    asyncio.run(main())


def test_a_question_counts_the_calls_that_asked_it():
    async def main():
        house, live = await asking()
        one = await pending(house, live)
        for name in ("c2", "c3"):
            await house.decide(live, name, "look", SEVEN)
        assert (await house.store.approval(one.approval_id)).times == 3

    asyncio.run(main())


HOUR = GrantTerms(for_s=3600)


def test_a_grant_lets_the_like_run_until_it_ends_and_is_counted():
    async def main():
        house, live = await asking(ttl_s=200_000)
        one = await pending(house, live)
        given = await answer(house, one, grant=HOUR)
        assert given.state is S.GRANTED
        for name in ("c2", "c3"):
            ran = await house.decide(live, name, "look", SEVEN)
            assert ran.permit
            assert ran.decision.reasons[-1].code == "granted"
        kept = await house.store.approval(one.approval_id)
        assert kept is not None
        assert kept.grant is not None
        assert kept.grant.used == 2
        house.clock.advance(3600)
        assert not (await house.decide(live, "c4", "look", SEVEN)).permit
        assert len(house.written(Kind.APPROVAL_ASKED)) == 2

    asyncio.run(main())


def test_a_grant_outlives_the_process_and_ends_with_its_session():
    async def main():
        house, live = await asking()
        one = await pending(house, live)
        await answer(house, one, grant=HOUR)
        house = House(store=house.store.crashed(), clock=house.clock, entropy=house.entropy)
        house.policy.rules = ASKING
        live = await house.sessions.get(live.session.session_id)
        assert (await house.decide(live, "c2", "look", SEVEN)).permit
        await house.sessions.change(live, Command.END, "over")
        assert (await house.store.approval(one.approval_id)).state is S.WITHDRAWN

    asyncio.run(main())


def test_a_grant_runs_as_often_as_it_says_also_at_once():
    async def main():
        house, live = await asking()
        await answer(house, await pending(house, live), grant=GrantTerms(for_s=60, most=2))
        calls = [house.decide(live, f"c{n}", "look", SEVEN) for n in range(2, 4)]
        rulings = await asyncio.gather(*calls)
        rulings += [await house.decide(live, f"d{n}", "look", SEVEN) for n in range(3)]
        assert sum(bool(one.permit) for one in rulings) == 2

    asyncio.run(main())


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_grant_that_was_revoked_lets_nothing_run(when):
    async def main():
        house, live = await asking()
        one = await answer(house, await pending(house, live), grant=HOUR)
        at_hand = house.budgets.at_hand

        @contextlib.asynccontextmanager
        async def slow(*given, **more):
            await house.approvals.revoke(one.approval_id, "leo")
            async with at_hand(*given, **more) as held:
                yield held

        if when == "before":
            await house.approvals.revoke(one.approval_id, "leo", "enough")
        else:
            house.budgets.at_hand = slow
        assert not (await house.decide(live, "c2", "look", SEVEN)).permit
        assert len(house.written(Kind.APPROVAL_REVOKED)) == 1
        with pytest.raises(Conflict):
            await house.approvals.revoke(one.approval_id, "leo")

    asyncio.run(main())


@pytest.mark.parametrize("what", ["arguments", "policy", "objection", "session"])
def test_a_grant_is_for_nothing_else(what):
    async def main():
        house, live = await asking()
        await answer(house, await pending(house, live), grant=HOUR)
        arguments = {"order": "8"} if what == "arguments" else SEVEN
        if what == "policy":
            house.policy._version = "sha256:newer"
        elif what == "objection":
            house.policy.rules = (permit("all"), forbid("bigger", ask="approve a refund"))
        elif what == "session":
            live = await house.open(limit(Dimension.TOOL_CALLS, 50))
        assert not (await house.decide(live, "c2", "look", arguments)).permit

    asyncio.run(main())


def test_a_no_to_this_very_call_stands_before_a_grant_and_what_it_leaves_free():
    async def main():
        note = contract("note", roles={"order": ArgumentRole.WHAT, "text": ArgumentRole.PAYLOAD})
        schema = {"type": "object", "properties": {"order": {}, "text": {"type": "string"}}}
        house, live = await asking(contracts=(msgspec.structs.replace(note, input_schema=schema),))

        async def ask(name, text, order="7"):
            return await house.decide(live, name, "note", {"order": order, "text": text})

        for name, text in (("c1", "bad"), ("c2", "one"), ("c3", "two")):
            assert not (await ask(name, text)).permit
        found = await house.approvals.listed(ApprovalFilter(states=(S.PENDING,)))
        bad, one, two = sorted(found, key=lambda a: a.call_id)
        await answer(house, bad, approved=False)
        with pytest.raises(Conflict, match="says what the call does"):
            await answer(house, one, grant=GrantTerms(for_s=60, any=("order",)))
        await answer(house, one, grant=GrantTerms(for_s=60, any=("text",)))
        # What waited and is like it, waits no longer.
        assert (await house.approvals.get(two.approval_id)).state is S.WITHDRAWN
        for name, text in (("c4", "two"), ("c5", "three"), ("c6", "one")):
            assert (await ask(name, text)).permit
        assert (await ask("c7", "bad")).message.startswith("approval_denied")
        assert not (await ask("c8", "three", order="8")).permit

    asyncio.run(main())
