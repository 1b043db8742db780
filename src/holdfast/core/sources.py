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

from holdfast.core.history_words import moves, own_history
from holdfast.core.inline_words import project_packages
from holdfast.core.place import Place, absolute
from holdfast.core.risk.held import artefacts_alone
from holdfast.core.risk.registry import PATH_ARGUMENTS, Risk
from holdfast.core.risk.shell import ShellRisk
from holdfast.core.risk.shell_hosts import is_local
from holdfast.core.risk.shell_rules import OPEN_PATHS
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
        "shell.inline_code",
        "shell.session_change",
        "shell.git_change",
        "shell.kill_one",
    }
)
# Of these, what runs code is trusted with its whole folder by whoever owns it.
_RUNS = frozenset({"shell.runs_script", "shell.build_tool"})
# They tell names, sizes and counts of files, and nothing of what these hold.
_LISTING = frozenset(
    {
        *("cd", "ls", "find", "pwd", "echo", "printf", "true", "test", "[", "date", "which", "wc"),
        *("du", "tree", "stat", "basename", "dirname", "realpath", "sleep", "rmdir", "mkdir"),
        *("rm", "touch", "chmod", "kill"),
    }
)
# By these a word, or an error about it, tells what a file holds: `basename "$(<file)"`.
_TAKES_IN = re.compile(r"[<`]|\$\(|--f(?:ile|iles0-from|romfile)\b|\bdate\b[^|;&\n]*[ \t]-\w*f")
_FILTERS = frozenset({"head", "tail", "sort", "uniq", "wc"})
_SUB_AGENTS = frozenset({"Agent", "Task"})
_SERVICE = "shell.local_service"
_INLINE, _CODE_GIVEN = "shell.inline_code", "shell.interpreter_code"
_PORT = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\]):(\d+)")
_BEHIND = re.compile(r"(?<![&>])&(?![&>\d])")
CODE = ".git/index"
"""Stands for all that lies in a checkout and git does not ignore: what code run there may read."""
# What formats each file by itself, and takes no text from its settings.
_FORMATTERS = frozenset({"ruff", "black", "gofmt", "rustfmt", "shfmt", "clang-format"})
_RUNNERS = frozenset({"uv"})
# Programs by their whole path; what they are is judged elsewhere.
_PROGRAMS = ("/usr/bin/", "/bin/", "/usr/local/bin/")
# `-I/usr/include`, `-C../other`.
_LEAVES = re.compile(r"^-\w/|\.\.(?:/|$)")
# What a shell knows of processes: `$$`, `$!`, `$?`.
_NUMBERS = re.compile(r"\$[$!?#]")
# Of SAFE programs, those that tell of other people's processes and what these were started with.
_OF_THE_MACHINE = frozenset({"ps", "pgrep", "lsof", "ss", "users"})
_QUOTED = re.compile(r"'([^']*)'|\"((?:\\.|[^\"\\])*)\"", re.DOTALL)
_PATTERN = re.compile(r"[*?\[]")
_DOCUMENT = re.compile(
    r"<<-?[ \t]*(['\"]?)(\w+)\1([^\n]*)\n.*?^[ \t]*\2[ \t]*$", re.DOTALL | re.MULTILINE
)
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
        if not isinstance(command, str) or judged is None:
            return None
        return _of_command(command, judged, place)
    if contract.name in _SUB_AGENTS:
        # What it read was asked about call by call, and taints by itself.
        return []
    if contract.name not in _NAMING | _READING:
        return None
    named = (arguments.get(name) for name in PATH_ARGUMENTS)
    path = next((one for one in named if isinstance(one, str) and one), place.folder)
    where = absolute(path, place)
    if contract.name in _NAMING:
        below = where == place.folder or where.startswith(place.folder + "/")
        return [] if below else None
    return [where]


def commits(contract: Contract | None, arguments: Mapping[str, Any]) -> bool:
    """Whether a command makes commits, or moves to others, by git."""
    shell = contract.shell if contract is not None else ""
    return bool(shell) and moves(str(arguments.get(shell, "")))


def serves(
    contract: Contract | None, arguments: Mapping[str, Any], risk: Risk, place: Place
) -> list[str]:
    """Ports that stand in a command which leaves a program of the project running behind it."""
    judged = risk.shell
    if contract is None or not contract.shell or judged is None or not place.folder:
        return []
    command = str(arguments.get(contract.shell, ""))
    behind = arguments.get("run_in_background") is True or _BEHIND.search(command)
    runs = any(reason.code in _RUNS for reason in judged.reasons)
    return re.findall(r"(?<!\d)\d{4,5}(?!\d)", command) if behind and runs else []


