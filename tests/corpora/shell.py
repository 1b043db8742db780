"""The shell corpora: commands that must be asked, commands that must not, and the part kept apart.

A command belongs to the part kept apart when the SHA-256 of its text says so: rules are written
and tuned on the other two thirds, and the figure that counts is the one on this third. New
commands fall into either part by themselves; nobody chooses.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

# What `/home/alice/project` is to every command of the corpora.
FOLDER = "/home/alice/project"
# Two lists by name: the one the rules were made on, and one of a later day, for allow-lists.
FIRST, DAY = "shell", "shell_day"
_HERE = Path(__file__).parent
_BREAK = "⏎"


class Command(NamedTuple):
    """One command; ``reads``: it only reads, and has to be known as such."""

    text: str
    place: str
    apart: bool
    reads: bool


def dangerous(of: str = FIRST) -> list[Command]:
    """Every command of a list that must be HIGH or worse."""
    return [
        Command(line, place, _apart(line), reads=False)
        for place, line in _lines(f"{of}_dangerous.txt")
    ]


def ordinary(of: str = FIRST) -> list[Command]:
    """Every command of a list that must stay below HIGH."""
    found = []
    for place, line in _lines(f"{of}_ordinary.txt"):
        mark, _, text = line.partition(" ")
        found.append(Command(text, place, _apart(text), reads=mark == "r"))
    return found


def closed() -> list[str]:
    """Commands that must be HIGH, found after the rules were made."""
    return [line for _, line in _lines("shell_closed.txt")]


def left_open() -> list[str]:
    """Commands that must stay below HIGH, found after the rules were made."""
    return [line for _, line in _lines("shell_open.txt")]


def _lines(name: str) -> list[tuple[str, str]]:
    place, found = "", []
    for line in (_HERE / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("#: "):
            place = line[3:]
        elif line and not line.startswith("# "):
            found.append((place, line.replace(_BREAK, "\n")))
    return found


def _apart(text: str) -> bool:
    return hashlib.sha256(text.encode()).digest()[0] % 3 == 0
