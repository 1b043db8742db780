"""Hook points outside of a tool call's way: what is journalled, obeyed and told."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import pytest

from holdfast.core.failures import Failed
from holdfast.model.decisions import Verdict
from holdfast.model.hooks import HookAnswer, HookInput, HookPoint, Recovery
from holdfast.model.sessions import SessionState
from tests.unit.runtime.alone.gatehouse import Gatehouse

ERROR, FULL = HookPoint.ON_ERROR, HookPoint.ON_CONTEXT_OVERFLOW
BUSY = Failed(status=529, code="overloaded_error", text="busy")
LONG = Failed(status=400, code="invalid_request_error", text="prompt is too long")


def house(seen=None, **by_point) -> Any:
    def hook(answer):
        async def answering(given):
            await asyncio.sleep(0)
            if seen is not None:
                seen.append(given)
            return answer

        return (("h", answering),)

    return Gatehouse(hooks={HookPoint(name): hook(answer) for name, answer in by_point.items()})


def points(made):
    return made.house.points


def test_a_point_is_journalled_whether_or_not_a_hook_stands_there_and_before_it_is_obeyed():
    async def main():
        made = house()
        live = await made.seat()
        seq = made.seq
        given = HookInput(point=FULL, principal=live.who, detail="d" * 3_000, ok=False)
        found = await points(made).reached(live, given)
        assert (found.reasons, found.recovery, found.strategy) == ((), None, None)
        (fired,) = made.since(seq, live.who)
        assert fired["body"] == {"point": str(FULL), "hook": "", "detail": "d" * 2_000}

    asyncio.run(main())


def test_only_an_escalation_pauses_and_only_a_session_that_goes_on():
    async def main():
        for recovery in Recovery:
            if recovery is Recovery.SWITCH_TOOL:
                continue
            made = house(on_error=HookAnswer(recovery=recovery))
            live = await made.seat()
            given = HookInput(point=ERROR, principal=live.who, detail="why", ok=False)
            await points(made).reached(live, given)
            paused = live.session.state is SessionState.PAUSED
            assert paused is (recovery is Recovery.ESCALATE)
            await points(made).reached(live, given)  # Paused already: no fault.

    asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "failure", "told"),
    [
        (None, BUSY, {"hook_point": "on_error", "tries": 2}),
        (
            HookAnswer(recovery=Recovery.SKIP),
            BUSY,
            {"hook_point": "on_error", "tries": 2, "recovery": "skip"},
        ),
        (
            HookAnswer(verdict=Verdict.DENY),
            BUSY,
            {"hook_point": "on_error", "tries": 2, "recovery": "fail"},
        ),
        (
            HookAnswer(strategy="keep_last", keep_turns=3),
            LONG,
            {
                "hook_point": "on_context_overflow",
                "tries": 2,
                "strategy": "keep_last",
                "keep_turns": 3,
            },
        ),
        (
            HookAnswer(verdict=Verdict.DENY),
            LONG,
            {"hook_point": "on_context_overflow", "tries": 2, "recovery": "fail"},
        ),
    ],
)
def test_a_model_call_that_failed_is_told_what_follows(answer, failure, told):
    async def main():
        seen: list[HookInput] = []
        point = FULL if failure is LONG else ERROR
        made = house(seen, **{str(point): answer})
        live = await made.seat()
        assert await points(made).model_call(live, failure, 2) == told
        (given,) = seen
        assert (given.point, given.tries, given.code, given.ok) == (point, 2, failure.code, False)
        assert given.detail == f"{failure.code}: {failure.text}"

    asyncio.run(main())
