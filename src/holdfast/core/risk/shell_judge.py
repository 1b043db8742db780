"""What one program call is worth: names resolved through wrappers, then the tables, then details.

The order: is the program known at all, does it run another, does it run code, what does its
own handler say of its arguments. Every step only adds findings; none takes one away.
"""

import posixpath
import re
from collections.abc import Callable
from fnmatch import fnmatchcase

from holdfast.core.risk import places
from holdfast.core.risk import shell_rules as tables
from holdfast.core.risk.shell_accounts import account, accounted
from holdfast.core.risk.shell_builtins import judge_builtin
from holdfast.core.risk.shell_calls import Call, Findings, RunCode
from holdfast.core.risk.shell_environment import assigned
from holdfast.core.risk.shell_git import judge_git
from holdfast.core.risk.shell_interpreters import (
    code_from_input,
    judge_interpreter,
    judge_shell,
    judge_sourced,
)
from holdfast.core.risk.shell_options import judge_options, judge_reach
from holdfast.core.risk.shell_programs import HANDLERS, judge_operands
from holdfast.core.risk.shell_reading import FIND_PREDICATES, only_reads
from holdfast.core.risk.shell_remote import milder
from holdfast.core.risk.shell_rules import words
from holdfast.core.risk.shell_whole import judge_found
from holdfast.core.risk.shell_words import UNKNOWN
from holdfast.core.risk.shell_wrappers import (
    RESERVED,
    RUN_VERBS,
    WRAPPERS,
    has_flag,
    operands,
    option_values,
    unwrap,
)
from holdfast.model.risk import RiskLevel

_BIN = words(
    """
    /bin /usr/bin /sbin /usr/sbin /usr/local/bin /usr/local/sbin /opt/homebrew/bin
    """
)
_MACHINE = re.compile(r"x86_64|i[3-6]86|aarch64|linux\w*")
_MAX_INNER = 24
_MAX_ARGUMENTS = 2_000
_VERSIONED = re.compile(r"^(python|pypy|perl|ruby|node|lua|php|pip|gcc|clang)[0-9][0-9.]*$")
# Programs dangerous enough to be looked for behind a program nobody knows.
_COMMON = words(
    """
    port host at links mail history security pass service batch reg route ip hub op fly defaults
    mount http https init ftp code log helm snap
    """
)
_SOUGHT = (
    tables.SHELLS
    | tables.INTERPRETERS
    | words("rm dd chmod chown env xargs eval source")
    | {
        name
        for name, code in tables.PROGRAMS.items()
        if tables.FINDINGS[code][0] >= RiskLevel.HIGH and name not in _COMMON
    }
)
# Programs worth trying when a glob stands where the name should be.
_GLOBBED = (
    "rm",
    "dd",
    "sh",
    "bash",
    "mkfs",
    "chmod",
    "chown",
    "shutdown",
    "reboot",
    "curl",
    "sudo",
)
_JOINED = words("eval watch parallel hyperfine")


def judge(call: Call, found: Findings, ran: list[str], run: RunCode) -> None:
    """Add to ``found`` what this call earns, and what everything it runs earns."""
    if not call.argv:
        return
    if call.depth > found.rules.max_depth + _MAX_INNER:
        found.add("shell.unparseable", call.where, opaque=True)
        return
    written = call.argv[0]
    if UNKNOWN in written or _has_glob(written):
        _dynamic_name(call, found, ran, run)
        return
    name = call.name
    if name in RESERVED and name != "time":
        # `time { ls; }` reaches here as `{ ls`, and its end as a lone `}`.
        judge(call.inner(call.args), found, ran, run)
        return
    found.program(name)
    ran.append(name)
    if len(call.argv) > _MAX_ARGUMENTS:
        found.add("shell.unparseable", call.where, opaque=True)
        return
    folder = posixpath.dirname(written)
    reads = (not folder or folder in _BIN) and only_reads(name, call.args)
    found.only_reads = found.only_reads and reads
    if folder and folder not in _BIN:
        found.add("shell.runs_script", call.where)
        found.runs(written, call.where)
    name = _family_name(name)
    known = _is_known(name, found)
    asks = len(call.args) == 1 and call.args[0] in ("--version", "--help", "-V")
    if asks and known and not folder and name not in WRAPPERS:
        return
    if not reads and (code := milder(name, call.args) or found.rules.programs.get(name, "")):
        found.add(code, call.where)
    _judge_named(call.inner((name, *call.args)), found, ran, run, known=known)


