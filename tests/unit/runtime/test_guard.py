"""The guard: one test a stage, one a failure; nothing of it ever ends in an allow."""

import asyncio
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.core.canonical import digest
from holdfast.core.permits import sign, verify
from holdfast.errors import (
    Conflict,
    CredentialExpired,
    PermitInvalid,
    SessionStopped,
    StoreUnavailable,
)
from holdfast.model.budgets import Dimension
from holdfast.model.decisions import PolicyAnswer, Verdict
from holdfast.model.events import Kind
from holdfast.model.hooks import HookAnswer, HookInput, HookPoint
from holdfast.model.permits import Permit
from holdfast.model.principals import TrustLevel
from holdfast.model.sessions import LoopLimits, SessionState
from holdfast.model.tools import CallState
from holdfast.runtime.guard import Asked
from holdfast.testing.memory_policy import forbid, permit
from holdfast.testing.memory_store import MemoryStore
from tests.unit.runtime.house import House, limit


def test_allowed_call_has_a_permit_that_names_session_call_tool_and_digest():
    async def main():
        house = House()
        live = await house.open(limit(Dimension.TOOL_CALLS, 5))
        ruling = await house.decide(live, "c1", "look", {"order": "7"})
        assert ruling.decision.verdict is Verdict.ALLOW
        proof = verify(
            ruling.permit,
            house.guard.public_keys,
            session=live.session.session_id,
            call_id="c1",
            tool="look",
            digest=live.calls["c1"].permitted_digest,
            now_ns=house.clock.now_ns(),
        )
        assert isinstance(proof, Permit)
        assert house.written(Kind.TOOL_CALL_DECIDED)[0].decision_id == proof.decision_id
        assert house.account(live, Dimension.TOOL_CALLS).held == 1

    asyncio.run(main())


def test_permit_is_handed_out_only_after_its_decision_is_durable():
    async def main():
        house = House()
        live = await house.open(limit(Dimension.TOOL_CALLS, 5))
        house.store.hold_commits()
        task = asyncio.create_task(house.decide(live, "c1", "look", {"order": "7"}))
        for _ in range(50):
            await asyncio.sleep(0)
        assert not task.done()
        assert house.written(Kind.TOOL_CALL_DECIDED) == []
        house.store.release_commits()
        assert (await task).permit
        assert len(house.written(Kind.TOOL_CALL_DECIDED)) == 1

    asyncio.run(main())


@pytest.mark.parametrize("after", [0, 1])
def test_store_that_fails_at_or_before_the_decision_yields_an_error_and_no_permit(after):
    async def main():
        house = House()
        live = await house.open(limit(Dimension.TOOL_CALLS, 5))
        house.store.fail_commits(after=after)
        if after:
            await house.outcomes.prompt(live, "hello")
        with pytest.raises(StoreUnavailable):
            await house.decide(live, "c1", "look", {"order": "7"})

    asyncio.run(main())


def test_decision_that_the_journal_cannot_keep_leaves_no_call_that_may_run():
    async def main():
        house = House()
        live = await house.open(limit(Dimension.TOOL_CALLS, 5))
        commit = house.store.commit

        def refusing(records=(), changes=()):
            if any(r.kind is Kind.TOOL_CALL_DECIDED for r in records):
                from holdfast.errors import TooLarge

                raise TooLarge("the body of the record is too large")
            return commit(records, changes)

        house.store.commit = refusing
        with pytest.raises(Exception, match="too large"):
            await house.decide(live, "c1", "look", {"order": "7"})
        assert live.calls["c1"].state is CallState.EMITTED
        house.nothing_held()

    asyncio.run(main())


def test_policy_that_is_down_denies():
    async def main():
        house = House()
        live = await house.open(limit(Dimension.TOOL_CALLS, 5))
        house.policy.down = True
        ruling = await house.decide(live, "c1", "look", {"order": "7"})
        assert ruling.decision.verdict is Verdict.DENY
        assert ruling.permit == ""
        assert ruling.message.startswith("policy_unavailable: ")
        house.nothing_held()

    asyncio.run(main())


