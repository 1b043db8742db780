"""What a search over a folder may return of the state that lies below it.

A token in a state folder is one line of small letters and the digits 2 to 7 behind `hfa_` or
`hfw_`. What can only match text that no such line holds returns none of it.
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from holdfast.core.risk.places import STATE_FILES

_MARKS = ("hfa", "hfw", "fa_", "fw_", "_")
_FOREIGN = re.compile(r"[^a-z2-7_]")
# Three given characters stand in one token of 52 once in six hundred; many guesses do not count.
_LONG = 3
_GUESSES = 16
_SPECIAL = frozenset(".[](){}^$*+?\\")
_OPTIONAL = frozenset("*?{")


def misses_tokens(pattern: str, *, folded: object = False) -> bool:
    """Whether a regular expression surely matches no token, read as any dialect may read it."""
    if folded:
        pattern = pattern.lower()
    alternatives = re.split(r"\\?\||\n", pattern)
    return len(alternatives) <= _GUESSES and all(
        any(map(_foreign, _runs(one))) for one in alternatives
    )


def _foreign(run: str) -> bool:
    if _FOREIGN.search(run):
        return True
    return len(run) >= _LONG and not any(mark in run for mark in _MARKS)


def _runs(pattern: str) -> list[str]:
    """Pieces that have to stand in a match as they are; none where brackets make it uncertain."""
    if any(mark in pattern for mark in "[](){}"):
        return []
    runs: list[str] = []
    run, at = "", 0
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            runs, run, at = [*runs, run], "", at + 2
            continue
        if char in _SPECIAL:
            runs, run = [*runs, run[:-1] if char in _OPTIONAL else run], ""
        else:
            run += char
        at += 1
    return [one for one in (*runs, run) if one]


def reaches_state(glob: str) -> bool:
    """Whether a pattern of file names may take one of the state folder: it overrides ignore files.

    A pattern that only takes files out names none.
    """
    return any(_takes(one) for one in glob.split() if not one.startswith("!"))


def _takes(glob: str) -> bool:
    loose = re.sub(r"\{[^{}]*\}", "*", glob.casefold())
    *folders, last = loose.strip("/").split("/")
    if folders and not any(mark in folders[0] for mark in "*?[") and folders[0] != ".holdfast":
        return False
    return any(fnmatchcase(name, last) for name in STATE_FILES) or last in ("**", "")


def excludes_state(args: Sequence[str]) -> bool:
    """Whether options of a program that reads a folder whole leave the state folder out."""
    return any(
        ".holdfast" in arg or re.search(r"exclude(?:-dir)?[= ]?['\"]?(?:\./)?\.(?:\*|\?\*|\[)", arg)
        for arg in args
        if arg.startswith(("-", "!", ":"))
    )
