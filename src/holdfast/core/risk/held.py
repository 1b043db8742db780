"""Risk that the circumstances of a command make milder: code that stands in it, and artefacts.

Code given on the command line is HIGH because nobody could read it. The same code in a file of the
project is MEDIUM, and an agent may write that file and run it. So it is MEDIUM, too, where a
sandbox holds the command, or where no stranger's text was heard that could have asked for it.
Deleting what a build leaves behind, by its name and within the folder, is deleting a file. A
package whose name and version the user typed is declared by the user, as one in the project's own
files is. Any other finding keeps its level: a sandbox does not hold what a command shows (variables
and keys), nor what others are going to run later (packages that nobody named). Not here: what a
command is worth by itself (`shell`).
"""

import posixpath
from collections.abc import Callable

import msgspec

from holdfast.core.risk.registry import Risk
from holdfast.core.risk.shell_calls import MOST_LISTED
from holdfast.core.risk.shell_risk import ShellRisk
from holdfast.core.risk.shell_rules import words
from holdfast.model.risk import RiskLevel, RiskReason

_CODE = frozenset({"shell.interpreter_code"})
_DELETE = "shell.recursive_delete"
_NAMED = "shell.named_install"
_ARTEFACTS = words(
    """
    build dist target out coverage htmlcov __pycache__ node_modules .pytest_cache .mypy_cache
    .ruff_cache .tox .nox .next .nuxt .parcel-cache .turbo .eggs .coverage
    """
)
_ENDINGS = (".egg-info", ".pyc", ".pyo", ".o")


def settled(
    risk: Risk, *, held: bool, heard: bool, typed: Callable[[str], bool] = lambda _: False
) -> Risk:
    """The risk where it is `held` by a sandbox, or a stranger's text was `heard` in the session.

    `typed` says whether the user typed a word.
    """
    if risk.shell is not None and len(risk.shell.reasons) >= MOST_LISTED:
        return risk  # Of so many findings some are not listed.
    risk = _declared(risk, typed)
    judged = risk.shell
    if judged is None or risk.level is not RiskLevel.HIGH:
        return risk
    milder = frozenset() if heard and not held else _CODE
    if artefacts_alone(judged):
        milder |= {_DELETE}
    reasons = tuple(_milder(reason) if reason.code in milder else reason for reason in risk.reasons)
    level = max(reason.level for reason in reasons)
    return msgspec.structs.replace(risk, level=level, reasons=reasons)


def _declared(risk: Risk, typed: Callable[[str], bool]) -> Risk:
    """The same where every package that is installed by name was typed, with its version."""
    judged = risk.shell
    if judged is None or not judged.packages:
        return risk
    if not all(typed(word) for package in judged.packages for word in package):
        return risk
    shell = msgspec.structs.replace(judged, reasons=tuple(map(_as_declared, judged.reasons)))
    shell = msgspec.structs.replace(shell, level=max(reason.level for reason in shell.reasons))
    reasons = tuple(map(_as_declared, risk.reasons))
    level = max(reason.level for reason in reasons)
    return msgspec.structs.replace(risk, level=level, reasons=reasons, shell=shell)


def _as_declared(reason: RiskReason) -> RiskReason:
    if reason.code != _NAMED:
        return reason
    text = "installs a package that the user named, at the version that the user named"
    return RiskReason("shell.declared_install", text, RiskLevel.MEDIUM, reason.where)


def artefacts_alone(judged: ShellRisk) -> bool:
    """Whether all that a command writes or deletes is what builds leave in the folder."""
    return bool(judged.writes) and all(map(_is_artefact, judged.writes)) and _stays(judged)


def _is_artefact(path: str) -> bool:
    parts = path.rstrip("/").split("/")
    if path.startswith(("/", "~")) or ".." in parts or set(path) & set("?[{$"):
        return False
    name = posixpath.basename(path.rstrip("/"))
    if name.endswith(_ENDINGS):
        return "*" not in "".join(parts[:-1])
    return name in _ARTEFACTS


def _stays(judged: ShellRisk) -> bool:
    return not set(judged.folders) - {"."}


def _milder(reason: RiskReason) -> RiskReason:
    return msgspec.structs.replace(reason, level=min(reason.level, RiskLevel.MEDIUM))
