"""The risk of a shell command, from a real parse of it.

``classify`` is the whole interface. It never runs, opens or resolves anything, never raises,
and is bounded in time and depth. What it cannot know statically it says (``opaque``) and
never calls LOW. It raises the risk of a call; it is not a sandbox and allows nothing.

The parts: ``shell_rules`` (the tables), ``shell_parse`` (text to tree), ``shell_words`` (words
to arguments), ``shell_walk`` (tree to calls), ``shell_judge`` with ``shell_wrappers``,
``shell_interpreters``, ``shell_programs``, ``shell_git`` (calls to findings), ``shell_paths``.
"""

import msgspec

from holdfast.core.risk.shell_calls import Findings
from holdfast.core.risk.shell_parse import hidden_character
from holdfast.core.risk.shell_rules import DEFAULT_RULES, ShellRules
from holdfast.core.risk.shell_walk import OutOfSteps, Walk
from holdfast.model.risk import RiskLevel, RiskReason

__all__ = ["DEFAULT_RULES", "ShellRisk", "ShellRules", "classify"]


class ShellRisk(msgspec.Struct, frozen=True):
    """What a command is worth, and why.

    ``reasons`` are worst first. ``programs`` are the names that would be run, resolved through
    wrappers; ``writes``, ``reads`` and ``hosts`` are what could be seen statically, as written
    (``?`` where a part is only known at run time). ``opaque``: something could not be known.
    """

    level: RiskLevel
    reasons: tuple[RiskReason, ...] = ()
    programs: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    opaque: bool = False


def classify(command: str, *, policy: ShellRules = DEFAULT_RULES) -> ShellRisk:
    """The risk of running ``command`` with bash. Any string is accepted."""
    found = Findings(policy)
    head = command[:200]
    hidden = hidden_character(command)
    if hidden is not None:
        found.add("shell.hidden_characters", f"{hidden} in {head}", opaque=True)
        command = "".join(c if c in "\t\n" or hidden_character(c) is None else " " for c in command)
    walk = Walk(found)
    try:
        walk.code(command, where=head)
        if "\\\n" in command:
            # bash joins continued lines even inside a word; the grammar does not.
            walk.code(command.replace("\\\n", ""), where=head)
    except (OutOfSteps, RecursionError):
        found.add("shell.unparseable", head, opaque=True)
    reasons = sorted(found.reasons.values(), key=lambda reason: -reason.level)
    return ShellRisk(
        level=found.level,
        reasons=tuple(reasons),
        programs=tuple(found.programs),
        writes=tuple(found.writes),
        reads=tuple(found.reads),
        hosts=tuple(found.hosts),
        opaque=found.opaque,
    )
