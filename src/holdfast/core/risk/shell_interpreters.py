"""Shells and language interpreters: where their code comes from, and what that is worth."""

import re
from collections.abc import Callable

from holdfast.core.risk import shell_rules as tables
from holdfast.core.risk.shell_accounts import account, account_by
from holdfast.core.risk.shell_calls import NO_FEED, Call, Findings, RunCode
from holdfast.core.risk.shell_hosts import is_local, names_host
from holdfast.core.risk.shell_javascript import judge_javascript
from holdfast.core.risk.shell_options import judge_options
from holdfast.core.risk.shell_python import judge_python
from holdfast.core.risk.shell_python_names import LIBRARY
from holdfast.core.risk.shell_remote import package_use
from holdfast.core.risk.shell_rules import words
from holdfast.core.risk.shell_specs import MODULES
from holdfast.core.risk.shell_words import UNKNOWN
from holdfast.core.risk.shell_wrappers import option_values, takes_next

_SHELL_VALUES = words("-o -O +o +O --rcfile --init-file")
_STARTUP_OPTIONS = ("--rcfile", "--init-file")
_STDIN = words("- /dev/stdin /dev/fd/0 /proc/self/fd/0")
_CODE_LETTERS = {
    "python": "c", "python2": "c", "python3": "c", "pypy": "c", "pypy3": "c", "ipython": "c",
    "perl": "eE", "perl5": "eE", "ruby": "e", "irb": "e", "node": "ep", "nodejs": "ep",
    "php": "rBE", "m4": "",
}  # fmt: skip
_VALUES = words("-W -X -I -r -d --require --import --loader")
_MODULES = {
    "pytest": "shell.build_tool",
    "unittest": "shell.build_tool",
    "mypy": "shell.build_tool",
    "ruff": "shell.build_tool",
}
_ASKED = words("-V --version --help -h -VV")
_SYSTEM_CALL = re.compile(
    r"(?:system|popen|exec(?!ut)\w*|spawn\w*|run|call|check_call|check_output|Popen|execSync|shell_exec|passthru)"
    r"\s*\(?\s*[rbf]?(?P<mark>[\"'`])(?P<code>(?:\\.|(?!(?P=mark)).){1,2000})(?P=mark)"
)


def code_from_input(call: Call, found: Findings, run: RunCode, *, is_shell: bool) -> None:
    """An interpreter that reads its program from its input."""
    origin = call.feed.programs | call.sources
    if origin & tables.DOWNLOADERS:
        found.add("shell.download_to_shell", call.where, opaque=True)
    if origin & tables.DECODERS:
        found.add("shell.decoded_to_shell", call.where, opaque=True)
    text = call.feed.text
    if text is None:
        found.add("shell.code_from_stdin", call.where, opaque=True)
        return
    if UNKNOWN in text:
        found.add("shell.dynamic_code", call.where, opaque=True)
    if is_shell:
        run(text, where=call.where, depth=call.depth + 1, feed=NO_FEED)
    else:
        _foreign_code(text, call, found, run, language=_language(call.argv[0]))


def _foreign_code(
    code: str, call: Call, found: Findings, run: RunCode, *, language: str = ""
) -> None:
    """Code of another language: read where a reader knows it, else HIGH.

    What is not plain is also searched for shell commands that it starts.
    """
    reads = _READERS.get(language)
    if reads is not None and reads(code, call, found):
        return
    found.add("shell.interpreter_code", call.where, opaque=True)
    for at, match in enumerate(_SYSTEM_CALL.finditer(code[:16_384])):
        if at >= 16:
            break
        run(match.group("code"), where=match.group(), depth=call.depth + 1, feed=NO_FEED)


def _language(name: str) -> str:
    if name.startswith(("python", "pypy")):
        return "python"
    return "javascript" if name in ("node", "nodejs") else ""


def _from_program(path: str, call: Call, found: Findings, run: RunCode, *, is_shell: bool) -> None:
    """A script named as an operand: a file, the input, or another program's output."""
    if path in _STDIN:
        code_from_input(call, found, run, is_shell=is_shell)
        return
    if path.startswith("/dev/fd/") or UNKNOWN in path:
        if call.sources & tables.DOWNLOADERS:
            found.add("shell.download_to_shell", call.where, opaque=True)
        found.add("shell.dynamic_code", call.where, opaque=True)
        return
    found.add("shell.runs_script", call.where)
    found.read(path, call.where)
    found.runs(path, call.where)