def test_policy_that_errors_in_a_rule_denies():
    async def main():
        house = House()
        live = await house.open()
        house.policy.rules = (permit("all"), permit("bad", lambda r: r.input["no such"]))
        ruling = await house.decide(live, "c1", "look", {"order": "7"})
        assert ruling.decision.verdict is Verdict.DENY
        assert ruling.permit == ""

    asyncio.run(main())


def test_policy_request_carries_session_tenant_and_task_in_one_question():
    async def main():
        house = House()
        live = await house.open(task_attributes={"cap": 5}, tenant_attributes={"plan": "pro"})
        await house.decide(live, "c1", "look", {"order": "7"})
        asked = house.policy.asked[0]
        assert (asked.tenant, asked.user, asked.session) == (
            "acme",
            "ann",
            live.session.session_id,
        )
        assert (asked.task, asked.tenant_attributes) == ({"cap": 5}, {"plan": "pro"})
        assert (asked.action, asked.input, asked.effect) == ("look", {"order": "7"}, "read")

    asyncio.run(main())


def test_policy_that_asks_yields_approval_required_and_no_permit():
    async def main():
        house = House()
        live = await house.open(limit(Dimension.TOOL_CALLS, 5))
        house.policy.rules = (permit("all"), forbid("big", ask="approve a refund"))
        ruling = await house.decide(live, "c1", "look", {"order": "7"})
        assert ruling.decision.verdict is Verdict.ASK
        assert ruling.permit == ""
        assert ruling.message.startswith("approval_required: approve a refund (rule big)")
        assert live.calls["c1"].state is CallState.DENIED
        house.nothing_held()

    asyncio.run(main())


def test_call_that_the_model_never_made_is_refused_and_journalled():
    async def main():
        house = House()
        live = await house.open()
        with pytest.raises(PermitInvalid, match="no such call"):
            await house.decide(live, "c9", "look", {"order": "7"}, emit=False)
        assert house.written(Kind.PERMIT_REFUSED)[0].call_id == "c9"
        assert house.policy.asked == []

    asyncio.run(main())


@pytest.mark.parametrize(
    ("tool", "arguments"), [("look", {"order": "8"}), ("fetch", {"order": "7"})]
)
def test_call_with_another_tool_or_other_arguments_than_emitted_is_refused(tool, arguments):
    async def main():
        house = House()
        live = await house.open()
        house.emit(live, "c1", "look", {"order": "7"})
        with pytest.raises(PermitInvalid, match="another tool or other arguments"):
            await house.decide(live, "c1", tool, arguments, emit=False)

    asyncio.run(main())


def test_torn_call_matches_no_arguments():
    async def main():
        house = House()
        live = await house.open()
        house.emit(live, "c1", "look", {"order": "7"})
        from msgspec.structs import replace

        live.calls["c1"] = replace(live.calls["c1"], state=CallState.TORN, digest="")
        with pytest.raises(PermitInvalid):
            await house.decide(live, "c1", "look", {"order": "7"}, emit=False)

    asyncio.run(main())


def test_arguments_without_canonical_form_are_denied_even_where_a_hook_would_mend_them():
    async def mend(_):
        return HookAnswer(arguments={"order": "7"})

    async def main():
        house = House(hooks={HookPoint.PRE_TOOL: (("mend", mend),)})
        live = await house.open()
        house.emit(live, "c1", "fetch", {"n": 2**60})
        ruling = await house.decide(live, "c1", "fetch", {"n": 2**61}, emit=False)
        assert ruling.decision.verdict is Verdict.DENY
        assert ruling.message.startswith("contract_violation: ")

    asyncio.run(main())


def test_call_is_decided_once():
    async def main():
        house = House()
        live = await house.open()
        await house.decide(live, "c1", "look", {"order": "7"})
        with pytest.raises(PermitInvalid, match="decided before"):
            await house.decide(live, "c1", "look", {"order": "7"}, emit=False)

    asyncio.run(main())


