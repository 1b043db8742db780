"""The route of Claude Code's own hooks: its answer to every event, and to every fault."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import msgspec
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from holdfast.apps.control.guard.claude_code import PATH, ClaudeCodeDoor
from holdfast.apps.control.guard.routes import GuardDoor
from holdfast.apps.control.reading import Intake
from holdfast.core.sessions import Command
from holdfast.errors import StoreUnavailable, Unauthenticated
from holdfast.model.decisions import Verdict
from holdfast.model.events import Kind
from holdfast.model.hooks import HookAnswer, HookPoint
from holdfast.model.tokens import hook_token, model_token
from holdfast.model.tools import CallState
from holdfast.runtime.live import LiveSession
from holdfast.runtime.turns import Bounds, Turns
from tests.unit.runtime.house import House

MOST_BYTES = 100_000
EVENTS = ("PreToolUse", "PostToolUse", "PostToolUseFailure", "UserPromptSubmit", "PreCompact")
Output = dict[str, Any]


class Desk:
    """A server's routes with one session, asked as the CLI asks."""

    def __init__(self, house: House, live: LiveSession, bounds: Bounds | None = None) -> None:
        self.house = house
        self.live = live
        self.reported: list[BaseException] = []
        self.told: list[tuple[str, int]] = []
        self.turns = Turns(house.clock, tell=lambda *told: self.told.append(told), bounds=bounds)
        intake = Intake(MOST_BYTES, self.reported.append)
        here = msgspec.structs.replace(house.house, turns=self.turns)
        door, hooks = GuardDoor(here, intake), ClaudeCodeDoor(here, intake)
        routes = [*hooks.routes(), *door.routes()]
        self.app = Starlette(routes=[Mount("/", routes=routes)])
        self.token = hook_token(live.session.session_id, house.token)

    async def post(
        self, path: str, content: bytes | Callable[[], Any], token: str
    ) -> httpx2.Response:
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False)
        headers = {"authorization": f"Bearer {token}"} if token else {}
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as http:
            sent = content if isinstance(content, bytes) else content()
            return await http.request("POST", path, content=sent, headers=headers)

    async def said(self, content: bytes | Callable[[], Any], token: str | None = None) -> Output:
        answer = await self.post(PATH, content, self.token if token is None else token)
        assert answer.status_code == 200, answer.text
        found: Output = answer.json()
        return found

    async def ask(self, event: str, **fields: Any) -> Output:
        common = {"session_id": "x", "cwd": "/", "permission_mode": "default", "new_field": [1]}
        return await self.said(json.dumps(common | {"hook_event_name": event} | fields).encode())

    async def before(self, call_id: str = "c1", tool: str = "look", **given: Any) -> Output:
        return await self.ask("PreToolUse", tool_name=tool, tool_input=given, tool_use_id=call_id)

    async def after(self, output: Any, call_id: str = "c1", tool: str = "look") -> Output:
        fields = {"tool_input": {}, "tool_response": output, "duration_ms": 4}
        return await self.ask("PostToolUse", tool_name=tool, tool_use_id=call_id, **fields)

    def emit(self, call_id: str = "c1", tool: str = "look", **given: Any) -> None:
        self.house.emit(self.live, call_id, tool, given)
        self.live.emitted[call_id] = given


def served(
    main: Callable[[Desk], Awaitable[None]], bounds: Bounds | None = None, **more: Any
) -> None:
    async def run() -> None:
        house = House(**more)
        await main(Desk(house, await house.open(), bounds))

    asyncio.run(run())


def denied(output: Output, *, says: str = "") -> None:
    specific = output["hookSpecificOutput"]
    assert specific["hookEventName"] == "PreToolUse"
    assert specific["permissionDecision"] == "deny"
    assert says in specific["permissionDecisionReason"], output
    assert "continue" not in output, "a run that a hook ends is a success to the CLI"


def halted(output: Output, *, says: str = "") -> None:
    assert output["continue"] is False
    assert says in output["stopReason"], output
    assert "hookSpecificOutput" not in output


def refused(event: str, output: Output, *, says: str = "") -> None:
    if event == "PreToolUse":
        denied(output, says=says)
    elif event in ("UserPromptSubmit", "PreCompact"):
        assert output["decision"] == "block"
        assert says in output["reason"], output
    else:
        halted(output, says=says)


