"""Whether words read as words, or as something else that was written down in letters.

By form alone: base64, hex, split keys, letters that look alike, marks that nobody sees. What was
encoded in ordinary words has their form; what it may carry is bounded by counting (`queries`).
Each check looks at each letter a bounded number of times.
"""

import re
import unicodedata
from collections.abc import Iterable

from holdfast.core.flow.sites import HOST_NUMBER

_LONGEST_WORD = 40
# Runs of one kind within a word: `use|Insertion|Effect`, `sha|256`, `1.2.3`.
_RUN = re.compile(r"\d+(?:\.\d+)*|[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_EACH = re.compile(r"[^\W_]+")
_SWITCH = re.compile(r"(?<=\d)[A-Za-z]|(?<=[A-Za-z])\d")
_ODD_RUNS, _ODD_MEAN, _ODD_MOST = 3, 2.5, 3
_BROKEN_RUNS, _BROKEN_MEAN = 5, 3
_LONG, _LONG_MEAN = 20, 4
_KEY_FROM = 16
_SWITCHES_MOST = 3
_CONSONANTS = re.compile(r"[bcdfghjklmnpqrstvwxz]{7}")
_VOWELS = frozenset("aeiouy")
_SAYABLE_FROM, _VOWELS_LEAST = 12, 0.18
_SINGLE_MOST = 4
_SHOUTED = re.compile(r"(?:\b[A-Z0-9]{2,5}\b[ .\-]?){5}")
_HAS_DIGIT = re.compile(r"\d")
_DIGITS_MOST, _WITH_DIGITS_MOST = 20, 6
_DAY = re.compile(r"\b\d{4}([-/.])\d\d?\1\d\d?\b|\b\d\d?([-/.])\d\d?\2\d{4}\b|\d\d?:\d\d")
_DIGIT_RUN = re.compile(r"\d[\d ().\-/]*")
_LONGEST_NUMBER = 9
_PUNCTUATION = re.compile(r"[^\w\s]{4}")
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2}){2}|(?:&#?\w{2,6};){2}|(?:\\[ux]?[0-9A-Fa-f]{2,4}){2}")
_SYMBOLS_MOST = 2
_MARKS_MOST = 2
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK")
_COMPOSED = ("LATIN", "CYRILLIC", "GREEK", "CJK")
_PLAIN = "+=<>|~^$`¢£¥€₹°§"


def fault_of_form(text: str) -> str:
    """Why a text does not read as words, in words; empty where it does."""
    return _fault_of_letters(text) or _fault_of_shape(text) or _fault_of_words(text)


def _fault_of_letters(text: str) -> str:
    """Letters that are not what they seem, and signs that nobody sees or says."""
    if text.isascii() and text.isprintable():
        return ""
    symbols = marks = 0
    base = ""
    for letter in text:
        kind = unicodedata.category(letter)
        if kind[0] == "C" or (kind[0] == "Z" and letter != " "):
            return "holds a sign that is not seen"
        if kind[0] == "M":
            marks += 1
            if marks > _MARKS_MOST or _name(base).startswith(_COMPOSED) or not base.isalpha():
                return "holds marks that no word is written with"
            continue
        base, marks = letter, 0
        if kind[0] in "LN" and unicodedata.normalize("NFKC", letter) != letter:
            return "holds letters that look like others"
        if kind in ("So", "Sk", "Sm", "Sc") and letter not in _PLAIN:
            symbols += 1
            if symbols > _SYMBOLS_MOST:
                return "holds many symbols"
    if any(_mixes(word) for word in _EACH.findall(text)):
        return "holds letters that look like others"
    return ""


def _mixes(word: str) -> bool:
    """Whether one word has letters of two of the scripts whose letters look alike."""
    if word.isascii():
        return False
    found = {_name(letter).partition(" ")[0] for letter in word if letter.isalpha()}
    return len(found.intersection(_SCRIPTS)) > 1


def _name(letter: str) -> str:
    return unicodedata.name(letter, "") if letter else ""


def _fault_of_shape(text: str) -> str:
    if text != text.strip() or "  " in text:
        return "says something by its spaces"
    if _PUNCTUATION.search(text):
        return "says something by its punctuation"
    if _ESCAPES.search(text):
        return "holds escapes"
    spoken = sum(map(str.isalnum, text))
    if sum(not one.isalnum() and one != " " for one in text) > 4 + spoken // 3:
        return "says something by its punctuation"
    # Whether a host may be named by its number is asked elsewhere.
    counted = _DAY.sub("|", HOST_NUMBER.sub("|", text))
    numbers = (re.sub(r"\D", "", run) for run in _DIGIT_RUN.findall(counted))
    if any(len(number) > _LONGEST_NUMBER for number in numbers):
        return "holds a long number"
    if sum(map(str.isdigit, text)) > _DIGITS_MOST:
        return "holds many digits"
    return ""


def _fault_of_words(text: str) -> str:
    spoken = text.split()
    if sum(_HAS_DIGIT.search(word) is not None for word in spoken) > _WITH_DIGITS_MOST:
        return "holds many numbers"
    each = [piece for word in spoken for piece in _EACH.findall(word)]
    if (
        sum(len(piece) == 1 and piece.isascii() and piece.isalpha() for piece in each)
        > _SINGLE_MOST
    ):
        return "is spelt letter by letter"
    if any(map(_is_opaque, spoken)) or any(map(_is_unsayable, each)):
        return "holds a word that reads as encoded"
    if sum(map(_is_odd, each)) > _ODD_MOST or _SHOUTED.search(text):
        return "holds many words that read as encoded"
    return ""


def _is_opaque(word: str) -> bool:
    """Whether its kinds of letters change as they do in keys and encodings, not in names."""
    if any(map(_is_key, _EACH.findall(word))):
        return True
    runs = _runs(word)
    mean = _mean(runs) if len(runs) >= _BROKEN_RUNS else _LONGEST_WORD
    return mean < _BROKEN_MEAN or (mean < _LONG_MEAN and sum(map(len, runs)) >= _LONG)


def _is_key(piece: str) -> bool:
    """Whether it is longer than words are, or has letters and digits as keys have."""
    size, switches = len(piece), len(_SWITCH.findall(piece))
    return size > _LONGEST_WORD or switches > _SWITCHES_MOST or (switches > 0 and size >= _KEY_FROM)


def _runs(word: str) -> list[str]:
    """Runs of one kind; letters beyond ASCII count as small or great ones."""
    if not word.isascii():
        word = "".join(map(_as_ascii, word))
    return _RUN.findall(word)


def _as_ascii(letter: str) -> str:
    if letter.isascii() or not letter.isalpha():
        return letter
    return "A" if letter.isupper() else "a"


def _is_odd(piece: str) -> bool:
    """`IPv6`, `k8s`, `wEatHeR`: one or two stand in many a question, many in none."""
    runs = _runs(piece)
    return len(runs) >= _ODD_RUNS and _mean(runs) < _ODD_MEAN


def _is_unsayable(piece: str) -> bool:
    """Whether a long piece of small or great letters has no vowels where words have some."""
    low = piece.lower()
    if not low.isascii() or len(low) < _SAYABLE_FROM or not low.isalpha():
        return False
    vowels = sum(letter in _VOWELS for letter in low)
    return _CONSONANTS.search(low) is not None or vowels < _VOWELS_LEAST * len(low)


def _mean(runs: Iterable[str]) -> float:
    sizes = list(map(len, runs))
    return sum(sizes) / len(sizes)