def test_call_asked_for_in_parallel_gets_one_permit():
    async def main():
        house = House()
        live = await house.open(limit(Dimension.TOOL_CALLS, 50))
        house.emit(live, "c1", "look", {"order": "7"})
        answers = await asyncio.gather(
            *(house.decide(live, "c1", "look", {"order": "7"}, emit=False) for _ in range(20)),
            return_exceptions=True,
        )
        assert sum(1 for a in answers if not isinstance(a, BaseException) and a.permit) == 1
        assert sum(isinstance(a, PermitInvalid) for a in answers) == 19
        assert house.account(live, Dimension.TOOL_CALLS).held == 1

    asyncio.run(main())


@pytest.mark.parametrize("how", ["kill", "pause", "torn", "answered"])
def test_session_or_call_that_ends_while_policy_is_asked_gets_no_permit(how):
    async def main():
        house = House()
        live = await house.open(limit(Dimension.TOOL_CALLS, 5))
        entered, go = asyncio.Event(), asyncio.Event()
        decide = house.policy.decide

        async def slow(request):
            entered.set()
            await go.wait()
            return await decide(request)

        house.policy.decide = slow
        task = asyncio.create_task(house.decide(live, "c1", "look", {"order": "7"}))
        await entered.wait()
        if how == "kill":
            await house.killer.kill(live, "stop it", by="op")
        elif how == "pause":
            from holdfast.core.sessions import Command

            await house.sessions.change(live, Command.PAUSE, "wait")
        else:
            from msgspec.structs import replace

            digest = "" if how == "torn" else live.calls["c1"].digest
            state = CallState.DENIED if how == "answered" else CallState.TORN
            denial = "read before" if how == "answered" else ""
            live.calls["c1"] = replace(live.calls["c1"], digest=digest, state=state, denial=denial)
        go.set()
        ruling = await task
        assert ruling.permit == ""
        assert ruling.decision.verdict is Verdict.DENY
        assert live.calls["c1"].state is CallState.DENIED
        if how == "answered":
            assert live.calls["c1"].denial == "read before"
        house.nothing_held()

    asyncio.run(main())


def test_session_killed_while_the_decision_is_written_gets_no_permit():
    async def main():
        house = House()
        live = await house.open(limit(Dimension.TOOL_CALLS, 5))
        house.store.hold_commits()
        task = asyncio.create_task(house.decide(live, "c1", "look", {"order": "7"}))
        for _ in range(20):
            await asyncio.sleep(0)
        kill = asyncio.create_task(house.killer.kill(live, "stop it", by="op"))
        await asyncio.sleep(0)
        house.store.release_commits()
        await kill
        with pytest.raises(SessionStopped):
            await task
        house.nothing_held()

    asyncio.run(main())


def test_tool_that_is_not_granted_is_denied():
    async def main():
        house = House()
        live = await house.open()
        ruling = await house.decide(live, "c1", "rm", {})
        assert ruling.decision.verdict is Verdict.DENY
        assert ruling.decision.reasons[0].code == "tool.not_granted"
        assert house.policy.asked == []

    asyncio.run(main())


def test_tool_without_a_contract_is_high_and_asks_a_semi_autonomous_agent():
    async def main():
        house = House()
        live = await house.open(trust=TrustLevel.SEMI_AUTONOMOUS)
        ruling = await house.decide(live, "c1", "bare", {})
        assert ruling.decision.verdict is Verdict.ASK
        assert ruling.decision.risk.name == "HIGH"

    asyncio.run(main())


def test_arguments_that_break_the_contract_are_denied_before_policy():
    async def main():
        house = House()
        live = await house.open()
        ruling = await house.decide(live, "c1", "look", {"order": 7, "x": 1})
        assert ruling.decision.verdict is Verdict.DENY
        assert ruling.message.startswith("contract_violation: ")
        assert house.policy.asked == []

    asyncio.run(main())


def test_read_only_agent_may_read_and_nothing_else():
    async def main():
        house = House()
        live = await house.open(trust=TrustLevel.READ_ONLY)
        assert (await house.decide(live, "c1", "look", {"order": "7"})).permit
        ruling = await house.decide(live, "c2", "write", {})
        assert ruling.decision.verdict is Verdict.DENY
        assert ruling.decision.reasons[0].code == "risk.read_only"

    asyncio.run(main())


