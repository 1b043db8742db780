"""Contracts of Claude Code's tools, and what a deployment's own contract keeps of them."""

from pathlib import Path

import pytest

from holdfast.compose.config import parse_config
from holdfast.core.builtin_tools import BUILTIN_TOOLS
from holdfast.core.flow import Vouched, gate
from holdfast.core.risk.registry import assess
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import EffectKey

BUILTIN = {contract.name: contract for contract in BUILTIN_TOOLS}
OWN = """
version: 1
tools:
  {name}:
    description: |
      What: runs a command in a shell of the operator's own.
      When: a step needs a program that no other tool runs.
      Side effects: whatever the command does to the machine.
    effect: commit
    risk: MEDIUM
    risk_reason: a shell
    input_schema: {{type: object, properties: {{command: {{type: string}}}}}}
    {more}
"""


def declared(name: str, more: str = "") -> EffectKey | None:
    text = OWN.format(name=name, more=more)
    return parse_config(text.encode(), Path("holdfast.yaml")).tools[name].effect_key


@pytest.mark.parametrize("name", ["Bash", "Edit", "TaskStop"])
def test_a_contract_in_place_of_a_builtin_keeps_each_call_an_effect_of_its_own(name):
    assert declared(name) is EffectKey.CALL


def test_what_makes_one_effect_can_be_said_and_other_tools_follow_their_effect():
    assert declared("Bash", "effect_key: input") is EffectKey.INPUT
    assert declared("deploy", "effect_key: call") is EffectKey.CALL
    assert declared("deploy") is None


@pytest.mark.parametrize("tool", ["Agent", "Task"])
def test_which_kind_of_sub_agent_is_no_addressee(tool):
    vouched = Vouched()
    vouched.taint("Read")
    asked = {"description": "d", "prompt": "find the tests", "subagent_type": "general-purpose"}
    assert gate(BUILTIN[tool], asked, vouched) == []


@pytest.mark.parametrize(
    ("path", "level"),
    [
        ("/root/shop/cart.py", RiskLevel.MEDIUM),
        ("/root/work/shop/.github/labels.yml", RiskLevel.MEDIUM),
        ("/root/.bashrc", RiskLevel.HIGH),
        ("/root/.ssh/authorized_keys", RiskLevel.HIGH),
        ("/root/shop/../.ssh/config", RiskLevel.HIGH),
        ("/root/notes.txt", RiskLevel.HIGH),
        ("/root", RiskLevel.HIGH),
        ("/etc/hosts", RiskLevel.HIGH),
    ],
)
def test_a_project_under_the_superusers_home_is_not_the_superusers_own_file(path, level):
    asked = {"file_path": path, "old_string": "a", "new_string": "b"}
    assert assess(BUILTIN["Edit"], "Edit", asked).level is level
