"""What the arguments of a call name on the disk, and what they are worth by the table of places.

Every argument counts that is called like a path, in whatever shape, lists and inner objects
included, and every other one that reads as one path. Not what is known to be text: payloads, and
what a search looks for. A path is judged in every spelling that a tool may read: escapes of URLs,
`file:` in front, `~`, `..`, small and large letters, look-alike and invisible characters.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from holdfast.core.risk import places
from holdfast.core.risk import shell_paths as paths
from holdfast.core.risk.path_patterns import below_any
from holdfast.core.risk.searches import misses_tokens, reaches_state
from holdfast.core.risk.shell_rules import words
from holdfast.core.risk.spellings import is_address, spellings
from holdfast.model.risk import RiskLevel, RiskReason
from holdfast.model.tools import ArgumentRole, Contract, Effect

_WHERE_MAX = 200
_MAX_CHARACTERS = 65_536
_MAX_VALUES = 2_000
_KEPT_NAME = 64
_KEPT_PATH = 256
_MAX_DEPTH = 16
_NAMES_PATHS = words(
    """
    path paths file files filename filenames folder folders dir dirs directory directories glob
    globs root roots cwd workdir uri src dst source sources target targets destination location
    notebook filepath dirname pathname
    """
)
# Text by name, wherever a contract does not say payload.
_TEXTS = words(
    """
    old_string new_string content contents new_source text body message prompt query description
    subject title summary reason comment
    """
)
# What a search looks for is text; where it looks is not.
_SOUGHT = {"Grep": "pattern"}
_PATTERNS = {"Glob": "pattern"}
_ROOTS = ("path", "directory", "folder", "root", "cwd")
_UNDER_ROOT = ("glob", "pattern", "include", "file", "filename")
_LISTS_NAMES_ONLY = frozenset({"Glob", "LS"})
_SYSTEM = ("/etc", "/usr", "/bin", "/sbin", "/lib", "/boot", "/dev", "/proc", "/sys")
_ONE_PATH = re.compile(r"^(?:[~.]|\$\{?HOME\b|file:)|/|\\|%2f|%5c", re.IGNORECASE)


def judge_arguments(
    contract: Contract,
    arguments: Mapping[str, Any],
    *,
    folder: str = "",
    own: places.Governed = places.UNTOLD,
) -> list[RiskReason]:
    """What the call's paths are worth, one reason for each argument and place.

    `folder` is the absolute path of the folder that the session works in, `own` what governs it.
    """
    found: dict[tuple[str, str], RiskReason] = {}

    def add(code: str, text: str, level: RiskLevel, where: str) -> None:
        found.setdefault((code, where[:_WHERE_MAX]), RiskReason(code, text, level, where[:200]))

    known: set[str] = set()
    for number, (name, value) in enumerate(paths_of(contract, arguments)):
        if number >= _MAX_VALUES or len(value) > _MAX_CHARACTERS:
            add("risk.unread_path", "more or longer paths than are read", RiskLevel.HIGH, name)
            break
        if value not in known:
            known.add(value)
            _judge(contract, value, folder, own, add)
    _judge_search(contract, arguments, folder, own, add)
    return list(found.values())


def paths_of(contract: Contract, arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every argument that may name a path, and what lies below a root as the tool puts it."""
    yield from _strings(contract, arguments, 0)
    roots = [arguments[name] for name in _ROOTS if isinstance(arguments.get(name), str)]
    under = [arguments[name] for name in _UNDER_ROOT if isinstance(arguments.get(name), str)]
    for root in roots:
        for pattern in under:
            if pattern not in roots and _SOUGHT.get(contract.name) not in _names(
                arguments, pattern
            ):
                yield "path", f"{root}/{pattern.lstrip('!')}"


def _names(arguments: Mapping[str, Any], value: Any) -> list[str]:
    return [name for name, one in arguments.items() if one is value]


def _strings(
    contract: Contract, value: Any, depth: int, name: str = ""
) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if _names_path(contract, name) or _reads_as_path(contract, name, value):
            yield name, value
    elif depth > _MAX_DEPTH:
        return
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _strings(contract, one, depth + 1, key if isinstance(key, str) else name)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _strings(contract, one, depth + 1, name)


def _names_path(contract: Contract, name: str) -> bool:
    if name == _PATTERNS.get(contract.name):
        return True
    if _is_text(contract, name):
        return False
    return _is_called_path(name) if len(name) <= _KEPT_NAME else _read_name(name)


def _read_name(name: str) -> bool:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return not _NAMES_PATHS.isdisjoint(re.split(r"[^a-z]+", spaced))