def test_risk_notice_is_journalled_for_what_is_allowed_with_a_notice():
    async def main():
        house = House()
        live = await house.open(trust=TrustLevel.SEMI_AUTONOMOUS)
        assert (await house.decide(live, "c1", "write", {})).permit
        assert house.written(Kind.RISK_NOTICE)[0].risk == "MEDIUM"

    asyncio.run(main())


def test_path_into_the_harness_state_is_blocked_at_every_trust():
    async def main():
        house = House()
        live = await house.open()
        for call_id, path in (("c1", "/w/.holdfast/signing.key"), ("c2", "./.Holdfast/x")):
            ruling = await house.decide(live, call_id, "fetch", {"path": path})
            assert ruling.decision.verdict is Verdict.DENY
            assert ruling.decision.risk.name == "BLOCK"

    asyncio.run(main())


def test_after_taint_a_payment_to_a_name_nobody_typed_asks():
    async def main():
        house = House()
        live = await house.open()
        await house.outcomes.prompt(live, "pay bob@shop.com 20 dollars")
        live.vouched.taint("fetch")
        good = await house.decide(live, "c1", "pay", {"to": "bob@shop.com", "amount": 20})
        assert good.permit
        bad = await house.decide(live, "c2", "pay", {"to": "eve@evil.com", "amount": 20})
        assert bad.decision.verdict is Verdict.ASK
        assert bad.permit == ""
        assert bad.decision.reasons[0].stage == "flow"

    asyncio.run(main())


def test_loop_of_identical_calls_is_refused_and_other_calls_go_on():
    async def main():
        house = House()
        live = await house.open(loop=LoopLimits(repeat_calls=3, stall_window=0))
        for n in range(5):
            assert (await house.decide(live, f"c{n}", "look", {"order": "7"})).permit
        ruling = await house.decide(live, "c5", "look", {"order": "7"})
        assert ruling.message.startswith("loop_detected: ")
        assert live.session.state is SessionState.ACTIVE
        assert len(house.written(Kind.LOOP_ALERT)) == 2
        assert (await house.decide(live, "c6", "look", {"order": "8"})).permit

    asyncio.run(main())


def test_a_result_that_is_new_lets_the_same_call_go_on():
    async def main():
        house = House()
        live = await house.open(loop=LoopLimits(max_turns=1000))
        for n in range(30):
            assert (await house.decide(live, f"c{n}", "look", {"order": "7"})).permit
            await house.finish(live, f"c{n}", output={"stage": n})
        same = [live]
        for n in range(30, 40):
            ruling = await house.decide(live, f"c{n}", "look", {"order": "7"})
            same.append(ruling)
            if ruling.permit:
                await house.finish(live, f"c{n}", output={"stage": 0})
        assert same[-1].message.startswith("loop_detected: ")

    asyncio.run(main())


def test_the_third_refusal_is_final_and_twenty_five_in_a_row_stop_the_session():
    async def main():
        house = House()
        live = await house.open()
        for n in range(3):
            ruling = await house.decide(live, f"c{n}", "rm", {"x": 1})
            assert not ruling.message.startswith("loop_detected: ")
        ruling = await house.decide(live, "c3", "look", {"order": "7"})
        assert ruling.permit
        for n in range(24):
            await house.decide(live, f"d{n}", "rm", {"x": n})
            assert live.session.state is SessionState.ACTIVE
        await house.decide(live, "last", "rm", {"x": 99})
        assert live.session.state is SessionState.STOPPED
        assert live.session.state_reason == "25 tool calls in a row were refused"
        with pytest.raises(SessionStopped):
            await house.decide(live, "c9", "look", {"order": "8"})

    asyncio.run(main())


def test_twenty_sixth_call_is_refused_with_the_account_that_is_full():
    async def main():
        house = House()
        live = await house.open(limit(Dimension.TOOL_CALLS, 25))
        for n in range(25):
            assert (await house.decide(live, f"c{n}", "look", {"order": str(n)})).permit
            await house.finish(live, f"c{n}")
        ruling = await house.decide(live, "c25", "look", {"order": "25"})
        assert ruling.message.startswith(
            "budget_exceeded: session tool_calls (life) is capped at 25"
        )
        assert "25 is spent" in ruling.message
        assert ruling.permit == ""
        house.nothing_held()

    asyncio.run(main())


