"""Whole answers on tool calls: their risk, whose text they return, and what they may write.

Each call stands behind `$` as the tool's name and its arguments; a text alone is a command of
`Bash`. Below it stands all that is said. `python -m tests.corpora.calls_told` writes the answers
anew: a change is read in the diff.
"""

import json
from pathlib import Path
from typing import Any

from holdfast.core.builtin_tools import BUILTIN_TOOLS
from holdfast.core.history_words import own_history
from holdfast.core.inline_words import project_packages
from holdfast.core.place import Place
from holdfast.core.risk.places import governed
from holdfast.core.risk.registry import assess
from holdfast.core.sources import commits, files_read, may_write, serves
from holdfast.model.tools import Contract
from tests.corpora.told import read, spell

FILE = Path(__file__).with_name("calls_told.txt")
ROOT = "/home/alice/shop"
PLACE = Place(folder=ROOT, serves=frozenset({"8123"}))
OWN = governed(ROOT, (f"{ROOT}/holdfast.yaml", f"{ROOT}/rules"), f"{ROOT}/state")
TOOLS: dict[str, Contract] = {contract.name: contract for contract in BUILTIN_TOOLS}
ABOUT = ("history_options", "history_words", "inline_words", "sources")
ABOUT_RISK = ("arguments", "registry", "places", "searches")


def modules() -> list[str]:
    """The modules that the answers are about, by their dotted names."""
    of_risk = [f"holdfast.core.risk.{name}" for name in ABOUT_RISK]
    return [*(f"holdfast.core.{name}" for name in ABOUT), *of_risk]


def told() -> dict[str, str]:
    """Each call, as it is spelt, with its answer."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return {c.removeprefix("$ "): a.strip() for c, a in zip(lines[::2], lines[1::2], strict=True)}


def call_of(spelt: str) -> tuple[str, dict[str, Any]]:
    """The tool and its arguments."""
    name, blank, rest = spelt.partition(" ")
    if blank and rest.startswith("{") and name[:1].isupper():
        return name, json.loads(rest)
    return "Bash", {"command": read(spelt)}


def answer(spelt: str) -> str:
    """What is said of a call, on one line."""
    name, arguments = call_of(spelt)
    contract = TOOLS.get(name)
    risk = assess(contract, name, arguments, ROOT, OWN)
    parts = [f"{risk.level.name}{', only reads' if risk.read_only else ''}"]
    about = [reason for reason in risk.reasons if not reason.code.startswith("shell.")]
    parts += [f"{one.level.name} {one.code} in `{spell(one.where)}`" for one in about]
    command = arguments.get("command") if name == "Bash" else None
    if isinstance(command, str) and "git" in command:
        parts.append(_named("git", own_history(command, PLACE)))
    if isinstance(command, str) and risk.shell is not None and ("-c" in command or "<<" in command):
        parts.append(_named("code", project_packages(command, risk.shell.programs)))
    parts.append(_named("own", files_read(contract, arguments, risk, PLACE)))
    parts.append(f"writes {may_write(contract, arguments, risk)}")
    if begun := serves(contract, arguments, risk, PLACE):
        parts.append(f"serves {' '.join(begun)}")
    if commits(contract, arguments):
        parts.append("commits")
    return "; ".join(parts)


def _named(what: str, found: list[str] | None) -> str:
    return f"{what} of others" if found is None else f"{what}: {spell(' '.join(found))}".strip()


if __name__ == "__main__":
    calls = [line[2:] for line in FILE.read_text(encoding="utf-8").splitlines() if line[:1] == "$"]
    answers = [line for call in calls for line in (f"$ {call}", f"    {answer(call)}")]
    FILE.write_text("\n".join(answers) + "\n", encoding="utf-8")
