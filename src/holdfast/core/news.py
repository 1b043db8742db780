"""What of a result is news: its digest without what changes by itself.

A clock, a duration, an id, a counter of the attempt or a bar of progress make a result no other
one: a loop that only looks at them goes nowhere. Numbers and words besides are what a result says,
so a page, a sum or a list that is longer is another one. Not here: what follows (`core/progress`).
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
_VOLATILE = re.compile(
    "|".join(
        (
            # A field that says by its name that it changes by itself, with its number or word.
            rf'"(?:[a-z0-9_-]*[_-])?(?:{_OF_ITSELF})(?:_(?:ns|ms|s))?"\s*:\s*(?:-?\d[\d.eE+-]*|"[^"\\]{{0,64}}")',
            r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?",
            r"\b\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?(?:\s?[ap]m\b)?",
            r"\b(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? \d{1,2} [a-z]{3,9} \d{4}\b",
            r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
            r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{12,}\b",
            r"\b1[0-9]{9}(?:\d{3}){0,3}(?:\.\d+)?\b",
            rf"\b\d+(?:[.,]\d+)?\s?(?:{_UNITS})\b",
            r"\b\d+(?:[.,]\d+)?\s?%",
            r"\b\d+\s?(?:/|\bof\b)\s?\d+\b",
            r"\b(?:attempt|try|tick|poll|check|heartbeat|request)\s?(?:no\.?\s?|number\s?|#\s?)?\d+\b",
            r"[#=>.\-]{4,}",
        )
    ),
    re.IGNORECASE,
)


def news_of(spelled: str) -> str:
    """The digest of a result, as JSON or text, without what changes by itself: SHA-256 in hex.

    Only its first 64 KiB are read for that; a longer one is what it is.
    """
    told = _VOLATILE.sub("~", spelled) if len(spelled) <= _LONGEST else spelled
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()
