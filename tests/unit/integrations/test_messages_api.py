import asyncio
import threading
from concurrent.futures import BrokenExecutor
from typing import Any

import pytest
from anthropic import AsyncAnthropic

from holdfast.client import Session
from holdfast.errors import InvalidRequest, StoreUnavailable
from holdfast.integrations.messages_api import guarded_tools
from holdfast.tools import Effect, Refused, RiskLevel, ToolContext
from holdfast.tools import tool as declared
from tests.unit.integrations.guard_double import GuardDouble

RELEASED = threading.Event()
USE = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1, "b": 2}}


async def add(arguments):
    return {"sum": arguments["a"] + arguments["b"]}


async def explode(arguments):
    raise RuntimeError("no disk")


def guarded(scenario, rule=None, script=None):
    async def main():
        async with (
            GuardDouble(rule, script).running() as guard,
            await Session.attach(guard.url, "hfs_1") as session,
        ):
            await scenario(guard, session, guarded_tools(session, {"add": add, "explode": explode}))

    asyncio.run(main())


def verbs(guard):
    return [path.rpartition("/")[2] for _, path, *_ in guard.asked if "guard" in path][1:]


def test_an_allowed_call_is_decided_redeemed_run_and_reported_in_this_order():
    async def scenario(guard, session, tools):
        results = await tools.results([{"type": "text", "text": "hm"}, USE])
        assert results == [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": '{"sum": 3}'}
        ]
        assert verbs(guard) == ["decide", "keys", "redeem", "finish"]

    guarded(scenario)


def test_the_function_gets_the_arguments_that_were_decided_not_those_asked_for():
    async def scenario(guard, session, tools):
        assert (await tools.results([USE]))[0]["content"] == '{"sum": 30}'

    guarded(scenario, lambda _: {"arguments": {"a": 10, "b": 20}})


@pytest.mark.parametrize(
    "rule",
    [{"verdict": "deny", "message": "no"}, {"verdict": "ask", "message": "no"}, {"permit": "x"}],
)
def test_a_call_without_an_allow_and_its_permit_never_runs(rule):
    async def scenario(guard, session, tools):
        (result,) = await tools.results([USE])
        assert result["is_error"]
        assert "redeem" not in verbs(guard)

    guarded(scenario, lambda _: rule)


def test_a_permit_that_was_used_before_never_runs():
    async def scenario(guard, session, tools):
        guard.refuse("POST", "/v1/guard/redeem", 403, code="permit_invalid", message="used")
        (result,) = await tools.results([USE])
        assert result == {
            "type": "tool_result",
            "tool_use_id": "toolu_1",
            "content": "permit_invalid: used",
            "is_error": True,
        }
        assert verbs(guard)[-1] == "redeem"

    guarded(scenario)


def test_a_tool_that_raises_or_does_not_exist_is_an_error_that_is_reported():
    async def scenario(guard, session, tools):
        raised, missing = await tools.results(
            [{**USE, "name": "explode"}, {**USE, "name": "nowhere"}]
        )
        assert raised["content"] == "RuntimeError: no disk"
        assert missing["is_error"]
        assert [body["ok"] for body in guard.bodies("finish")] == [False, False]

    guarded(scenario)


def test_an_outcome_that_could_not_be_recorded_is_not_shown():
    async def scenario(guard, session, tools):
        guard.refuse("POST", "/v1/guard/finish", 503, code="store_unavailable", message="full")
        with pytest.raises(StoreUnavailable):
            await tools.results([USE])

    guarded(scenario)


def test_something_that_is_no_block_is_refused():
    async def scenario(guard, session, tools):
        with pytest.raises(InvalidRequest):
            await tools.results(["text"])

    guarded(scenario)


