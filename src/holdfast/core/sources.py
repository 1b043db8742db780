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
from holdfast.core.listing_words import LISTINGS, tells_numbers
from holdfast.core.place import Place, absolute
from holdfast.core.risk.held import artefacts_alone
from holdfast.core.risk.registry import PATH_ARGUMENTS, Risk
from holdfast.core.risk.shell_hosts import is_local
from holdfast.core.risk.shell_risk import ShellRisk, is_cut_short
from holdfast.core.risk.shell_rules import OPEN_PATHS, PROGRAMS
from holdfast.model.risk import RiskLevel
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
# `grep -r`, `sort --files0-from=names`, `xargs -a names` read what no word of theirs says.
_SEARCHES = re.compile(
    r"\bgrep\b[^|;&\n]*[ \t]-(?:\w*[rRfd]|-(?:f|r|inc|dir))|\bxargs\b[^|;&\n]*[ \t]-(?:\w*a|-a)|--f"
)
_FILTERS = frozenset({"head", "tail", "sort", "uniq", "wc"})
_PASSING = _FILTERS | {"grep", "xargs"}
# Of the programs that write files, those that tell nothing of what stood there.
_WRITE_ONLY = frozenset(
    {"mkdir", "touch", "cp", "mv", "ln", "install", "tee", "truncate", "mktemp"}
) | {"chmod", "chown", "chgrp", "setfacl", "mkfifo", "mknod"}
_READ_TOO = {n for n, code in PROGRAMS.items() if code == "shell.file_write"} - _WRITE_ONLY
# They may tell what stood in the file that they write.
_READS_TOO = re.compile(rf"\b(?:{'|'.join(sorted(_READ_TOO))})\b")
_SUB_AGENTS = frozenset({"Agent", "Task"})
OF_TASKS = frozenset({"BashOutput", "TaskOutput"})
"""They return what commands and sub-agents of the session that run in the background have said."""
_SERVICE = "shell.local_service"
_INLINE, _CODE_GIVEN = "shell.inline_code", "shell.interpreter_code"
_PORT = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\]):(\d+)")
_BEHIND = re.compile(r"(?<![&>])&(?![&>\d])")
CODE = ".git/index"
"""Stands for all that lies in a checkout and git does not ignore: what code run there may read."""
RUN = ".git/others"
"""Stands for what code of a checkout is: its history, and files that git neither knows nor ignores.

What git knows and somebody changed is the operator's work, which no session of theirs has to have
seen; a stranger's history or a file that came beside it is not.
"""
# What is found in an environment of the project was installed there, and is called, not read.
_ENVIRONMENT = re.compile(r"(?:\./)?(?:\.?venv|\.[tn]ox/[\w.-]+|node_modules/\.?)/?bin/[\w.-]+")
# What a build left or an install brought, before anything was heard.
_BUILT = frozenset(
    {"node_modules", ".venv", "venv", ".tox", ".nox", "build", "dist", "target", "out"}
)
_INSTALL = "shell.declared_install"
# What formats each file by itself, and takes no text from its settings.
_FORMATTERS = frozenset({"ruff", "black", "gofmt", "rustfmt", "shfmt", "clang-format"})
_RUNNERS = frozenset({"uv"})
# Programs by their whole path; what they are is judged elsewhere.
_PROGRAMS = ("/usr/bin/", "/bin/", "/usr/local/bin/")
# `-I/usr/include`, `-C../other`.
_LEAVES = re.compile(r"^-\w/|\.\.(?:/|$)")
# What a shell knows of processes: `$$`, `$!`, `$?`.
_NUMBERS = re.compile(r"\$[$!?#]")
# An unknown program that is a file of the project, as it is called: `./run.sh`.
_UNKNOWN = "shell.unknown_program"
_BY_PATH = re.compile(
    r"(?:(?:\w+=[\w./:-]*|nohup|time|exec)[ \t]+)*(?:\.{0,2}/)?[\w.-]+/[\w./-]+(?![^\s;&|<>()])"
)
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
    if contract.name in _SUB_AGENTS | OF_TASKS:
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
    if contract is None or not contract.shell or not place.folder:
        return []
    command = str(arguments.get(contract.shell, ""))
    return (
        re.findall(r"(?<!\d)\d{4,5}(?!\d)", command) if goes_on(contract, arguments, risk) else []
    )


def goes_on(contract: Contract | None, arguments: Mapping[str, Any], risk: Risk) -> bool:
    """Whether a command leaves code of the project running behind it, which may print more."""
    judged = risk.shell
    if contract is None or not contract.shell or judged is None:
        return False
    runs = any(reason.code in _RUNS for reason in judged.reasons)
    return runs and _is_behind(arguments, contract)


def code_run(
    contract: Contract | None, arguments: Mapping[str, Any], risk: Risk, place: Place
) -> list[str] | None:
    """Absolute paths that have to be own for what a command runs to be own code.

    Empty where it runs none of the project; None where nobody can tell.
    """
    judged = risk.shell
    if contract is None or not contract.shell or judged is None or not place.folder:
        return None
    codes = {reason.code for reason in judged.reasons}
    if not codes & (_RUNS | {_UNKNOWN, _INSTALL}):
        return []
    scratch = _named_elsewhere(str(arguments.get(contract.shell, "")), place)
    if scratch is None or judged.opaque or is_cut_short(judged):
        return None
    folders = [absolute(one, place) for one in (".", *judged.folders)]
    if not all(f"{one}/".startswith(f"{place.folder}/") for one in folders):
        return None
    read = [path for path in judged.reads if not _BUILT & set(path.split("/")[:-1])]
    named = [absolute(_before_glob(path), place) for path in read if "://" not in path]
    return [*named, *scratch, *(f"{one}/{RUN}" for one in dict.fromkeys(folders))]


