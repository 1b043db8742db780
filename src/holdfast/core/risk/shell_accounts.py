"""What the arguments of a program are worth by its spec; what the spec does not know is HIGH.

A program whose options can make it run something, read code or write elsewhere is judged by what
is known of it (`shell_specs`). Programs that are inert whatever they are given have no spec.
"""

import posixpath
import re
from collections.abc import Callable, Sequence

from holdfast.core.risk.shell_calls import Call, Findings
from holdfast.core.risk.shell_hosts import is_local, names_host
from holdfast.core.risk.shell_spec import Given, Spec, Taken, joined, take
from holdfast.core.risk.shell_specs import PROGRAMS
from holdfast.core.risk.shell_words import UNKNOWN

# What a value has to look like, by kind; of plug-ins every part between commas.
_FORMS = {
    kind: re.compile("|".join(forms.split()))
    for kind, forms in {
        "n": r"""no:\S+ pytester xdist cov (?:spec|rails)_helper react import vue jsdoc node
            (?:@[\w-]+/)?[\w-]*(?:pytest|pylint|flake8|rspec|eslint)[\w./-]*""",
        "i": r"""(?:log_\w+|console_output_style|addopts|junit_family|xfail_strict)=[\w.%:-]*
            (?:asyncio_mode|timeout|max_width|edition|imports_granularity|group_imports)=[\w.-]*""",
        "L": r"(?:\s|-[sw]\b|-X[\s=]'?[\w./@-]+=[^'\s]*'?|-H=\w+|all=)*",
        "G": r"(?:\s|all=|\./\.\.\.=|-[NlmSB]\b|-m=\d|-trimpath)*",
        "M": r"""(?:skip[\w.]*|[\w.]*\.skip|(?:it\.)?[tT]est|failIfNoTests|revision)(?:=\S*)?
            (?:maven\.(?:test|javadoc|compiler|source)\.\w+|surefire\.failIfNo\w+)(?:=\S*)?
            (?:checkstyle\.\w+|spring[\w.-]*profiles[\w.]*|quarkus[\w.-]*)(?:=\S*)?
            (?:org\.gradle\.(?:daemon|parallel|caching)|gradle\.\w+|style\.color)(?:=\S*)?
            (?:log\.level|project\.version|groups|excludedGroups|interactiveMode)(?:=\S*)?""",
        "C": r"""(?:opt-level|debuginfo|target-cpu|lto|codegen-units|panic|strip)(?:=[\w.-]*)?
            (?:overflow-checks|debug-assertions|incremental|instrument-coverage)(?:=[\w.-]*)?""",
        "D": r"""(?:memory_limit|display_errors|error_reporting|xdebug\.mode)(?:=[\w~&|\s/-]*)?
            (?:max_execution_time|short_open_tag|zend\.assertions|opcache\.\w+)(?:=[\w-]*)?""",
        "X": r"""dev utf8(?:=\d)? importtime faulthandler tracemalloc(?:=\d+)? no_debug_ranges
            frozen_modules=\w+ showrefcount int_max_str_digits=\d+""",
        "R": r"""json yaml set date time csv pp bundler/setup minitest/autorun bigdecimal benchmark
            \./(?:[\w-][\w.-]*/)*[\w-][\w.-]*""",
        "T": r"nightly stable beta [\d.]+",
        "K": r"""[\w:-]+=(?:ON|OFF|on|off|TRUE|FALSE|YES|NO|[\d.]+)
            CMAKE_(?:BUILD_TYPE|CXX_STANDARD|C_STANDARD|GENERATOR|SYSTEM_NAME)(?::\w+)?=\w+
            CMAKE_(?:C|CXX)_COMPILER(?::\w+)?=(?:gcc|g\+\+|cc|c\+\+|clang|clang\+\+)(?:-\d+)?
            CMAKE_INSTALL_PREFIX(?::\w+)?=(?!\.\.)[\w.-][\w./-]* BUILD_\w+=\w+ \w+_VERSION=[\w.]+
            CMAKE_(?:C|CXX)_FLAGS(?::\w+)?=(?:\s|-(?:O\w?|W[a-z-]*|g\d?|fsanitize=[\w,]+))*""",
        "P": r"never auto always",
        "N": r"\d+ [GF] /[^!|\n]*",
        "S": r"file [A-Za-z]+ \{[\w:.,\s{}-]*\}",
    }.items()
}


def accounted(name: str) -> bool:
    """Whether there is a spec of the program."""
    return name in PROGRAMS


