"""A door that holds a call while a person is asked: every end that the waiting can have."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import msgspec
import pytest
from starlette.applications import Starlette

from holdfast.apps.control.guard.claude_code import PATH, ClaudeCodeDoor
from holdfast.apps.control.guard.routes import GuardDoor
from holdfast.apps.control.reading import Intake
from holdfast.core.sessions import Command
from holdfast.model.approvals import Approval
from holdfast.model.approvals import ApprovalState as S
from holdfast.model.events import Kind
from holdfast.model.tokens import hook_token
from holdfast.model.tools import CallState
from holdfast.ports.store import ApprovalFilter
from holdfast.runtime.approvals import Said
from holdfast.testing.memory_policy import forbid, permit
from tests.unit.runtime.house import House

SEVEN = {"order": "7"}


class Desk:
    """A session whose every call is asked about, and two doors into its server."""

    def __init__(self, house: House, live: Any) -> None:
        self.house, self.live = house, live
        house.policy.rules = (permit("all"), forbid("big", ask="approve it"))
        intake = Intake(100_000, lambda _: None)
        door, hooks = GuardDoor(house.house, intake), ClaudeCodeDoor(house.house, intake)
        self.app = Starlette(routes=[*hooks.routes(), *door.routes()])

    async def post(self, path: str, body: dict[str, Any], token: str, **headers: str) -> Any:
        transport = httpx2.ASGITransport(app=self.app)
        sent = {"authorization": f"Bearer {token}", **headers}
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as http:
            return await http.post(path, content=msgspec.json.encode(body), headers=sent)

    async def decide(self, call_id: str = "c1", waits_s: float = 30.0) -> Any:
        self.house.emit(self.live, call_id, "look", SEVEN)
        body = {"call_id": call_id, "tool": "look", "arguments": SEVEN, "waits_s": waits_s}
        return await self.post("/v1/guard/decide", body, self.house.token)

    async def hook(self, call_id: str = "c1", waits_s: str = "30") -> Any:
        self.house.emit(self.live, call_id, "look", SEVEN)
        self.live.emitted[call_id] = SEVEN
        given = {"tool_name": "look", "tool_input": SEVEN, "tool_use_id": call_id}
        token = hook_token(self.live.session.session_id, self.house.token)
        headers = {"holdfast-waits-s": waits_s} if waits_s else {}
        body = {"hook_event_name": "PreToolUse", **given}
        return (await self.post(PATH, body, token, **headers)).json()["hookSpecificOutput"]

    async def asked(self) -> Approval:
        """The question, once it is there."""
        while True:
            found = await self.house.approvals.listed(ApprovalFilter(states=(S.PENDING,)))
            if found:
                return found[0]
            await asyncio.sleep(0)

    async def held(self) -> None:
        """Once a door holds the call."""
        for _ in range(1000):
            if self.house.approvals._waiting:
                return
            await asyncio.sleep(0)
        raise AssertionError("no door waits")

    async def answer(self, *, approved: bool) -> None:
        one = await self.asked()
        said = Said(approved=approved, by="mia", digest=one.digest, note="looked")
        await self.house.approvals.answer(one.approval_id, said)

    def state(self, call_id: str = "c1") -> CallState:
        found: CallState = self.live.calls[call_id].state
        return found


def served(main: Callable[[Desk], Awaitable[None]]) -> None:
    async def run() -> None:
        house = House()
        await main(Desk(house, await house.open()))

    asyncio.run(run())


async def both(waiting: Awaitable[Any], meanwhile: Awaitable[Any]) -> Any:
    """What the one who waits gets, as the other thing happens."""
    async with asyncio.timeout(20):
        return (await asyncio.gather(waiting, meanwhile))[0]


@pytest.mark.parametrize("approved", [True, False])
def test_a_call_that_is_held_goes_on_with_the_answer_and_is_decided_once(approved):
    async def main(desk: Desk) -> None:
        answer = await both(desk.decide(), desk.answer(approved=approved))
        ruling = answer.json()
        assert (ruling["verdict"], bool(ruling["permit"])) == (
            ("allow", True) if approved else ("deny", False)
        )
        assert len(desk.house.written(Kind.TOOL_CALL_DECIDED)) == 1
        assert approved or "mia was asked and said no: looked" in ruling["message"]

    served(main)


def test_time_that_went_by_leaves_the_call_undecided_and_it_may_be_asked_for_again():
    async def main(desk: Desk) -> None:
        answer = await desk.decide(waits_s=0.01)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "approval_pending")
        assert desk.state() is CallState.EMITTED
        assert desk.house.written(Kind.TOOL_CALL_DECIDED) == []
        desk.house.nothing_held()
        again = await both(desk.decide(), desk.answer(approved=True))
        assert again.json()["verdict"] == "allow"

    served(main)


def test_who_waits_for_nobody_gets_an_ask_at_once_and_the_same_call_made_again_hears_the_answer():
    async def main(desk: Desk) -> None:
        first = (await desk.decide(waits_s=0)).json()
        assert first["verdict"] == "ask"
        assert "make the same call again" in first["message"]
        await desk.answer(approved=True)
        assert (await desk.decide("c2", waits_s=0)).json()["verdict"] == "allow"

    served(main)


@pytest.mark.parametrize("command", [Command.KILL, Command.END])
def test_the_end_of_the_session_ends_the_waiting_and_nothing_runs(command):
    async def main(desk: Desk) -> None:
        async def end() -> None:
            await desk.asked()
            await desk.held()
            await desk.house.sessions.change(desk.live, command, "enough")

        answer = await both(desk.decide(), end())
        assert answer.json()["error"]["code"] == "session_stopped"
        desk.house.nothing_held()

    served(main)


def test_an_answer_while_the_session_is_paused_runs_nothing_and_holds():
    async def main(desk: Desk) -> None:
        async def paused() -> None:
            await desk.asked()
            await desk.house.sessions.change(desk.live, Command.PAUSE, "lunch")
            await desk.answer(approved=True)

        answer = await both(desk.decide(), paused())
        assert answer.json()["error"]["code"] == "session_stopped"
        await desk.house.sessions.change(desk.live, Command.RESUME, "back")
        assert (await desk.decide("c2", waits_s=0)).json()["verdict"] == "allow"

    served(main)


def test_one_session_does_not_hold_more_than_so_many_calls():
    async def main(desk: Desk) -> None:
        async def many() -> list[int]:
            calls = [desk.decide(f"c{n}") for n in range(20)]
            found = []
            for one in asyncio.as_completed(calls):
                found.append((await one).status_code)
                if len(found) == 4:
                    await desk.answer(approved=False)
            return found

        async with asyncio.timeout(20):
            found = await many()
        assert found == [403] * 4 + [200] * 16

    served(main)


@pytest.mark.parametrize("approved", [True, False])
def test_claude_codes_hook_is_held_as_long_as_its_settings_say(approved):
    async def main(desk: Desk) -> None:
        told = await both(desk.hook(), desk.answer(approved=approved))
        assert told["permissionDecision"] == ("allow" if approved else "deny")

    served(main)


@pytest.mark.parametrize("waits_s", ["", "0", "-5", "1e9", "nan", "soon"])
def test_a_hook_that_does_not_say_how_long_it_waits_is_answered_at_once(waits_s):
    async def main(desk: Desk) -> None:
        async with asyncio.timeout(20):
            told = await desk.hook(waits_s=waits_s)
        assert told["permissionDecision"] == "deny"
        assert "make the same call again" in told["permissionDecisionReason"]

    served(main)