def _family_name(name: str) -> str:
    """``python3.11`` is python and ``mkfs.xfs`` is mkfs."""
    if match := _VERSIONED.match(name):
        return match.group(1)
    return "mkfs" if name.startswith("mkfs.") else name


def _judge_named(call: Call, found: Findings, ran: list[str], run: RunCode, *, known: bool) -> None:
    name = call.argv[0]
    if name == "holdfast":
        found.add("shell.touches_holdfast", call.where)
    if name.startswith(("ld-linux", "ld-musl", "ld.so")):
        found.add("shell.loader_variable", call.where)
    judge_builtin(call, found, run)
    judge_options(name, call, found)
    if name not in _READ_ELSEWHERE:
        account(name, call.args, call, found)
    if _runs_another(name, call.args, call, found, ran, run):
        return
    if _runs_code(name, call, found, run):
        return
    if name == "git":
        judge_git(call, found, lambda argv: judge(call.inner(argv), found, ran, run))
        return
    handler = HANDLERS.get(name)
    if handler is not None:
        handler(call, found)
    elif known:
        judge_operands(name, call.args, call, found)
    else:
        _unknown(call.args, call, found, ran, run)


# Their handlers ask for the account of a part of their arguments.
_READ_ELSEWHERE = words("fd jq yq sed awk gawk mawk nawk")


def _is_known(name: str, found: Findings) -> bool:
    return (
        name in found.rules.safe
        or name in found.rules.programs
        or name in HANDLERS
        or name in WRAPPERS
        or name in tables.SHELLS
        or name in tables.INTERPRETERS
        or name in _JOINED
        or name == "git"
        or accounted(name)
    )


def _has_glob(name: str) -> bool:
    return name not in ("[", "[[", "*", "?") and any(mark in name for mark in "*?[")


def _dynamic_name(call: Call, found: Findings, ran: list[str], run: RunCode) -> None:
    written = call.argv[0]
    found.add("shell.dynamic_program", call.where, opaque=True)
    found.program(written)
    ran.append(written)
    if call.sources & tables.DOWNLOADERS:
        found.add("shell.download_to_shell", call.where, opaque=True)
    if call.depth > found.rules.max_depth + 8:
        return
    if UNKNOWN in written:
        rest = written.replace(UNKNOWN, "")
        if rest and not _has_glob(rest):
            judge(call.inner((rest, *call.argv[1:])), found, ran, run)
            return
    else:
        pattern = posixpath.basename(written)[:64]
        for candidate in _GLOBBED:
            if fnmatchcase(candidate, pattern):
                judge(call.inner((candidate, *call.argv[1:])), found, ran, run)
    judge_operands("", call.argv[1:], call, found)


def _unknown(
    args: tuple[str, ...], call: Call, found: Findings, ran: list[str], run: RunCode
) -> None:
    found.add("shell.unknown_program", call.where)
    judge_operands("", args, call, found)
    judge_reach(call.inner((call.argv[0], *args)), found, project=_is_project(call, found))
    for at, arg in enumerate(args[:64]):
        if posixpath.basename(arg) in _SOUGHT and at + 1 < len(args):
            found.add("shell.unknown_reach", call.where)
            judge(call.inner(args[at:]), found, ran, run)
            return


def _is_project(call: Call, found: Findings) -> bool:
    """Whether the program is named by a path in the project's folder."""
    word = call.where.lstrip().split(None, 1)[0] if call.where.strip() else ""
    return "/" in word and posixpath.basename(word) == call.name and not found.outside(word)


