"""What work on files may go on with, once untrusted text was read.

A shell command or a file tool has no argument that says who and how much, so the flow gate would
ask about each. What matters of it is its place: reading goes on, and so does writing within the
folder that the task names. What leaves the project, destroys what is nobody's copy, or *runs* what
was written or fetched since, or what nobody vouched for, waits for a person, unless it stands in
what was typed; running is free where a sandbox holds the process. Paths are compared as text: no
file system is asked.

Not here: the place itself (`core/place`), other tools (`core/flow`), how dangerous a command is
(`core/risk`).
"""

import posixpath
import re
from collections.abc import Iterable, Mapping
from typing import Any

from holdfast.core.place import Place, absolute
from holdfast.core.risk.held import artefacts_alone
from holdfast.core.risk.registry import PATH_ARGUMENTS, Risk
from holdfast.core.risk.shell_paths import normalise
from holdfast.core.risk.shell_risk import ShellRisk, is_cut_short
from holdfast.core.risk.shell_rules import DEFAULT_RULES, OPEN_PATHS
from holdfast.model.decisions import Reason, Verdict
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import ArgumentRole, Contract, Effect

_SHOWN = 200
_UNSANDBOXED = "dangerouslyDisableSandbox"
# Findings of a shell command that say it runs code of the project, or of nobody knows whom.
_RUNS = frozenset(
    {
        "shell.runs_script",
        "shell.build_tool",
        "shell.unknown_program",
        "shell.interpreter_code",
        "shell.code_from_stdin",
        "shell.dynamic_code",
        "shell.dynamic_program",
    }
)
# Of the rest, what runs what the project says while it is installed.
_INSTALLS = frozenset({"shell.declared_install"})
# Of these, what stands in the command itself: a model wrote it after it had read that text.
_CODE = frozenset(
    {
        "shell.interpreter_code",
        "shell.code_from_stdin",
        "shell.dynamic_code",
        "shell.dynamic_program",
    }
)
# They read code and run none of it.
_STATIC = frozenset({"ruff", "black", "gofmt", "rustfmt", "shellcheck"})
# Verbs of package tools that tell what is declared or installed, and run nothing of it.
_TELLS = re.compile(
    r"(?:(?:npm|pnpm|yarn)\s+(?:audit|outdated|ls|list|view|info|explain|why|fund)|"
    r"(?:uv\s+)?pip3?\s+(?:list|show|freeze|check))(?:\s|$)(?!.*\bfix\b)"
)
_RUN_OTHERS = frozenset({"find", "fd", "env", "command"})
_DELETES = frozenset({"shell.file_delete"})
# Findings of one that leave something behind in files.
_WRITES = frozenset(
    {
        "shell.file_write",
        "shell.git_change",
        "shell.dynamic_path",
        "shell.unknown_program",
        "shell.interpreter_code",
        "shell.code_from_stdin",
        "shell.dynamic_code",
        "shell.dynamic_program",
    }
)
_FETCHES = frozenset(
    {
        "shell.network",
        "shell.publishes",
        "shell.package_install",
        "shell.named_install",
        "shell.declared_install",
    }
)
# Reading what is elsewhere fetches files where one of these words stands.
_REMOTE = "shell.remote_read"
_BRINGS = re.compile(r"\b(pull|checkout|clone|download|submodule|cp)\b")
# The rest of what is below HIGH: a few plain lines, this session's own shell, its services.
_HARMLESS = frozenset(
    {
        "shell.session_change",
        "shell.kill_one",
        "shell.git_change",
        "shell.inline_code",
        "shell.local_service",
        "shell.declared_install",
        _REMOTE,
    }
)
# Whole trees: a folder that is one of these is no folder of a task.
_NO_FOLDER = ("/", "~", "/home", "/root", "/tmp", "/var", "/usr", "/etc", "/opt", "/srv")  # noqa: S108


def is_work(contract: Contract | None) -> bool:
    """Whether a tool is judged by its place: a shell, or one that writes a file it is told."""
    if contract is None:
        return False
    return bool(contract.shell) or bool(_path_argument(contract))


def is_inside(arguments: Mapping[str, Any]) -> bool:
    """Whether a call stays in the sandbox of its session, where that has one."""
    return arguments.get(_UNSANDBOXED) is not True


def leaves_stale(contract: Contract | None, risk: Risk, *, tainted: bool) -> bool:
    """Whether a call leaves in files what others may have written: after taint, or by fetching."""
    if contract is None or risk.read_only or not is_work(contract):
        return False
    codes = {reason.code for reason in risk.reasons}
    fetches = bool(codes & _FETCHES) or any(
        reason.code == _REMOTE and _BRINGS.search(reason.where) for reason in risk.reasons
    )
    if not tainted or fetches:
        return fetches
    return not contract.shell or bool(codes & _WRITES) or risk.level >= RiskLevel.HIGH


