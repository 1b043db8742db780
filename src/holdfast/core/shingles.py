"""What a text says, in short runs of words, so that it is known again in another form.

Case, width, punctuation, spaces, order of lines and keys, line numbers, escapes, entities, percent
signs, base64 and hex are taken off first (`core/readings`); what is left is words and numbers. A
run of them is a whole number of 64 bits, the first of its words in the upper 24, so that most words
of a text are passed by with one look. Work is linear in the text. Not here: what is done with them
(`core/rewritings`).
"""

import hashlib
import html
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from holdfast.core.readings import letters, readings

RUN = 3
_TOKEN = re.compile(r"[^\W_]+")
_NAME = re.compile(r"(?<!\w)([^\W\d_]{2,40})(?= ([^\W\d_]{2,40})(?!\w))")
# As `cat -n` and Claude Code number lines.
_NUMBERED = re.compile(r"^\s{0,10}\d{1,9}(?:\t|\u2192|: ?)", re.MULTILINE)
_ESCAPED = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[nrtbf\"'/\\])")
_GROUPED = re.compile(r"(?<![\w.,])\d{1,3}(?:[,.' \u00a0\u2009]\d{3}){1,6}(?!\d)")
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2})+")
_SEPARATOR = re.compile(r"\D")
_OPAQUE = re.compile(r"[A-Za-z0-9+/]{64,}")
_OPAQUE_HEX = 96
_ROUNDS = 3
_TAIL = 40
_TAIL_MASK = 2**_TAIL - 1
_HEAD_MASK = 2**64 - 2**_TAIL
_FACTOR = 0x9E3779B97F
_LONG, _LONG_OTHER = 16, 8
_PIECE, _PIECE_OTHER = 8, 4
_LONGEST_TOKEN = 4_096
_SEGMENT = 24


class Words:
    """The runs of words in texts, by memory of the words met so far."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def of(self, tokens: Iterable[str]) -> list[int]:
        """The number of each word."""
        known, found = self._known, list[int]()
        for token in tokens:
            number = known.get(token)
            if number is None:
                raw = hashlib.blake2b(token.encode(errors="replace"), digest_size=8).digest()
                number = known[token] = int.from_bytes(raw)
            found.append(number)
        return found


def alone(numbers: Iterable[int]) -> Iterator[int]:
    """The runs of one word each, given their numbers."""
    return ((n & _HEAD_MASK) | ((n + 1) & _TAIL_MASK) for n in numbers)


def runs_of(numbers: list[int], size: int) -> Iterator[int]:
    """Every run of `size` words in a row, given their numbers; none where there are fewer."""
    if size == 1:
        yield from alone(numbers)
    elif size == RUN - 1:
        for one, two in pairwise(numbers):
            tail = ((one + 1) & _TAIL_MASK) * _FACTOR + two + 1
            yield (one & _HEAD_MASK) | (tail & _TAIL_MASK)
    else:
        for one, two, three in zip(numbers, numbers[1:], numbers[2:], strict=False):
            tail = (((one + 1) & _TAIL_MASK) * _FACTOR + two + 1) * _FACTOR + three + 1
            yield (one & _HEAD_MASK) | (tail & _TAIL_MASK)


def head_of(number: int) -> int:
    """What a word, or a run that begins with it, is first looked for by."""
    return number >> _TAIL


def forms(text: str) -> list[str]:
    """A text as it stands, without numbers of lines, and as it reads once it is decoded."""
    found = {text: None, _NUMBERED.sub("", text): None}
    read = text
    for _ in range(_ROUNDS):
        before, read = read, _PERCENT.sub(_signs, html.unescape(_ESCAPED.sub(_unescaped, read)))
        if read == before:
            break
        found[read] = None
        found[_NUMBERED.sub("", read)] = None
    found |= dict.fromkeys(readings(read))
    return list(found)


def names(line: str) -> Iterator[tuple[str, str]]:
    """Two words that stand beside each other and begin with capitals, in lower case."""
    for found in _NAME.finditer(line):
        one, two = found.groups()
        if one[0].isupper() and two[0].isupper():
            yield one.lower(), two.lower()


def tokens(text: str) -> list[str]:
    """The words and numbers of one form, lower case; numbers in groups as one, at the end."""
    plain = letters(text)
    found = _TOKEN.findall(plain)
    found += (_SEPARATOR.sub("", one) for one in _GROUPED.findall(plain))
    return found


def pieces(token: str, step: int | None = None) -> Iterator[str]:
    """Stretches of a long word, so that it is known again where it was cut.

    By default each one's end is the next one's beginning; with a `step` of 1 they are all of them.
    """
    size, least = (_PIECE, _LONG) if token.isascii() else (_PIECE_OTHER, _LONG_OTHER)
    if step is None and len(token) < least:
        return
    for at in range(0, min(len(token), _LONGEST_TOKEN) - size + 1, step or size):
        yield f"~{token[at : at + size]}"


def is_opaque(text: str) -> bool:
    """Whether a text holds a long run of letters that says nothing to whoever reads it."""
    for found in _OPAQUE.finditer(text):
        run = max(found.group().split("/"), key=len)
        mixed = any(map(str.isupper, run)) and any(map(str.islower, run))
        telling = mixed or len(run) >= _OPAQUE_HEX
        told = len(run) >= _SEGMENT and any(map(str.isdigit, run)) and telling
        # What reads as text is read.
        if told and next(readings(found.group()), None) is None:
            return True
    return False


def _unescaped(found: re.Match[str]) -> str:
    escape = found.group(1)
    if escape[0] in "ux" and len(escape) > 1:
        return chr(int(escape[1:], 16))
    return escape if escape in "\"'/\\" else " "


def _signs(found: re.Match[str]) -> str:
    return bytes.fromhex(found.group().replace("%", "")).decode(errors="replace")
