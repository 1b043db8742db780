"""Which files a task was pointed at: patterns for the arguments of its calls that hold paths.

A scope maps the name of an argument to patterns, one of which each of its values has to fit. A
tool that takes none of the named arguments is outside, unless the scope names it under `tool`:
whatever was not thought of is refused. Paths are compared as text; the guard asks again with real
places where a call goes through links. Not here: another directory of work, which the tool alone
can know.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

Scope = Mapping[str, Sequence[str]]
TOOLS = "tool"
"""The key whose patterns are names of tools."""
PATH = "path"
"""The key that stands for every argument which names a file, whatever a tool calls it."""
FILE_ARGUMENTS = ("path", "file_path", "filePath", "notebook_path", "filename", "directory")
MAX_NAMES = 16
MAX_PATTERNS = 64
_MAX_CHARACTERS = 512
_MAX_PATH_CHARACTERS = 4_096


def scope_fault(scope: Scope) -> str:
    """Why a scope cannot be held, empty when it can."""
    if len(scope) > MAX_NAMES:
        return f"a scope names at most {MAX_NAMES} arguments"
    for name, patterns in scope.items():
        if not 1 <= len(patterns) <= MAX_PATTERNS:
            return f"`{name[:64]}` has 1 to {MAX_PATTERNS} patterns"
        for pattern in patterns:
            if len(pattern) > _MAX_CHARACTERS or not _plain(pattern):
                return f"`{pattern[:100]}` is no plain pattern of a path"
            if any("**" in part and part != "**" for part in pattern.split("/")):
                return f"`**` stands alone between slashes, not as in `{pattern[:100]}`"
    return ""


def outside(
    scopes: Sequence[Scope],
    tool: str,
    schema: Mapping[str, Any],
    arguments: Mapping[str, Any],
    folder: str = "",
) -> str:
    """Why a call lies outside of one of these scopes, empty when it lies in all.

    `schema` is the tool's input schema, empty where it has none. An argument that it does not
    declare lets no call in, and has to fit as well: the tool may read it or not. `folder` is where
    the session works: what lies below it fits patterns that do not begin at the root.
    """
    declared = frozenset(schema.get("properties", {}))
    known = declared.union(arguments)
    for whole in scopes:
        scope = _of_files(whole, known)
        named = [name for name in scope if name != TOOLS and name in known]
        if declared.isdisjoint(named) and not any(
            fits(pattern, tool) for pattern in scope.get(TOOLS, ())
        ):
            return f"`{tool}` takes no argument that the scope names, nor is it named itself"
        for name in named:
            if fault := _argument_fault(name, arguments.get(name), scope[name], folder):
                return fault
    return ""


def _of_files(scope: Scope, known: AbstractSet[str]) -> Scope:
    """A scope in which `path` stands for whatever a tool calls the file that it names."""
    if PATH not in scope:
        return scope
    others = {name: scope[PATH] for name in FILE_ARGUMENTS if name in known and name not in scope}
    return {**scope, **others}


def _argument_fault(name: str, value: Any, patterns: Sequence[str], folder: str) -> str:
    values = value if isinstance(value, list | tuple) else [value]
    if not values or not all(isinstance(one, str) for one in values):
        return f"`{name}` has to be a path, or a list of paths"
    for path in values:
        if len(path) > _MAX_PATH_CHARACTERS or not _plain(path):
            return f"`{name}`: `{path[:100]}` is no plain path (no `..`, `.`, `//`, `~`, backslash)"
        below = path.removeprefix(f"{folder}/") if folder else path
        if not any(fits(pattern, path) or fits(pattern, below) for pattern in patterns):
            return f"`{name}`: `{path[:100]}` is outside of {', '.join(patterns)[:200]}"
    return ""


def _plain(path: str) -> bool:
    """One spelling only: no empty, `.` or `..` part, nothing that somebody reads otherwise."""
    parts = path.removeprefix("/").split("/")
    odd = "\\" in path or path.startswith("~") or not path.isprintable()
    return not odd and all(part not in ("", ".", "..") for part in parts)


def fits(pattern: str, path: str) -> bool:
    """Whether a path fits: `*` and `?` within a part, `**` for any number of parts.

    Only a pattern from the root fits a path from the root. Takes time in proportion to pattern
    times path, whatever they are.
    """
    if path.startswith("/") != pattern.startswith("/"):
        return False
    parts = path.split("/")
    reached = {0}
    for want in pattern.split("/"):
        if want == "**":
            reached = set(range(min(reached), len(parts) + 1)) if reached else set()
        else:
            reached = {at + 1 for at in reached if at < len(parts) and _part_fits(want, parts[at])}
    return len(parts) in reached


def _part_fits(want: str, part: str) -> bool:
    """`*` any run of characters, `?` one; the last `*` takes up what does not fit."""
    at = star = back = 0
    begun, i = False, 0
    while at < len(part):
        if i < len(want) and want[i] == "*":
            begun, star, back = True, i, at
            i += 1
        elif i < len(want) and want[i] in ("?", part[at]):
            i, at = i + 1, at + 1
        elif begun:
            back += 1
            i, at = star + 1, back
        else:
            return False
    return all(c == "*" for c in want[i:])
