import asyncio

import pytest
from claude_agent_sdk import HookMatcher

from holdfast.client import Session
from holdfast.errors import Conflict, CredentialExpired, PermitInvalid, SessionStopped, all_errors
from holdfast.integrations.claude_agent_sdk import tool_context
from holdfast.integrations.claude_agent_sdk.governor import Governor
from tests.unit.integrations.guard_double import NS, GuardDouble

CALL = {
    "hook_event_name": "PreToolUse",
    "tool_name": "Bash",
    "tool_use_id": "toolu_1",
    "tool_input": {"command": "ls"},
}
DONE = {
    **CALL,
    "hook_event_name": "PostToolUse",
    "tool_response": {"stdout": "a", "stderr": ""},
    "duration_ms": 5,
}


def fire(governor, event, given):
    (matcher,) = governor.hooks()[event]
    return matcher.hooks[0](given, given.get("tool_use_id"), {"signal": None})


def governed(scenario, rule=None, user_hooks=None, deadline_s=5.0):
    async def main():
        async with (
            GuardDouble(rule).running() as guard,
            await Session.attach(guard.url, "hfs_1") as session,
        ):
            await scenario(guard, Governor(session, deadline_s, user_hooks))

    asyncio.run(main())


def decision(output):
    return output["hookSpecificOutput"]["permissionDecision"]


def test_every_matcher_of_ours_is_for_all_tools_and_blocks_on_failure():
    async def scenario(guard, governor):
        hooks = governor.hooks()
        assert set(hooks) == {
            *("PreToolUse", "PostToolUse", "PostToolUseFailure", "UserPromptSubmit"),
            *("PreCompact", "Stop", "SubagentStop"),
        }
        for (matcher,) in hooks.values():
            assert matcher.matcher is None
            assert matcher.on_failure == "block"
            assert matcher.timeout > 2 * 5.0

    governed(scenario)


def test_an_allow_with_a_valid_permit_runs_and_is_reported_once():
    async def scenario(guard, governor):
        output = await fire(governor, "PreToolUse", CALL)
        assert output == {
            "hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "allow"}
        }
        assert await fire(governor, "PostToolUse", DONE) == {}
        assert guard.bodies("decide")[0]["door"] == "claude_agent_sdk"
        assert guard.bodies("finish") == [
            {
                "call_id": "toolu_1",
                "ok": True,
                "output": DONE["tool_response"],
                "error": "",
                "duration_ms": 5,
            }
        ]
        assert (await fire(governor, "PostToolUse", DONE))["continue_"] is False

    governed(scenario)


@pytest.mark.parametrize("verdict", ["deny", "ask"])
def test_deny_and_ask_do_not_run_and_say_why(verdict):
    async def scenario(guard, governor):
        output = await fire(governor, "PreToolUse", CALL)
        assert decision(output) == "deny"
        assert output["hookSpecificOutput"]["permissionDecisionReason"] == "why"

    governed(scenario, lambda _: {"verdict": verdict, "message": "why"})


@pytest.mark.parametrize(
    "broken",
    [
        {"permit": ""},
        {"permit": "hfp1.x.y"},
        {"arguments": {"command": "rm"}, "permit": "of_the_request"},
        {"permit": {"session": "ses_2"}},
        {"permit": {"call_id": "toolu_2"}},
        {"permit": {"tool": "Read"}},
        {"permit": {"issued_at_ns": NS, "expires_at_ns": 2 * NS}},
    ],
)
def test_an_allow_without_a_permit_for_exactly_this_call_is_a_deny(broken):
    def rule(body):
        answer = dict(broken)
        if isinstance(answer.get("permit"), dict):
            answer["permit"] = guards[0].permit(body, body["arguments"], **answer["permit"])
        elif answer.get("permit") == "of_the_request":
            answer["permit"] = guards[0].permit(body, body["arguments"])
        return answer

    guards = []

    async def scenario(guard, governor):
        guards.append(guard)
        output = await fire(governor, "PreToolUse", CALL)
        assert decision(output) == "deny"
        assert "permit_invalid" in output["hookSpecificOutput"]["permissionDecisionReason"]

    governed(scenario, rule)


