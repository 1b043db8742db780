"""Hooks alone: what each answer comes to, and that none sees or changes more than it is given."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.model.decisions import Reason, Verdict
from holdfast.model.hooks import HookAnswer, HookInput, HookPoint, Recovery
from holdfast.ports.hooks import HookFault
from holdfast.runtime.hooks import Hooks, HookSet
from tests.unit.runtime.alone.desk import Desk, draft, told

WHO = draft().principal
PRE, POST = HookPoint.PRE_TOOL, HookPoint.POST_TOOL


def hooks(*named, timeout_s=5.0, point=PRE, by_agent=None):
    return Hooks(Desk().journal, HookSet({point: tuple(named)}, timeout_s), by_agent)


def asked(**fields):
    given: dict[str, Any] = {"point": PRE, "principal": WHO, "tool": "pay", "call_id": "c1"}
    return HookInput(**(given | {"arguments": {"to": "bob"}} | fields))


def answering(answer: Any, seen: list | None = None):
    async def hook(given):
        await asyncio.sleep(0)
        if seen is not None:
            seen.append(given)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return hook


def ran(name, verdict="allow", *, fault="", reason="", rewrote=False):
    return {
        "kind": "hook.ran",
        "tool": "pay",
        "call_id": "c1",
        "verdict": verdict,
        "body": {
            "point": "pre_tool",
            "hook": name,
            "fault": fault,
            "reason": reason,
            "rewrote": rewrote,
        },
    }


def test_each_hook_sees_what_the_one_before_it_rewrote_and_the_last_word_of_each_goes_on():
    async def main():
        seen: list[HookInput] = []
        found = await hooks(
            ("a", answering(HookAnswer(arguments={"to": "ann"}), seen)),
            ("b", answering(None, seen)),
            ("c", answering(HookAnswer(arguments={"to": "cid"}), seen)),
        ).run(asked())
        assert [one.arguments["to"] for one in seen] == ["bob", "ann", "ann"]
        assert (found.reasons, found.arguments, found.output) == ((), {"to": "cid"}, None)
        assert [told(one, WHO) for one in found.records] == [
            ran("a", rewrote=True),
            ran("b"),
            ran("c", rewrote=True),
        ]

    asyncio.run(main())


def test_every_objection_is_a_reason_under_the_name_of_its_hook():
    async def main():
        found = await hooks(
            ("a", answering(HookAnswer(verdict=Verdict.ASK, code="mine", reason="so"))),
            ("b", answering(HookAnswer(verdict=Verdict.DENY))),
        ).run(asked())
        assert found.reasons == (
            Reason(stage="hook", verdict=Verdict.ASK, code="mine", text="so", rule="a"),
            Reason(
                stage="hook",
                verdict=Verdict.DENY,
                code="hook.refused",
                text="the hook `b` gave no reason",
                rule="b",
            ),
        )
        assert [told(one, WHO) for one in found.records] == [
            ran("a", "ask", reason="so"),
            ran("b", "deny"),
        ]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "timeout_s", "fault"),
    [
        (HookFault("said nothing"), 5.0, "said nothing"),
        (TimeoutError(), None, "raised TimeoutError"),
        (ValueError("secret"), 5.0, "raised ValueError"),
        ("yes", 5.0, "answered str instead of HookAnswer"),
        (False, 5.0, "answered bool instead of HookAnswer"),
        (
            HookAnswer(reason=7),  # type: ignore[arg-type]
            5.0,
            "answered with fields of the wrong kind",
        ),
        (HookAnswer(output=object()), 5.0, "answered with fields of the wrong kind"),
    ],
)
def test_fault_of_a_hook_is_a_deny_that_says_what_it_did(answer, timeout_s, fault):
    async def main():
        found = await hooks(("a", answering(answer)), timeout_s=timeout_s).run(asked())
        text = f"the hook {fault}"
        assert found.reasons == (
            Reason(stage="hook", verdict=Verdict.DENY, code="hook.failed", text=text, rule="a"),
        )
        assert [told(one, WHO) for one in found.records] == [
            ran("a", "deny", fault=fault, reason=text)
        ]
        assert (found.arguments, found.output) == (None, None)

    asyncio.run(main())


def test_hook_that_hangs_is_a_deny_after_its_time():
    async def main():
        async def hanging(given):
            await asyncio.sleep(60)

        found = await hooks(("a", hanging), timeout_s=0.01).run(asked())
        assert found.reasons[0].text == "the hook did not answer within 0.01 s"

    asyncio.run(main())


def test_hook_changes_nothing_by_writing_into_what_it_was_given():
    async def main():
        async def writing(given):
            given.arguments["to"] = "eve"

        seen: list[HookInput] = []
        given = asked()
        await hooks(("a", writing), ("b", answering(None, seen))).run(given)
        assert given.arguments == seen[0].arguments == {"to": "bob"}

    asyncio.run(main())


def test_agent_with_hooks_of_its_own_has_those_and_not_the_servers():
    async def main():
        own = HookSet({PRE: (("own", answering(None)),)})
        both = hooks(("a", answering(None)), by_agent={"clerk": own, "bare": HookSet()})
        assert [r.body["hook"] for r in (await both.run(asked())).records] == ["own"]
        assert [both.stand(agent, PRE) for agent in ("clerk", "other", "bare")] == [
            True,
            True,
            False,
        ]
        assert not both.stand("clerk", POST)
        assert (await both.run(asked(point=POST))).records == ()

    asyncio.run(main())


def test_point_that_was_reached_is_told_whether_or_not_a_hook_stands_there():
    given = HookInput(point=HookPoint.ON_ERROR, principal=WHO, detail="d" * 3_000)
    body = {"point": "on_error", "hook": "", "detail": "d" * 2_000}
    assert told(hooks().fired(given), WHO) == {"kind": "hook.ran", "body": body}


ERROR, FULL = HookPoint.ON_ERROR, HookPoint.ON_CONTEXT_OVERFLOW


@given(
    st.lists(
        st.one_of(
            st.sampled_from([one for one in Recovery if one is not Recovery.SWITCH_TOOL]),
            st.none(),
            st.just("deny"),
        ),
        max_size=4,
    )
)
def test_of_several_recoveries_the_strictest_holds_and_an_objection_is_a_failure(said):
    answers = [
        HookAnswer(verdict=Verdict.DENY) if one == "deny" else HookAnswer(recovery=one)
        for one in said
    ]
    named = [(f"h{n}", answering(one)) for n, one in enumerate(answers)]
    found = asyncio.run(hooks(*named, point=ERROR).run(asked(point=ERROR)))
    order = list(Recovery)
    told_of = [Recovery.FAIL if one == "deny" else one for one in said if one is not None]
    assert found.recovery == max(told_of, key=order.index, default=None)
    assert (found.objection is None) == ("deny" not in said)


def test_the_tool_to_switch_to_is_that_of_the_answer_that_holds():
    async def main():
        switch = HookAnswer(recovery=Recovery.SWITCH_TOOL, tool="b")
        milder = HookAnswer(recovery=Recovery.RETRY)
        found = await hooks(("a", answering(switch)), ("b", answering(milder)), point=ERROR).run(
            asked(point=ERROR)
        )
        assert (found.recovery, found.tool) == (Recovery.SWITCH_TOOL, "b")
        assert [r.body["chose"] for r in found.records] == ["switch_tool b", "retry"]

    asyncio.run(main())


def test_each_hook_sees_the_strategy_of_the_one_before_it_and_the_last_one_holds():
    async def main():
        seen: list[HookInput] = []
        found = await hooks(
            ("a", answering(HookAnswer(strategy="summarise", keep_turns=3), seen)),
            ("b", answering(HookAnswer(strategy="keep_last"), seen)),
            ("c", answering(None, seen)),
            point=FULL,
        ).run(asked(point=FULL, strategy="end"))
        assert [one.strategy for one in seen] == ["end", "summarise", "keep_last"]
        assert (found.strategy, found.keep_turns, found.recovery) == ("keep_last", 3, None)
        assert [r.body.get("chose", "") for r in found.records] == ["summarise 3", "keep_last", ""]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("point", "answer", "says"),
    [
        (PRE, HookAnswer(output=1), "`output`"),
        (PRE, HookAnswer(recovery=Recovery.RETRY), "`recovery`"),
        (POST, HookAnswer(arguments={}), "`arguments`"),
        (POST, HookAnswer(strategy="end"), "`strategy`"),
        (FULL, HookAnswer(recovery=Recovery.FAIL), "`recovery`"),
        (ERROR, HookAnswer(keep_turns=1), "`keep_turns`"),
        (ERROR, HookAnswer(recovery=Recovery.SWITCH_TOOL), "without the other"),
        (ERROR, HookAnswer(recovery=Recovery.SKIP, tool="b"), "without the other"),
    ],
)
def test_answer_that_means_nothing_at_its_point_is_a_deny(point, answer, says):
    async def main():
        found = await hooks(("a", answering(answer)), point=point).run(asked(point=point))
        (reason,) = found.reasons
        assert (reason.verdict, reason.code) == (Verdict.DENY, "hook.failed")
        assert says in reason.text
        assert (found.arguments, found.output, found.keep_turns) == (None, None, None)

    asyncio.run(main())
