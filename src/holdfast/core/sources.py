"""Whose text a call returns, as far as the call says: the files that it reads.

What a tool returns of the operator's own files is neutral: it neither taints nor vouches. Which
files those are is looked up elsewhere (`ports/files`); here it is said which have to be own, or
that nobody can say. Read by allow-list: a program that is not known to keep to what it is given, a
host, another ref of git, a path that is only known at run time is a reason to taint.
"""

import enum
import re
from collections.abc import Mapping
from typing import Any

from holdfast.core.place import Place, absolute
from holdfast.core.risk.registry import PATH_ARGUMENTS, Risk
from holdfast.core.risk.shell import ShellRisk
from holdfast.model.tools import Contract

# They name files and tell nothing of what these hold.
_NAMING = frozenset({"Glob", "LS", "Write"})
_READING = frozenset({"Read", "Grep", "Edit", "MultiEdit", "NotebookEdit"})
# Findings of a command that keeps to files: reading, writing, and running the project's own code.
_KEEPS = frozenset(
    {
        "shell.file_write",
        "shell.file_delete",
        "shell.runs_script",
        "shell.build_tool",
        "shell.session_change",
        "shell.git_change",
        "shell.kill_one",
    }
)
# Of these, what runs code is trusted with its whole folder by whoever owns it.
_RUNS = frozenset({"shell.runs_script", "shell.build_tool"})
_LISTING = frozenset(
    {"cd", "ls", "find", "pwd", "echo", "printf", "true", "test", "[", "date", "which", "wc", "du"}
)
_FILTERS = frozenset({"head", "tail", "sort", "uniq", "wc"})
_GIT = re.compile(r"\bgit\b((?:[ \t]+(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s;&|<>()]+))*)")
_GIT_OWN_VERBS = frozenset(
    {"status", "add", "commit", "diff", "log", "show", "blame", "mv", "rm", "ls-files", "rev-parse"}
)
_OWN_REF = re.compile(r"(?:HEAD|@)(?:[~^]\d*)*(?:\.\.\.?(?:HEAD|@)(?:[~^]\d*)*)?")
_TELLING = frozenset({"log", "show", "diff", "blame"})
_OTHERS = frozenset(
    {"--all", "--remotes", "--branches", "--tags", "--glob", "-g", "--walk-reflogs"}
)
HEAD = ".git/HEAD"
"""Stands for the history of the checkout: own where its commit was trusted."""
CODE = ".git/index"
"""Stands for all that lies in a checkout and git does not ignore: what code run there may read."""
# What formats each file by itself, and takes no text from its settings.
_FORMATTERS = frozenset({"ruff", "black", "gofmt", "rustfmt", "shfmt", "clang-format"})
_RUNNERS = frozenset({"uv"})
# Programs by their whole path; what they are is judged elsewhere.
_PROGRAMS = ("/usr/bin/", "/bin/", "/usr/local/bin/")
# `-I/usr/include`, `-C../other`.
_LEAVES = re.compile(r"^-\w/|\.\.(?:/|$)")
_NAMED = re.compile(r"[^\s\"'=;&|<>()`,]+")
_FETCHING = re.compile(
    r"\b(?:npm|pnpm|yarn|bun|pip3?|uv|poetry|cargo|go|gem|bundle|pipenv|conda)\s+(?!test\b|run\b|"
    r"fmt\b|vet\b|build\b|check\b|clippy\b|list\b|ls\b|exec\b|start\b)"
)


class Rewrites(enum.StrEnum):
    """What a command may write that it does not name.

    `each`: files, each from itself alone, as a formatter does. `any`: whatever its code writes.
    """

    NOTHING = "nothing"
    EACH = "each"
    ANY = "any"