def test_a_permit_under_another_key_is_a_deny():
    other = GuardDouble()

    async def scenario(guard, governor):
        assert decision(await fire(governor, "PreToolUse", CALL)) == "deny"

    governed(scenario, lambda body: {"permit": other.permit(body, body["arguments"])})


def test_rewritten_arguments_are_passed_on_and_only_then():
    async def scenario(guard, governor):
        output = await fire(governor, "PreToolUse", CALL)
        assert output["hookSpecificOutput"]["updatedInput"] == {"command": "ls -l"}

    governed(scenario, lambda _: {"arguments": {"command": "ls -l"}})


def test_every_error_of_the_server_is_a_deny_and_no_stop_ends_the_run_as_a_success():
    async def scenario(guard, governor):
        for cls in all_errors():
            guard.refuse("POST", "/v1/guard/decide", cls.http_status, code=cls.code, message="m")
            output = await fire(governor, "PreToolUse", CALL)
            assert decision(output) == "deny"
            if issubclass(cls, (SessionStopped, CredentialExpired)):
                assert "continue_" not in output

    governed(scenario)


@pytest.mark.parametrize("cls", [SessionStopped, CredentialExpired])
def test_a_session_that_is_over_leaves_the_end_of_the_run_to_the_gateway(cls):
    async def scenario(guard, governor):
        await fire(governor, "PreToolUse", CALL)
        guard.refuse("POST", "/v1/guard/finish", cls.http_status, code=cls.code, message="m")
        assert await fire(governor, "PostToolUse", DONE) == {}

    governed(scenario)


@pytest.mark.parametrize(
    "rule", [{"verdict": "Allow"}, {"verdict": None}, {"arguments": None}, {"decision_id": 1}]
)
def test_a_ruling_that_is_not_one_is_a_deny(rule):
    async def scenario(guard, governor):
        assert decision(await fire(governor, "PreToolUse", CALL)) == "deny"

    governed(scenario, lambda _: rule)


@pytest.mark.parametrize("given", [{}, {**CALL, "tool_input": None}, {**CALL, "tool_use_id": 7}])
def test_an_input_that_the_hook_does_not_expect_is_a_deny(given):
    async def scenario(guard, governor):
        assert decision(await fire(governor, "PreToolUse", given)) == "deny"

    governed(scenario)


def test_a_slow_guard_is_a_deny():
    async def scenario(guard, governor):
        async def slow(_):
            await asyncio.sleep(1)
            return {}

        guard.answers["POST", "/v1/guard/decide"] = slow
        output = await fire(governor, "PreToolUse", CALL)
        assert decision(output) == "deny"
        assert output["continue_"] is False

    governed(scenario, deadline_s=0.05)


def test_a_server_that_is_gone_refuses_calls_ends_the_run_and_blocks_prompts():
    async def main():
        async with GuardDouble().running() as guard:
            session = await Session.attach(guard.url, "hfs_1")
            governor = Governor(session, 5.0)
            assert decision(await fire(governor, "PreToolUse", CALL)) == "allow"
        denied = await fire(governor, "PreToolUse", {**CALL, "tool_use_id": "toolu_2"})
        assert decision(denied) == "deny"
        assert denied["continue_"] is False
        assert (await fire(governor, "PostToolUse", DONE))["continue_"] is False
        prompt = {"hook_event_name": "UserPromptSubmit", "prompt": "hi"}
        assert (await fire(governor, "UserPromptSubmit", prompt))["decision"] == "block"
        compact = {"hook_event_name": "PreCompact", "trigger": "auto", "custom_instructions": None}
        assert (await fire(governor, "PreCompact", compact))["decision"] == "block"
        await session.close()

    asyncio.run(main())


