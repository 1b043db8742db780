"""The risk of a call: what the contract registers, raised by what the arguments show.

A tool without a contract is HIGH, never LOW. A BLOCK tool is refused here again, although it can
not be registered. Shell commands are classified by a parse (`core/risk/shell`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from holdfast.core.risk.arguments import judge_arguments
from holdfast.core.risk.commands import commands_of
from holdfast.core.risk.places import UNTOLD, Governed
from holdfast.core.risk.shell_risk import ShellRisk
from holdfast.model.risk import RiskLevel, RiskReason
from holdfast.model.tools import Contract, Effect

_MOST_COMMANDS = 64
PATH_ARGUMENTS = ("path", "file_path", "notebook_path", "filename", "directory")


class Risk(msgspec.Struct, frozen=True):
    """The level and every reason for it, the registered one first.

    `read_only`: the call is known to change nothing and to reach no host, because its contract
    says that it reads, or because its shell command is made of programs and options that only
    read. False when that is in doubt. `shell`: what its shell command was found to be.
    """

    level: RiskLevel
    reasons: tuple[RiskReason, ...]
    read_only: bool = False
    shell: ShellRisk | None = None


def assess(
    contract: Contract | None,
    tool: str,
    arguments: Mapping[str, Any],
    folder: str = "",
    own: Governed = UNTOLD,
) -> Risk:
    """Risk of one call, from its contract and its arguments.

    ``folder`` is the absolute path of the project that the session works on; empty where it is
    not known. ``own`` is what governs the session (`core/risk/places`).
    """
    if contract is None:
        text = "no contract is registered for this tool"
        return Risk(RiskLevel.HIGH, (RiskReason("risk.unregistered", text, RiskLevel.HIGH, tool),))
    reasons = [RiskReason("risk.registered", contract.risk_reason, contract.risk, tool)]
    command = arguments.get(contract.shell) if contract.shell else None
    read_only = contract.effect is Effect.READ and not contract.shell
    judged = None
    if isinstance(command, str):
        # A third of what a server would have to load: only where there are commands.
        from holdfast.core.risk.shell import classify  # noqa: PLC0415

        judged = classify(command, folder=folder, own=own)
        reasons.extend(judged.reasons)
        read_only = judged.read_only
    elif command is not None:
        text = "the shell command is not text"
        reasons.append(RiskReason("shell.unparseable", text, RiskLevel.HIGH, contract.shell))
    reasons.extend(_undeclared_commands(contract, arguments, folder, own))
    reasons.extend(judge_arguments(contract, arguments, folder=folder, own=own))
    level = max(reason.level for reason in reasons)
    return Risk(level, tuple(reasons), read_only and level < RiskLevel.HIGH, judged)


def _undeclared_commands(
    contract: Contract, arguments: Mapping[str, Any], folder: str, own: Governed
) -> Iterator[RiskReason]:
    """What is dangerous in a command that the contract does not name as one."""
    for number, (name, command) in enumerate(commands_of(contract, arguments)):
        from holdfast.core.risk.shell import classify  # noqa: PLC0415

        if number >= _MOST_COMMANDS:
            yield RiskReason(
                "shell.unparseable", "more commands than are read", RiskLevel.HIGH, name
            )
            return
        judged = classify(command, folder=folder, own=own)
        yield from (one for one in judged.reasons if one.level >= RiskLevel.HIGH)


def registered(contract: Contract | None) -> RiskLevel:
    """The risk of a call whose arguments nobody looked at."""
    return contract.risk if contract is not None else RiskLevel.HIGH
