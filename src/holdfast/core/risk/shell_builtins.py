"""Builtins that run code later, fill a name, or change what a later word means."""

import re
from collections.abc import Callable

from holdfast.core.risk import shell_rules as tables
from holdfast.core.risk.shell_calls import NO_FEED, Call, Findings, RunCode
from holdfast.core.risk.shell_environment import assigned, named
from holdfast.core.risk.shell_evaluation import arithmetic_is_plain, is_plain_name
from holdfast.core.risk.shell_rules import words
from holdfast.core.risk.shell_words import UNKNOWN
from holdfast.core.risk.shell_wrappers import has_flag, operands, option_values

_READ_VALUES = words("-a -d -i -n -N -p -t -u")
_MAP_VALUES = words("-d -n -O -s -u -C -c")
_DECLARES = words("declare typeset export readonly local")


def judge_builtin(call: Call, found: Findings, run: RunCode) -> None:
    """Add what a builtin earns by its names and by the code it is given; others earn nothing."""
    builtin = _BUILTINS.get(call.argv[0])
    if builtin is not None:
        builtin(call, found, run)


def _names(given: list[str], call: Call, found: Findings, *, filled: bool) -> None:
    """Names a builtin takes: a subscript in one is evaluated, and some decide what is run."""
    for name in given:
        if not is_plain_name(name):
            found.add("shell.evaluated", call.where, opaque=UNKNOWN in name)
        if filled:
            named(name, call, found)


def _read(call: Call, found: Findings, _run: RunCode) -> None:
    given = operands(call.args, _READ_VALUES) + option_values(call.args, "-a")
    _names(given, call, found, filled=True)


def _mapfile(call: Call, found: Findings, run: RunCode) -> None:
    _names(operands(call.args, _MAP_VALUES), call, found, filled=True)
    for code in option_values(call.args, "-C"):
        found.add("shell.dynamic_code", call.where, opaque=True)
        run(code, where=call.where, depth=call.depth + 1, feed=NO_FEED)


def _printf(call: Call, found: Findings, _run: RunCode) -> None:
    if call.args[:1] and call.args[0].startswith("-v"):
        _names(option_values(call.args[:2], "-v"), call, found, filled=True)


def _unset(call: Call, found: Findings, _run: RunCode) -> None:
    given = [arg for arg in call.args if not arg.startswith("-")]
    _names(given, call, found, filled=False)
    if any(arg in tables.HISTORY_VARIABLES for arg in given):
        found.add("shell.history_tampering", call.where)


def _declare(call: Call, found: Findings, _run: RunCode) -> None:
    args = call.args
    given = [arg for arg in args if arg[:1] not in ("-", "+")]
    if not given and not has_flag(args, "fF"):
        found.add("shell.environment_read", call.where)
    _names([arg.partition("=")[0].rstrip("+") for arg in given], call, found, filled=False)
    assigned(tuple(given), call, found)
    if any(arg.partition("=")[0] in tables.HISTORY_VARIABLES for arg in given):
        found.add("shell.history_tampering", call.where)


def _getopts(call: Call, found: Findings, _run: RunCode) -> None:
    _names(list(call.args[1:2]), call, found, filled=True)


def _wait(call: Call, found: Findings, _run: RunCode) -> None:
    _names(option_values(call.args, "-p"), call, found, filled=True)


def _test(call: Call, found: Findings, _run: RunCode) -> None:
    for at, arg in enumerate(call.args[:-1]):
        if arg in ("-v", "-R"):
            _names([call.args[at + 1]], call, found, filled=False)


def _let(call: Call, found: Findings, _run: RunCode) -> None:
    if not all(arithmetic_is_plain(arg, found) for arg in call.args):
        found.add("shell.evaluated", call.where, opaque=True)


def _changes_words(call: Call, found: Findings, _run: RunCode) -> None:
    found.add("shell.loader_variable", call.where)


def _hash(call: Call, found: Findings, _run: RunCode) -> None:
    if has_flag(call.args, "p"):
        found.add("shell.loader_variable", call.where)


def _alias(call: Call, found: Findings, run: RunCode) -> None:
    for arg in call.args:
        if "=" in arg:
            found.add("shell.loader_variable", call.where)
            run(arg.partition("=")[2], where=call.where, depth=call.depth + 1, feed=NO_FEED)


def _completion(call: Call, found: Findings, run: RunCode) -> None:
    codes = option_values(call.args, "-C", "-W", "-F")
    if codes:
        found.add("shell.dynamic_code", call.where, opaque=True)
    for code in codes:
        run(code, where=call.where, depth=call.depth + 1, feed=NO_FEED)


def _trap(call: Call, found: Findings, run: RunCode) -> None:
    args = [arg for arg in call.args if arg not in ("--", "-p", "-l")]
    if len(args) < 2 or args[0] == "-":
        return
    if UNKNOWN in args[0]:
        found.add("shell.dynamic_code", call.where, opaque=True)
    run(args[0], where=call.where, depth=call.depth + 1, feed=NO_FEED)


def _set(call: Call, found: Findings, _run: RunCode) -> None:
    args = call.args
    if not args:
        found.add("shell.environment_read", call.where)
    if "history" in args:
        found.add("shell.history_tampering", call.where)
    if any(re.fullmatch(r"-\w*[Hk]\w*", arg) for arg in args):
        found.add("shell.loader_variable", call.where)
    if any(UNKNOWN in arg and arg[:1] == "-" for arg in args):
        found.add("shell.dynamic_code", call.where, opaque=True)


def _shopt(call: Call, found: Findings, _run: RunCode) -> None:
    if set(call.args) & words("expand_aliases extdebug sourcepath cdable_vars"):
        found.add("shell.loader_variable", call.where)


_BUILTINS: dict[str, Callable[[Call, Findings, RunCode], None]] = {
    "read": _read,
    "mapfile": _mapfile,
    "readarray": _mapfile,
    "printf": _printf,
    "unset": _unset,
    **dict.fromkeys(_DECLARES, _declare),
    "getopts": _getopts,
    "wait": _wait,
    "test": _test,
    "[": _test,
    "let": _let,
    "hash": _hash,
    "enable": _changes_words,
    "bind": _changes_words,
    "alias": _alias,
    "complete": _completion,
    "compgen": _completion,
    "trap": _trap,
    "set": _set,
    "shopt": _shopt,
}