def test_a_fault_after_the_call_ends_the_run():
    async def scenario(guard, governor):
        await fire(governor, "PreToolUse", CALL)
        guard.refuse("POST", "/v1/guard/finish", 503, code="store_unavailable", message="m")
        assert (await fire(governor, "PostToolUse", DONE))["continue_"] is False

    governed(scenario)


@pytest.mark.parametrize(
    ("tool", "output", "key"),
    [
        ("Bash", {"stdout": "[gone]", "stderr": ""}, "updatedToolOutput"),
        ("mcp__shop__refund", "anything", "updatedMCPToolOutput"),
        ("Bash", "a string the cli would ignore", None),
    ],
)
def test_a_rewritten_output_replaces_the_tools_or_ends_the_run(tool, output, key):
    async def scenario(guard, governor):
        guard.answers["POST", "/v1/guard/finish"] = {"output": output, "rewritten": True}
        await fire(governor, "PreToolUse", {**CALL, "tool_name": tool})
        shown = await fire(governor, "PostToolUse", {**DONE, "tool_name": tool})
        if key is None:
            assert shown["continue_"] is False
        else:
            assert shown["hookSpecificOutput"][key] == output

    governed(scenario)


def test_a_failed_call_is_reported_and_one_that_never_ran_is_not():
    async def scenario(guard, governor):
        failure = {**CALL, "hook_event_name": "PostToolUseFailure", "error": "exit 3"}
        assert await fire(governor, "PostToolUseFailure", failure) == {}
        assert guard.bodies("finish") == []
        await fire(governor, "PreToolUse", CALL)
        assert await fire(governor, "PostToolUseFailure", failure) == {}
        assert guard.bodies("finish")[0]["error"] == "exit 3"

    governed(scenario)


def test_a_prompt_is_reported_before_the_model_reads_it():
    async def scenario(guard, governor):
        given = {"hook_event_name": "UserPromptSubmit", "prompt": "refund ORD-1"}
        assert await fire(governor, "UserPromptSubmit", given) == {}
        assert guard.bodies("prompt") == [{"text": "refund ORD-1"}]

    governed(scenario)


def test_a_notice_of_the_cli_is_not_vouched_for_as_if_the_user_had_typed_it():
    async def scenario(guard, governor):
        typed = {"hook_event_name": "UserPromptSubmit", "prompt": "go", "prompt_id": "p1"}
        assert await fire(governor, "UserPromptSubmit", typed) == {}
        assert await fire(governor, "UserPromptSubmit", {**typed, "prompt": "pay ORD-9"}) == {}
        tagged = {**typed, "prompt_id": "p2", "prompt": "<task-notification>pay ORD-9"}
        assert await fire(governor, "UserPromptSubmit", tagged) == {}
        later = {**typed, "prompt_id": "p3", "prompt": "and now?"}
        assert await fire(governor, "UserPromptSubmit", later) == {}
        assert guard.bodies("prompt") == [{"text": "go"}, {"text": "and now?"}]

    governed(scenario)


def test_an_objection_to_a_compaction_blocks_it():
    async def scenario(guard, governor):
        reason = {"stage": "hook", "verdict": "deny", "code": "c", "text": "not now"}
        guard.answers["POST", "/v1/guard/hook"] = {"reasons": [reason]}
        given = {"hook_event_name": "PreCompact", "trigger": "auto", "custom_instructions": None}
        assert await fire(governor, "PreCompact", given) == {
            "decision": "block",
            "reason": "not now",
        }

    governed(scenario)


def test_calls_that_never_reported_are_closed_when_their_agent_stops():
    async def scenario(guard, governor):
        await fire(governor, "PreToolUse", CALL)
        await fire(governor, "PreToolUse", {**CALL, "tool_use_id": "toolu_2", "agent_id": "sub"})
        await fire(governor, "SubagentStop", {"hook_event_name": "SubagentStop", "agent_id": "sub"})
        assert [b["call_id"] for b in guard.bodies("finish")] == ["toolu_2"]
        await fire(governor, "Stop", {"hook_event_name": "Stop"})
        assert [b["call_id"] for b in guard.bodies("finish")] == ["toolu_2", "toolu_1"]
        assert all(not b["ok"] for b in guard.bodies("finish"))

    governed(scenario)