def _runs_another(
    name: str, args: tuple[str, ...], call: Call, found: Findings, ran: list[str], run: RunCode
) -> bool:
    if name in RUN_VERBS and args and args[0] in RUN_VERBS[name]:
        found.add("shell.build_tool", call.where)
        inner = unwrap(WRAPPERS["uvx"], args[1:]).argv
        judge(call.inner(inner), found, ran, run)
        return True
    if name in ("yarn", "pnpm", "bun"):
        _script_or_program(args, call, found, ran, run)
    if name in {"find", "fd"}:
        return _find(name, args, call, found, ran, run)
    wrapper = WRAPPERS.get(name)
    if wrapper is None:
        return False
    parts = unwrap(wrapper, args)
    for option in parts.options:
        if option.startswith(("-", "/")) is False or "=" in option:
            found.touch(option.partition("=")[2] or option, call.where)
    assigned(parts.assignments, call, found)
    if name == "command" and has_flag(args[:1], "vV"):
        return True
    if name == "time" and not parts.argv:
        return True
    _wrapper_details(name, args, parts.argv, parts.options, call, found, run)
    inner = _inner_words(name, args, parts.argv, call)
    if inner:
        judge(call.inner(inner), found, ran, run)
        first = posixpath.basename(inner[0])
        if first not in RESERVED and not _is_known(first, found):
            _unknown(inner[1:], call, found, ran, run)
    return True


def _script_or_program(
    args: tuple[str, ...], call: Call, found: Findings, ran: list[str], run: RunCode
) -> None:
    """``yarn x`` runs the project's script x, or else a program of that name."""
    rest = operands(args, words("-F --filter --cwd -C --dir"))
    verb = rest[0] if rest else ""
    at = args.index(verb) if verb else 0
    inner = args[at + 1 :] if verb in ("run", "exec") else args[at:]
    if inner and inner[0] not in _PACKAGE_VERBS and _is_known(inner[0], found):
        judge(call.inner(inner), found, ran, run)


# Verbs of package tools that are names of programs, too, and what a script is mostly called.
_PACKAGE_VERBS = words("install test link unlink set x")


def _inner_words(
    name: str, args: tuple[str, ...], inner: tuple[str, ...], call: Call
) -> tuple[str, ...]:
    """The words of the command a wrapper runs, where that is not simply what is left."""
    if name == "xargs":
        return _xargs(args, inner, call)
    if name == "coproc" and inner[1:2] in (("{",), ("(",)):
        return inner[2:]
    if name == "setarch" and inner[:1] and _MACHINE.fullmatch(inner[0]):
        return inner[1:]
    return inner


def _wrapper_details(
    name: str,
    args: tuple[str, ...],
    inner: tuple[str, ...],
    options: tuple[str, ...],
    call: Call,
    found: Findings,
    run: RunCode,
) -> None:
    if name == "env":
        for code in option_values(options, "-S", "--split-string"):
            _run_inner(" ".join((code, *inner)), call, run)
        for folder in option_values(options, "-C", "--chdir"):
            found.change_directory(folder)
        if not inner and not option_values(options, "-S", "--split-string"):
            found.add("shell.environment_read", call.where)
    elif name in ("sudo", "doas", "run0"):
        _as_superuser(inner, options, call, found, run)
    elif name in ("flock", "sg", "runuser"):
        for code in option_values(args, "-c", "--command"):
            _run_inner(code, call, run)
        if name == "flock" and options:
            found.write(options[-1], call.where)
    elif name in ("time", "strace", "ltrace"):
        for path in option_values(options, "-o", "--output"):
            found.write(path, call.where)
    elif name in ("unshare", "nsenter", "chroot") and not inner:
        code_from_input(call, found, run, is_shell=True)


def _as_superuser(
    inner: tuple[str, ...], options: tuple[str, ...], call: Call, found: Findings, run: RunCode
) -> None:
    if not inner and has_flag(options, "si", "shell", "login"):
        code_from_input(call, found, run, is_shell=True)
    if has_flag(options, "e", "edit"):
        for path in inner:
            found.write(path, call.where)


def _xargs(args: tuple[str, ...], inner: tuple[str, ...], call: Call) -> tuple[str, ...]:
    fed = tuple(call.feed.text.split())[:64] if call.feed.text is not None else (UNKNOWN,)
    inner = inner or ("echo",)
    for token in [*option_values(args, "-I", "--replace"), *(["{}"] if "-i" in args else [])]:
        if token:
            text = " ".join(fed)
            return tuple(word.replace(token, text) for word in inner)
    return (*inner, *fed)


_ANY_OF = frozenset({"-o", "-or", ",", "!", "-not"})
_SAYS_A_NAME = re.compile(r"\A[\w.*-]*\w{2}[\w.*-]*\Z")


