"""The guard alone: what one call leaves, whole, for each thing that can be said of it."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
import sys
from typing import Any

import msgspec
import pytest

from holdfast.core.sessions import Command
from holdfast.errors import Exhausted, PermitInvalid, PolicyUnavailable, SessionStopped
from holdfast.model.budgets import Dimension
from holdfast.model.decisions import (
    Decision,
    NearMiss,
    PolicyAnswer,
    PolicyRequest,
    Reason,
    Verdict,
)
from holdfast.model.effects import EffectState
from holdfast.model.hooks import HookAnswer, HookPoint
from holdfast.model.permits import Permit
from holdfast.model.principals import TrustLevel
from holdfast.model.risk import RiskLevel
from holdfast.model.sessions import LoopLimits
from holdfast.model.tools import CallState
from holdfast.runtime.digests import digest_of
from holdfast.runtime.exhaustion import no_room, refusal_fields
from holdfast.runtime.guard.stages import MOST_ATTEMPTS
from tests.unit.runtime.alone.desk import S, draft, limit
from tests.unit.runtime.alone.gatehouse import Gatehouse

ALL = ("case", "pipeline", "ruling", "stages", "permits")
CALLS = Dimension.TOOL_CALLS
ARGUMENTS = {"order": "7"}


def about(*modules):
    """Which modules of the guard a test is about."""
    return pytest.mark.parametrize("module", [f"holdfast.runtime.guard.{one}" for one in modules])


def rows(names, table):
    """The test on each row of a table, in one."""

    def on_each(test):
        def run(module):
            assert module in sys.modules
            for row in table:
                test(**dict(zip(names, row, strict=True)))

        run.__name__ = test.__name__
        return run

    return on_each


def asking_apart(ruling):
    """Its reasons without the one that a person is asked, which stands in `test_asking`."""
    return tuple(one for one in ruling.decision.reasons if one.stage != "approval")


def reason(stage, code, text, rule="", verdict=Verdict.DENY):
    return Reason(stage=stage, verdict=verdict, code=code, text=text, rule=rule)


def decided(ruling, verdict="allow", tool="look", arguments=None, **body):
    """The record of a decision, as it is told."""
    decision = ruling.decision
    given: dict[str, Any] = {} if arguments is None else arguments
    return {
        "kind": "tool_call.decided",
        "turn": 2,
        "call_id": "c1",
        "decision_id": decision.decision_id,
        "tool": tool,
        "verdict": verdict,
        "risk": body.pop("risk", "LOW"),
        "body": {
            "door": "t",
            "arguments": given,
            "reasons": [msgspec.to_builtins(one) for one in decision.reasons],
            "resource": f"tool:{tool}",
            "digest": decision.digest,
            "emitted_digest": digest_of(given),
            "risk_reasons": ["risk.registered"],
            "policy_version": "sha256:v1",
            "tainted": False,
            "policy_asked": {"at_ns": decision.at_ns, "tainted": False},
        }
        | body,
    }


def hook(**answer):
    async def answered(given):
        await asyncio.sleep(0)
        return HookAnswer(**answer)

    return {HookPoint.PRE_TOOL: (("h", answered),)}


@about(*ALL)
def test_allowed_call_leaves_a_decision_a_permit_a_hold_and_an_effect_of_one_commit(module):
    assert module in sys.modules

    async def main():
        house: Any = Gatehouse()
        live = await house.seat(limit(CALLS, 5), ttl_s=3600)
        seq, now = house.seq, house.clock.now_ns()
        live.emitted["c1"] = {}
        live.cost_nusd = 77
        ruling = await house.decide(live, "c1", "keyed")
        decision = ruling.decision
        assert decision == Decision(
            decision_id=decision.decision_id,
            session=live.session.session_id,
            call_id="c1",
            tool="keyed",
            digest=digest_of({}),
            verdict=Verdict.ALLOW,
            reasons=(),
            risk=RiskLevel.LOW,
            policy_version="sha256:v1",
            at_ns=now,
        )
        assert decision.decision_id.startswith("dec_")
        call = live.calls["c1"]
        [hold] = await house.store.holds()
        assert hold.amounts == {CALLS: 1}
        assert hold.purpose == "tool"
        [effect] = await house.store.effects(live.session.session_id)
        assert (effect.state, effect.call_id, effect.attempt) == (EffectState.INTENDED, "c1", 1)
        assert call == msgspec.structs.replace(
            call,
            state=CallState.ALLOWED,
            attempts=1,
            decision_id=decision.decision_id,
            permitted_digest=digest_of({}),
            hold_id=hold.hold_id,
            effect_key=effect.key,
            denial="",
            turn=2,
        )
        assert call.permit_id.startswith("prm_")
        assert await house.store.calls(live.session.session_id) == [call]
        assert live.emitted == {}
        assert live.effects == {"c1": effect}
        assert live.deciding == live.counted == set()
        assert live.running == {}
        assert (ruling.arguments, ruling.message, ruling.cost_nusd) == ({}, "", 77)
        assert (ruling.effect_key, ruling.stored) == (effect.key, None)
        reserved, told = house.since(seq, live.who)
        assert reserved["kind"] == "budget.decided"
        assert told == decided(
            ruling, tool="keyed", effect_key=effect.key, effect="fresh", attempt=1
        )
        permit = await house.guard.redeem(live, ruling.permit, "c1", "keyed", {})
        assert permit == Permit(
            permit_id=call.permit_id,
            session=live.session.session_id,
            call_id="c1",
            tool="keyed",
            digest=digest_of({}),
            issued_at_ns=now,
            expires_at_ns=now + 60 * S,
            decision_id=decision.decision_id,
        )
        assert live.calls["c1"] == msgspec.structs.replace(call, state=CallState.BEGUN)
        assert await house.store.calls(live.session.session_id) == [live.calls["c1"]]
        with pytest.raises(PermitInvalid) as refused:
            await house.guard.redeem(live, ruling.permit, "c1", "keyed", {})
        assert refused.value.message == "the permit was used before"
        assert house.since(seq, live.who)[-1] == {
            "kind": "permit.refused",
            "call_id": "c1",
            "tool": "keyed",
            "verdict": "deny",
            "body": {"why": "the permit was used before"},
        }

    asyncio.run(main())


@about("stages")
def test_policy_is_asked_once_about_each_session_of_the_line_with_all_that_is_known(module):
    assert module in sys.modules

    async def main():
        house: Any = Gatehouse()
        live = await house.seat(
            task="t7",
            roles=("buyer",),
            task_attributes={"a": 1},
            tenant_attributes={"b": 2},
        )
        live.vouched.taint("fetch")
        await house.decide(live, "c1", "order", ARGUMENTS)
        assert house.policy.asked == [
            PolicyRequest(
                tenant="acme",
                project="shop",
                user="ann",
                agent="clerk",
                session=live.session.session_id,
                roles=("buyer",),
                trust="autonomous",
                action="order",
                resource="arn:shop:order/7",
                input=ARGUMENTS,
                task_id="t7",
                task={"a": 1},
                tenant_attributes={"b": 2},
                resource_tags={},
                risk="LOW",
                effect="read",
                tainted=True,
                at_ns=house.clock.now_ns(),
            )
        ]
        await house.decide(live, "c2", "bare")
        bare = house.policy.asked[-1]
        assert (bare.resource, bare.risk, bare.effect) == ("tool:bare", "HIGH", "commit")

    asyncio.run(main())


@about("stages")
def test_what_a_child_may_do_each_above_it_has_to_be_allowed_too(module):
    assert module in sys.modules

    async def main():
        house: Any = Gatehouse()
        parent = await house.seat(agent="chief")
        wanted = draft(delegated_by=parent.session.session_id, allowed_tools=("look",), depth=1)
        child, _ = await house.sessions.open_child(parent, wanted, "")

        def answer(request):
            verdict = Verdict.DENY if request.agent == house.denied else Verdict.ALLOW
            version = f"v-{request.agent}"
            return PolicyAnswer(verdict=verdict, rules=("r",), policy_version=version)

        house.policy.answer = answer
        house.denied = ""
        ruling = await house.decide(child, "c1", "look")
        assert ruling.decision.verdict is Verdict.ALLOW
        assert ruling.decision.policy_version == "v-clerk"
        assert [one.agent for one in house.policy.asked] == ["clerk", "chief"]
        house.denied = "chief"
        assert (await house.decide(child, "c2", "look")).decision.verdict is Verdict.DENY
        house.policy.asked.clear()
        house.denied = "clerk"
        assert (await house.decide(child, "c3", "look")).decision.verdict is Verdict.DENY
        assert [one.agent for one in house.policy.asked] == ["clerk"]

    asyncio.run(main())


@about("stages", "ruling", "rules")
@rows(
    ("answer", "found"),
    [
        (
            PolicyAnswer(verdict=Verdict.DENY, rules=("a", "b"), text="no"),
            reason("policy", "permission_denied", "no", "a, b"),
        ),
        (
            PolicyAnswer(verdict=Verdict.ASK, rules=("a",), text="ask ann"),
            reason("policy", "approval_required", "ask ann", "a", Verdict.ASK),
        ),
        (
            PolicyAnswer(verdict=Verdict.DENY, nearest=NearMiss("near", ("x",)), errors=("e", "f")),
            reason("policy", "permission_denied", "e; f", "near"),
        ),
        (
            PolicyAnswer(verdict=Verdict.DENY),
            reason("policy", "permission_denied", "no rule permits this call"),
        ),
        (
            PolicyUnavailable("it is down"),
            reason("policy", "policy_unavailable", "it is down"),
        ),
    ],
)
def test_no_of_policy_is_the_reason_and_what_the_model_reads(answer, found):
    async def main():
        house: Any = Gatehouse()
        house.policy.answer = answer
        live = await house.seat(limit(CALLS, 5))
        ruling = await house.decide(live, "c1", "keyed")
        assert asking_apart(ruling) == (found,)
        assert ruling.decision.verdict is found.verdict
        assert (ruling.permit, ruling.effect_key) == ("", "")
        call = live.calls["c1"]
        rule = f" (rule {found.rule})" if found.rule else ""
        asked = "; a person is asked: make the same call again to hear the answer"
        then = asked if found.verdict is Verdict.ASK else ""
        message = f"{found.code}: {found.text}{rule}{then} [{ruling.decision.decision_id}]"
        assert ruling.message == call.denial == message
        assert (call.state, call.attempts, call.hold_id) == (CallState.DENIED, 0, "")
        assert house.budgets.ledger.open_holds() == []
        assert await house.store.effects(live.session.session_id) == []

    asyncio.run(main())


@about("stages", "ruling")
@rows(
    ("tool", "arguments", "fields", "found"),
    [
        (
            "rm",
            {},
            {},
            reason(
                "session", "tool.not_granted", "`rm` is not among the tools of this agent", "clerk"
            ),
        ),
        (
            "order",
            {"order": 7},
            {},
            reason(
                "contract",
                "contract_violation",
                "",
                "order",
            ),
        ),
        (
            "order",
            {"order": "8"},
            {"resources": ("arn:shop:order/7",)},
            reason(
                "session",
                "resource_not_granted",
                "`arn:shop:order/8` is not among the resources of this session",
                "clerk",
            ),
        ),
        (
            "look",
            {},
            {"resources": ("arn:shop:order/7",)},
            reason(
                "session",
                "resource_not_granted",
                "`tool:look` is not among the resources of this session",
                "clerk",
            ),
        ),
        (
            "write",
            {},
            {"trust": TrustLevel.SUPERVISED},
            reason("risk", "risk.medium", "as registered", "supervised.MEDIUM", Verdict.ASK),
        ),
        (
            "keyed",
            {},
            {"trust": TrustLevel.READ_ONLY},
            reason(
                "risk",
                "risk.read_only",
                "a read-only agent may not call a tool that does `write`",
                "read_only.LOW",
            ),
        ),
    ],
)
def test_first_stage_that_says_no_is_the_reason_and_policy_is_not_asked_after_a_deny(
    tool, arguments, fields, found
):
    async def main():
        house: Any = Gatehouse()
        live = await house.seat(limit(CALLS, 5), **fields)
        ruling = await house.decide(live, "c1", tool, arguments)
        [first, *_] = ruling.decision.reasons
        if not found.text:
            first = msgspec.structs.replace(first, text="")
        assert first == found
        assert bool(house.policy.asked) == (found.verdict is not Verdict.DENY)
        assert house.budgets.ledger.open_holds() == []

    asyncio.run(main())


@about("stages", "ruling")
def test_call_without_canonical_arguments_is_denied_before_anything_else(module):
    assert module in sys.modules

    async def main():
        house: Any = Gatehouse()
        live = await house.seat()
        ruling = await house.decide(live, "c1", "look", {"n": 2**70})
        text = "the arguments have no canonical json form"
        assert ruling.decision.reasons == (reason("contract", "contract_violation", text, "look"),)
        record = house.store.journal[-1]
        assert record.body["arguments"] == {}
        assert record.body["arguments_kept"] is False
        assert "behind" not in record.body

    asyncio.run(main())


@about("stages")
@rows(("attempts",), [(MOST_ATTEMPTS - 1,), (MOST_ATTEMPTS,)])
def test_call_that_came_to_no_end_so_often_is_not_tried_again(attempts):
    async def main():
        house: Any = Gatehouse()
        live = await house.seat()
        house.emit(live, "c1", "look", {}, attempts=attempts)
        ruling = await house.decide(live, "c1", "look", emit=False)
        if attempts < MOST_ATTEMPTS:
            assert live.calls["c1"].attempts == MOST_ATTEMPTS
            return
        text = "`look` was tried 12 times without an outcome"
        assert ruling.decision.reasons == (reason("effect", "attempts_exhausted", text, "look"),)

    asyncio.run(main())


@about("stages")
def test_risk_that_is_let_pass_with_a_notice_is_told(module):
    assert module in sys.modules

    async def main():
        house: Any = Gatehouse()
        live = await house.seat()
        seq = house.seq
        ruling = await house.decide(live, "c1", "write")
        notice = {
            "kind": "risk.notice",
            "call_id": "c1",
            "tool": "write",
            "risk": "MEDIUM",
            "body": {"reasons": ["risk.registered: as registered"]},
        }
        told = [one for one in house.since(seq, live.who) if one["kind"] != "budget.decided"]
        assert told == [notice, decided(ruling, tool="write", risk="MEDIUM")]

    asyncio.run(main())


@about("stages", "ruling", "pipeline")
def test_hook_that_rewrites_decides_what_runs_and_both_digests_are_told(module):
    assert module in sys.modules

    async def main():
        house: Any = Gatehouse(hooks=hook(arguments={"order": "9"}))
        live = await house.seat()
        seq = house.seq
        ruling = await house.decide(live, "c1", "order", ARGUMENTS)
        assert ruling.arguments == {"order": "9"}
        assert ruling.decision.digest == digest_of({"order": "9"})
        call = live.calls["c1"]
        assert (call.digest, call.permitted_digest) == (
            digest_of(ARGUMENTS),
            digest_of({"order": "9"}),
        )
        ran, *_, told = house.since(seq, live.who)
        assert ran["kind"] == "hook.ran"
        assert told == decided(
            ruling,
            tool="order",
            arguments=ARGUMENTS,
        ) | {"body": told["body"]}
        assert told["body"]["arguments"] == {"order": "9"}
        assert told["body"]["resource"] == "arn:shop:order/9"
        assert told["body"]["emitted_digest"] == digest_of(ARGUMENTS)
        assert house.policy.asked[0].input == {"order": "9"}
        # A hook behind the call is going to see it, where there is one.
        assert live.running == {}
        after: Any = Gatehouse(hooks={HookPoint.POST_TOOL: (("h", None),)})
        seat = await after.seat()
        await after.decide(seat, "c1", "order", ARGUMENTS)
        assert seat.running == {"c1": ARGUMENTS}

    asyncio.run(main())


@about("stages")
def test_hook_that_objects_is_a_reason_and_the_other_stages_still_look(module):
    assert module in sys.modules

    async def main():
        house: Any = Gatehouse(hooks=hook(verdict=Verdict.ASK, code="mine", reason="so"))
        live = await house.seat()
        ruling = await house.decide(live, "c1", "keyed")
        assert asking_apart(ruling) == (reason("hook", "mine", "so", "h", Verdict.ASK),)
        assert len(house.policy.asked) == 1
        assert live.effects == {}
        assert await house.effects.find("acme", "eff") is None

    asyncio.run(main())


@about("pipeline")
@rows(
    ("change", "fault"),
    [
        ({"call_id": "c9"}, "the model made no such call in this session"),
        ({"session": "ses_other"}, "the model made no such call in this session"),
        ({"tool": "fetch"}, "the model made this call with another tool or other arguments"),
        ({"arguments": {"a": 1}}, "the model made this call with another tool or other arguments"),
        ({"state": CallState.DENIED}, "this call was decided before"),
        ({"deciding": True}, "this call was decided before"),
    ],
)
def test_call_that_the_model_did_not_make_so_is_refused_and_told(change, fault):
    async def main():
        house: Any = Gatehouse()
        live = await house.seat()
        fields = {k: v for k, v in change.items() if k in ("session", "state")}
        known = house.emit(live, "c1", "look", {}, **fields)
        if "deciding" in change:
            live.deciding.add("c1")
        asked = {"call_id": "c1", "tool": "look", "arguments": {}}
        asked |= {k: v for k, v in change.items() if k in asked}
        seq = house.seq
        with pytest.raises(PermitInvalid) as refused:
            await house.decide(live, asked.pop("call_id"), emit=False, **asked)
        assert refused.value.message == fault
        told = {"call_id": change.get("call_id", "c1"), "tool": change.get("tool", "look")}
        assert refused.value.fields == told
        digest = digest_of(change.get("arguments", {}))
        assert house.since(seq, live.who) == [
            {
                "kind": "permit.refused",
                "verdict": "deny",
                "body": {"why": fault, "door": "t", "digest": digest},
            }
            | told
        ]
        assert live.calls["c1"] == known

    asyncio.run(main())


@about("pipeline")
def test_door_that_runs_what_is_returned_gets_what_the_model_wrote(module):
    assert module in sys.modules

    async def main():
        house: Any = Gatehouse()
        live = await house.seat()
        house.emit(live, "c1", "order", ARGUMENTS)
        live.emitted["c1"] = ARGUMENTS
        asked = {"emit": False, "runs_returned": True}
        ruling = await house.decide(live, "c1", "order", {"order": "8"}, **asked)
        assert ruling.arguments == ARGUMENTS
        assert ruling.decision.digest == digest_of(ARGUMENTS)
        house.emit(live, "c2", "order", ARGUMENTS)
        with pytest.raises(PermitInvalid):
            await house.decide(live, "c2", "order", {"order": "8"}, **asked)

    asyncio.run(main())


@about("pipeline")
def test_call_asked_for_twice_while_policy_is_slow_is_decided_once(module):
    assert module in sys.modules

    async def main():
        house: Any = Gatehouse()
        live = await house.seat()
        house.policy.meanwhile = lambda: asyncio.sleep(0.01)
        house.emit(live, "c1", "look", {})
        found = await asyncio.gather(
            *(house.decide(live, "c1", "look", emit=False) for _ in range(3)),
            return_exceptions=True,
        )
        refused = [one for one in found if isinstance(one, PermitInvalid)]
        assert len(refused) == 2
        assert len(house.policy.asked) == 1
        assert live.deciding == set()

    asyncio.run(main())


@about("ruling")
@rows(("what",), [("session",), ("call",)])
def test_call_or_session_that_ends_while_policy_is_asked_gets_no_permit(what):
    async def main():
        house: Any = Gatehouse()
        live = await house.seat(limit(CALLS, 5))

        async def meanwhile():
            if what == "session":
                await house.sessions.change(live, Command.PAUSE, "")
            else:
                known = live.calls["c1"]
                live.calls["c1"] = msgspec.structs.replace(known, denial="it was withdrawn")

        house.policy.meanwhile = meanwhile
        ruling = await house.decide(live, "c1", "keyed")
        codes = [one.code for one in ruling.decision.reasons]
        texts = [one.text for one in ruling.decision.reasons]
        assert ruling.decision.verdict is Verdict.DENY
        if what == "session":
            assert (codes, texts) == (["session_stopped"], ["the session is paused"])
        else:
            text = "the call was withdrawn while it was decided"
            assert (codes, texts) == (["call_withdrawn"], [text])
            assert ruling.message == "it was withdrawn"
        assert {one.stage for one in ruling.decision.reasons} == {"live"}
        assert house.budgets.ledger.open_holds() == []
        assert await house.store.effects(live.session.session_id) == []
        assert live.effects == {}

    asyncio.run(main())


@about("ruling")
def test_session_that_is_stopped_while_the_decision_is_written_gets_no_permit(module):
    assert module in sys.modules

    async def main():
        house: Any = Gatehouse()
        live = await house.seat()
        house.emit(live, "c1", "look", {})
        house.store.hold_commits()
        deciding = asyncio.create_task(house.decide(live, "c1", "look", emit=False))
        while "c1" in live.deciding or live.calls["c1"].state is CallState.EMITTED:
            await asyncio.sleep(0)
            if live.calls["c1"].state is not CallState.EMITTED:
                break
        changed = house.sessions.change(live, Command.PAUSE, "")
        house.store.release_commits()
        await changed
        with pytest.raises(SessionStopped) as refused:
            await deciding
        assert refused.value.message == "the session is paused"

    asyncio.run(main())


@about("pipeline", "stages", "case")
def test_door_that_waits_for_policy_finds_the_call_as_it_was_and_counted_once(module):
    assert module in sys.modules

    async def main():
        house: Any = Gatehouse(hooks=hook())
        live = await house.seat(loop=LoopLimits(repeat_calls=1))
        house.policy.answer = PolicyUnavailable("down")
        known = house.emit(live, "c1", "look", {})
        seq = house.seq
        for _ in range(2):
            with pytest.raises(PolicyUnavailable):
                await house.decide(live, "c1", "look", emit=False, waits=True)
            assert live.calls["c1"] == known
            assert live.counted == {"c1"}
        kinds = [one["kind"] for one in house.since(seq)]
        assert kinds == ["hook.ran", "loop.alert"]
        house.policy.answer = PolicyAnswer(verdict=Verdict.ALLOW)
        ruling = await house.decide(live, "c1", "look", emit=False, waits=True)
        assert ruling.decision.verdict is Verdict.ALLOW
        assert live.counted == set()
        again = await house.decide(live, "c2", "look")
        assert again.decision.reasons[0].stage == "loop"
        assert again.decision.reasons[0].code == "loop_detected"
        assert again.decision.reasons[0].rule == "loop.repeats"

    asyncio.run(main())


@about("ruling")
def test_twenty_five_refusals_in_a_row_stop_the_session(module):
    assert module in sys.modules

    async def main():
        house: Any = Gatehouse()
        house.policy.answer = PolicyAnswer(verdict=Verdict.DENY)
        live = await house.seat()
        for number in range(25):
            assert live.session.state == "active"
            await house.decide(live, f"c{number}", "look", {"n": number})
        assert (live.session.state, live.session.state_reason) == (
            "stopped",
            "25 tool calls in a row were refused",
        )
        assert house.written_kinds()[-3:] == ["loop.alert", "tool_call.decided", "session.stopped"]

    asyncio.run(main())


@about("stages", "ruling", "case")
def test_effect_that_was_done_is_handed_on_or_said_and_one_at_work_or_unknown_is_refused(module):
    assert module in sys.modules

    async def main():
        house: Any = Gatehouse()
        live = await house.seat(limit(CALLS, 9))
        first = await house.decide(live, "c1", "keyed", {"a": 1})
        busy = await house.decide(live, "c2", "keyed", {"a": 1})
        text = "another call of this task is at this effect now"
        assert busy.decision.reasons == (
            reason("effect", "effect_in_flight", text, first.effect_key),
        )
        await house.finish(live, "c1", output={"n": 1})
        told = await house.decide(live, "c3", "keyed", {"a": 1})
        text = 'this was done before in this task, and is not done twice: {"n":1}'
        assert told.decision.reasons == (reason("effect", "already_done", text, first.effect_key),)
        stored = await house.decide(live, "c4", "keyed", {"a": 1}, takes_stored=True)
        assert stored.decision.verdict is Verdict.ALLOW
        assert stored.permit == ""
        assert stored.stored is not None
        assert stored.stored.output == {"n": 1}
        call = live.calls["c4"]
        assert (call.state, call.attempts, call.decision_id) == (
            CallState.EXECUTED,
            0,
            stored.decision.decision_id,
        )
        assert house.store.journal[-1].body["effect"] == "stored"
        assert house.budgets.ledger.open_holds() == []
        used = {one.key.dimension: one.settled for one in house.budgets.ledger.all_states(0)}
        assert used == {CALLS: 2}
        other = await house.decide(live, "c5", "once", {"a": 1}, key="mine")
        assert other.permit
        assert other.effect_key != first.effect_key
        await house.finish(live, "c5", ok=False, uncertain=True)
        unknown = await house.decide(live, "c6", "once", {"a": 1}, key="mine")
        text = "this may have been done before; a person has to say, it is not tried again"
        assert unknown.decision.reasons == (
            reason("effect", "outcome_unknown", text, other.effect_key),
        )

    asyncio.run(main())


@about("permits", "stages")
def test_account_that_is_spent_refuses_the_call_and_a_permit_that_was_handed_out_before(module):
    assert module in sys.modules

    async def main():
        house: Any = Gatehouse()
        live = await house.seat(limit(CALLS, 3), limit(Dimension.USD, 100))
        [_calls, usd] = sorted(live.chain, key=lambda key: key.dimension)
        allowed = await house.decide(live, "c1", "keyed")
        house.hold(live, "h", "model", usd=100)
        house.budgets.settle_now("h", {Dimension.USD: 100}, live.who)
        full = house.budgets.full(live.chain)
        assert full.key == usd
        refused = await house.decide(live, "c2", "look")
        assert refused.decision.reasons == (
            reason("budget", "budget_exceeded", no_room(full), str(usd)),
        )
        seq = house.seq
        with pytest.raises(Exhausted) as spent:
            await house.guard.redeem(live, allowed.permit, "c1", "keyed", {})
        assert spent.value.message == f"budget_exceeded: {no_room(full)}"
        assert spent.value.fields == refusal_fields(full)
        call = live.calls["c1"]
        told = f"(rule {usd}) [{call.decision_id}]"
        assert (call.state, call.hold_id, call.denial) == (
            CallState.DENIED,
            "",
            f"budget_exceeded: {no_room(full)} {told}",
        )
        assert house.budgets.ledger.open_holds() == []
        assert (await house.effects.find("acme", allowed.effect_key)).state is EffectState.FAILED
        assert house.since(seq, live.who)[0] == {
            "kind": "permit.refused",
            "call_id": "c1",
            "tool": "keyed",
            "verdict": "deny",
            "body": {"why": no_room(full)},
        }

    asyncio.run(main())


@about("permits")
def test_permit_ends_with_its_session_and_with_its_minute(module):
    assert module in sys.modules

    async def main():
        house: Any = Gatehouse()
        live = await house.seat(ttl_s=30)
        ruling = await house.decide(live, "c1", "look")
        permit = await house.guard.redeem(live, ruling.permit, "c1", "look", {})
        assert permit.expires_at_ns == live.session.expires_at_ns
        other = await house.seat()
        ruling = await house.decide(other, "c1", "look")
        house.clock.advance(60)
        with pytest.raises(PermitInvalid):
            await house.guard.redeem(other, ruling.permit, "c1", "look", {})
        for token, call_id, tool, arguments in (
            ("nonsense", "c1", "look", {}),
            (ruling.permit, "c" * 300, "t" * 300, {}),
        ):
            with pytest.raises(PermitInvalid):
                await house.guard.redeem(other, token, call_id, tool, arguments)
        last = house.since(0, other.who)[-1]
        assert (last["call_id"], last["tool"]) == ("c" * 200, "t" * 200)
        assert other.calls["c1"].state is CallState.ALLOWED

    asyncio.run(main())