def _shell_options(args: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The option letters given to a shell (long options in full), and its operands."""
    at, letters = 0, ""
    while at < len(args):
        arg = args[at]
        if arg in ("--", "-"):
            at += 1
            break
        if not (len(arg) > 1 and arg[0] in "-+"):
            break
        if arg.startswith("--"):
            letters += "c" if arg == "--command" else "R" if arg in _STARTUP_OPTIONS else ""
        elif arg[0] == "-":
            letters += arg[1:]
        at += 2 if takes_next(arg, _SHELL_VALUES) else 1
    return letters, args[at:]


def judge_shell(args: tuple[str, ...], call: Call, found: Findings, run: RunCode) -> None:
    """``sh [options] [-c code | file | -s]``."""
    letters, rest = _shell_options(args)
    if "R" in letters:
        found.add("shell.runs_script", call.where)
    if "c" in letters or "C" in letters:
        code = rest[0] if rest else UNKNOWN
        if UNKNOWN in code:
            found.add("shell.dynamic_code", call.where, opaque=True)
            if call.sources & tables.DOWNLOADERS:
                found.add("shell.download_to_shell", call.where, opaque=True)
            if call.sources & tables.DECODERS:
                found.add("shell.decoded_to_shell", call.where, opaque=True)
        run(code, where=call.where, depth=call.depth + 1, feed=call.feed)
        # A variable that may hold several texts stands here as several fields.
        for other in rest[1:8] if found.variables else ():
            if " " in other:
                run(other, where=call.where, depth=call.depth + 1, feed=call.feed)
    elif "s" in letters or not rest:
        code_from_input(call, found, run, is_shell=True)
    else:
        _from_program(rest[0], call, found, run, is_shell=True)


def judge_sourced(args: tuple[str, ...], call: Call, found: Findings, run: RunCode) -> None:
    """``source file`` and ``. file``."""
    if args:
        _from_program(args[0], call, found, run, is_shell=True)


def _needs_no_code(name: str, args: tuple[str, ...], call: Call, found: Findings) -> bool:
    """Asked for its version, or told to run the project's tests; nothing is fed to it."""
    if call.feed.present or not args:
        return False
    quick = _language(name) == "javascript"
    if quick and args[0] == "--test":
        found.add("shell.build_tool", call.where)
        return True
    return set(args) <= (_ASKED | {"-v"} if quick else _ASKED)


def judge_interpreter(
    name: str, args: tuple[str, ...], call: Call, found: Findings, run: RunCode
) -> None:
    """``python``, ``perl``, ``node`` …: code given, a module, a file, or the input."""
    letters = _CODE_LETTERS.get(name, "ecr")
    if _needs_no_code(name, args, call, found):
        return
    at = 0
    while at < len(args):
        arg = args[at]
        if not (len(arg) > 1 and arg[0] == "-") or arg == "--":
            break
        if names_host(arg.partition("=")[2]):
            found.add("shell.opens_port", call.where)
        if arg[1] == "m" and _language(name) == "python":
            module = arg[2:] or (args[at + 1] if at + 1 < len(args) else UNKNOWN)
            _module(module, args[at + (1 if arg[2:] else 2) :], call, found)
            return
        if arg.startswith(("--eval", "--print", "--run")) or (
            not arg.startswith("--") and any(letter in arg for letter in letters)
        ):
            _given_code(name, args[at:], call, found, run)
            return
        at += 2 if arg in _VALUES else 1
    rest = [arg for arg in args[at:] if arg != "--"]
    if name == "deno" and rest[:1] == ["eval"]:
        _foreign_code(" ".join(rest[1:]), call, found, run)
    elif name == "php" and "-S" in args:
        if not any(map(is_local, args)):
            found.add("shell.opens_port", call.where)
    elif not rest or "-i" in args[:at]:
        code_from_input(call, found, run, is_shell=False)
    else:
        _script(rest, call, found, run)


def _script(rest: list[str], call: Call, found: Findings, run: RunCode) -> None:
    """A file that is run, and what it is given."""
    _from_program(rest[0], call, found, run, is_shell=False)
    _project_shell(rest, call, found)
    for arg in rest[1:]:
        found.touch(arg, call.where)
        if names_host(arg):
            code = "shell.opens_port" if "0.0.0.0" in arg else "shell.network"  # noqa: S104
            found.add(code, call.where)


def _given_code(
    name: str, args: tuple[str, ...], call: Call, found: Findings, run: RunCode
) -> None:
    """``-c code`` and ``-e code``, alone or at the end of a cluster; anything else is not read."""
    option, rest = args[0], args[1:]
    plain = option in ("-c", "-e", "-p", "-pe", "--eval", "--print")
    if plain and rest:
        _foreign_code(rest[0], call, found, run, language=_language(name))
    else:
        _foreign_code(" ".join(args), call, found, run)


def _module(module: str, args: tuple[str, ...], call: Call, found: Findings) -> None:
    """``python -m``: a tool of the table, a module of the project, or one that reaches further."""
    top = module.partition(".")[0]
    if top == "holdfast":
        found.add("shell.touches_holdfast", call.where)
    if module == "http.server":
        binds = [*option_values(args, "--bind", "-b"), ""][0]
        found.add("shell.local_service" if is_local(binds) else "shell.opens_port", call.where)
        for folder in option_values(args, "--directory", "-d"):
            if found.outside(folder):
                found.add("shell.outside_run", call.where)
    elif module == "timeit":
        if not all(judge_python(arg, call, found) for arg in args if not arg.startswith("-")):
            found.add("shell.interpreter_code", call.where, opaque=True)
    elif top == "pip":
        code = package_use("pip", args) or "shell.package_install"
        found.add(code if not reads_packages(args) else "shell.build_tool", call.where)
    elif UNKNOWN in module or (top in LIBRARY and module not in MODULES):
        found.add("shell.interpreter_code", call.where, opaque=True)
    else:
        if module in MODULES:
            account_by(MODULES[module], args, call, found)
        else:
            account(top, args, call, found)
        found.add(_MODULES.get(module.partition(".__")[0], "shell.runs_script"), call.where)
    judge_options(top, call.inner((top, *args)), found)
    for arg in args:
        if arg[:1] in ("/", "~", ".") and found.outside(arg):
            found.add("shell.outside_run", call.where)


def reads_packages(args: tuple[str, ...]) -> bool:
    """Whether pip is only asked what is installed."""
    return args[:1] in (("list",), ("show",), ("freeze",), ("check",), ("--version",))


def _project_shell(rest: list[str], call: Call, found: Findings) -> None:
    """``manage.py shell -c code`` and the like: a script of the project that is given code."""
    if (
        len(rest) > 2
        and set(rest[1:3]) & words("shell shell_plus runner console eval")
        and ("-c" in rest or "--command" in rest)
    ):
        found.add("shell.interpreter_code", call.where, opaque=True)


_READERS: dict[str, Callable[[str, Call, Findings], bool]] = {
    "python": judge_python,
    "javascript": judge_javascript,
}