def account(name: str, args: Sequence[str], call: Call, found: Findings) -> Taken | None:
    """Add what the options and operands of ``name`` earn; None where it has no spec.

    What is returned are the arguments behind its verb, where it has one.
    """
    known = PROGRAMS.get(name)
    if known is None:
        return None
    if not known.verbs:
        return account_by(known.own, tuple(args), call, found)
    head = take(known.own, tuple(args), first_operand_ends=True)
    if not head.operands:
        return _taken(known.own, head, call, found)
    chosen = known.verbs.get(head.operands[0]) or known.verbs.get("*")
    if chosen is None:
        found.add("shell.unaccounted_option", f"{head.operands[0]} in {call.where}")
        return head
    _judge(head.given, call, found)
    return account_by(joined(known.own, chosen), head.operands[1:], call, found)


def account_by(known: Spec, args: tuple[str, ...], call: Call, found: Findings) -> Taken:
    """The same by a given spec."""
    return _taken(known, _split(known, args), call, found)


def _split(known: Spec, args: tuple[str, ...]) -> Taken:
    if known.operands == "*":
        return Taken((), args)
    return take(known, args, first_operand_ends=known.operands in (">", "."))


def _taken(known: Spec, taken: Taken, call: Call, found: Findings) -> Taken:
    _judge(taken.given, call, found)
    if known.operands == ">":
        for program in taken.operands[:1]:
            _operand("l", program, call, found)
            account(program, taken.operands[1:], call, found)
        return taken
    for operand in taken.operands:
        _operand(known.operands, operand, call, found)
    if known.behind:
        account(known.behind, taken.behind, call, found)
    elif known.operands not in ("t", "0", "."):
        for operand in taken.behind:
            _operand(known.operands, operand, call, found)
    return taken


def _judge(given: Sequence[Given], call: Call, found: Findings) -> None:
    for one in given:
        if one.kind is None:
            found.add("shell.unaccounted_option", f"{one.option} in {call.where}")
        else:
            _value(one, one.value or "", call, found)


def _value(one: Given, value: str, call: Call, found: Findings) -> None:
    kind = one.kind or ""
    if one.value is None and kind != "!":
        return
    if kind in _VALUES:
        _VALUES[kind](one.option, value, call, found)
    elif kind in _FORMS:
        parts = value.split(",") if kind == "n" else (value,)
        if not all(map(_FORMS[kind].fullmatch, parts)):
            found.add("shell.option_runs", f"{one.option} {value} in {call.where}")
    elif not kind and value:
        found.touch(value, call.where)
        if _is_place(value) and found.outside(value):
            found.add("shell.outside_run", f"{one.option} in {call.where}")


def _runs(option: str, _value: str, call: Call, found: Findings) -> None:
    found.add("shell.option_runs", f"{option} in {call.where}")


def _writes_form(_option: str, value: str, call: Call, found: Findings) -> None:
    """``html:out``: a form, and perhaps where it is written."""
    if ":" in value:
        found.write(value.partition(":")[2], call.where)


def _host(_option: str, value: str, call: Call, found: Findings) -> None:
    if value and not is_local(value):
        found.add("shell.opens_port", call.where)


def _operand(kind: str, word: str, call: Call, found: Findings) -> None:
    if kind == "0":
        found.add("shell.unaccounted_option", f"{word} in {call.where}")
    elif kind == "l":
        if word[:1] != UNKNOWN:
            found.runs(word, call.where)
        if names_host(word) and "/" in word:
            found.add("shell.network", call.where)
    elif kind == "r":
        found.read(word, call.where)
    elif kind == "w":
        found.write(word, call.where)


def loads(option: str, value: str, call: Call, found: Findings) -> None:
    """Code, settings, or a folder of such: the project's own, or HIGH."""
    if value in ("", "-"):
        found.add("shell.code_from_stdin", call.where, opaque=True)
    for part in value.split(":"):
        found.touch(part, call.where)
        if part == "data" or found.foreign(part):
            found.add("shell.outside_run", f"{option} in {call.where}")


def _is_place(word: str) -> bool:
    return word[:1] in ("/", "~") or ".." in posixpath.normpath(word).split("/")


_VALUES: dict[str, Callable[[str, str, Call, Findings], None]] = {
    "!": _runs,
    "r": lambda _option, value, call, found: found.read(value, call.where),
    "w": lambda _option, value, call, found: found.write(value, call.where),
    "f": _writes_form,
    "l": loads,
    "h": _host,
}
