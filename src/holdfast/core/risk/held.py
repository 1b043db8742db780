"""Risk that the circumstances of a command make milder: code that stands in it, and artefacts.

Code given on the command line is HIGH because nobody could read it. The same code in a file of the
project is MEDIUM, and an agent may write that file and run it. So it is MEDIUM, too, where a
sandbox holds the command, or where no stranger's text was heard that could have asked for it.
Deleting what a build leaves behind, by its name and within the folder, is deleting a file. Any
other finding keeps its level. Not here: what a command is worth by itself (`shell`).
"""

import posixpath

import msgspec

from holdfast.core.risk.registry import Risk
from holdfast.core.risk.shell import ShellRisk
from holdfast.core.risk.shell_rules import words
from holdfast.model.risk import RiskLevel, RiskReason

_CODE = frozenset({"shell.interpreter_code"})
_DELETE = "shell.recursive_delete"
_ARTEFACTS = words(
    """
    build dist target out coverage htmlcov __pycache__ node_modules .pytest_cache .mypy_cache
    .ruff_cache .tox .nox .next .nuxt .parcel-cache .turbo .eggs .coverage
    """
)
_ENDINGS = (".egg-info", ".pyc", ".pyo", ".o")


def settled(risk: Risk, *, held: bool, heard: bool) -> Risk:
    """The risk where it is `held` by a sandbox, or a stranger's text was `heard` in the session."""
    judged = risk.shell
    if judged is None or risk.level is not RiskLevel.HIGH:
        return risk
    milder = frozenset() if heard and not held else _CODE
    if artefacts_alone(judged):
        milder |= {_DELETE}
    reasons = tuple(_milder(reason) if reason.code in milder else reason for reason in risk.reasons)
    level = max(reason.level for reason in reasons)
    return msgspec.structs.replace(risk, level=level, reasons=reasons)


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
