"""Where the links lead that a call goes through: what to look up, and what the answer is worth.

The file system is asked elsewhere (`ports/files.Links`). A real place is judged by the same table
as a written one, and a write that leaves the folder through a link as one that says so. Not here:
links that nothing in the call names, such as those that a search follows by itself.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from holdfast.core.risk.arguments import judge_arguments, paths_of
from holdfast.core.risk.places import UNTOLD, Governed
from holdfast.core.risk.registry import Risk
from holdfast.core.risk.shell_calls import MOST_NAMED, Findings, Role
from holdfast.core.risk.shell_paths import MAX_PATH
from holdfast.core.risk.shell_rules import DEFAULT_RULES
from holdfast.core.risk.shell_words import UNKNOWN
from holdfast.core.risk.spellings import is_address, spellings
from holdfast.model.risk import RiskLevel, RiskReason
from holdfast.model.tools import Contract

_SHOWN = 90
_CWD = re.compile(r"^/proc/(?:self|thread-self|\d+)/cwd(?=/|$)")
_ROOT = re.compile(r"^/proc/(?:self|thread-self|\d+)/root(?=/|$)")
_ORDINARY = frozenset({"shell.file_write", "shell.file_delete"})
_WRITING = (Role.WRITE, Role.ENTRY)


class Named(msgspec.Struct, frozen=True):
    """A path that a call names.

    `written` as it stands there, `path` as it is looked up, `rest` what comes after the looked-up
    part. `role` is None for an argument of a tool.
    """

    written: str
    path: str
    role: Role | None = None
    rest: str = ""


class Followed(msgspec.Struct, frozen=True):
    """A call by its real places: its risk, and its arguments with them in place of the links."""

    risk: Risk
    arguments: dict[str, Any]


def named(
    contract: Contract, arguments: Mapping[str, Any], risk: Risk, folder: str
) -> tuple[Named, ...] | None:
    """The paths to look up; None where they are more, or longer, than are looked up."""
    found: dict[Named, None] = {}
    for one in _all_named(contract, arguments, risk, folder):
        found[one] = None
        if len(found) > MOST_NAMED or len(one.path) > MAX_PATH:
            return None
    return tuple(found)


def _all_named(
    contract: Contract, arguments: Mapping[str, Any], risk: Risk, folder: str
) -> Iterator[Named]:
    for _, value in paths_of(contract, arguments):
        for spelling in spellings(value[: MAX_PATH + 1]):
            if not is_address(spelling):
                yield Named(value, _here(spelling, folder))
    if risk.shell is None:
        return
    bases = ("", *risk.shell.folders)
    for written, role in risk.shell.named:
        for base in bases if written[0] not in "/~" else ("",):
            yield _of_command(written, role, base, folder)


def _of_command(written: str, role: Role, base: str, folder: str) -> Named:
    path = _here(f"{base}/{written}" if base else written, folder)
    if UNKNOWN in path:
        # As far as it is known.
        path = path.partition(UNKNOWN)[0].rpartition("/")[0] or "."
    elif role is Role.ENTRY and not path.endswith("/"):
        above, name = posixpath.split(path)
        return Named(written, above or ".", role, f"/{name}")
    return Named(written, path, role)


def _here(path: str, folder: str) -> str:
    return _ROOT.sub("", _CWD.sub(lambda _: folder, path)) or "/"


def followed(
    risk: Risk,
    contract: Contract,
    arguments: Mapping[str, Any],
    paths: tuple[Named, ...],
    places: Mapping[str, tuple[str, ...]],
    *,
    folder: str,
    own: Governed = UNTOLD,
) -> Followed:
    """What the call is worth once its links are known.

    `places` maps a looked-up path to where it leads, and holds those alone that lead elsewhere.
    """
    given = dict(arguments)
    reasons = dict.fromkeys(risk.reasons)
    known = {(reason.code, reason.where) for reason in risk.reasons}
    writes: dict[str, None] = {}
    for one, real in _led(paths, places):
        if one.role is None:
            replaced = _replaced(arguments, one.written, real)
            given = _replaced(given, one.written, real)
            found = judge_arguments(contract, replaced, folder=folder, own=own)
        else:
            found = _judged(real, one.role, folder, own)
            writes |= dict.fromkeys([real] if one.role in _WRITING else [])
        new = (reason for reason in found if (reason.code, reason.where) not in known)
        reasons |= dict.fromkeys(_told(reason, one.written, real) for reason in new)
    level = max(reason.level for reason in reasons)
    shell = risk.shell
    if shell is not None and writes:
        shell = msgspec.structs.replace(shell, writes=(*shell.writes, *writes))
    read_only = risk.read_only and level < RiskLevel.HIGH
    return Followed(Risk(level, tuple(reasons), read_only, shell), given)


def unresolved(risk: Risk) -> Risk:
    """The risk of a call whose links could not be looked up."""
    text = "where the paths of this call lead could not be looked up in time and number"
    reason = RiskReason("risk.unresolved_links", text, RiskLevel.HIGH, "")
    level = max(risk.level, RiskLevel.HIGH)
    return Risk(level, (*risk.reasons, reason), read_only=False, shell=risk.shell)


def _led(
    paths: tuple[Named, ...], places: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[Named, str]]:
    for one in paths:
        for place in places.get(one.path, ()):
            yield one, place.rstrip("/") + one.rest or "/"


def _told(reason: RiskReason, written: str, real: str) -> RiskReason:
    text = f"`{written[:_SHOWN]}` leads to {real[:_SHOWN]}: {reason.text}".replace(UNKNOWN, "?")
    return RiskReason(reason.code, text, reason.level, written.replace(UNKNOWN, "?")[:_SHOWN])


def _judged(real: str, role: Role, folder: str, own: Governed) -> list[RiskReason]:
    found = Findings(DEFAULT_RULES, folder, own)
    if role is Role.WRITE:
        found.write(real, real)
    elif role is Role.ENTRY:
        found.delete(real, real, forced=False)
    else:
        found.read(real, real, recursive=role is Role.TREE)
    return [reason for reason in found.reasons.values() if reason.code not in _ORDINARY]


def _replaced(value: Any, written: str, real: str) -> Any:
    """The same arguments, with another path in place of one."""
    if isinstance(value, str):
        return real if value == written else value
    if isinstance(value, Mapping):
        return {key: _replaced(one, written, real) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(one, written, real) for one in value]
    return value
