"""The risk of a shell command, from a real parse of it.

``classify`` is the whole interface. It never runs, opens or resolves anything, never raises,
and is bounded in time and depth. What it cannot know statically it says (``opaque``) and
never calls LOW. It raises the risk of a call; it is not a sandbox and allows nothing.

The parts: ``shell_rules`` (the tables), ``shell_parse`` (text to tree), ``shell_words`` (words
to arguments), ``shell_walk`` (tree to calls), ``shell_judge`` with ``shell_wrappers``,
``shell_interpreters``, ``shell_programs``, ``shell_git`` (calls to findings), ``shell_paths``.
"""

import re

import msgspec

from holdfast.core.risk.shell_calls import Findings
from holdfast.core.risk.shell_parse import hidden_character
from holdfast.core.risk.shell_rules import DEFAULT_RULES, ShellRules
from holdfast.core.risk.shell_walk import OutOfSteps, Walk
from holdfast.model.risk import RiskLevel, RiskReason

__all__ = ["DEFAULT_RULES", "ShellRisk", "ShellRules", "classify"]

# Where bash evaluates what stands there once more.
_EVALUATES = re.compile(r"`|\$\{[^}]*[^\w}]|\(\(|\$\[|\[\[")


class ShellRisk(msgspec.Struct, frozen=True):
    """What a command is worth, and why.

    ``reasons`` are worst first. ``programs`` are the names that would be run, resolved through
    wrappers; ``writes``, ``reads`` and ``hosts`` are what could be seen statically, as written
    (``?`` where a part is only known at run time). ``opaque``: something could not be known.
    ``read_only``: every program it runs is known to only read, it writes and sets nothing, names
    no host and is below HIGH; anything in doubt is False.
    """

    level: RiskLevel
    reasons: tuple[RiskReason, ...] = ()
    programs: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    opaque: bool = False
    read_only: bool = False


def classify(command: str, *, policy: ShellRules = DEFAULT_RULES) -> ShellRisk:
    """The risk of running ``command`` with bash. Any string is accepted."""
    found = Findings(policy)
    head = command[:200]
    hidden = hidden_character(command)
    if hidden is not None:
        found.add("shell.hidden_characters", f"{hidden} in {head}", opaque=True)
        command = "".join(c if c in "\t\n" or hidden_character(c) is None else " " for c in command)
    if _EVALUATES.search(command):
        found.only_reads = False
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
        read_only=_only_reads(found),
    )


def _only_reads(found: Findings) -> bool:
    """A path that is read may be known only at run time; any other finding is more than reading."""
    codes = {code for code, _ in found.reasons}
    return found.only_reads and found.level < RiskLevel.HIGH and codes <= {"shell.dynamic_path"}