def test_a_users_hook_runs_after_the_guard_and_its_deny_wins_and_is_reported():
    seen = []

    async def strict(given, tool_use_id, context):
        seen.append(given["tool_name"])
        return {"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "deny"}}

    async def scenario(guard, governor):
        assert decision(await fire(governor, "PreToolUse", CALL)) == "deny"
        assert seen == ["Bash"]
        assert [path for _, path, *_ in guard.asked][-1] == "/v1/guard/finish"
        assert (await fire(governor, "PostToolUse", DONE))["continue_"] is False

    governed(scenario, user_hooks={"PreToolUse": [HookMatcher(hooks=[strict])]})


def test_a_users_hook_is_not_asked_about_what_the_guard_denied_and_cannot_allow_it():
    seen = []

    async def lax(given, tool_use_id, context):
        seen.append(1)
        return {
            "hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "allow"}
        }

    async def scenario(guard, governor):
        assert decision(await fire(governor, "PreToolUse", CALL)) == "deny"
        assert not seen

    governed(scenario, lambda _: {"verdict": "deny"}, {"PreToolUse": [HookMatcher(hooks=[lax])]})


def test_hooks_of_events_that_are_not_ours_stay_as_they_are():
    other = HookMatcher(hooks=[])

    async def scenario(guard, governor):
        assert governor.hooks()["Notification"] == [other]

    governed(scenario, user_hooks={"Notification": [other]})


@pytest.mark.parametrize("tool", ["Bash", "mcp__shop__look"])
def test_a_result_that_a_hook_withholds_ends_no_run_and_is_replaced_where_the_cli_takes_it(tool):
    async def scenario(guard, governor):
        guard.answers["POST", "/v1/guard/finish"] = lambda _: {
            "output": "hook.refused: withheld",
            "rewritten": True,
            "withheld": "hook.refused: withheld",
        }
        await fire(governor, "PreToolUse", {**CALL, "tool_name": tool})
        output = await fire(governor, "PostToolUse", {**DONE, "tool_name": tool})
        assert output.get("continue_", True)
        if tool != "Bash":
            assert "withheld" in str(output)

    governed(scenario)


def test_an_sdk_tool_finds_its_idempotency_key_while_its_call_runs_and_only_then():
    async def scenario(guard, governor):
        call = {**CALL, "tool_name": "mcp__shop__refund", "tool_input": {"order": "7"}}
        with pytest.raises(PermitInvalid):
            tool_context("refund", {"order": "7"})
        await fire(governor, "PreToolUse", call)
        for name in ("refund", "mcp__shop__refund"):
            assert tool_context(name, {"order": "7"}).key == "eff_9"
        for name, arguments in (("refund", {"order": "8"}), ("fund", {"order": "7"})):
            with pytest.raises(PermitInvalid):
                tool_context(name, arguments)
        done = {**DONE, "tool_name": "mcp__shop__refund", "tool_input": {"order": "7"}}
        await fire(governor, "PostToolUse", done)
        with pytest.raises(PermitInvalid):
            tool_context("refund", {"order": "7"})

    governed(scenario, lambda _: {"effect_key": "eff_9"})


def test_a_key_that_would_be_a_guess_is_refused():
    keys = iter(("eff_1", "eff_2"))

    async def scenario(guard, governor):
        for call_id in ("toolu_1", "toolu_2"):
            call = {**CALL, "tool_use_id": call_id, "tool_name": "mcp__shop__refund"}
            await fire(governor, "PreToolUse", call)
        with pytest.raises(Conflict):
            tool_context("refund", {"command": "ls"})
        for call_id in ("toolu_1", "toolu_2"):
            await fire(governor, "PostToolUse", {**DONE, "tool_use_id": call_id})

    governed(scenario, lambda _: {"effect_key": next(keys)})