def test_a_loop_with_the_anthropic_sdk_and_its_tool_runner_is_governed():
    turns = [{"blocks": [USE]}, {"blocks": [{"type": "text", "text": "three"}]}]
    script = {"scenarios": [{"name": "s", "turns": turns}]}
    shown = {"name": "add", "description": "adds", "input_schema": {"type": "object"}}
    request: dict[str, Any] = {"model": "claude-sonnet-5", "max_tokens": 100, "tools": [shown]}

    async def scenario(guard, session, tools):
        async with AsyncAnthropic(base_url=session.base_url, api_key=session.token) as client:
            messages: list[Any] = [{"role": "user", "content": "add"}]
            message = await client.messages.create(messages=messages, **request)
            results = await tools.results(message.content)
            messages += [{"role": "assistant", "content": message.content}]
            messages += [{"role": "user", "content": results}]
            message = await client.messages.create(messages=messages, **request)
            assert message.content[0].text == "three"

            # The runner warns of a raw tool that it cannot run itself, then takes our results.
            with pytest.warns(UserWarning, match="handle the tool call manually"):
                said = await run_tool_runner(client, tools, messages[:1], request)
            assert said[-1].content[0].text == "three"
            assert len(guard.bodies("finish")) == 2

    guarded(scenario, script=script)


async def run_tool_runner(client, tools, messages, request):
    runner = client.beta.messages.tool_runner(messages=messages, **request)
    said: list[Any] = []
    async for message in runner:
        said.append(message)
        results = await tools.results(message.content)
        if results:
            answer = {"role": "user", "content": results}
            runner.append_messages({"role": "assistant", "content": message.content}, answer)
    return said


def test_a_result_that_a_hook_withholds_is_an_error_in_the_hooks_words():
    async def scenario(guard, session, tools):
        guard.answers["POST", "/v1/guard/finish"] = lambda _: {
            "output": "hook.refused: withheld",
            "rewritten": True,
            "withheld": "hook.refused: withheld",
            "reads": "hook.refused: withheld",
        }
        for name in ("add", "explode"):
            (result,) = await tools.results([{**USE, "name": name}])
            assert (result["content"], result["is_error"]) == ("hook.refused: withheld", True)

    guarded(scenario)


class HostileError(Exception):
    def __str__(self):
        raise ValueError("no words")


LOOP: dict[str, Any] = {}
LOOP["self"] = LOOP


@pytest.mark.parametrize(
    "output",
    ["file\udcff.txt", {(1, 2): "x"}, b"\xff", float("nan"), LOOP, object(), "x" * 50_000_000],
    ids=range(7),
)
def test_what_a_tool_returned_is_reported_whatever_it_is(output):
    async def strange(arguments):
        return output

    async def scenario(guard, session, _):
        tools = guarded_tools(session, {"add": strange})
        [result] = await tools.results([USE])
        assert "is_error" not in result
        assert verbs(guard)[-1] == "finish"

    guarded(scenario)


@pytest.mark.parametrize("error", [OSError("no \udcff"), HostileError(), ValueError("x" * 10**7)])
def test_what_a_tool_raised_is_reported_whatever_it_says(error):
    async def strange(arguments):
        raise error

    async def scenario(guard, session, _):
        tools = guarded_tools(session, {"add": strange})
        [result] = await tools.results([USE])
        assert result["is_error"]
        assert result["content"].startswith(type(error).__name__)
        assert verbs(guard)[-1] == "finish"

    guarded(scenario)


async def keyed(arguments, context):
    return {"key": context.key, "call": context.call_id}


async def annotated(arguments, context: ToolContext):
    return {"key": context.key, "call": context.call_id}


async def optional(arguments, *, more=None):
    return {"key": "", "call": str(more)}


def with_tools(scenario, tools, rule=None):
    async def main():
        async with (
            GuardDouble(rule).running() as guard,
            await Session.attach(guard.url, "hfs_1") as session,
        ):
            await scenario(guard, guarded_tools(session, tools))

    asyncio.run(main())


@pytest.mark.parametrize("function", [keyed, annotated])
def test_a_function_that_takes_a_context_gets_the_idempotency_key(function):
    async def scenario(guard, tools):
        (result,) = await tools.results([USE])
        assert result["content"] == '{"key": "eff_9", "call": "toolu_1"}'

    with_tools(scenario, {"add": function}, lambda _: {"effect_key": "eff_9"})


