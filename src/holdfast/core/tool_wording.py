"""Words of a tool that a model reads and a person does not expect: tool poisoning.

Two looks: characters that do not show, and phrases that steer the model instead of saying what
the tool does. The second is a list of known phrases: it finds the usual, and proves nothing of
what it lets pass. It only ever makes a finding; no decision rests on it.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from holdfast.model.tool_standard import Definition

MOST_TEXT_CHARS = 100_000
_MOST_QUOTED_CHARS = 80
_MOST_DEPTH = 40
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
# Letters and marks by category, but nothing of them shows.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0\u034f\u17b4\u17b5")
_SHOWN = frozenset("\n\r\t")

_PHRASES = tuple(
    re.compile(pattern, re.IGNORECASE | re.VERBOSE)
    for pattern in (
        r"""\b(ignore|disregard|forget|override)\s+(\w+\s+){0,3}
            (instructions?|rules|prompts?|polic(y|ies))\b""",
        r"""\b(do\ not|don't|never|without)\s+(\w+\s+)?
            (tell|mention|inform|notify|show|reveal|ask)(ing)?\s+(\w+\s+){0,4}
            (users?|humans?|person|operator|anyone)\b""",
        r"""</?\s*(important|system|instructions?|secret|hidden|admin|critical)\s*/?>""",
        r"""\b(system|developer)\s+(prompt|message)\b""",
        r"""\b(before|after|when|whenever)\s+(using|calling|you\ use|you\ call|running)\s+
            (this|any|other|another|each|every)\s+(\w+\s+)?tools?\b[^.]{0,40}
            \b(must|always|first|also|read|send|call)\b""",
        r"""\byou\s+(must|should|have\ to|need\ to)\s+(always\s+|also\s+|first\s+)*
            (read|send|forward|include|append|attach|copy|upload|pass|execute|run)\b""",
        r"""\b(read|open|cat|include|send|pass|upload|attach|paste)\b[^.]{0,60}
            (~/|\.ssh\b|id_rsa|\.env\b|/etc/passwd|mcp\.json|\bcredentials?\b
            |\bapi[ _-]?keys?\b|\bpasswords?\b|\bprivate\ keys?\b|\bconversation\b
            |\bchat\ history\b)""",
        r"""\binstead\ of\s+(the\s+|any\s+)?other\s+tools?\b""",
        r"""\b(must|should)\s+(always\s+)?be\s+(called|used|run|invoked)\s+
            (first|before\s+(any|every|all|other))\b""",
        r"""\b(you\ are\ now|pretend\ (to\ be|that\ you)|act\ as\ (if|an?|the))\b""",
    )
)


def hidden_characters(text: str) -> tuple[str, ...]:
    """Each character that does not show, once, as `U+200B`; line breaks and tabs are let pass."""
    found = {char: None for char in text if _hides(char)}
    return tuple(f"U+{ord(char):04X}" for char in found)


def _hides(char: str) -> bool:
    if char in _SHOWN or " " <= char <= "~":
        return False
    variation = "\ufe00" <= char <= "\ufe0d" or "\U000e0100" <= char <= "\U000e01ef"
    return variation or char in _BLANK or unicodedata.category(char) in _HIDDEN_CATEGORIES


def steering_phrase(text: str) -> str:
    """The first known phrase that steers the model, printable and short; empty when none is."""
    folded = unicodedata.normalize("NFKC", text[:MOST_TEXT_CHARS])
    seen = " ".join("".join(char for char in folded if char in _SHOWN or not _hides(char)).split())
    for phrase in _PHRASES:
        match = phrase.search(seen)
        if match:
            return match[0][:_MOST_QUOTED_CHARS]
    return ""


def texts_of(definition: Definition) -> Iterator[tuple[str, str]]:
    """Everything that a model would read of a tool, as (where, text)."""
    yield "the name", definition.name
    yield "the description", definition.description
    yield "the title", definition.title
    yield from _texts(definition.input_schema, "the input schema")
    yield from _texts(definition.output_schema, "the output schema")
    yield from _texts(definition.annotations, "the annotations")


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    level: list[Any] = [value]
    for _ in range(_MOST_DEPTH):
        below: list[Any] = []
        for one in level:
            if isinstance(one, str):
                yield where, one
            elif isinstance(one, dict):
                yield from ((where, key) for key in one)
                below.extend(one.values())
            elif isinstance(one, list):
                below.extend(one)
        level = below
        if not level:
            return
