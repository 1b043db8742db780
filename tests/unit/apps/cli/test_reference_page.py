"""docs/reference/cli.md says what the command has: every verb, every option, every exit code."""

import re
from pathlib import Path

import typer.main

from holdfast.apps.cli.exit_codes import ExitCode
from holdfast.apps.cli.main import app

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")


def verbs(command, prefix=()):
    """Each verb as its words, with its parameters."""
    for name, below in getattr(command, "commands", {}).items():
        yield from verbs(below, (*prefix, name))
    if not hasattr(command, "commands"):
        yield prefix, command.params


def sections():
    """The page's text by the verb that a heading names."""
    parts = re.split(r"^### `holdfast ([a-z ]+?)[^a-z ].*$", PAGE, flags=re.MULTILINE)
    return {name.strip(): text for name, text in zip(parts[1::2], parts[2::2], strict=True)}


TREE = {" ".join(words): params for words, params in verbs(typer.main.get_command(app))}


def test_the_page_has_a_section_for_every_verb_and_no_other():
    assert sorted(sections()) == sorted(TREE)


def test_every_option_stands_in_the_section_of_its_verb():
    found = sections()
    missing = [
        f"{name} {option}"
        for name, params in TREE.items()
        for param in params
        for option in param.opts
        if option.startswith("--") and option not in ("--help", "--json", "--project")
        if f"`{option}" not in found[name]
    ]
    assert missing == []


def test_every_verb_but_those_that_become_another_program_can_print_json():
    without = [name for name, params in TREE.items() if not any("--json" in p.opts for p in params)]
    assert without == ["up", "worker"]


def test_the_page_has_every_exit_code_and_no_other():
    rows = re.findall(r"^\| (\d+) \| `([a-z]+)` \|", PAGE, flags=re.MULTILINE)
    assert {(int(number), name) for number, name in rows} == {
        (code.value, code.name.lower()) for code in ExitCode
    }
