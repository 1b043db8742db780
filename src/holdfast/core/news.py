"""What of a result is news: its digest without what changes by itself.

A clock, a duration, an id, a counter of the attempt or a bar of progress make a result no other
one: a loop that only looks at them goes nowhere. Numbers and words besides are what a result says,
so a page, a sum or a list that is longer is another one.

Each pass consumes what it looks at, so that a result costs what it is long; this runs on the loop
that kills. Not here: what follows (`core/progress`).
"""

import hashlib
import re

_LONGEST = 64 * 1024
_UNITS = (
    r"ns|us|µs|ms|msecs?|millis(?:econds?)?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|days?"
)
_OF_ITSELF = (
    r"time|timestamp|ts|at|date|now|clock|duration|elapsed|uptime|age|eta|latency|took"
    r"|id|uuid|guid|nonce|etag|token|seq|sequence|counter|tick|heartbeat|progress|percent(?:age)?"
    r"|attempts?|tries|retries|ms|ns|seconds|minutes"
)
_MONTHS = r"jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
# A field that says by its name that it changes by itself, with its number or word.
_FIELD = re.compile(
    rf'"(?:[a-z0-9_-]{{0,48}}[_-])?(?:{_OF_ITSELF})(?:_(?:ns|ms|s))?"\s?:\s?'
    r'(?:-?\d[\d.e+-]*+|"[^"\\]{0,64}")'
)
_COUNTED = re.compile(
    r"(?:attempt|try|tick|poll|check|heartbeat|request)\s?(?:no\.?\s?|number\s?|#\s?)?\d++"
)
_HEX = re.compile(r"[0-9a-f]{8,}+(-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?")
_HEX_LETTERS = 12
_NUMBER = re.compile(
    r"\d++("
    r"-\d\d-\d\d(?:[t ]\d\d:\d\d(?::\d\d(?:[.,]\d++)?)?(?:z|[+-]\d\d:?\d\d)?)?"
    r"|:\d\d(?::\d\d(?:[.,]\d++)?)?(?:\s?[ap]m)?"
    rf"|\s(?:{_MONTHS})[a-z]{{0,6}}\s\d\d\d\d"
    rf"|(?:[.,]\d++)?\s?(?:(?:{_UNITS})(?!\w)|%)"
    r"|\s?(?:/|of\b)\s?\d++"
    r")?"
)
_EPOCH_DIGITS = (10, 13, 16, 19)
_BAR = re.compile(r"[#=>.\-]{4,}+")
# Text within JSON within JSON, as doors wrap it: a line's end is no part of a word.
_LINE_END = re.compile(r"(?<!\\)\\++[nrt]")
_CUT = "~"


def news_of(spelled: str) -> str:
    """The digest of a result, as JSON or text, without what changes by itself: SHA-256 in hex.

    One that is longer than 64 KiB is what it is.
    """
    told = _still(spelled) if len(spelled) <= _LONGEST else spelled
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()


def _still(spelled: str) -> str:
    flat = _LINE_END.sub(" ", spelled.lower()).replace("\\", "")
    told = _FIELD.sub(_CUT, flat)
    told = _COUNTED.sub(_CUT, told)
    told = _HEX.sub(_id, told)
    told = _NUMBER.sub(_number, told)
    return _BAR.sub(_CUT, told)


def _id(found: re.Match[str]) -> str:
    """An id goes; a word of letters alone, a number, and a part of a longer word stay."""
    text = found[0]
    mixed = not text.isdecimal() and not text.isalpha() and len(text) >= _HEX_LETTERS
    whole = not _in_word(found)
    return _CUT if whole and (found[1] or mixed) else text


def _number(found: re.Match[str]) -> str:
    """A date, a time, a duration, a share or a moment goes; whatever else a number is stays."""
    text = found[0]
    if _in_word(found):
        return text
    epoch = text[0] == "1" and len(text) in _EPOCH_DIGITS
    return _CUT if found[1] or epoch else text


def _in_word(found: re.Match[str]) -> bool:
    before = found.string[found.start() - 1] if found.start() else " "
    after = found.string[found.end() : found.end() + 1]
    return before == "_" or before.isalnum() or after == "_" or after.isalnum()