def whole(event: str) -> dict[str, Any]:
    """An input of the event that fits."""
    return {
        "hook_event_name": event,
        "tool_name": "look",
        "tool_input": {"order": "7"},
        "tool_use_id": "c1",
        "tool_response": "ok",
        "error": "Exit code 1",
        "prompt": "go",
        "trigger": "auto",
    }


ALLOW = {"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "allow"}}


def test_an_allowed_call_runs_as_asked_and_the_door_is_journalled():
    async def main(desk: Desk) -> None:
        desk.emit(order="7")
        assert await desk.before(order="7") == ALLOW
        decided = desk.house.written(Kind.TOOL_CALL_DECIDED)[0]
        assert (decided.body["door"], decided.verdict) == ("claude_code", "allow")
        assert await desk.after({"stdout": "kettle"}) == {}
        assert desk.live.calls["c1"].state is CallState.EXECUTED
        finished = desk.house.written(Kind.TOOL_CALL_FINISHED)[0].body
        assert (finished["duration_ms"], finished["output"]) == (4, '{"stdout":"kettle"}')
        desk.house.nothing_held()

    served(main)


def test_what_the_model_wrote_is_what_runs_where_the_cli_tidied_it():
    async def main(desk: Desk) -> None:
        desk.emit(order="7 ")
        output = await desk.before(order="7")
        assert output["hookSpecificOutput"]["updatedInput"] == {"order": "7 "}

    served(main)


def test_arguments_that_a_server_hook_rewrote_are_what_runs():
    async def rewrite(_: Any) -> HookAnswer:
        return HookAnswer(arguments={"order": "8"})

    async def main(desk: Desk) -> None:
        desk.emit(order="7")
        output = await desk.before(order="7")
        assert output["hookSpecificOutput"]["updatedInput"] == {"order": "8"}

    served(main, hooks={HookPoint.PRE_TOOL: (("rewrite", rewrite),)})


def test_a_refused_call_says_why_and_the_run_goes_on():
    async def main(desk: Desk) -> None:
        desk.emit(tool="rm")
        denied(await desk.before(tool="rm"), says="`rm` is not among the tools of this agent")
        desk.emit("c2", order="7")
        assert await desk.before("c2", order="7") == ALLOW

    served(main)


async def in_line(desk: Desk) -> None:
    """Return once a call stands in line."""
    for _ in range(1_000):
        if desk.turns.waiting(desk.live.who.tenant):
            return
        await asyncio.sleep(0)
    raise AssertionError("nothing stands in line")


ONE = Bounds(at_work=1, beside=1, waiting=1, wait_s=30, turn_s=30)


def overtaken(meanwhile: Callable[[Desk], Awaitable[None]], *, says: str) -> None:
    """A call stands in line while `meanwhile` happens: it is denied so, and never decided."""

    async def main(desk: Desk) -> None:
        desk.emit(order="7")
        async with desk.turns.turn(desk.live.who.tenant):
            asked = asyncio.create_task(desk.before(order="7"))
            await in_line(desk)
            await meanwhile(desk)
        denied(await asked, says=says)
        assert desk.house.written(Kind.TOOL_CALL_DECIDED) == []

    served(main, ONE)


def test_a_call_refused_for_the_number_of_calls_is_denied_undecided_and_may_be_asked_for_again():
    async def main(desk: Desk) -> None:
        desk.emit(order="7")
        async with desk.turns.turn(desk.live.who.tenant):
            waits = asyncio.create_task(desk.turns.turn(desk.live.who.tenant).__aenter__())
            await asyncio.sleep(0)
            denied(await desk.before(order="7"), says="rate_limited: this tenant asks")
            elsewhere = await desk.post(
                "/v1/guard/decide",
                b'{"call_id": "c1", "tool": "look", "arguments": {"order": "7"}}',
                desk.house.token,
            )
            assert (elsewhere.status_code, elsewhere.headers["retry-after"]) == (429, "1")
            assert desk.live.limited == {"c1"}
            assert desk.house.written(Kind.TOOL_CALL_DECIDED) == []
            waits.cancel()
        assert await desk.before(order="7") == ALLOW

    served(main, ONE)


def test_a_call_whose_token_was_replaced_while_it_waited_is_not_decided():
    async def replace(desk: Desk) -> None:
        desk.house.sessions.renew(desk.live, desk.live.session.expires_at_ns)

    overtaken(replace, says="unauthenticated: the token was replaced")


def test_a_call_that_waits_is_refused_where_its_session_was_killed_meanwhile():
    async def kill(desk: Desk) -> None:
        await desk.house.sessions.change(desk.live, Command.KILL, "a test")

    overtaken(kill, says="session_stopped")


def test_a_call_that_the_model_did_not_make_is_denied():
    async def main(desk: Desk) -> None:
        denied(await desk.before(order="7"), says="the model made no such call")
        desk.emit(order="7")
        assert await desk.before(order="7") == ALLOW
        denied(await desk.before(order="7"), says="decided before")

    served(main)


def test_a_result_without_a_permit_ends_the_run():
    async def main(desk: Desk) -> None:
        halted(await desk.after("hi"), says="no running call")
        desk.emit(order="7")
        halted(await desk.after("hi"), says="no running call")
        await desk.before(order="7")
        assert await desk.after("hi") == {}
        halted(await desk.after("hi"), says="no running call")

    served(main)


@pytest.mark.parametrize(
    ("tool", "output", "shown", "expected"),
    [
        ("look", {"stdout": "a"}, {"stdout": "b"}, "updatedToolOutput"),
        ("look", {"stdout": "a"}, "b", ""),
        ("mcp__shop__look", [{"type": "text", "text": "a"}], "b", "updatedMCPToolOutput"),
    ],
)
def test_a_rewritten_output_is_what_the_model_reads(tool, output, shown, expected):
    async def redact(_: Any) -> HookAnswer:
        return HookAnswer(output=shown)

    async def main(desk: Desk) -> None:
        desk.emit(tool=tool)
        desk.live.calls["c1"] = _allowed(desk.live, "c1")
        answer = await desk.after(output, tool=tool)
        if expected:
            assert answer["hookSpecificOutput"] == {"hookEventName": "PostToolUse", expected: shown}
        else:
            halted(answer, says="another shape")

    served(main, hooks={HookPoint.POST_TOOL: (("redact", redact),)})


@pytest.mark.parametrize("tool", ["look", "mcp__shop__look"])
def test_a_result_that_a_hook_withholds_ends_no_run_and_is_replaced_where_the_cli_takes_it(tool):
    async def object_to(_: Any) -> HookAnswer:
        return HookAnswer(verdict=Verdict.DENY, reason="it names a customer")

    async def main(desk: Desk) -> None:
        desk.emit(tool=tool)
        desk.live.calls["c1"] = _allowed(desk.live, "c1")
        answer = await desk.after({"stdout": "raw"}, tool=tool)
        denial = desk.live.calls["c1"].denial
        assert denial.startswith("hook.refused: ")
        if tool == "look":
            assert answer == {}  # The gateway replaces it.
        else:
            assert answer["hookSpecificOutput"]["updatedMCPToolOutput"] == denial

    served(main, hooks={HookPoint.POST_TOOL: (("object", object_to),)})


def _allowed(live: LiveSession, call_id: str) -> Any:
    return msgspec.structs.replace(live.calls[call_id], state=CallState.ALLOWED)


def test_a_failure_is_reported_once_and_one_of_a_call_never_allowed_says_nothing():
    async def main(desk: Desk) -> None:
        failed = {"tool_name": "look", "tool_use_id": "c1", "error": "Exit code 3"}
        assert await desk.ask("PostToolUseFailure", **failed) == {}
        desk.emit(order="7")
        await desk.before(order="7")
        assert await desk.ask("PostToolUseFailure", **failed, is_interrupt=False) == {}
        assert desk.live.calls["c1"].state is CallState.FAILED
        assert desk.house.written(Kind.TOOL_CALL_FINISHED)[0].body["error"] == "Exit code 3"
        assert await desk.ask("PostToolUseFailure", **failed) == {}
        assert len(desk.house.written(Kind.TOOL_CALL_FINISHED)) == 1

    served(main)


def test_a_prompt_is_journalled_but_never_vouched_for_not_even_after_a_restart():
    async def main(desk: Desk) -> None:
        live = desk.live
        assert await desk.ask("UserPromptSubmit", prompt="pay bob@shop.com 20") == {}
        written = desk.house.written(Kind.PROMPT_SUBMITTED)[0].body
        assert written == {"text": "pay bob@shop.com 20", "vouched": False}
        desk.house.sessions.forget(live)
        again = await desk.house.sessions.authenticate(desk.house.token)
        assert again is not live
        for seen in (live, again):
            seen.vouched.taint("fetch")
            call_id = f"c{id(seen)}"
            arguments = {"to": "bob@shop.com", "amount": 20}
            ruling = await desk.house.decide(seen, call_id, "pay", arguments)
            assert ruling.decision.verdict == "ask", ruling

    served(main)


def test_the_hooks_at_a_compaction_may_block_it():
    async def object_to(given: Any) -> HookAnswer:
        return HookAnswer(verdict=Verdict.DENY, reason=f"not {given.detail}")

    async def main(desk: Desk) -> None:
        output = await desk.ask("PreCompact", trigger="auto")
        assert output == {"decision": "block", "reason": "not auto"}

    async def without(desk: Desk) -> None:
        assert await desk.ask("PreCompact", trigger="manual") == {}

    served(main, hooks={HookPoint.ON_CONTEXT_OVERFLOW: (("object", object_to),)})
    served(without)


@pytest.mark.parametrize("event", ["Stop", "SubagentStop", "SessionEnd", "EventOfNextWeek"])
def test_any_other_event_gets_an_empty_answer(event):
    async def main(desk: Desk) -> None:
        assert await desk.ask(event, stop_hook_active=False) == {}

    served(main)


@pytest.mark.parametrize("event", EVENTS)
def test_a_session_that_is_over_runs_no_call_and_leaves_the_end_of_the_run_to_the_gateway(event):
    async def main(desk: Desk) -> None:
        desk.emit(order="7")
        if event.startswith("Post"):
            await desk.before(order="7")
        await desk.house.sessions.change(desk.live, Command.KILL, "enough")
        output = await desk.ask(
            **{"event" if k == "hook_event_name" else k: v for k, v in whole(event).items()}
        )
        if event == "PreToolUse":
            denied(output, says="session_stopped: the session is killed: enough")
        else:
            assert output == {}
        if event.startswith("Post"):
            assert len(desk.house.written(Kind.TOOL_CALL_FINISHED)) == 1, "what happened is a fact"

    served(main)


def test_only_the_hook_token_opens_this_route_and_every_other_is_refused_in_the_clis_words():
    async def main(desk: Desk) -> None:
        desk.emit(order="7")
        session_id = desk.live.session.session_id
        tokens = (
            *("", "hfh_", "hfh_x_y", desk.token[:-1] + "!", "hfa_" + "a" * 52),
            *(desk.house.token, model_token(session_id, desk.house.token)),
        )
        for event in EVENTS:
            for token in tokens:
                output = await desk.said(json.dumps(whole(event)).encode(), token)
                assert (output["continue"], output["decision"]) == (False, "block"), token
                assert output["stopReason"].startswith("unauthenticated: ")
        assert desk.live.calls["c1"].state is CallState.EMITTED

    served(main)


def test_the_hook_token_opens_no_other_route_and_no_other_door():
    async def main(desk: Desk) -> None:
        for path in ("decide", "finish", "redeem", "prompt", "hook", "end"):
            answer = await desk.post(f"/v1/guard/{path}", b"{}", desk.token)
            assert answer.status_code == 401, path
        for authenticate in (
            desk.house.sessions.authenticate,
            desk.house.sessions.authenticate_model,
        ):
            with pytest.raises(Unauthenticated):
                await authenticate(desk.token)

    served(main)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"hook_event_name": 7}', b"{}"),
        b'{"hook_event_name": "Stop", "hook_event_name": "PreToolUse"}',
        b'{"hook_event_name": ""}',
        b"[" * 5000,
        b" " * (MOST_BYTES + 1),
    ],
)
def test_an_input_that_cannot_be_read_is_refused_whatever_it_was(content):
    async def main(desk: Desk) -> None:
        output = await desk.said(content)
        assert (output["continue"], output["decision"]) == (False, "block")
        assert output["reason"] == output["stopReason"]

    served(main)


