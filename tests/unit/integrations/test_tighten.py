import asyncio

import pytest
from claude_agent_sdk import HookMatcher

from holdfast.errors import ConfigInvalid
from holdfast.integrations.claude_agent_sdk.tighten import Heard, UserHooks, read_output

CONTEXT = {"signal": None}


def pre(**specific):
    return {"hookSpecificOutput": {"hookEventName": "PreToolUse", **specific}}


def answers(output, log=None):
    async def hook(given, tool_use_id, context):
        if log is not None:
            log.append(given)
        if isinstance(output, Exception):
            raise output
        if output == "hang":
            await asyncio.sleep(60)
        return output

    return hook


def hear(hooks, tool="Bash"):
    return asyncio.run(hooks.hear({}, "toolu_1", CONTEXT, tool))


@pytest.mark.parametrize(
    "output",
    [
        None,
        "deny",
        [],
        {"async_": True},
        {"async": True},
        {"permissionDecision": "deny"},
        pre(permission_decision="deny"),
        pre(permissionDecision="Deny"),
        pre(permissionDecision="defer"),
        pre(permissionDecision="allow", updatedInput={"command": "rm"}),
        {"hookSpecificOutput": None},
        {"hookSpecificOutput": {"hookEventName": "PostToolUse", "updatedToolOutput": "x"}},
        {"continue_": 0},
        {"decision": "approve"},
        ValueError("boom"),
        "hang",
    ],
)
def test_whatever_a_users_hook_tries_but_tightening_refuses_the_call(output):
    hooks = UserHooks("PreToolUse", [HookMatcher(hooks=[answers(output)])], 0.02)
    heard = hear(hooks)
    assert heard.refusal
    assert "PreToolUse hook `hook`" in heard.refusal


@pytest.mark.parametrize("output", [{}, pre(permissionDecision="allow"), {"systemMessage": "hi"}])
def test_a_users_hook_without_objection_changes_nothing(output):
    assert read_output("PreToolUse", "h", output) == Heard()


def test_a_users_deny_and_ask_are_refusals_with_their_reason():
    assert (
        read_output(
            "PreToolUse", "h", pre(permissionDecision="deny", permissionDecisionReason="why")
        ).refusal
        == "why"
    )
    assert read_output("PreToolUse", "h", pre(permissionDecision="ask")).refusal
    assert read_output("PreToolUse", "h", {"decision": "block", "reason": "b"}).refusal == "b"
    stopped = read_output("PreToolUse", "h", {"continue_": False})
    assert stopped.stop
    assert stopped.refusal


def test_the_first_refusal_ends_the_line_and_context_adds_up():
    log: list[object] = []
    matchers = [
        HookMatcher(
            hooks=[
                answers(pre(additionalContext="one"), log),
                answers(pre(additionalContext="two"), log),
            ]
        ),
        HookMatcher(hooks=[answers(pre(permissionDecision="deny"), log)]),
        HookMatcher(hooks=[answers({}, log)]),
    ]
    assert hear(UserHooks("PreToolUse", matchers[:1], 1)).context == "one\ntwo"
    log.clear()
    assert hear(UserHooks("PreToolUse", matchers, 1)).refusal
    assert len(log) == 3


@pytest.mark.parametrize(
    ("matcher", "tool", "asked"),
    [
        (None, "Bash", True),
        ("*", "Bash", True),
        ("", "Bash", True),
        ("Bash", "Bash", True),
        ("Edit|Bash", "Bash", True),
        ("bash", "Bash", False),
        ("Bas", "Bash", False),
        ("mcp__shop__.*", "mcp__shop__refund", True),
    ],
)
def test_matchers_are_read_as_the_cli_reads_them(matcher, tool, asked):
    log: list[object] = []
    hear(UserHooks("PreToolUse", [HookMatcher(matcher=matcher, hooks=[answers({}, log)])], 1), tool)
    assert bool(log) is asked


def test_a_matcher_that_the_cli_would_pass_over_in_silence_is_refused():
    with pytest.raises(ConfigInvalid, match="no regex"):
        UserHooks("PreToolUse", [HookMatcher(matcher="[", hooks=[])], 1)