def leaves_running(contract: Contract | None, arguments: Mapping[str, Any], risk: Risk) -> bool:
    """Whether a command may leave a process behind: code, what runs behind it, what is opaque."""
    judged = risk.shell
    if contract is None or not contract.shell or judged is None or risk.read_only:
        return False
    codes = {reason.code for reason in judged.reasons}
    runs = codes & (_RUNS | {_UNKNOWN, _INSTALL, _INLINE})
    unclear = judged.opaque or risk.level >= RiskLevel.HIGH
    return bool(runs) or unclear or _is_behind(arguments, contract)


def _of_command(command: str, judged: ShellRisk, place: Place) -> list[str] | None:
    codes = {reason.code for reason in judged.reasons}
    if is_cut_short(judged):
        return None
    asks = bool(judged.hosts) or _SERVICE in codes
    if asks:
        if not _asks_own_service(command, judged, place):
            return None
        codes -= {_SERVICE}
    codes -= _excused(judged)
    packages: list[str] | None = []
    opaque = judged.opaque
    if _CODE_GIVEN in codes or (_INLINE in codes and opaque):
        packages = project_packages(command, judged.programs)
        opaque = packages is None
        codes = codes - {_CODE_GIVEN, "shell.dynamic_path"} | {_INLINE}
    if packages is None or opaque or not codes <= _KEEPS or _FETCHING.search(command):
        return None
    if LISTINGS.intersection(judged.programs) and not tells_numbers(command):
        return None
    if set(judged.folders) - {"."}:
        return None
    if _matches_elsewhere(command, place):
        return None
    if _names_alone(command, judged):
        outside = any(path.startswith(("/", "~", "..")) for path in judged.reads)
        return None if outside else []
    found = _named(command, judged, codes, packages, place)
    if found is None:
        return None
    # It reads where it stands, or what is piped into it: the folder as a whole.
    return found if found or asks or _is_quiet(command, judged) else [place.folder]


def _excused(judged: ShellRisk) -> set[str]:
    """Findings that say nothing here: of what builds leave, of programs of the project."""
    gone = {"shell.recursive_delete"} if artefacts_alone(judged) else set[str]()
    return gone | ({_UNKNOWN} if _is_the_projects(judged) else set())


def _named(
    command: str, judged: ShellRisk, codes: set[str], packages: list[str], place: Place
) -> list[str] | None:
    """What has to be own of a command that keeps to files; empty where it names nothing."""
    told = own_history(command, place)
    if "git" in judged.programs and _is_in_pieces("git", command):
        return None
    if told is None or any("?" in path or path.startswith("~") for path in judged.reads):
        return None
    # A device, and an address that a reader took for a path; a test of a file is in that file.
    runs = bool(codes & _RUNS) or _INLINE in codes
    given = _reads(judged, runs=runs)
    named = [path for path in given if path != "/dev/null" and "://" not in path]
    named = [path.partition("::")[0] for path in named if not path.endswith("...")]
    read = [absolute(_before_glob(path), place) for path in named]
    read += [absolute(path, place) for path in told + packages]
    if runs:
        # Code may read any file of the folder; which, only it knows.
        scratch = _named_elsewhere(command, place) if codes & _RUNS else []
        return None if scratch is None else [*read, *scratch, absolute(CODE, place)]
    return read


def _reads(judged: ShellRisk, *, runs: bool) -> tuple[str, ...]:
    """What it names to read; an archive or a database that may be written may be read as well."""
    read = tuple(path for path in judged.reads if not _ENVIRONMENT.fullmatch(path))
    wrote = [reason.where for reason in judged.reasons if reason.code == "shell.file_write"]
    if not any(map(_READS_TOO.search, wrote)):
        return read
    # Beside code of the project, which decides by itself what it reads of the folder.
    return read + tuple(path for path in judged.writes if not runs or path[:1] in "/~.")


def _is_quiet(command: str, judged: ShellRisk) -> bool:
    """Whether it tells of names and numbers alone."""
    programs = set(judged.programs)
    if programs <= _LISTING | {"git"}:
        return not _TAKES_IN.search(command)
    # Processes by their numbers, of which at most lines are passed on.
    listed = bool(programs & LISTINGS) and programs <= LISTINGS | _LISTING | _PASSING
    return listed and not _SEARCHES.search(command)


def _is_in_pieces(name: str, command: str) -> bool:
    """Whether a program may be called by a name in pieces, which is not read as one."""
    word = rf"\b{name}\b"
    bare = re.sub(r"[\\\"']", "", command)
    return not 0 < len(re.findall(word, bare)) <= len(re.findall(word, command))


def _is_the_projects(judged: ShellRisk) -> bool:
    """Whether each program that is not known is called by its path below the folder."""
    called = [reason.where for reason in judged.reasons if reason.code == _UNKNOWN]
    return all(_BY_PATH.match(where) for where in called)


def _is_behind(arguments: Mapping[str, Any], contract: Contract) -> bool:
    command = str(arguments.get(contract.shell, ""))
    return arguments.get("run_in_background") is True or bool(_BEHIND.search(command))


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
