"""Where secrets stand in a text, and the text with placeholders there."""

import re
from collections.abc import Iterable
from typing import NamedTuple

PLACEHOLDER = re.compile(r"<secret:[a-z_]{1,24}>")
_SIGN = "<secret:"


class Span(NamedTuple):
    """``text[start:end]`` is a secret of a kind."""

    start: int
    end: int
    kind: str


def replaced(text: str, spans: Iterable[Span]) -> str:
    """The text with a placeholder in place of each run of spans; placeholders stay as they are."""
    found = sorted(spans)
    if not found:
        return text
    if _SIGN in text:
        found = _whole(text, found)
    parts, at = list[str](), 0
    for span in _joined(found):
        parts += (text[at : span.start], f"<secret:{span.kind}>")
        at = span.end
    parts.append(text[at:])
    return "".join(parts)


def _joined(found: list[Span]) -> list[Span]:
    """Spans that overlap become one, of the kind of the first."""
    joined = list[Span]()
    for span in found:
        if joined and span.start < joined[-1].end:
            last = joined[-1]
            joined[-1] = Span(last.start, max(last.end, span.end), last.kind)
        else:
            joined.append(span)
    return joined


def _whole(text: str, found: list[Span]) -> list[Span]:
    """No span begins, ends or lies within a placeholder that stands there already."""
    marks = [match.span() for match in PLACEHOLDER.finditer(text)]
    kept, at = list[Span](), 0
    for span in found:
        start, end = span.start, span.end
        while at < len(marks) and marks[at][1] <= start:
            at += 1
        within = at
        while within < len(marks) and marks[within][0] < end:
            start, end = min(start, marks[within][0]), max(end, marks[within][1])
            within += 1
        if not (within == at + 1 and (start, end) == marks[at]):
            kept.append(Span(start, end, span.kind))
    return kept
