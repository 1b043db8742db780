"""The command tree: what its table says is what the modules register, and nothing else is loaded."""

import importlib
import subprocess
import sys

import pytest
import typer.main

from holdfast.apps.cli.main import COMMANDS, app

TREE = typer.main.get_group(app)


def loaded(*arguments: str) -> set[str]:
    """The modules of a process that ran the command."""
    code = (
        "import sys, holdfast.apps.cli.main as m\n"
        "try: m.main()\n"
        "except SystemExit: print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_of_a_command_is_what_it_says_of_itself(name):
    said = TREE.commands[name].get_short_help_str(63)
    assert COMMANDS[name].help == said


def test_a_command_that_is_not_there_is_refused():
    assert TREE.commands.get("nothing") is None


def test_each_command_of_a_module_is_in_the_table():
    registered: set[str] = set()
    for place in COMMANDS.values():
        tree = typer.Typer()
        importlib.import_module(f"holdfast.apps.cli.{place.module}").register(tree)
        registered |= set(typer.main.get_group(tree).commands)
    assert registered == set(COMMANDS)


def test_help_loads_no_command_and_neither_aiohttp_nor_rich():
    found = loaded("--help")
    commands = {f"holdfast.apps.cli.{place.module}" for place in COMMANDS.values()}
    assert "typer" in found
    assert not found & {"aiohttp", "rich.console", "holdfast.client.transport", *commands}


def test_version_loads_its_own_module_alone():
    found = loaded("version")
    assert "holdfast.apps.cli.local" in found
    assert not found & {"aiohttp", "holdfast.apps.cli.server", "holdfast.apps.cli.runs"}