def test_of_sixty_parallel_calls_exactly_as_many_run_as_the_cap_allows():
    async def main():
        house = House()
        live = await house.open(limit(Dimension.TOOL_CALLS, 25))
        rulings = await asyncio.gather(
            *(house.decide(live, f"c{n}", "look", {"order": str(n)}) for n in range(60))
        )
        assert sum(1 for r in rulings if r.permit) == 25
        assert sum(1 for r in rulings if r.message.startswith("budget_exceeded")) == 35
        house.check_caps()

    asyncio.run(main())


def test_tool_call_is_not_refused_because_model_calls_wait_in_line():
    async def main():
        house = House()
        live = await house.open(
            limit(Dimension.TOOL_CALLS, 25), limit(Dimension.USD, 100), limit(Dimension.SECONDS, 9)
        )

        async def held(hold_id, wait_s):
            return await house.budgets.reserve(
                hold_id,
                live.session,
                live.chain,
                lambda: {Dimension.USD: 80},
                purpose="model",
                wait_s=wait_s,
            )

        await held("h1", 0)
        waiting = asyncio.create_task(held("h2", 30))
        await asyncio.sleep(0)
        ruling = await house.decide(live, "c1", "look", {"order": "7"})
        assert ruling.permit
        house.budgets.settle_now("h1", {Dimension.USD: 10}, live.who)
        assert (await waiting)[0].hold_id == "h2"

    asyncio.run(main())


WRONG_VERDICT: Any = {"verdict": "perhaps"}
WRONG_ARGUMENTS: Any = {"arguments": ["not", "an", "object"]}


# --- hooks ------------------------------------------------------------------------------------
async def raising(_):
    raise ValueError("boom")


async def hanging(_):
    await asyncio.sleep(3600)


async def nonsense(_):
    return {"verdict": "allow"}


async def wrong_fields(_):
    return HookAnswer(**WRONG_VERDICT)


async def wrong_arguments(_):
    return HookAnswer(**WRONG_ARGUMENTS)


@pytest.mark.parametrize("hook", [raising, hanging, nonsense, wrong_fields, wrong_arguments])
def test_hook_that_raises_hangs_or_answers_nonsense_denies(hook):
    async def main():
        house = House(hooks={HookPoint.PRE_TOOL: (("h", hook),)})
        live = await house.open(limit(Dimension.TOOL_CALLS, 5))
        ruling = await house.decide(live, "c1", "look", {"order": "7"})
        assert ruling.decision.verdict is Verdict.DENY
        assert ruling.decision.reasons[0].code == "hook.failed"
        assert ruling.permit == ""
        house.nothing_held()

    asyncio.run(main())


def test_hook_that_is_cancelled_leaves_no_permit_and_the_call_open():
    async def cancelled(_):
        raise asyncio.CancelledError

    async def main():
        house = House(hooks={HookPoint.PRE_TOOL: (("h", cancelled),)})
        live = await house.open()
        with pytest.raises(asyncio.CancelledError):
            await house.decide(live, "c1", "look", {"order": "7"})
        assert live.calls["c1"].state is CallState.EMITTED
        assert live.deciding == set()

    asyncio.run(main())


def test_hook_cannot_loosen_a_deny_of_policy():
    async def loosen(_):
        return HookAnswer(verdict=Verdict.ALLOW, code="fine", reason="let it pass")

    async def main():
        house = House(hooks={HookPoint.PRE_TOOL: (("h", loosen),)})
        live = await house.open()
        house.policy.rules = (forbid("never"),)
        ruling = await house.decide(live, "c1", "look", {"order": "7"})
        assert ruling.decision.verdict is Verdict.DENY

    asyncio.run(main())


def test_hook_that_changes_its_input_in_place_changes_nothing():
    async def meddle(given):
        given.arguments["order"] = "999"

    async def main():
        house = House(hooks={HookPoint.PRE_TOOL: (("h", meddle),)})
        live = await house.open()
        ruling = await house.decide(live, "c1", "look", {"order": "7"})
        assert ruling.arguments == {"order": "7"}
        assert live.calls["c1"].permitted_digest == live.calls["c1"].digest

    asyncio.run(main())


