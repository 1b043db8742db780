"""The scrubber: secrets out of text and out of JSON values.

Places, names and forms are looked for in the same text, and what they find is replaced at once.
That may bring together what was apart, so it is done again until nothing is found: scrubbing what
was scrubbed changes nothing. A text that never comes to rest goes whole.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from holdfast.core.scrub.forms import in_forms
from holdfast.core.scrub.names import in_names
from holdfast.core.scrub.places import in_places
from holdfast.core.scrub.spans import PLACEHOLDER, Span, replaced
from holdfast.core.scrub.trees import walk

_UNSETTLED = "<secret:unsettled>"
_PASSES = 8
_SHORTEST_MATCH = 6
_SHORTEST_KNOWN = 8
_SHORT = 40
# Letters of ASCII alone: no other letter changes, and so no text its length.
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


class RuleScrubber:
    """Replaces what the rules match and what is known, in text and in JSON values."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        longest = sorted({k for k in known if len(k) >= _SHORTEST_KNOWN}, key=len, reverse=True)
        self._known = longest
        self._any_known = re.compile("|".join(map(re.escape, longest))) if longest else None
        self._kept = lru_cache(4096)(self.text)
        self._latest = ("", "")

    def text(self, value: str) -> str:
        """The text without secrets; the same text when it has none."""
        if self._any_known is not None and any(known in value for known in self._known):
            value = replaced(value, _known_in(self._any_known, value))
        if len(value) < _SHORTEST_MATCH:
            return value
        for _ in range(_PASSES):
            clean = replaced(value, _found(value))
            if clean == value:
                return clean
            value = clean
        return _UNSETTLED

    def tree(self, value: Any) -> Any:
        """The same over every string of a JSON value; fields named like a secret go whole."""
        return walk(value, self._short_or_long)

    def _short_or_long(self, value: str) -> str:
        """Short strings come again and again (names of fields, ids): their answer is kept.

        Of long ones only the latest is: an outcome goes to the ledger and to the journal at once.
        """
        if len(value) <= _SHORT:
            return self._kept(value)
        before, clean = self._latest
        if value != before:
            clean = self.text(value)
            self._latest = (value, clean)
        return clean


def _found(text: str) -> list[Span]:
    lower = text.lower() if text.isascii() else text.translate(_LOWER)
    return [*in_places(text, lower), *in_names(text, lower), *in_forms(text)]


def _known_in(known: re.Pattern[str], text: str) -> list[Span]:
    marks = [match.span() for match in PLACEHOLDER.finditer(text)]
    found = (match.span() for match in known.finditer(text))
    return [
        Span(start, end, "known")
        for start, end in found
        if not any(mark <= start and end <= after for mark, after in marks)
    ]
