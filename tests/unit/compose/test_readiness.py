"""Settings that hold in their grammar and let no agent work are told before anybody waits."""

import pytest

from holdfast.compose import readiness
from holdfast.compose.config.load import parse_config

TEXT = """
version: 1
agents:
  desk: {{model: {model}, tools: [{tools}]{more}}}
{rest}
"""


def config(tmp_path, *, model="claude-sonnet-5-5", tools="Read", more="", rest="", policies=True):
    if policies:
        (tmp_path / "policies").mkdir(exist_ok=True)
        (tmp_path / "policies" / "a.cedar").write_text("")
    text = TEXT.format(model=model, tools=tools, more=more, rest=rest)
    return parse_config(text.encode(), tmp_path / "holdfast.yaml")


def test_a_project_that_can_work_has_no_faults(tmp_path):
    assert readiness.faults(config(tmp_path)) == ()


@pytest.mark.parametrize(
    ("model", "near"),
    [
        ("claude-sonet-5-5", "claude-sonnet-5-5"),
        ("claude-sonnet5.5", "claude-sonnet"),
        ("gpt-nothing", ""),
    ],
)
def test_a_model_without_a_price_is_named_with_the_one_that_was_meant(tmp_path, model, near):
    (fault,) = readiness.faults(config(tmp_path, model=model))
    assert f"no price is known for `{model}`" in fault
    assert f"did you mean `{near}" in fault if near else "did you mean" not in fault
    assert "prices.overrides" in fault


def test_a_model_of_the_list_is_looked_at_too(tmp_path):
    (fault,) = readiness.faults(config(tmp_path, more=", models: [claude-sonnet-5-5, mistyped]"))
    assert "`mistyped`" in fault


def test_a_price_of_ones_own_is_a_price(tmp_path):
    kinds = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "context_tokens")
    price = ", ".join(f'{kind}: "1"' for kind in kinds[:-1]) + ", context_tokens: 100000"
    rest = f"prices: {{overrides: {{house-model: {{{price}}}}}}}"
    assert readiness.faults(config(tmp_path, model="house-model", rest=rest)) == ()


def test_a_missing_or_empty_policies_folder_is_a_fault(tmp_path):
    (fault,) = readiness.faults(config(tmp_path, policies=False))
    assert "there is no folder" in fault
    (tmp_path / "policies").mkdir()
    (fault,) = readiness.faults(config(tmp_path, policies=False))
    assert "holds no `.cedar` file" in fault


@pytest.mark.parametrize(("tools", "told"), [("Read", False), ("Bash", True), ("Read, Bash", True)])
def test_what_does_not_hold_without_a_sandbox_is_said_where_an_agent_runs_commands(
    tmp_path, tools, told
):
    said = readiness.unsandboxed(config(tmp_path, tools=tools))
    assert bool(said) is told
    assert ("`desk`" in said) is told
