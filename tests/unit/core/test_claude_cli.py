"""Which Claude Code runs on without its hooks, by what it calls itself."""

import pytest

from holdfast.core.claude_cli import embedded, is_cli, runs_without_hooks


@pytest.mark.parametrize(
    "named",
    [
        "claude-cli/2.1.294 (external, cli)",
        "claude-cli/2.1.240 (external, sdk-cli)",
        "claude-cli/2.0.999",
        "claude-cli/1.0.61 (external, cli)",
        "claude-cli/0.9.300 (external, cli)",
        "claude-cli/2.1.295-beta.1 (external, cli)",
        " Claude-CLI/2.1.294 (external, cli)",
        # Not to be read as any version.
        "claude-cli",
        "claude-cli/",
        "claude-cli 2.1.326",
        "claude-cli/2.1",
        "claude-cli/v2.1.326 (external, cli)",
        "claude-cli/2.1.326.4.5.6 (external, cli)",
        "claude-cli/2.1.3260000 (external, cli)",
        "claude-cli/2.1.٣٢٦ (external, cli)",
        "claude-cli/2.1.x (external, cli)",
        "claude-cli/" + "9" * 100_000,
    ],
)
def test_an_older_one_and_one_that_cannot_be_read_run_without_hooks(named):
    assert runs_without_hooks(named)


@pytest.mark.parametrize(
    "named",
    [
        "claude-cli/2.1.295 (external, cli)",
        "claude-cli/2.1.326 (external, sdk-py, agent-sdk/0.4.0)",
        "claude-cli/2.1.326",
        "claude-cli/2.1.326-beta.1 (external, cli)",
        "claude-cli/2.1.326+build.7",
        "claude-cli/2.10.0 (external, cli)",
        "claude-cli/3.0.0 (external, cli)",
        "Anthropic/Python 1.90.0",
        "curl/8.1 claude-cli/2.1.240",
        "my-claude-cli/1.0.0",
        "",
    ],
)
def test_a_newer_one_and_every_other_client_do_not(named):
    assert not runs_without_hooks(named)


def test_the_agent_sdk_says_that_it_runs_the_cli():
    assert embedded("claude-cli/2.1.200 (external, sdk-py, agent-sdk/0.4.0)")
    assert embedded("claude-cli/2.1.200 (external, sdk-ts)")
    assert not embedded("claude-cli/2.1.200 (external, cli)")
    assert not embedded("claude-cli/2.1.200 (external, sdk-cli)")


@pytest.mark.parametrize(
    ("named", "is_one"),
    [
        ("claude-cli/2.1.329 (external, sdk-py, agent-sdk/0.2.186)", True),
        (" Claude-CLI/2.1.294 (external, cli)", True),
        ("Anthropic/Python 1.90.0", False),
        ("curl/8.1 claude-cli/2.1.329", False),
        ("", False),
    ],
)
def test_the_cli_is_known_by_the_beginning_of_its_name(named, is_one):
    assert is_cli(named) is is_one