def test_rewritten_arguments_are_checked_again_and_bound_in_the_permit():
    async def rewrite(_):
        return HookAnswer(arguments={"order": "8"})

    async def main():
        house = House(hooks={HookPoint.PRE_TOOL: (("h", rewrite),)})
        live = await house.open()
        ruling = await house.decide(live, "c1", "look", {"order": "7"})
        assert ruling.arguments == {"order": "8"}
        assert house.policy.asked[0].input == {"order": "8"}
        call = live.calls["c1"]
        assert call.permitted_digest != call.digest
        with pytest.raises(PermitInvalid, match="other arguments"):
            await house.guard.redeem(live, ruling.permit, "c1", "look", {"order": "7"})
        assert await house.guard.redeem(live, ruling.permit, "c1", "look", {"order": "8"})

    asyncio.run(main())


def test_rewriting_into_a_breach_of_contract_is_denied():
    async def rewrite(_):
        return HookAnswer(arguments={"order": 8})

    async def main():
        house = House(hooks={HookPoint.PRE_TOOL: (("h", rewrite),)})
        live = await house.open()
        ruling = await house.decide(live, "c1", "look", {"order": "7"})
        assert ruling.message.startswith("contract_violation")

    asyncio.run(main())


def test_every_hook_point_leaves_its_record():
    async def note(_):
        return None

    async def main():
        points = {point: ((f"on {point}", note),) for point in HookPoint}
        house = House(hooks=points)
        live = await house.open()
        await house.decide(live, "c1", "look", {"order": "7"})
        await house.finish(live, "c1", output={"x": 1})
        await house.decide(live, "c2", "look", {"order": "8"})
        await house.finish(live, "c2", ok=False, error="it broke")
        full = HookInput(point=HookPoint.ON_CONTEXT_OVERFLOW, principal=live.who, ok=False)
        await house.points.reached(live, full)
        seen = {r.body["point"] for r in house.written(Kind.HOOK_RAN) if r.body["hook"]}
        assert seen == {str(point) for point in HookPoint}

    asyncio.run(main())


def test_post_tool_hook_replaces_the_output_that_is_returned_and_recorded():
    async def redact(given):
        return HookAnswer(output={"shown": len(str(given.output))})

    async def main():
        house = House(hooks={HookPoint.POST_TOOL: (("h", redact),)})
        live = await house.open()
        await house.decide(live, "c1", "look", {"order": "7"})
        assert await house.finish(live, "c1", output="long text") == {"shown": 9}
        assert '"shown":9' in house.written(Kind.TOOL_CALL_FINISHED)[0].body["output"]

    asyncio.run(main())


# --- redeem and finish --------------------------------------------------------------------------
def allowed(house, live):
    return house.decide(live, "c1", "look", {"order": "7"})


def test_permit_is_used_once():
    async def main():
        house = House()
        live = await house.open()
        token = (await allowed(house, live)).permit
        assert await house.guard.redeem(live, token, "c1", "look", {"order": "7"})
        with pytest.raises(PermitInvalid, match="used before"):
            await house.guard.redeem(live, token, "c1", "look", {"order": "7"})

    asyncio.run(main())


def test_permit_of_another_process_with_the_same_key_is_redeemed_by_its_signature():
    async def main():
        house = House()
        live = await house.open()
        token = (await allowed(house, live)).permit
        house.guard._permits._signed.forget(token)
        permit = await house.guard.redeem(live, token, "c1", "look", {"order": "7"})
        assert permit.permit_id == live.calls["c1"].permit_id
        with pytest.raises(PermitInvalid, match="used before"):
            await house.guard.redeem(live, token, "c1", "look", {"order": "7"})

    asyncio.run(main())


