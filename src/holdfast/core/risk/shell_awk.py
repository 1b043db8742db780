"""What an awk program does beyond printing: files it writes, and whether it runs anything."""

import re

from holdfast.core.risk.shell_words import UNKNOWN

_TOKEN = re.compile(
    r'(?P<string>"(?:[^"\\]|\\.)*")|(?P<name>[A-Za-z_]\w*)|(?P<number>\d[\w.]*)|(?P<comment>\#[^\n]*)'
    r"|(?P<mark>\|\||&&|>=|<=|==|!=|>>|[^\s])|(?P<line>\n)|\s+",
    re.DOTALL,
)
_REGEX = re.compile(r"/(?:[^/\\\n]|\\.)*/")
_RUNS = frozenset(("system", "getline", "close", "fflush", "ENVIRON", "PROCINFO"))
_BEFORE_DIVISION = frozenset((")", "]", "$"))
_MOST = 4_096


def writes(program: str) -> list[str] | None:
    """Files the program prints to, ``UNKNOWN`` where a name is computed.

    None where it may run something, reads from elsewhere, or cannot be followed.
    """
    if UNKNOWN in program or len(program) > _MOST:
        return None
    tokens = _tokens(program)
    if tokens is None:
        return None
    targets: list[str] = []
    printing, depth = False, 0
    for at, (kind, text) in enumerate(tokens):
        if (kind == "name" and text in _RUNS) or text in ("|", "@"):
            return None
        if kind == "name" and text in ("print", "printf"):
            printing, depth = True, 0
        elif text in (";", "}", "\n"):
            printing = False
        elif text in ("(", "[", "{"):
            depth += 1
        elif text in (")", "]"):
            depth -= 1
        elif text in (">", ">>") and printing and depth <= 0:
            targets.append(_target(tokens[at + 1 : at + 3]))
    return targets


def _target(after: list[tuple[str, str]]) -> str:
    ends = len(after) < 2 or after[1][1] in (";", "}", "\n")
    if after and after[0][0] == "string" and ends and "\\" not in after[0][1]:
        return after[0][1][1:-1]
    return UNKNOWN


def _tokens(program: str) -> list[tuple[str, str]] | None:
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(program):
        regex = (
            _REGEX.match(program, at) if program[at] == "/" and _regex_may_stand(found) else None
        )
        match = regex or _TOKEN.match(program, at)
        if match is None:
            return None
        at = match.end()
        if regex is not None:
            found.append(("regex", "//"))
        elif match.lastgroup not in (None, "comment"):
            found.append((match.lastgroup or "", match.group()))
    return found


def _regex_may_stand(before: list[tuple[str, str]]) -> bool:
    if not before:
        return True
    kind, text = before[-1]
    return not (kind in ("name", "number", "string", "regex") or text in _BEFORE_DIVISION)