def test_a_function_with_one_parameter_is_called_with_one():
    async def scenario(guard, tools):
        assert (await tools.results([USE]))[0]["content"] == '{"key": "", "call": "None"}'

    with_tools(scenario, {"add": optional})


@pytest.mark.parametrize(
    ("error", "uncertain", "code"),
    [
        (TimeoutError(), True, ""),
        (ConnectionResetError("gone"), True, ""),
        (ValueError("odd"), True, ""),
        (Refused("locked", "the order is locked"), False, "locked"),
    ],
)
def test_what_a_function_raises_leaves_open_what_it_did_unless_it_is_a_declared_no(
    error, uncertain, code
):
    async def raising(_):
        raise error

    async def scenario(guard, tools):
        (result,) = await tools.results([USE])
        assert result["is_error"]
        (told,) = guard.bodies("finish")
        assert told["ok"] is False
        assert (told.get("uncertain", False), told.get("code", "")) == (uncertain, code)

    with_tools(scenario, {"add": raising})


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt(), SystemExit(1)])
def test_a_program_that_ends_in_the_middle_of_a_tool_says_that_its_effect_is_unknown(error):
    async def raising(_):
        raise error

    async def scenario(guard, tools):
        with pytest.raises(type(error)):
            await tools.results([USE])
        (told,) = guard.bodies("finish")
        assert told["uncertain"] is True

    with_tools(scenario, {"add": raising})


def test_an_effect_that_was_had_before_is_answered_with_its_result_and_not_run():
    async def scenario(guard, tools):
        (result,) = await tools.results([USE])
        assert result == {
            "type": "tool_result",
            "tool_use_id": "toolu_1",
            "content": '{"receipt": 7}',
        }
        assert verbs(guard) == ["decide"]

    stored = {"ok": True, "output": {"receipt": 7}, "output_kept": True, "error": ""}
    with_tools(scenario, {"add": explode}, lambda _: {"stored": stored, "permit": ""})


async def hangs(_):
    await asyncio.sleep(60)


@declared(
    what="waits for as long as it takes.",
    when="somebody has the time for it.",
    side_effects="none.",
    effect=Effect.READ,
    risk=RiskLevel.LOW,
    risk_reason="it only waits",
)
def blocks(a: int, b: int) -> None:
    RELEASED.wait(60)


@pytest.mark.parametrize("function", [hangs, blocks])
def test_a_late_tool_is_called_late_and_its_effect_is_unknown(function):
    async def scenario(guard, tools):
        began = asyncio.get_running_loop().time()
        (result,) = await tools.results([USE])
        assert asyncio.get_running_loop().time() - began < 10
        text = "tool_timeout: the tool did not answer within 0.05 s"
        assert (result["content"], result["is_error"]) == (text, True)
        (told,) = guard.bodies("finish")
        assert (told["ok"], told["code"], told["uncertain"]) == (False, "tool_timeout", True)

    RELEASED.clear()
    try:
        with_tools(scenario, {"add": function}, lambda _: {"timeout_s": 0.05})
    finally:
        RELEASED.set()


def test_a_tool_whose_process_died_is_called_dead():
    async def dies(_):
        raise BrokenExecutor("a child process terminated abruptly")

    async def scenario(guard, tools):
        (result,) = await tools.results([USE])
        assert result["content"].startswith("tool_died: ")
        (told,) = guard.bodies("finish")
        assert (told["code"], told["uncertain"]) == ("tool_died", True)

    with_tools(scenario, {"add": dies})


def test_only_a_function_that_takes_its_context_is_said_to_be_given_the_key():
    async def scenario(guard, tools):
        await tools.results([USE, {**USE, "id": "toolu_2", "name": "plain"}])
        handed = [body.get("hands_key", True) for body in guard.bodies("decide")]
        assert handed == [True, False]

    with_tools(scenario, {"add": keyed, "plain": add})
