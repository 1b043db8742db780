"""What is wrong in a file of settings, where, and what would be right.

Problems are collected, never raised one by one: a person mends a file once, not ten times.
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import NoReturn

import msgspec

from holdfast.errors import ConfigInvalid

SHOWN_PROBLEMS = 50


class Problem(msgspec.Struct, frozen=True, order=True):
    """One fault: `line` and `column` count from 1; `path` is the key path, empty for the file."""

    file: str
    line: int
    column: int
    path: str
    text: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: "
        return f"{where}{self.path}: {self.text}" if self.path else f"{where}{self.text}"


def refuse(problems: Sequence[Problem]) -> NoReturn:
    """Raise ConfigInvalid that names the problems, in the order of the file.

    The first `SHOWN_PROBLEMS` stand in the message and, as values, in its field `problems`.
    """
    ordered = sorted(set(problems))
    first = ordered[:SHOWN_PROBLEMS]
    shown = [str(problem) for problem in first]
    if len(ordered) > SHOWN_PROBLEMS:
        shown.append(f"and {len(ordered) - SHOWN_PROBLEMS} more problems")
    raise ConfigInvalid("\n".join(shown), problems=[msgspec.to_builtins(p) for p in first])


def suggestion(word: str, known: Iterable[str]) -> str:
    """`, did you mean `limits`?` when a known word is near, else which words are known."""
    words = sorted(set(known))
    lowered = {name.lower(): name for name in words[:2000]}
    near = difflib.get_close_matches(word[:64].lower(), lowered, n=1, cutoff=0.6)
    if near:
        return f", did you mean `{lowered[near[0]]}`?"
    if not words:
        return ", none is declared"
    listed = ", ".join(f"`{name}`" for name in words[:12])
    return f", expected one of {listed}{' …' if len(words) > 12 else ''}"


def quoted(text: str) -> str:
    """The text as it may be shown in a message: one line, bounded, in backticks."""
    safe = "".join(c if c.isprintable() and c != "`" else "?" for c in text[:40])
    return f"`{safe}…`" if len(text) > 40 else f"`{safe}`"


def key_path(path: str, key: str) -> str:
    """The path one key deeper; keys that are not plain words are put in quotes."""
    plain = key.replace("_", "").replace("-", "").isalnum()
    word = key[:80] if plain else f'"{quoted(key)[1:-1]}"'
    return f"{path}.{word}" if path else word