def test_a_body_without_a_length_is_bounded_too():
    async def pieces() -> Any:
        for _ in range(20):
            yield b" " * 10_000

    async def main(desk: Desk) -> None:
        assert (await desk.said(pieces))["continue"] is False

    served(main)


@pytest.mark.parametrize(
    ("event", "field", "wrong"),
    [
        ("PreToolUse", "tool_input", "rm"),
        ("PreToolUse", "tool_input", None),
        ("PreToolUse", "tool_name", ["look"]),
        ("PreToolUse", "tool_use_id", 7),
        ("PostToolUse", "tool_use_id", None),
        ("PostToolUse", "tool_name", {}),
        ("PostToolUse", "duration_ms", "soon"),
        ("PostToolUseFailure", "error", {"code": 3}),
        ("UserPromptSubmit", "prompt", ["go"]),
        ("PreCompact", "trigger", 1),
    ],
)
def test_a_field_of_the_wrong_type_is_refused(event, field, wrong):
    async def main(desk: Desk) -> None:
        desk.emit(order="7")
        output = await desk.said(json.dumps(whole(event) | {field: wrong}).encode())
        refused(event, output, says="invalid_request: `")
        assert desk.live.calls["c1"].state is CallState.EMITTED

    served(main)


@pytest.mark.parametrize("missing", ["tool_name", "tool_input", "tool_use_id"])
def test_a_call_without_what_it_is_decided_by_is_denied(missing):
    async def main(desk: Desk) -> None:
        desk.emit(order="7")
        given = {k: v for k, v in whole("PreToolUse").items() if k != missing}
        denied(await desk.said(json.dumps(given).encode()), says="it is needed")

    served(main)


