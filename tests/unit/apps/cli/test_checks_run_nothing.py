"""Checks look at a project and run none of its code, wherever it lies, unless asked to."""

import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from holdfast.apps.cli.main import app
from holdfast.apps.cli.project import python_module
from holdfast.apps.cli.project_files import write_project

RAN = "import pathlib; pathlib.Path(__file__).parent.joinpath('ran').touch()\n"
TOOL = """
from holdfast.tools import Effect, RiskLevel, tool


@tool(
    what="Look up one order of the shop.",
    when="A customer asks about it.",
    side_effects="None; it only reads.",
    effect=Effect.READ,
    risk=RiskLevel.LOW,
    risk_reason="it reads one row",
)
def row(order: str) -> str:
    \"\"\"Look up one order of the shop; it reads and changes nothing.\"\"\"
    return order
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_project(tmp_path)
    settings = tmp_path / "holdfast.yaml"
    settings.write_text(settings.read_text() + "tool_modules: [shop]\n")
    (tmp_path / "shop.py").write_text(RAN + TOOL)
    # Modules that everything imports, by the names of the standard library and of ours.
    for name in ("msgspec", "typing_extensions", "yaml", "holdfast_hooks", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(RAN)
    return tmp_path


CHECKS = [
    ("doctor",),
    ("config", "check"),
    ("policy", "check"),
    ("policy", "test"),
    ("tools", "list"),
    ("tools", "lint"),
    ("--help",),
    ("policy", "check", "--help"),
    ("version",),
]


@pytest.mark.parametrize("verb", CHECKS, ids=" ".join)
def test_a_check_runs_no_code_of_the_project(project, monkeypatch, verb):
    monkeypatch.chdir(project)
    given = CliRunner().invoke(app, list(verb))
    assert not (project / "ran").exists(), given.output
    if verb[-1] != "--help" and verb != ("version",):
        assert "--import" in given.output
        assert "`shop`" in given.output


@pytest.mark.parametrize(
    ("verb", "code"),
    [
        (("config", "check"), 0),
        (("policy", "check"), 0),
        (("tools", "list"), 0),
    ],
)
def test_a_check_that_is_asked_to_runs_the_tool_modules(project, monkeypatch, verb, code):
    monkeypatch.chdir(project)
    given = CliRunner().invoke(app, [*verb, "--import"])
    assert given.exit_code == code, given.output
    assert (project / "ran").exists()
    assert "not checked" not in given.output


def test_what_was_not_looked_at_is_in_the_json(project, monkeypatch):
    monkeypatch.chdir(project)
    given = CliRunner().invoke(app, ["config", "check", "--json"])
    assert json.loads(given.stdout)["unread"] == ["shop"]
    told = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)
    assert any("not checked" in note for note in told["notes"])


def test_a_tool_of_a_module_that_was_not_looked_at_is_no_fault_and_a_misspelt_key_is(project):
    settings = project / "holdfast.yaml"
    settings.write_text(settings.read_text() + "hoks: {}\n")
    given = CliRunner().invoke(app, ["config", "check", "-C", str(project)])
    assert given.exit_code == 2
    assert "hoks" in given.output


def test_our_own_modules_are_not_looked_for_in_the_working_folder(project):
    done = subprocess.run(
        python_module("holdfast.apps.doctor", ["config", "."]),
        cwd=project,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (project / "ran").exists()
