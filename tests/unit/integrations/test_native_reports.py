"""What a tool did is told to a server that was away, once: only its worker knows it."""

import asyncio
from typing import Any, cast

import pytest

from holdfast.backends.system.sandbox import SystemSandbox
from holdfast.client import Session
from holdfast.core.loop import Call
from holdfast.errors import Conflict, HoldfastError, OutcomeUnknown, Unauthenticated, Unavailable
from holdfast.integrations.native import tool_turns
from holdfast.integrations.native.activation import Activation
from holdfast.integrations.native.router import Router
from holdfast.model.views.calls import ToolOutput
from holdfast.tools.lease import Lease, now_s
from tests.unit.integrations.test_native_driver import RUN

CALL = Call(call_id="c1", tool="look", arguments={})
DONE = ToolOutput(output={"paid": 1}, content="paid")


class Reached:
    """A session whose server answers a report with each of these in turn, then with the last."""

    base_url, token, model_token = "http://127.0.0.1:9", "t", "t"

    def __init__(self, *answers: HoldfastError | ToolOutput) -> None:
        self.answers = list(answers)
        self.told: list[tuple[str, bool]] = []

    async def finish(self, call_id: str, *, ok: bool, **_: Any) -> ToolOutput:
        self.told.append((call_id, ok))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, HoldfastError):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(tool_turns, "_REPORT_PAUSE_S", 0.01)


def reported(session: Reached) -> ToolOutput:
    async def main() -> ToolOutput:
        lease = Lease(now_s() + 60)
        router = Router(
            {}, {}, session_id="ses_1", environment={}, lease=lease, sandbox=SystemSandbox()
        )
        at = Activation(cast("Session", session), RUN, None)
        at_work = tool_turns.ToolTurns(at, router)
        return await at_work._reported(CALL, {"ok": True})

    return asyncio.run(main())


def test_a_server_that_is_away_is_told_when_it_is_back():
    session = Reached(Unavailable("away"), Unavailable("away"), DONE)
    assert reported(session) == DONE
    assert session.told == [("c1", True)] * 3


def test_a_report_whose_answer_was_lost_is_left_to_the_next_activation():
    session = Reached(OutcomeUnknown("broke off"), Conflict("no running call of that id"))
    with pytest.raises(OutcomeUnknown):
        reported(session)
    assert len(session.told) == 2


@pytest.mark.parametrize("refusal", [Conflict("no running call"), Unauthenticated("not yours")])
def test_a_refused_report_is_not_told_again(refusal):
    session = Reached(refusal)
    with pytest.raises(type(refusal)):
        reported(session)
    assert len(session.told) == 1


def test_a_server_that_stays_away_ends_the_activation(monkeypatch):
    monkeypatch.setattr(tool_turns, "_REPORT_S", 0.1)
    session = Reached(Unavailable("away"))
    with pytest.raises(Unavailable):
        reported(session)
    assert len(session.told) > 1