def gate_work(
    contract: Contract, arguments: Mapping[str, Any], risk: Risk, place: Place, tainted_by: str
) -> list[Reason]:
    """Reasons to ask about such a call after taint; empty when it may go on."""
    if risk.read_only:
        return []
    source = f"untrusted text from `{tainted_by}` is in the context"
    fault = (
        _shell_fault(risk, arguments, place)
        if contract.shell
        else _file_fault(str(arguments.get(_path_argument(contract), "")), place)
    )
    if not fault:
        return []
    code, text = fault
    return [Reason(stage="flow", verdict=Verdict.ASK, code=code, text=f"{source} and {text}")]


def written(contract: Contract | None, arguments: Mapping[str, Any], risk: Risk) -> list[str]:
    """Files that an allowed call is seen to write, as `absolute` takes them."""
    if contract is None or risk.read_only:
        return []
    if contract.shell:
        deletes = risk.shell is None or any(r.code in _DELETES for r in risk.shell.reasons)
        return [] if deletes or risk.shell is None else list(risk.shell.writes)
    value = arguments.get(_path_argument(contract))
    return [value] if isinstance(value, str) else []


def inside(path: str, place: Place, bases: Iterable[str] = ()) -> bool:
    """Whether what is written as `path` lies in the folder, wherever the shell went before."""
    folder = place.folder
    if not folder or normalise(folder) in _NO_FOLDER or "?" in path:
        return False
    if path.startswith("/"):
        return _under(posixpath.normpath(path), folder)
    if path.startswith("~"):
        return False
    starts = [base if base[:1] in "/~" else f"{folder}/{base}" for base in bases]
    return _under(posixpath.normpath(f"{folder}/{path}"), folder) and all(
        _under(normalise(path, normalise(start)), normalise(folder)) for start in starts
    )


def below(path: str, place: Place) -> str:
    """The name of a file below the folder, as it is spelt from there; empty where it is not."""
    if not inside(path, place):
        return ""
    whole = absolute(path, place)
    return whole.removeprefix(f"{place.folder}/") if whole != place.folder else ""


def _under(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


def _path_argument(contract: Contract) -> str:
    """The argument of a writing tool that names its file, empty where there is none."""
    if contract.effect is not Effect.WRITE:
        return ""
    roles = contract.roles
    named = (name for name in PATH_ARGUMENTS if roles.get(name) is ArgumentRole.WHAT)
    return next(named, "")


def _file_fault(path: str, place: Place) -> tuple[str, str] | None:
    if inside(path, place):
        return None
    where = place.folder or "no folder that the session was opened for"
    return "flow.outside_folder", f"`{path[:_SHOWN]}` lies outside of {where}"


def _shell_fault(risk: Risk, arguments: Mapping[str, Any], place: Place) -> tuple[str, str] | None:
    judged = risk.shell or ShellRisk(RiskLevel.HIGH, opaque=True)
    codes = {reason.code for reason in judged.reasons}
    held = place.sandboxed and is_inside(arguments)
    if artefacts_alone(judged):
        codes -= {"shell.recursive_delete", "shell.file_delete"}
    if rest := codes - _RUNS - _DELETES - _WRITES - _HARMLESS:
        return "flow.acts_outside", f"the command {_told(rest)}"
    if judged.opaque and not codes:
        return "flow.acts_outside", "nobody can tell what the command does"
    if codes & _DELETES and (gone := _not_its_own(judged, place)):
        return "flow.destroys", f"the command deletes `{gone}`, which this session did not make"
    if held:
        return None
    if stray := _stray(judged, place):
        return "flow.outside_folder", f"`{stray}` lies outside of {place.folder or 'any folder'}"
    runs = codes & (_RUNS | _INSTALLS) and not _is_static(judged, codes)
    if codes & _CODE or (runs and place.stale):
        return "flow.runs_written", "the command runs what was written or fetched since, unheld"
    if runs and not place.own:
        return "flow.runs_others", (
            "the command runs, unheld, code that nobody vouched for: if it is your own, say so by"
            " `holdfast files trust`"
        )
    return None


def _is_static(judged: ShellRisk, codes: set[str]) -> bool:
    if codes & (_RUNS | _INSTALLS) != {"shell.build_tool"} or is_cut_short(judged):
        return False
    called = [reason.where for reason in judged.reasons if reason.code == "shell.build_tool"]
    return all(word.partition(" ")[0] in _STATIC or _TELLS.match(word) for word in called)


def _told(codes: set[str]) -> str:
    findings = DEFAULT_RULES.findings
    return next((findings[code][1] for code in sorted(codes) if code in findings), "acts outside")


def _stray(judged: ShellRisk, place: Place) -> str:
    """A path that a command writes outside of the folder and of scratch, empty where none."""
    for path in judged.writes:
        scratch = path.startswith("/") and any(
            _under(posixpath.normpath(path), folder) for folder in OPEN_PATHS
        )
        if not scratch and not inside(path, place, judged.folders):
            return path[:_SHOWN]
    return ""


def _not_its_own(judged: ShellRisk, place: Place) -> str:
    programs = set(judged.programs)
    if "rmdir" in programs and programs <= DEFAULT_RULES.safe - _RUN_OTHERS | {"rmdir"}:
        return ""  # It takes empty folders alone.
    for path in judged.writes:
        if absolute(path, place) not in place.made:
            return path[:_SHOWN]
    return "" if judged.writes else "?"
