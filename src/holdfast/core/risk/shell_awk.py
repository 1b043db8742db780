"""A reader of awk programs: files they read and write, and whether every construct is known.

What is called is a function of awk that computes, or one that the program defines; what is printed
to or read from is a name that stands in the text; a slash is a division or the start of a pattern
by what stands before it. Anything else is not accounted for.
"""

import re

import msgspec

from holdfast.core.risk.shell_rules import words
from holdfast.core.risk.shell_words import UNKNOWN

_TOKEN = re.compile(
    r'(?P<string>"(?:[^"\\\n]|\\.)*")|(?P<name>[A-Za-z_]\w*)|(?P<number>\.?\d[\w.]*)'
    r"|(?P<comment>\#[^\n]*)|\\\n"
    r"|(?P<mark>\|\||&&|\+\+|--|>=|<=|==|!=|>>|[-+*/%^!<>|~?:;,.(){}\[\]$=])|(?P<line>\n)|\s+",
    re.DOTALL,
)
_REGEX = re.compile(r"/(?:[^/\\\n]|\\.)*/")
_FUNCTIONS = words(
    """
    atan2 cos exp int log rand sin sqrt srand gensub gsub index length match split sprintf strtonum
    sub substr tolower toupper asort asorti patsplit mktime strftime systime and compl lshift or
    rshift xor isarray typeof close fflush print printf if while for switch return in function func
    delete exit next nextfile getline
    """
)
# Variables that reach the environment, the arguments or names that are looked up.
_REACHES = words("ENVIRON PROCINFO ARGV ARGC SYMTAB FUNCTAB system")
# Behind these a slash starts a pattern.
_KEYWORDS = words("print printf return in else do case delete exit BEGIN END")
# Behind these it may be either.
_EITHER = words("length getline next nextfile break continue")
_BEFORE_CONDITION = words("if while for switch")
_MOST = 4_096
_ENDS = frozenset((";", "}", "\n"))
Token = tuple[str, str]


class Program(msgspec.Struct):
    """Files by name, ``UNKNOWN`` where one is computed."""

    reads: list[str]
    writes: list[str]


class _Unread(Exception):
    """A program that is not accounted for; never leaves this module."""


def read_program(text: str) -> Program | None:
    """What an awk program reads and writes beyond its input, or None where that is not known."""
    if UNKNOWN in text or len(text) > _MOST:
        return None
    try:
        return _read(_tokens(text))
    except _Unread:
        return None


def _read(tokens: list[Token]) -> Program:
    found = Program([], [])
    own = {
        tokens[at + 1][1]
        for at, (_, text) in enumerate(tokens[:-1])
        if text in ("function", "func")
    }
    printing, depth = False, 0
    for at, (kind, text) in enumerate(tokens):
        after = tokens[at + 1 : at + 4]
        if kind == "name":
            _name(text, after, own)
            if text in ("print", "printf"):
                printing, depth = True, 0
            elif text == "getline":
                _getline(after, found)
        elif text in _ENDS:
            printing = False
        elif text in ("(", "[", "{"):
            depth += 1
        elif text in (")", "]"):
            depth -= 1
        elif text == "|":
            raise _Unread
        elif text in (">", ">>") and printing and depth <= 0:
            found.writes.append(_target(after))
    return found


def _name(text: str, after: list[Token], own: set[str]) -> None:
    following = [token for _, token in after]
    if text in _REACHES and not (text == "PROCINFO" and following == ["[", '"sorted_in"', "]"]):
        raise _Unread
    if following[:1] == ["("] and text not in _FUNCTIONS and text not in own:
        raise _Unread


def _getline(after: list[Token], found: Program) -> None:
    """``getline``, ``getline x`` and ``getline x < "file"``."""
    rest = after[1:] if after[:1] and after[0][0] == "name" else after
    if rest[:1] and rest[0][1] in ("$", "[", "("):
        raise _Unread
    if rest[:1] and rest[0][1] == "<":
        if len(rest) < 2 or rest[1][0] != "string" or "\\" in rest[1][1]:
            raise _Unread
        found.reads.append(rest[1][1][1:-1])


def _target(after: list[Token]) -> str:
    ends = len(after) < 2 or after[1][1] in _ENDS
    if after and after[0][0] == "string" and ends and "\\" not in after[0][1]:
        return after[0][1][1:-1]
    return UNKNOWN


def _tokens(program: str) -> list[Token]:
    found: list[Token] = []
    conditions: list[bool] = []
    closed = False
    at = 0
    while at < len(program):
        regex = None
        if program[at] == "/" and _starts_pattern(found, closed_condition=closed):
            regex = _REGEX.match(program, at)
            if regex is None or regex.group().count("[") != regex.group().count("]"):
                raise _Unread
        match = regex or _TOKEN.match(program, at)
        if match is None:
            raise _Unread
        at = match.end()
        if regex is not None:
            found.append(("regex", "//"))
        elif match.lastgroup not in (None, "comment"):
            text = match.group()
            if text == "(":
                conditions.append(bool(found) and found[-1][1] in _BEFORE_CONDITION)
            closed = text == ")" and bool(conditions) and conditions.pop()
            found.append((match.lastgroup or "", text))
    return found


def _starts_pattern(before: list[Token], *, closed_condition: bool) -> bool:
    if not before:
        return True
    kind, text = before[-1]
    if text in _EITHER:
        raise _Unread
    if kind == "name":
        return text in _KEYWORDS
    if text == ")":
        return closed_condition
    return kind not in ("number", "string", "regex") and text not in ("]", "$", "++", "--")
