"""The risk of a call: what the contract registers, raised by what the arguments show.

A tool without a contract is HIGH, never LOW. A BLOCK tool is refused here again, although it can
not be registered. Shell commands are classified by a parse (`core/risk/shell`).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from holdfast.core.risk.shell import classify
from holdfast.core.risk.shell_paths import localised
from holdfast.model.risk import RiskLevel, RiskReason
from holdfast.model.tools import Contract, Effect

_SYSTEM_PATHS = ("/etc", "/usr", "/bin", "/sbin", "/lib", "/boot", "/dev", "/proc", "/sys")
_SUPERUSER_HOME = "root"
_OWN_STATE = ".holdfast"
_PATH_ARGUMENTS = ("path", "file_path", "notebook_path", "filename", "directory")
_WHERE_MAX = 200
# `/root/notes.txt` has two parts, and a file of a project at least three.
_OF_A_HOME = 2


class Risk(msgspec.Struct, frozen=True):
    """The level and every reason for it, the registered one first.

    `read_only`: the call is known to change nothing and to reach no host, because its contract
    says that it reads, or because its shell command is made of programs and options that only
    read. False when that is in doubt.
    """

    level: RiskLevel
    reasons: tuple[RiskReason, ...]
    read_only: bool = False


def assess(
    contract: Contract | None, tool: str, arguments: Mapping[str, Any], folder: str = ""
) -> Risk:
    """Risk of one call, from its contract and its arguments.

    ``folder`` is the absolute path of the project that the session works on; empty where it is
    not known.
    """
    if contract is None:
        text = "no contract is registered for this tool"
        return Risk(RiskLevel.HIGH, (RiskReason("risk.unregistered", text, RiskLevel.HIGH, tool),))
    reasons = [RiskReason("risk.registered", contract.risk_reason, contract.risk, tool)]
    command = arguments.get(contract.shell) if contract.shell else None
    read_only = contract.effect is Effect.READ and not contract.shell
    if isinstance(command, str):
        judged = classify(command, folder=folder)
        reasons.extend(judged.reasons)
        read_only = judged.read_only
    elif command is not None:
        text = "the shell command is not text"
        reasons.append(RiskReason("shell.unparseable", text, RiskLevel.HIGH, contract.shell))
    reasons.extend(_paths(contract, arguments, folder))
    level = max(reason.level for reason in reasons)
    return Risk(level, tuple(reasons), read_only and level < RiskLevel.HIGH)


def registered(contract: Contract | None) -> RiskLevel:
    """The risk of a call whose arguments nobody looked at."""
    return contract.risk if contract is not None else RiskLevel.HIGH


def _paths(contract: Contract, arguments: Mapping[str, Any], folder: str) -> list[RiskReason]:
    """System paths, the superuser's own files, and our state, in the arguments that name files."""
    found = []
    for name in _PATH_ARGUMENTS:
        value = arguments.get(name)
        if not isinstance(value, str):
            continue
        where = value[:_WHERE_MAX]
        if _OWN_STATE in value.casefold().split("/"):
            text = "the path lies in the harness's own state"
            found.append(RiskReason("risk.own_state", text, RiskLevel.BLOCK, where))
        elif _in_system(localised(value, folder)) and contract.effect is not Effect.READ:
            text = "the path lies in a system or superuser folder"
            found.append(RiskReason("risk.system_path", text, RiskLevel.HIGH, where))
    return found


def _in_system(path: str) -> bool:
    """Whether a path, `..` resolved by text, lies under a system folder.

    Of the superuser's home only what stands in it by itself or is hidden: projects live there, too.
    """
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if parts:
                parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    if not path.startswith("/"):
        return False
    if parts[:1] == [_SUPERUSER_HOME]:
        return len(parts) <= _OF_A_HOME or parts[1].startswith(".")
    return any(
        "/" + "/".join(parts) == root or ("/" + "/".join(parts)).startswith(root + "/")
        for root in _SYSTEM_PATHS
    )