def test_permit_redeemed_in_parallel_is_used_once():
    async def main():
        house = House()
        live = await house.open()
        token = (await allowed(house, live)).permit
        got = await asyncio.gather(
            *(house.guard.redeem(live, token, "c1", "look", {"order": "7"}) for _ in range(10)),
            return_exceptions=True,
        )
        assert sum(isinstance(g, Permit) for g in got) == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    ("call_id", "tool", "arguments"),
    [
        ("c2", "look", {"order": "7"}),
        ("c1", "fetch", {"order": "7"}),
        ("c1", "look", {"order": "8"}),
        ("c1", "look", {"order": 7}),
    ],
)
def test_permit_for_another_call_tool_or_arguments_is_refused(call_id, tool, arguments):
    async def main():
        house = House()
        live = await house.open()
        token = (await allowed(house, live)).permit
        with pytest.raises(PermitInvalid):
            await house.guard.redeem(live, token, call_id, tool, arguments)
        assert house.written(Kind.PERMIT_REFUSED)

    asyncio.run(main())


def test_altered_forged_expired_and_foreign_permits_are_refused():
    async def main():
        house = House()
        live = await house.open()
        token = (await allowed(house, live)).permit
        other = await house.open(user="bob")
        house.emit(other, "c1", "look", {"order": "7"})
        genuine: Any = verify(
            token,
            house.guard.public_keys,
            session=live.session.session_id,
            call_id="c1",
            tool="look",
            digest=live.calls["c1"].permitted_digest,
            now_ns=house.clock.now_ns(),
        )
        forged = sign(genuine, Ed25519PrivateKey.generate())
        for live_, bad in (
            (live, token[:-20] + token[-20:].swapcase()),
            (live, forged),
            (other, token),
            (live, "x"),
        ):
            with pytest.raises(PermitInvalid):
                await house.guard.redeem(live_, bad, "c1", "look", {"order": "7"})
        house.clock.advance(60)
        with pytest.raises(PermitInvalid, match="expired"):
            await house.guard.redeem(live, token, "c1", "look", {"order": "7"})

    asyncio.run(main())


def test_permit_never_outlives_its_session():
    async def main():
        house = House()
        live = await house.open(ttl_s=10)
        ruling = await allowed(house, live)
        permit = await house.guard.redeem(live, ruling.permit, "c1", "look", {"order": "7"})
        assert permit.expires_at_ns == live.session.expires_at_ns
        house.clock.advance(10)
        with pytest.raises(CredentialExpired):
            await house.decide(live, "c2", "look", {"order": "7"})
        assert live.session.state is SessionState.EXPIRED

    asyncio.run(main())


def test_permit_of_a_session_killed_while_it_is_redeemed_runs_nothing():
    async def main():
        house = House()
        live = await house.open()
        token = (await allowed(house, live)).permit
        house.store.hold_commits()
        task = asyncio.create_task(house.guard.redeem(live, token, "c1", "look", {"order": "7"}))
        await asyncio.sleep(0)
        kill = asyncio.create_task(house.killer.kill(live, "stop", by="op"))
        await asyncio.sleep(0)
        house.store.release_commits()
        with pytest.raises(SessionStopped):
            await task
        await kill

    asyncio.run(main())


def test_call_is_finished_once_even_in_parallel_with_slow_hooks():
    async def slow(_):
        await asyncio.sleep(0.01)

    async def main():
        house = House(hooks={HookPoint.POST_TOOL: (("h", slow),)})
        live = await house.open(limit(Dimension.TOOL_CALLS, 5))
        await allowed(house, live)
        got = await asyncio.gather(
            *(house.finish(live, "c1") for _ in range(5)), return_exceptions=True
        )
        assert sum(isinstance(g, Conflict) for g in got) == 4
        assert len(house.written(Kind.TOOL_CALL_FINISHED)) == 1
        with pytest.raises(Conflict):
            await house.finish(live, "c1")
        assert house.account(live, Dimension.TOOL_CALLS).settled == 1
        house.nothing_held()

    asyncio.run(main())


def test_call_without_a_permit_cannot_be_finished():
    async def main():
        house = House()
        live = await house.open()
        house.emit(live, "c1", "look", {"order": "7"})
        for call_id in ("c1", "c2"):
            with pytest.raises(Conflict):
                await house.finish(live, call_id)

    asyncio.run(main())