@pytest.mark.parametrize(
    "fault", [RuntimeError("the secret is swordfish"), StoreUnavailable("no disk")]
)
@pytest.mark.parametrize("event", EVENTS)
def test_a_fault_of_ours_is_a_refusal_that_tells_nothing(event, fault):
    async def broken(*_: Any, **__: Any) -> Any:
        raise fault

    async def main(desk: Desk) -> None:
        desk.emit(order="7")
        await desk.before(order="7")
        desk.house.guard.decide = broken
        for name in ("finish", "prompt"):
            setattr(desk.house.outcomes, name, broken)
        desk.house.points.reached = broken
        output = await desk.said(json.dumps(whole(event)).encode())
        known = isinstance(fault, StoreUnavailable)
        refused(event, output, says="no disk" if known else "internal_error")
        assert "swordfish" not in json.dumps(output)
        assert desk.reported == ([] if known else [fault])

    served(main)


STRANGE = [
    b'"\\ud800.txt"',
    b'{"files": ["a\\udcff", NaN]}',
    b'{"n": 1, "n": 2}',
    b"-Infinity",
    b"1e999",
    b"7" * 5_000,
    b'"raw \xff byte"',
    b"[" * 400 + b"]" * 400,
]


@pytest.mark.parametrize("output", STRANGE, ids=range(len(STRANGE)))
def test_what_ran_is_recorded_whatever_it_returned(output: bytes) -> None:
    async def main(desk: Desk) -> None:
        for call_id, path in (("c1", PATH), ("c2", "/v1/guard/finish")):
            desk.emit(call_id, order="7")
            await desk.before(call_id, order="7")
            if path == PATH:
                fields = b'"hook_event_name": "PostToolUse", "tool_name": "look", "tool_use_id": '
                await desk.said(b"{" + fields + b'"c1", "tool_response": ' + output + b"}")
            else:
                body = b'{"call_id": "c2", "ok": true, "output": ' + output + b"}"
                answer = await desk.post(path, body, desk.house.token)
                assert answer.status_code == 200, answer.text
            assert desk.live.calls[call_id].state is CallState.EXECUTED
        finished = desk.house.written(Kind.TOOL_CALL_FINISHED)
        assert len(finished) == 2
        assert all(record.body["replaced"] for record in finished)
        assert desk.reported == []

    served(main)


def test_what_is_asked_is_still_read_strictly() -> None:
    async def main(desk: Desk) -> None:
        desk.emit(order="7")
        fields = b'"hook_event_name": "PreToolUse", "tool_name": "look", "tool_use_id": "c1"'
        for given in (b'{"order": "\\ud800"}', b'{"order": "7", "order": "8"}', b'{"order": NaN}'):
            output = await desk.said(b"{" + fields + b', "tool_input": ' + given + b"}")
            assert output["decision"] == "block"
            body = b'{"call_id": "c1", "tool": "look", "arguments": ' + given + b"}"
            answer = await desk.post("/v1/guard/decide", body, desk.house.token)
            assert answer.status_code == 400
        for broken in (b"", b"{", b"nonsense"):
            answer = await desk.post("/v1/guard/finish", broken, desk.house.token)
            assert answer.status_code == 400

    served(main)


def test_an_outcome_that_json_has_room_for_is_not_called_replaced() -> None:
    async def main(desk: Desk) -> None:
        desk.emit(order="7")
        await desk.before(order="7")
        await desk.after({"text": "\U0001f600 fine"})
        [record] = desk.house.written(Kind.TOOL_CALL_FINISHED)
        assert "replaced" not in record.body

    served(main)
