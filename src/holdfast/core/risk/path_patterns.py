"""Whether a path is, or lies in, what a pattern of a table names, part by part.

`*` and `?` of a pattern stand for letters of one part; it has no other signs. A path may hold
globs itself, and then counts as whatever it could match. One without is held against all patterns
of a table at once: every path that a call names goes through hundreds of them.

Not here: the tables (`places`, `shell_rules`), and how a path is spelt before (`shell_paths`).
"""

import re
from fnmatch import fnmatchcase
from functools import cache, lru_cache

from holdfast.core.risk.shell_words import UNKNOWN

_GLOB = re.compile(r"[*?\[\0]")
_MAX_PART = 255
_MIN_SPELLED = 2


@lru_cache(maxsize=512)
def parts_of(path: str) -> tuple[str, ...]:
    """The names in a path; the first is `/` for one from the root."""
    if path.startswith("/"):
        return ("/", *(part for part in path.split("/") if part))
    return tuple(part for part in path.split("/") if part)


def below(path: str, pattern: str) -> bool:
    """Whether ``path`` is, or is inside, what ``pattern`` names."""
    parts, wanted = parts_of(path), parts_of(pattern)
    if len(parts) < len(wanted):
        return False
    return all(map(_part_matches, parts, wanted))


def same(path: str, pattern: str) -> bool:
    """Whether ``path`` is what ``pattern`` names, not something inside it."""
    parts, wanted = parts_of(path), parts_of(pattern)
    return len(parts) == len(wanted) and all(map(_part_matches, parts, wanted))


def below_any(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether ``path`` is, or is inside, what one of a table's ``patterns`` names."""
    if (spelled := _spelled_out(path)) is not None:
        return _trees(patterns).match(spelled) is not None
    return any(below(path, pattern) for pattern in patterns)


def has_name(path: str, names: tuple[str, ...]) -> bool:
    """Whether any part of the path has one of these names."""
    if (spelled := _spelled_out(path)) is not None:
        return _names(names).search(spelled) is not None
    return any(
        _part_matches(part, name) for part in parts_of(path) if _says_enough(part) for name in names
    )


def _part_matches(part: str, pattern: str) -> bool:
    if part == pattern:
        return True
    if len(part) > _MAX_PART:
        return False
    loose = bool(_GLOB.search(part)) and not set(part) <= {UNKNOWN}
    if loose and part[0] in "*?[" and pattern.startswith("."):
        return False
    if loose:
        return fnmatchcase(pattern.replace("*", "x"), part.replace(UNKNOWN, "*"))
    return ("*" in pattern or "?" in pattern) and fnmatchcase(part, pattern)


def _says_enough(part: str) -> bool:
    """Not ``*`` or ``*.json``: a glob counts as a name only when it spells its beginning."""
    match = _GLOB.search(part)
    return match is None or match.start() >= _MIN_SPELLED


@lru_cache(maxsize=512)
def _spelled_out(path: str) -> str | None:
    """Its parts, a slash behind each; None where they need a look one by one."""
    parts = parts_of(path)
    if _GLOB.search(path) or any(len(part) > _MAX_PART for part in parts):
        return None
    return "".join(f"{part}/" for part in parts)


@cache
def _trees(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(_expression, patterns)))


@cache
def _names(names: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(f"(?<![^/])(?:{'|'.join(map(_expression, names))})")


def _expression(pattern: str) -> str:
    signs = {"*": "[^/]*", "?": "[^/]"}
    parts = ("".join(signs.get(c) or re.escape(c) for c in part) for part in parts_of(pattern))
    return "".join(f"{part}/" for part in parts)