def files_read(
    contract: Contract | None, arguments: Mapping[str, Any], risk: Risk, place: Place
) -> list[str] | None:
    """Absolute paths that have to be own for the result to be neutral; None where nothing says so.

    A folder stands for all that is below it.
    """
    if contract is None or not place.folder:
        return None
    if contract.shell:
        command = arguments.get(contract.shell)
        judged = risk.shell
        if not isinstance(command, str) or judged is None or arguments.get("run_in_background"):
            return None
        return _of_command(command, judged, place)
    if contract.name not in _NAMING | _READING:
        return None
    named = (arguments.get(name) for name in PATH_ARGUMENTS)
    path = next((one for one in named if isinstance(one, str) and one), place.folder)
    where = absolute(path, place)
    if contract.name in _NAMING:
        below = where == place.folder or where.startswith(place.folder + "/")
        return [] if below else None
    return [where]


def _of_command(command: str, judged: ShellRisk, place: Place) -> list[str] | None:
    codes = {reason.code for reason in judged.reasons}
    if judged.opaque or judged.hosts or not codes <= _KEEPS or _FETCHING.search(command):
        return None
    if set(judged.folders) - {"."}:
        return None
    if set(judged.programs) <= _LISTING | _FILTERS and "find" in judged.programs:
        # Names of files alone, and lines of them.
        outside = any(path.startswith(("/", "~", "..")) for path in judged.reads)
        return None if outside else []
    if any("?" in path or path.startswith("~") for path in judged.reads):
        return None
    told = [_of_history(arguments) for arguments in _GIT.findall(command)]
    named = list(judged.reads)
    for paths in told:
        if paths is None:
            return None
        named += paths
    read = [absolute(_before_glob(path), place) for path in named]
    read = [path for path in read if path != "/dev/null"]
    if codes & _RUNS:
        if _names_elsewhere(command, place):
            return None
        return [*read, absolute(CODE, place)]
    if read or set(judged.programs) <= _LISTING | {"git"}:
        return read
    # It reads where it stands, or what is piped into it: the folder as a whole.
    return [place.folder]


def may_write(contract: Contract | None, risk: Risk) -> Rewrites:
    """What a call may write beside the files that it is seen to write."""
    judged = risk.shell
    if contract is None or not contract.shell or judged is None or risk.read_only:
        return Rewrites.NOTHING
    if not {reason.code for reason in judged.reasons} & _RUNS:
        return Rewrites.NOTHING
    programs = set(judged.programs)
    if programs & _FORMATTERS and programs <= _FORMATTERS | _RUNNERS | _LISTING:
        return Rewrites.EACH
    return Rewrites.ANY


def _names_elsewhere(command: str, place: Place) -> bool:
    """Whether a word of a command that runs code could be a path outside of the folder."""
    for word in _NAMED.findall(command):
        if word.startswith(("~", "$")) or (word.startswith("-") and _LEAVES.search(word)):
            return True
        if word.startswith("-") or ("/" not in word and ".." not in word):
            continue
        where = absolute(word, place)
        if not f"{where}/".startswith((f"{place.folder}/", "/dev/null/", *_PROGRAMS)):
            return True
    return False


def _before_glob(path: str) -> str:
    """A path, or the folder in which a pattern stands."""
    parts = path.split("/")
    at = next((n for n, part in enumerate(parts) if set(part) & set("*[{")), len(parts))
    return "/".join(parts[:at]) or ("/" if path.startswith("/") and at else ".")


def _of_history(arguments: str) -> list[str] | None:
    """What of a git command has to be own; None where it tells of other branches or elsewhere."""
    verb, *rest = [word.strip("\"'") for word in arguments.split()] or [""]
    if verb not in _GIT_OWN_VERBS or _OTHERS.intersection(rest):
        return None
    if verb not in _TELLING:
        return []
    named = [word for word in rest if not word.startswith("-") and not word.isdigit()]
    paths = [word for word in named if not _OWN_REF.fullmatch(word)]
    # A branch or a tag is no file of the checkout, so it is not own, and the result taints.
    return [HEAD, *(paths or (["."] if verb == "diff" else []))]
