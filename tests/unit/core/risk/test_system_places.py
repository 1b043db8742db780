"""System and superuser paths raise the risk, however and wherever they are spelt; a project's own do not.

Each argument of each list is judged as a path of a tool that reads, and as a word of `cat`. A third
of each, by the digest of its text, is kept apart from what the tables were written on.
"""

import hashlib
from pathlib import Path

import msgspec
import pytest

from holdfast.core.risk.registry import assess
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Contract, Effect

FOLDER = "/home/alice/project"
CORPORA = Path(__file__).parents[3] / "corpora"


def listed(name: str) -> list[str]:
    return (CORPORA / f"{name}.txt").read_text("utf-8").splitlines()


SYSTEM, ORDINARY = listed("places_raised"), listed("places_low")
COMMANDS, HARMLESS = listed("commands_raised"), listed("commands_low")


def tool(effect=Effect.READ, **more) -> Contract:
    properties = {name: {"type": "string"} for name in ("path", "document", "command", "state")}
    return Contract(
        name="t", description="d", effect=effect, risk=RiskLevel.LOW, risk_reason="r",
        input_schema={"type": "object", "properties": {**properties, **more.pop("properties", {})}},
        **more,
    )  # fmt: skip


def level(arguments, contract=None, folder=FOLDER) -> RiskLevel:
    return assess(contract or tool(), "t", arguments, folder).level


def apart(text: str) -> bool:
    return hashlib.sha256(text.encode()).digest()[0] % 3 == 0


def test_the_lists_are_long_enough_and_a_third_is_kept_apart():
    for found, least in ((SYSTEM, 40), (ORDINARY, 40), (COMMANDS, 15), (HARMLESS, 15)):
        assert len(found) >= least
    for found in (SYSTEM, ORDINARY):
        assert len(found) / 6 < sum(map(apart, found)) < len(found) / 2


@pytest.mark.parametrize("path", SYSTEM)
@pytest.mark.parametrize("folder", [FOLDER, ""])
def test_a_system_path_is_raised_in_every_argument_that_may_name_one(path, folder):
    shell = tool(shell="command")
    assert level({"path": path}, folder=folder) is RiskLevel.HIGH
    assert level({"path": path}, tool(Effect.WRITE), folder) is RiskLevel.HIGH
    assert level({"document": [{"path": path}]}, folder=folder) is RiskLevel.HIGH
    assert level({"command": f"cat {path}"}, shell, folder) is RiskLevel.HIGH


@pytest.mark.parametrize("path", ORDINARY)
def test_a_projects_own_path_stays_low(path):
    assert level({"path": path}) is RiskLevel.LOW
    if "://" not in path:
        assert level({"command": f"cat {path}"}, tool(shell="command")) < RiskLevel.HIGH


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_judged_whether_or_not_the_contract_names_it(command):
    assert level({"command": command}, tool(shell="command")) >= RiskLevel.HIGH
    assert level({"command": command}) >= RiskLevel.HIGH
    assert level({"options": {"shellCommand": command}}) >= RiskLevel.HIGH


@pytest.mark.parametrize("command", HARMLESS)
def test_a_harmless_command_stays_below(command):
    assert level({"command": command}, tool(shell="command")) < RiskLevel.HIGH
    assert level({"command": command}) is RiskLevel.LOW


def test_a_list_of_words_is_one_command():
    argv = {"argv": {"type": "array", "items": {"type": "string"}}}
    assert level({"argv": ["rm", "-rf", "/srv/orders"]}, tool(properties=argv)) > RiskLevel.MEDIUM
    assert level({"argv": ["echo", "rm -rf /srv"]}, tool(properties=argv)) is RiskLevel.LOW


@pytest.mark.parametrize(
    "contract",
    [
        tool(roles={"command": "payload"}),
        tool(properties={"command": {"type": "string", "enum": ["rm -rf /srv/orders"]}}),
    ],
)
def test_what_a_contract_says_is_no_command_is_not_read_as_one(contract):
    assert level({"command": "rm -rf /srv/orders"}, contract) is RiskLevel.LOW


def test_listing_names_is_free_and_reading_is_not():
    glob = msgspec.structs.replace(tool(), name="Glob")
    assert level({"path": "/etc"}, glob) is RiskLevel.LOW
    assert level({"path": "/etc"}) is RiskLevel.HIGH


def test_a_project_that_lies_below_a_system_folder_is_a_project():
    for folder in ("/var/lib/jenkins/job", "/etc/nixos", "/root/project"):
        assert level({"path": f"{folder}/src/a.py"}, folder=folder) is RiskLevel.LOW
        assert level({"path": "src/a.py"}, folder=folder) is RiskLevel.LOW
        assert level({"path": "../../etc/passwd"}, folder=folder) is RiskLevel.HIGH