def test_time_of_a_tool_is_neither_held_nor_charged():
    # A sub-agent's tool call lasts as long as the model calls in it: holding its time would leave
    # them none.
    async def main():
        house = House()
        live = await house.open(limit(Dimension.SECONDS, 90))
        await allowed(house, live)
        assert house.account(live, Dimension.SECONDS).held == 0
        await house.finish(live, "c1", duration_ms=500_000)
        assert house.account(live, Dimension.SECONDS).settled == 0

    asyncio.run(main())


def test_door_that_runs_what_is_returned_gets_a_permit_for_the_models_own_arguments():
    async def main():
        house = House()
        live = await house.open()
        wrote = {"order": "7"}
        house.emit(live, "c1", "look", wrote)
        live.emitted["c1"] = wrote
        tidied = {"order": "7", "replace_all": False}
        asked = Asked(call_id="c1", tool="look", arguments=tidied, door="test", runs_returned=True)
        ruling = await house.guard.decide(live, asked)
        assert ruling.decision.verdict is Verdict.ALLOW
        assert ruling.arguments == wrote
        assert ruling.decision.digest == digest(wrote)

    asyncio.run(main())


def test_promise_to_run_what_is_returned_opens_no_other_tool_and_no_unmade_call():
    async def main():
        house = House()
        live = await house.open()
        house.emit(live, "c1", "look", {"order": "7"})
        live.emitted["c1"] = {"order": "7"}
        for call_id, tool in (("c1", "pay"), ("c2", "look")):
            asked = Asked(call_id=call_id, tool=tool, arguments={}, door="test", runs_returned=True)
            with pytest.raises(PermitInvalid):
                await house.guard.decide(live, asked)

    asyncio.run(main())


def test_output_that_breaks_its_contract_is_recorded():
    async def main():
        house = House()
        live = await house.open()
        await house.decide(live, "c1", "counted", {})
        await house.finish(live, "c1", output={"n": "many"})
        assert house.written(Kind.TOOL_CALL_FINISHED)[0].body["contract"]

    asyncio.run(main())


def test_secret_at_the_start_of_a_line_of_output_does_not_reach_the_journal():
    async def main():
        house = House()
        live = await house.open()
        await house.decide(live, "c1", "fetch", {})
        await house.finish(live, "c1", output="first line\nAKIAABCDEFGHIJKLMNOP\n")
        assert "AKIAABCDEFGHIJKLMNOP" not in str(house.store.journal)

    asyncio.run(main())


def test_killed_session_settles_calls_that_were_running_and_may_still_report():
    async def main():
        house = House()
        live = await house.open(limit(Dimension.TOOL_CALLS, 5), limit(Dimension.SECONDS, 500))
        await allowed(house, live)
        await house.killer.kill(live, "stop", by="op")
        assert house.account(live, Dimension.TOOL_CALLS).settled == 1
        house.nothing_held()
        await house.finish(live, "c1", output="it had run")
        assert house.account(live, Dimension.TOOL_CALLS).settled == 1

    asyncio.run(main())


def test_denial_text_is_the_same_in_ruling_record_and_reload():
    async def main():
        house = House()
        live = await house.open()
        ruling = await house.decide(live, "c1", "rm", {})
        assert live.calls["c1"].denial == ruling.message
        stored = {c.call_id: c for c in await house.store.calls(live.session.session_id)}
        assert stored["c1"].denial == ruling.message

    asyncio.run(main())


def test_policy_answer_of_any_other_verdict_than_allow_holds_no_permit():
    async def main():
        for verdict in (Verdict.ASK, Verdict.DENY):
            house = House()
            live = await house.open()

            async def answer(_, verdict=verdict):
                return PolicyAnswer(verdict=verdict)

            house.policy.decide = answer
            assert (await house.decide(live, "c1", "look", {"order": "7"})).permit == ""

    asyncio.run(main())


def test_decision_cancelled_while_it_is_written_leaves_no_hold_behind_after_the_end():
    async def main():
        house = House(store=MemoryStore())
        live = await house.open(limit(Dimension.TOOL_CALLS, 5))
        house.store.hold_commits()
        task = asyncio.create_task(house.decide(live, "c1", "look", {"order": "7"}))
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        house.store.release_commits()
        from holdfast.core.sessions import Command

        await house.sessions.change(live, Command.END, "done")
        house.nothing_held()

    asyncio.run(main())
