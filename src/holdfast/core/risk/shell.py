"""The risk of a shell command, from a real parse of it.

``classify`` is the whole interface. It never runs, opens or resolves anything, never raises,
and is bounded in time and depth. What it cannot know statically it says (``opaque``) and
never calls LOW. It raises the risk of a call; it is not a sandbox and allows nothing.

The parts: ``shell_rules`` (the tables), ``shell_parse`` (text to tree), ``shell_words`` (words
to arguments), ``shell_evaluation`` (places that evaluate, constructs nobody accounts for),
``shell_walk`` (tree to calls), ``shell_judge`` with ``shell_wrappers`` (calls to findings) and what
it asks: ``shell_builtins``, ``shell_environment``, ``shell_options``, ``shell_remote``,
``shell_hosts``, ``shell_programs``, ``shell_awk``, ``shell_git``, ``shell_interpreters`` with
``shell_python`` and ``shell_javascript``, ``shell_paths``; and ``shell_reading`` (what only reads).
What comes of it is a ``shell_risk``. All of this is loaded when a command is judged.
"""

from holdfast.core.risk.places import UNTOLD, Governed
from holdfast.core.risk.shell_calls import Findings
from holdfast.core.risk.shell_parse import hidden_character
from holdfast.core.risk.shell_risk import ShellRisk
from holdfast.core.risk.shell_rules import DEFAULT_RULES, ShellRules
from holdfast.core.risk.shell_walk import OutOfSteps, Walk
from holdfast.model.risk import RiskLevel


def classify(
    command: str,
    *,
    folder: str = "",
    policy: ShellRules = DEFAULT_RULES,
    own: Governed = UNTOLD,
) -> ShellRisk:
    """The risk of running ``command`` with bash. Any string is accepted.

    ``folder`` is the absolute path of the project that the session works on and starts in; paths
    in it are the project's own wherever it lies. Empty means that it is not known: then only
    what climbs out, the system and a home written as ``~`` count as outside. ``own`` is what
    governs the session.
    """
    found = Findings(policy, folder, own)
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
        read_only=_only_reads(found),
        folders=tuple(found.bases),
        named=tuple(found.named),
        packages=tuple(found.packages),
    )


def _only_reads(found: Findings) -> bool:
    """A path that is read may be known only at run time; any other finding is more than reading."""
    codes = {code for code, _ in found.reasons}
    return found.only_reads and found.level < RiskLevel.HIGH and codes <= {"shell.dynamic_path"}
