"""A call as a person is shown it: every sign of its arguments, and what of them only looks like it.

Made from the bytes that an answer is bound to. What could not be seen, or would move what stands
beside it, is written out as `⟨U+202E⟩`, long blanks by their number; no two values are shown
alike. Beside each stands what a reader would take it for: words whose letters only look like
others, numbers that are text, text in another spelling. Not here: where it is shown.
"""

import base64
import binascii
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from holdfast.model.lookalikes import read_as

_HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u00ad\U0001d159")
_JOINER, _AS_EMOJI = "\u200d", "\ufe0f"
_SELECTORS = (range(0x180B, 0x1810), range(0xFE00, 0xFE0F), range(0xE0100, 0xE01F0))
_TAB, _OURS = "⇥   ", "⟨⇥"
_MARKS_MAX = 3
_BLANKS = re.compile(r" {41,}")
_EMPTY_LINES = 20
_MOST_WARNED = 20
_WORD = re.compile(r"[^\s,;:()<>\"'`|=]+")
_PLAIN_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_KINDS = {str: "text", bool: "yes or no", int: "number", float: "number", dict: "object"}


class ShownArgument(msgspec.Struct, frozen=True, kw_only=True):
    """One argument: its name and kind, all of its value in lines, and what to look out for."""

    name: str
    kind: str
    lines: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def shown_arguments(
    arguments: Mapping[str, Any], first: Iterable[str] = ()
) -> Iterator[ShownArgument]:
    """Each argument whole; those of `first`, which say what the call does, before the others."""
    leading = [name for name in first if name in arguments]
    for name in (*leading, *(name for name in arguments if name not in leading)):
        value = arguments[name]
        spelled = value if isinstance(value, str) else _spelled(value)
        warnings = (*_misread(name), *_misread(spelled), *_number(value))
        yield ShownArgument(
            name=one_line(name),
            kind=_kind(value, spelled),
            lines=tuple(_lines(spelled)),
            warnings=tuple(dict.fromkeys(warnings))[:_MOST_WARNED],
        )


def one_line(text: str) -> str:
    """A text in one line, every sign that does not stand for itself written out."""
    shown: list[str] = []
    marks = 0
    for at, char in enumerate(text):
        kind = unicodedata.category(char)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        own = _is_plain(char, kind) or _joins(text, at)
        if char == "\t":
            shown.append(_TAB)
        else:
            shown.append(char if own and marks <= _MARKS_MAX else _named(char))
    return _BLANKS.sub(lambda run: f"⟨{len(run[0])} blanks⟩", "".join(shown))


def _lines(text: str) -> Iterator[str]:
    """One for each of the text's; very many empty ones are counted."""
    empty = 0
    for line in text.split("\n"):
        if not line:
            empty += 1
            continue
        yield from _skipped(empty)
        empty = 0
        yield one_line(line)
    yield from _skipped(empty)


def _skipped(empty: int) -> Iterator[str]:
    if empty > _EMPTY_LINES:
        yield f"⟨{empty} empty lines⟩"
    else:
        yield from [""] * empty


def _is_plain(char: str, kind: str) -> bool:
    if char == " ":
        return True
    hidden = kind in _HIDDEN or kind == "Zs" or char in _BLANK or char in _OURS
    return not hidden and not any(ord(char) in span for span in _SELECTORS)


def _joins(text: str, at: int) -> bool:
    """Whether the sign is a part of an emoji: it stands behind one, or between two."""
    char = text[at]
    if char not in (_AS_EMOJI, _JOINER) or not at:
        return False
    before = unicodedata.category(text[at - 1])
    if char == _AS_EMOJI:
        return before == "So"
    after = unicodedata.category(text[at + 1]) if at + 1 < len(text) else ""
    return after == "So" and (text[at - 1] == _AS_EMOJI or before in ("So", "Sk"))


def _named(char: str) -> str:
    return f"⟨U+{ord(char):04X}⟩"


def _spelled(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)


def _kind(value: Any, spelled: str) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str | list | dict):
        size = f"{len(spelled):,} characters"
        return (
            f"{_KINDS.get(type(value), 'list')}, {size}"
            if len(spelled) > 80
            else (_KINDS.get(type(value), "list"))
        )
    return _KINDS[type(value)]


def _number(value: Any) -> Iterator[str]:
    """What a number, or a text that a program may read as one, comes to."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        if abs(value) >= 10_000:
            yield f"the number is {value:,}"
        return
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > 64 or _PLAIN_NUMBER.fullmatch(text):
        return
    told = _value_of(unicodedata.normalize("NFKC", text))
    if told is not None:
        yield f"this text may be read as the number {told:,}"


def _value_of(text: str) -> int | float | None:
    spelled = "".join(str(unicodedata.digit(c, c)) for c in text)
    bare = spelled.replace(",", "").replace(" ", "").replace("'", "")
    if not re.fullmatch(r"[+-]?(?:0[xob])?[0-9a-f_.]+(?:e[+-]?[0-9]{1,3})?", bare, re.IGNORECASE):
        return None
    for read in (lambda: int(bare, 0), lambda: int(bare), lambda: float(bare)):
        try:
            return read()
        except (ValueError, OverflowError):
            continue
    return None


def _misread(text: str) -> Iterator[str]:
    """What a reader would take parts of a text for."""
    found = 0
    for match in _WORD.finditer(text):
        if found >= _MOST_WARNED:
            return
        for warning in (*_looks_like(match[0]), *_encoded(match[0])):
            found += 1
            yield warning


def _looks_like(word: str) -> Iterator[str]:
    if word.isascii() and "xn--" not in word.lower():
        return
    told = read_as(word)
    if told:
        yield f"`{one_line(word[:80])}` {told}"


def _encoded(word: str) -> Iterator[str]:
    """A text that stands in it in base64."""
    if not _BASE64.fullmatch(word) or len(word) > 100_000:
        return
    padded = word.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        raw = base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)
        text = raw.decode()
    except (binascii.Error, ValueError):
        return
    if text and all(c.isprintable() or c in "\n\t" for c in text):
        yield f"`{word[:16]}…` is base64 of: {one_line(text[:400])}"
