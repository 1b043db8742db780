"""Hooks alone: what each answer comes to, and that none sees or changes more than it is given."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import pytest

from holdfast.model.decisions import Reason, Verdict
from holdfast.model.hooks import HookAnswer, HookInput, HookPoint
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
            ("b", answering(HookAnswer(output=7), seen)),
            ("c", answering(None, seen)),
            ("d", answering(HookAnswer(arguments={"to": "cid"}, output=[1]), seen)),
        ).run(asked(output=1))
        assert [(one.arguments["to"], one.output) for one in seen] == [
            ("bob", 1),
            ("ann", 1),
            ("ann", 7),
            ("ann", 7),
        ]
        assert (found.reasons, found.arguments, found.output) == ((), {"to": "cid"}, [1])
        assert [told(one, WHO) for one in found.records] == [
            ran("a", rewrote=True),
            ran("b", rewrote=True),
            ran("c"),
            ran("d", rewrote=True),
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
    record = hooks().fired(WHO, HookPoint.ON_ERROR, "x")
    body = {"point": "on_error", "hook": "", "detail": "x"}
    assert told(record, WHO) == {"kind": "hook.ran", "body": body}