def _find_starts(args: tuple[str, ...]) -> list[str]:
    starts: list[str] = []
    for arg in args:
        if arg in ("-H", "-L", "-P"):
            continue
        if arg.startswith(("-", "(", "!")):
            break
        starts.append(arg)
    return starts or ["."]


def _find_reads(
    name: str, args: tuple[str, ...], starts: list[str], call: Call, found: Findings, *, runs: bool
) -> None:
    for start in starts:
        found.read(start, call.where, recursive=runs, contents=runs)
    shows_hidden = name == "find" or has_flag(args, "HIu", "hidden", "no-ignore", "unrestricted")
    if runs and shows_hidden:
        judge_found(args, starts, call, found)
    for pattern in option_values(args, "-name", "-iname"):
        high = any(places.holds_secrets(view) for start in starts for view in found.views(start))
        taken = high and any(fnmatchcase(name, pattern) for name in _SECRETS_SOUGHT)
        if taken or places.is_secret(pattern.replace("*", "x")):
            found.add("shell.secret_read", call.where)


def _found_name(args: tuple[str, ...]) -> str:
    """What is found by one name alone, at any depth; else anything."""
    names = option_values(args, "-name", "-iname")
    if len(names) != 1 or set(args) & _ANY_OF or not _SAYS_A_NAME.search(names[0]):
        return "*"
    return f"*/{names[0]}"


def _find(
    name: str, args: tuple[str, ...], call: Call, found: Findings, ran: list[str], run: RunCode
) -> bool:
    starts = _find_starts(args)
    _account_find(name, args, call, found)
    runs = any(arg.startswith(("-exec", "-ok", "-x", "-X", "--exec")) for arg in args)
    _find_reads(name, args, starts, call, found, runs=runs)
    at = 0
    while at < len(args):
        arg = args[at]
        if arg == "-delete":
            for start in starts:
                found.delete(start, call.where, forced=True)
        elif arg in ("-fprint", "-fprint0", "-fprintf", "-fls"):
            for path in args[at + 1 : at + 2]:
                found.write(path, call.where)
        elif arg in ("-exec", "-execdir", "-ok", "-okdir") or (
            name == "fd" and arg in ("-x", "-X", "--exec", "--exec-batch")
        ):
            end = at + 1
            while end < len(args) and args[end] not in (";", "+"):
                end += 1
            for start in starts[:4]:
                found_there = f"{start}/{_found_name(args)}"
                inner = tuple(word.replace("{}", found_there) for word in args[at + 1 : end])
                judge(call.inner(inner), found, ran, run)
            at = end
        at += 1
    return True


# What a search from a folder as high as a home is after, where its pattern takes one of these.
_SECRETS_SOUGHT = (
    ".env",
    "prod.env",
    "id_rsa",
    "id_ed25519",
    "key.pem",
    "credentials",
    ".netrc",
    "server.key",
)


def _account_find(name: str, args: tuple[str, ...], call: Call, found: Findings) -> None:
    """Predicates and options by allow-list; what is run is judged as a call of its own."""
    if name == "fd":
        runs = ("-x", "-X", "--exec", "--exec-batch")
        cut = next((at for at, arg in enumerate(args) if arg in runs), len(args))
        account(name, args[:cut], call, found)
        return
    inside = False
    for arg in args:
        if inside:
            inside = arg not in (";", "+")
        elif arg in ("-exec", "-execdir", "-ok", "-okdir"):
            inside = True
        elif arg[:1] == "-" and arg not in FIND_PREDICATES:
            found.add("shell.unaccounted_option", f"{arg} in {call.where}")


def _runs_code(name: str, call: Call, found: Findings, run: RunCode) -> bool:
    """Programs whose arguments or input are code. False: judge the arguments as well."""
    if name in tables.SHELLS:
        judge_shell(call.args, call, found, run)
    elif name in tables.INTERPRETERS:
        judge_interpreter(name, call.args, call, found, run)
    elif name in {"source", "."}:
        judge_sourced(call.args, call, found, run)
    elif name in _CODE_RUNNERS:
        _CODE_RUNNERS[name](call, found, run)
    else:
        if name == "script":
            for path in operands(call.args, words("-c -I -O -B -T -m -E -o")):
                found.write(path, call.where)
        if name in _SCHEDULERS:
            for arg in call.args:
                if " " in arg:
                    _run_inner(arg, call, run)
            if name in {"at", "batch", "crontab"} and call.feed.text is not None:
                _run_inner(call.feed.text, call, run)
        return False
    return True