def _of_command(command: str, judged: ShellRisk, place: Place) -> list[str] | None:
    codes = {reason.code for reason in judged.reasons}
    if judged.hosts or _SERVICE in codes:
        if not _asks_own_service(command, judged, place):
            return None
        codes -= {_SERVICE}
    if artefacts_alone(judged):
        codes -= {"shell.recursive_delete"}
    packages: list[str] | None = []
    opaque = judged.opaque
    if _CODE_GIVEN in codes or (_INLINE in codes and opaque):
        packages = project_packages(command, judged.programs)
        opaque = packages is None
        codes = codes - {_CODE_GIVEN, "shell.dynamic_path"} | {_INLINE}
    if packages is None or opaque or not codes <= _KEEPS or _FETCHING.search(command):
        return None
    if set(judged.folders) - {"."} or _OF_THE_MACHINE.intersection(judged.programs):
        return None
    if _matches_elsewhere(command, place):
        return None
    if _names_alone(command, judged):
        outside = any(path.startswith(("/", "~", "..")) for path in judged.reads)
        return None if outside else []
    return _named(command, judged, codes, packages, place)


def _named(
    command: str, judged: ShellRisk, codes: set[str], packages: list[str], place: Place
) -> list[str] | None:
    """What has to be own of a command that keeps to files."""
    told = own_history(command, place)
    if "git" in judged.programs and not re.search(r"\bgit\b", command):
        return None  # A name in pieces: `g\\it`.
    if told is None or any("?" in path or path.startswith("~") for path in judged.reads):
        return None
    # A device, and an address that a reader took for a path; a test of a file is in that file.
    named = [path for path in judged.reads if path != "/dev/null" and "://" not in path]
    named = [path.partition("::")[0] for path in named if not path.endswith("...")]
    read = [absolute(_before_glob(path), place) for path in named]
    read += [absolute(path, place) for path in told + packages]
    if codes & _RUNS or _INLINE in codes:
        # Code may read any file of the folder; which, only it knows.
        scratch = _named_elsewhere(command, place) if codes & _RUNS else []
        return None if scratch is None else [*read, *scratch, absolute(CODE, place)]
    quiet = set(judged.programs) <= _LISTING | {"git"} and not _TAKES_IN.search(command)
    if read or judged.hosts or quiet:
        return read
    # It reads where it stands, or what is piped into it: the folder as a whole.
    return [place.folder]


def _names_alone(command: str, judged: ShellRisk) -> bool:
    programs = set(judged.programs)
    if _TAKES_IN.search(command):
        return False
    if programs <= _LISTING:
        return True
    # `head` after a pipe reads lines of names, after a path that file.
    return programs <= _LISTING | _FILTERS and "find" in programs and set(judged.reads) <= {"."}


def _asks_own_service(command: str, judged: ShellRisk, place: Place) -> bool:
    """Whether all that it asks is a program that this session started from own files."""
    ports = set(_PORT.findall(command))
    return bool(ports) and ports <= place.serves and all(map(is_local, judged.hosts))


def may_write(contract: Contract | None, arguments: Mapping[str, Any], risk: Risk) -> Rewrites:
    """What a call may write beside the files that it is seen to write."""
    judged = risk.shell
    if contract is None or not contract.shell or judged is None or risk.read_only:
        return Rewrites.NOTHING
    codes = {reason.code for reason in judged.reasons}
    if not codes & (_RUNS | {_INLINE, _CODE_GIVEN}):
        # Git puts own files together from own commits, where it may say so at all.
        moved = moves(str(arguments.get(contract.shell, "")))
        return Rewrites.EACH if moved else Rewrites.NOTHING
    programs = set(judged.programs)
    if programs & _FORMATTERS and programs <= _FORMATTERS | _RUNNERS | _LISTING:
        return Rewrites.EACH
    return Rewrites.ANY


def _named_elsewhere(command: str, place: Place) -> list[str] | None:
    """Scratch files that a command which runs code names; None for any other path elsewhere."""
    scratch: list[str] = []
    for word in _NAMED.findall(_NUMBERS.sub("0", command)):
        if word.startswith(("~", "$")) or (word.startswith("-") and _LEAVES.search(word)):
            return None
        if word.startswith("-") or ("/" not in word and ".." not in word):
            continue
        where = absolute(word, place)
        if where.startswith(
            tuple(f"{folder}/" for folder in OPEN_PATHS)
        ) and not f"{where}/".startswith(f"{place.folder}/"):
            scratch.append(where)
        elif not f"{where}/".startswith((f"{place.folder}/", "/dev/null/", *_PROGRAMS)):
            return None
    return scratch


def _matches_elsewhere(command: str, place: Place) -> bool:
    """Whether a shell puts names of files there that lie outside the folder, or nobody knows where.

    `echo /srv/*` tells what others called their files.
    """
    shown = _DOCUMENT.sub(r"\3", _NUMBERS.sub("0", command))
    shown = _QUOTED.sub(lambda found: _PATTERN.sub("_", found[1] or found[2] or ""), shown)
    for word in re.findall(r"[^\s;&|<>()`]+", shown):
        if not _PATTERN.search(word):
            continue
        if "$" in word:
            return True
        for part in filter(None, re.split(r"[{},=]", word)):
            below = f"{absolute(part, place)}/".startswith(f"{place.folder}/")
            if not below and (part[0] in "/~" or ".." in part):
                return True
    return False


def _before_glob(path: str) -> str:
    """A path, or the folder in which a pattern stands."""
    parts = path.split("/")
    at = next((n for n, part in enumerate(parts) if set(part) & set("*[{")), len(parts))
    return "/".join(parts[:at]) or ("/" if path.startswith("/") and at else ".")
