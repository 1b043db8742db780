"""Text that was taken in piece by piece, indexed once, and asked where a value first stands.

Asking costs what the value is long, and a bounded number of places: never the text again. What
would need more places is not found, and then a person is asked.
"""

import re
from decimal import Decimal
from typing import ClassVar

from holdfast.core.flow.words import folded, numbers, plain, words
from holdfast.core.sparse import Sparse

# Of all text of one kind in one session, and of one piece; what goes beyond vouches for nothing.
KEPT_CHARACTERS = 400_000
KEPT_OF_ONE = 20_000
_MOST_PLACES = 200
# A name, number or address that goes on beyond what was found.
_GOES_ON_LEFT = re.compile(r"[\w@+-]\Z|[\w][.:,]\Z")
_GOES_ON_RIGHT = re.compile(r"[\w@+-]|[.:,/?#=&]\w")
# `our-shop.com.They ask`: the sentence ended, the writer forgot the space.
_SENTENCE_ENDS = re.compile(r"\.[A-Z][a-z]")


class TrustedText(Sparse):
    """An append-only text, and the moment at which each word, number and phrase came into it.

    Moments are whole numbers that the caller hands in, never falling.
    """

    _text: list[str]
    _folded: list[str]
    _moments: list[int]
    _places: dict[str, list[tuple[int, int]]]
    """Of each word: the piece and the offset in it of every place, in order."""
    _numbers: dict[Decimal, int]

    EMPTY: ClassVar = {
        **dict.fromkeys(("_text", "_folded", "_moments"), list),
        **dict.fromkeys(("_places", "_numbers"), dict),
    }
    __slots__ = (*EMPTY, "_size")

    def __init__(self) -> None:
        self._size = 0

    def add(self, text: str, moment: int) -> None:
        """Take in one piece; what is too much is cut off."""
        kept = plain(text[: min(KEPT_OF_ONE, KEPT_CHARACTERS - self._size)])
        if not kept:
            return
        piece, low = len(self._text), folded(kept)
        self._size += len(kept)
        self._text.append(kept)
        self._folded.append(low)
        self._moments.append(moment)
        for word in words(low):
            self._places.setdefault(word.group(), []).append((piece, word.start()))
        for found in numbers(kept):
            self._numbers.setdefault(found, moment)

    def copy(self) -> "TrustedText":
        """The same text, to which more can be added without this one knowing."""
        made = TrustedText()
        made._text, made._folded = list(self._text), list(self._folded)
        made._moments, made._size = list(self._moments), self._size
        made._places = {word: list(places) for word, places in self._places.items()}
        made._numbers = dict(self._numbers)
        return made

    def first(self, value: str) -> int | None:
        """When `value` came to stand here, whole: `ann@acme.co` is no part of `ann@acme.com`."""
        low = folded(plain(value.strip()))
        rarest: list[tuple[int, int]] | None = None
        offset = 0
        for word in words(low):
            places = self._places.get(word.group())
            if places is None:
                return None
            if rarest is None or len(places) < len(rarest):
                rarest, offset = places, word.start()
        for piece, at in (rarest or [])[:_MOST_PLACES]:
            if self._stands(low, piece, at - offset):
                return self._moments[piece]
        return None

    def first_number(self, value: Decimal) -> int | None:
        """When the number came to stand here, alone."""
        return self._numbers.get(value)

    def has_word(self, word: str) -> bool:
        """Whether a word, in lower case, stands here."""
        return word in self._places

    def first_word(self, word: str) -> int | None:
        """When a word, in lower case, came to stand here."""
        places = self._places.get(word)
        return self._moments[places[0][0]] if places else None

    def _stands(self, low: str, piece: int, start: int) -> bool:
        text = self._folded[piece]
        if start < 0 or not text.startswith(low, start):
            return False
        end = start + len(low)
        if _GOES_ON_LEFT.search(text[max(start - 2, 0) : start]):
            return False
        if not _GOES_ON_RIGHT.match(text[end : end + 2]):
            return True
        return "." in low and bool(_SENTENCE_ENDS.match(self._text[piece][end : end + 3]))