def _run_inner(code: str, call: Call, run: RunCode) -> None:
    run(code, where=call.where, depth=call.depth + 1, feed=call.feed)


def _eval(call: Call, found: Findings, run: RunCode) -> None:
    found.add("shell.dynamic_code", call.where, opaque=any(UNKNOWN in arg for arg in call.args))
    if call.sources & tables.DOWNLOADERS:
        found.add("shell.download_to_shell", call.where, opaque=True)
    _run_inner(" ".join(call.args), call, run)
    known = [arg for arg in call.args if arg != UNKNOWN]
    if len(known) < len(call.args):
        _run_inner(" ".join(known), call, run)


def _su(call: Call, found: Findings, run: RunCode) -> None:
    codes = option_values(call.args, "-c", "--command", "--session-command")
    for code in codes:
        _run_inner(code, call, run)
    if not codes and call.feed.present:
        code_from_input(call, found, run, is_shell=True)


def _benchmarked(call: Call, _found: Findings, run: RunCode) -> None:
    values = words(
        "-w -m -M -r -p -s -c -N -u -i -P -D -L -S --warmup --runs --min-runs --export-json"
    )
    for code in operands(call.args, values):
        _run_inner(code, call, run)


def _multiplexer(call: Call, found: Findings, _run: RunCode) -> None:
    verb = next((arg for arg in call.args if not arg.startswith("-")), "")
    if verb not in ("ls", "list-sessions", "list-windows", "list-panes") and call.args != ("-ls",):
        found.add("shell.option_runs", call.where)


_SSH_VALUES = words("-p -i -l -o -F -J -L -R -D -b -c -E -e -I -m -O -Q -S -W -w -B")


def _ssh(call: Call, found: Findings, run: RunCode) -> None:
    args = call.args
    rest = operands(args, _SSH_VALUES)
    for arg in args:
        found.touch(arg, call.where)
        if "proxycommand" in arg.lower() or "localcommand" in arg.lower():
            found.add("shell.loader_variable", call.where)
            _run_inner(re.split(r"[= ]", arg, maxsplit=1)[-1], call, run)
    if not rest:
        return
    found.host(rest[0])
    at = args.index(rest[0])
    command = " ".join(arg for arg in args[at + 1 :])
    if command:
        _run_inner(command, call, run)
    elif call.feed.text is not None:
        _run_inner(call.feed.text, call, run)


def _joined(call: Call, found: Findings, run: RunCode) -> None:
    name, args = call.name, call.args
    values = words(
        "-n -j -I -d -s -a --arg-file --interval --jobs --delay --results --joblog --colsep"
    )
    cut = next((at for at, arg in enumerate(args) if arg in (":::", "::::", ":::+")), len(args))
    head, at = args[:cut], 0
    while at < len(head) and head[at].startswith("-"):
        at += 2 if head[at] in values else 1
    inner, given = head[at:], " ".join(args[cut + 1 :])
    if name == "parallel" and inner and inner[0] in tables.SHELLS | tables.INTERPRETERS:
        found.add("shell.code_from_stdin", call.where, opaque=True)
    if name == "watch" or inner:
        text = " ".join(inner)
        fed = given or (call.feed.text if call.feed.text is not None else UNKNOWN)
        if name == "parallel":
            text = text.replace("{}", fed) if "{}" in text else f"{text} {fed}"
        elif found.level < RiskLevel.MEDIUM:
            found.add("shell.session_change", call.where)
        _run_inner(text, call, run)
    elif given:
        _run_inner("\n".join(args[cut + 1 :]), call, run)
    else:
        code_from_input(call, found, run, is_shell=True)


_CODE_RUNNERS: dict[str, Callable[[Call, Findings, RunCode], None]] = {
    "eval": _eval,
    "su": _su,
    "ssh": _ssh,
    "hyperfine": _benchmarked,
    "tmux": _multiplexer,
    "screen": _multiplexer,
    "watch": _joined,
    "parallel": _joined,
}
_SCHEDULERS = words("script at batch crontab docker podman kubectl")