# Arguments are called alike, call after call.
_is_called_path = lru_cache(maxsize=512)(_read_name)


def _is_text(contract: Contract, name: str) -> bool:
    return (
        name in _TEXTS
        or name in (contract.shell, _SOUGHT.get(contract.name))
        or contract.roles.get(name) in (ArgumentRole.PAYLOAD, ArgumentRole.QUERY)
    )


def _reads_as_path(contract: Contract, name: str, value: str) -> bool:
    if _is_text(contract, name) or len(value) > paths.MAX_PATH or any(map(str.isspace, value)):
        return False
    return _ONE_PATH.search(value) is not None


def _views(value: str, folder: str, own: places.Governed) -> tuple[str, ...]:
    short = len(value) <= _KEPT_PATH
    return _kept_views(value, folder, own) if short else _read_views(value, folder, own)


def _read_views(value: str, folder: str, own: places.Governed) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for spelling in spellings(value):
        if is_address(spelling):
            continue
        for base in dict.fromkeys((folder, own.folder)):
            found |= dict.fromkeys(paths.views(spelling, (), base))
            if base and spelling[:1] not in ("/", "~"):
                found |= dict.fromkeys(paths.views(f"{base}/{spelling}", (), ""))
    return tuple(found)


# A file that is worked on is named again and again.
_kept_views = lru_cache(maxsize=512)(_read_views)


def _judge(contract: Contract, value: str, folder: str, own: places.Governed, add: Any) -> None:
    views = _views(value, folder, own)
    writes = contract.effect is not Effect.READ
    if any(places.is_state(view, own) for view in views):
        add("risk.own_state", "the path lies in the harness's own state", RiskLevel.BLOCK, value)
    elif any(places.is_rule(view, own) for view in views):
        text = "the path lies in the settings, policies or agents that govern the session"
        add("risk.own_rules", text, RiskLevel.HIGH, value)
    elif any(map(places.is_secret, views)):
        add("risk.secret_path", "the path names keys or credentials", RiskLevel.HIGH, value)
    elif any(map(places.is_protected, views)):
        text = "the path names hooks, settings or start files of git, Claude Code or a shell"
        add("risk.protected_path", text, RiskLevel.HIGH, value)
    elif writes and any(map(places.is_run_later, views)):
        text = "what is written there is run later by itself"
        add("risk.protected_path", text, RiskLevel.HIGH, value)
    elif _in_system(contract, value, folder):
        text = "the path lies in a system or superuser folder"
        add("risk.system_path", text, RiskLevel.HIGH, value)


def _in_system(contract: Contract, value: str, folder: str) -> bool:
    """Whether it lies under a system folder, or is the superuser's own file.

    All of them count for what writes, those that tell of the machine for what reads; for both, a
    path that climbs out counts as the latter wherever it could end. Listing names is free.
    """
    found = [spelling for spelling in spellings(value) if not is_address(spelling)]
    exact = [paths.normalise(paths.localised(spelling, folder)) for spelling in found]
    if contract.effect is not Effect.READ and any(
        paths.is_superusers(place) or below_any(place, _SYSTEM) for place in exact
    ):
        return True
    return contract.name not in _LISTS_NAMES_ONLY and any(
        places.is_system_read(place)
        or (
            not paths.is_within(place)
            and places.is_system_read(paths.climbed(spelling), guessed=True)
        )
        for spelling, place in zip(found, exact, strict=True)
    )


def _judge_search(
    contract: Contract,
    arguments: Mapping[str, Any],
    folder: str,
    own: places.Governed,
    add: Any,
) -> None:
    """A search returns what it reads below its root, so the root counts for all that it covers.

    The state folder tells searches that keep to ignore files to pass it by; one that is given
    names of files looks into it nevertheless, and may look for what no token can hold.
    """
    sought = _SOUGHT.get(contract.name)
    if sought is None:
        return
    root = arguments.get("path", ".")
    glob, pattern = arguments.get("glob"), arguments.get(sought)
    if not isinstance(root, str) or not isinstance(pattern, str):
        return
    views = _views(root or ".", folder, own)
    if any(map(places.holds_secrets, views)):
        text = "the search covers keys and credentials"
        add("risk.covers_secrets", text, RiskLevel.HIGH, root)
    named = isinstance(glob, str) and reaches_state(glob)
    if (
        named
        and places.covers_folder(views, own, folder)
        and not misses_tokens(pattern, folded=arguments.get("-i"))
    ):
        text = "the search covers the harness's own state, and may return a token of it"
        add("risk.covers_state", text, RiskLevel.HIGH, glob)
