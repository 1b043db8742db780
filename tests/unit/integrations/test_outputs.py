import typing
from typing import Any

import pytest
from claude_agent_sdk import types as sdk
from hypothesis import given
from hypothesis import strategies as st

from holdfast.integrations.claude_agent_sdk import outputs

TOP = set(typing.get_type_hints(sdk.SyncHookJSONOutput))
SPECIFIC = {
    "PreToolUse": set(typing.get_type_hints(sdk.PreToolUseHookSpecificOutput)),
    "PostToolUse": set(typing.get_type_hints(sdk.PostToolUseHookSpecificOutput)),
    "UserPromptSubmit": set(typing.get_type_hints(sdk.UserPromptSubmitHookSpecificOutput)),
}
EVERY: list[dict[str, Any]] = [
    dict(output)
    for output in (
        outputs.nothing(),
        outputs.allow(),
        outputs.allow({"a": 1}),
        outputs.allow(None, "context"),
        outputs.allow({}, "context"),
        outputs.deny("no"),
        outputs.deny("no", stop=True),
        outputs.halt("no"),
        outputs.block("no"),
        outputs.replace_output({"stdout": "x"}, mcp=False),
        outputs.replace_output([], mcp=True),
        outputs.add_context("PostToolUse", "c"),
        outputs.add_context("UserPromptSubmit", "c"),
    )
]


@pytest.mark.parametrize("output", EVERY)
def test_every_key_that_we_write_is_one_the_cli_knows(output):
    assert set(output) <= TOP
    specific = output.get("hookSpecificOutput")
    if specific is not None:
        assert set(specific) <= SPECIFIC[specific["hookEventName"]]


@pytest.mark.parametrize("output", EVERY)
def test_no_answer_of_ours_is_put_off_or_deferred(output):
    assert "async_" not in output
    assert output.get("hookSpecificOutput", {}).get("permissionDecision") in (None, "allow", "deny")


@given(st.text(), st.booleans())
def test_a_deny_always_says_deny_and_why_also_when_it_ends_the_run(reason, stop):
    output: dict[str, Any] = dict(outputs.deny(reason, stop=stop))
    specific = output["hookSpecificOutput"]
    assert specific["hookEventName"] == "PreToolUse"
    assert specific["permissionDecision"] == "deny"
    assert specific["permissionDecisionReason"]
    assert (output.get("continue_") is False) is stop


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(JSON)
def test_an_output_fits_itself(value):
    assert outputs.fits(value, value)


@given(JSON, JSON)
def test_what_fits_has_the_same_type_and_keys(left, right):
    if outputs.fits(left, right):
        assert type(left) is type(right)
        if isinstance(left, dict):
            assert left.keys() == right.keys()


def test_a_string_in_place_of_a_bash_result_does_not_fit():
    bash = {"stdout": "secret", "stderr": "", "interrupted": False}
    assert not outputs.fits(bash, "[redacted]")
    assert not outputs.fits(bash, {**bash, "interrupted": 0})
    assert outputs.fits(bash, {**bash, "stdout": "[redacted]"})
