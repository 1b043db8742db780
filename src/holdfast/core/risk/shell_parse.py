"""From text to a syntax tree, in bounded time; nothing here knows what is dangerous.

tree-sitter recovers from any error, and some of its recoveries take quadratic time, so the
text is measured first and the parser is stopped by counting its progress calls (no clock).
``words_of_broken_text`` is the second line for text the grammar does not take.
"""

import re
import unicodedata

import tree_sitter
import tree_sitter_bash
from tree_sitter import Node

from holdfast.core.risk.shell_rules import words

_LANGUAGE = tree_sitter.Language(tree_sitter_bash.language())
# A well-formed 64 KB script needs about 1,700 progress calls.
_MAX_PROGRESS = 4_000
_MAX_PROGRESS_IN_ERROR = 32
# The parser asks for text again whenever a node's text is read, and each answer is a copy: with
# large ones, reading every node of a long command would take quadratic time.
_CHUNK = 512
_MAX_OPEN = 150
_OPENERS = re.compile(r"\\.|[(){}\[\]`]|\b(?:if|fi|case|esac|do|done)\b", re.DOTALL)
_MAX_OPERATORS = 3_000
_OPERATORS = re.compile(r"[|&;<>()`]|\$\{|\[\[|=~")
_HIDDEN = words("Cc Cf Cs Co Cn Zl Zp Zs")


def hidden_character(text: str) -> str | None:
    """The first character a reader could not see, named (``U+202E``), or None."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return None
    for character in text:
        if character not in " \t\n" and unicodedata.category(character) in _HIDDEN:
            return f"U+{ord(character):04X}"
    return None


def too_tangled(text: str) -> bool:
    """Whether the text nests or branches deeper than anybody writes by hand."""
    if len(_OPERATORS.findall(text)) > _MAX_OPERATORS:
        return True
    depth = 0
    ticks = 0
    for match in _OPENERS.finditer(text):
        mark = match.group()
        if mark in ("(", "{", "[", "if", "case", "do"):
            depth += 1
        elif mark in (")", "}", "]", "fi", "esac", "done"):
            depth = max(0, depth - 1)
        elif mark == "`":
            ticks += 1
        if depth > _MAX_OPEN or ticks > 2 * _MAX_OPEN:
            return True
    return False


def parse(source: bytes) -> Node | None:
    """The root of the tree, or None when the parser had to be stopped. May hold ERROR nodes."""
    calls = 0
    in_error = 0

    def stop(_offset: int, has_error: bool) -> bool:  # noqa: FBT001 - the parser calls it so
        nonlocal calls, in_error
        calls += 1
        in_error += has_error
        return calls > _MAX_PROGRESS or in_error > _MAX_PROGRESS_IN_ERROR

    parser = tree_sitter.Parser(_LANGUAGE)
    try:
        tree = parser.parse(
            lambda offset, _point: source[offset : offset + _CHUNK], progress_callback=stop
        )
    except ValueError:
        return None
    return tree.root_node


_BROKEN_TOKEN = re.compile(
    r"""\s+ | '(?P<raw>[^']*)'? | "(?P<double>(?:[^"\\]|\\.)*)"? | \\(?P<escaped>.)? """
    r"""| (?P<end>[;&|\n()`]+) | (?P<redirect>[<>]+) | (?P<plain>[^\s'"\\;&|()`<>]+)""",
    re.VERBOSE | re.DOTALL,
)


def words_of_broken_text(text: str) -> list[list[str]]:
    """Best guess at the simple commands in text that did not parse, quotes removed.

    Only ever used to find *more* danger in text that is already HIGH.
    """
    commands: list[list[str]] = [[]]
    joined = False
    for match in _BROKEN_TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "end":
            commands.append([])
            joined = False
            continue
        if kind == "redirect" or match.group().isspace():
            joined = False
            continue
        piece = match.group(kind) if kind else ""
        if joined and commands[-1]:
            commands[-1][-1] += piece
        else:
            commands[-1].append(piece)
        joined = True
    return [words for words in commands if words]
