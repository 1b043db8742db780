"""Secrets by name: a name that says secret, and beside it a value that can be one.

A name stands before its value in many spellings: assignments and mappings of any format, options
of commands, elements, arguments, entries of `name` and `value`. Only the value is the secret.
"""

import re
from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from holdfast.core.scrub.spans import Span
from holdfast.core.scrub.values import (
    is_code,
    is_digest,
    is_long_mixed,
    is_path,
    is_prose,
    is_random,
    stands_for_one,
)

KIND = "password"
# What every name that says secret has in it; looked for first, in lower case.
SIGNS = ("pass", "pwd", "secret", "token", "key", "credential", "auth")
_NAME_MOST = 64


class Says(IntEnum):
    """How surely a name says secret."""

    NOTHING = 0
    PERHAPS = 1  # A key of some kind: the value must look random, and like no digest.
    KEY = 2  # A key or a token of some kind: the value must look random.
    SURELY = 3


_TAIL = re.compile(
    r"(?i)(?:word|wd|phrase|code|s(?!\w))?"
    r"(?:[_-]?(?:[0-9]{1,3}|base|base64|b64|value|prod|dev|staging|test|live|old|new|data))?"
    r"(?![A-Za-z0-9_.-]?[A-Za-z0-9_])"
)
_LEFT = re.compile(r"[A-Za-z0-9_.-]*")
_SPLIT = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_GAP = r"(?:[ \t]|\\t)"
_BREAK = r"(?:[ \t\r\n]|\\[nrt])"
_QUOTES = r"[\\]{0,7}[\"'`]?"
_BETWEEN = re.compile(
    # entries of name and value, and declarations with a default
    rf"(?P<entry>{_QUOTES}{_BREAK}{{0,4}}[,{{]?{_BREAK}{{0,16}}{_QUOTES}(?i:value|default)"
    rf"{_QUOTES}{_GAP}{{0,4}}[:=]{_GAP}{{0,4}})"
    # mappings and assignments; a YAML block begins on the next line
    rf"|(?P<compared>{_QUOTES}{_GAP}{{0,4}}={{2,3}}{_GAP}{{0,4}})"
    rf"|(?P<set>{_QUOTES}[\])]?{_GAP}{{0,24}}(?:=>|:=|[:=]){_GAP}{{0,8}}"
    rf"(?:[|>][+-]?[0-9]?{_GAP}{{0,3}}(?:\n|\\n)[ ]{{1,16}})?)"
    # arguments; what follows must be quoted
    rf"|(?P<argument>{_QUOTES}{_GAP}{{0,3}}[,(]{_GAP}{{0,3}}(?=[\\]{{0,7}}[\"'`]))"
    rf"|(?P<element>>)"
    rf"|(?P<word>{_GAP}{{1,4}})"
)
_QUOTED = re.compile(
    r"(?i:[fbru@$]{0,2})(?:\"(?P<a>(?:[^\"\\\r\n]|\\[^\r\n])*)\"|'(?P<b>(?:[^'\\\r\n]|\\[^\r\n])*)'"
    r"|`(?P<c>[^`\r\n]*)`)"
)
_ESCAPED = re.compile(r"(?i:[fbru@$]{0,2})(?P<q>\\{1,7}[\"'])(?P<d>[^\"'\r\n]*?)(?P=q)")
# A value is judged by its beginning, and once it is a secret it is one to its end: what is no
# secret is never read far, however often it is begun.
_BARE = re.compile(r"[^\s\"'`\\,;&<>|]{1,128}")
_BARE_ENVIRONMENT = re.compile(r"[^\s\"'`\\<>|]{1,128}")
_REST = re.compile(r"[^\s\"'`\\,;&<>|]*")
_SCHEME = re.compile(r"(?i)(?:bearer|basic|token)[ ]+")
_JUDGED = 128
_SHORTEST_BARE = 6
_LINE_STARTS = re.compile(r"[ \t>+|-]*")
_LINE_ENDS = re.compile(r"[ \t]*(?:\\*[\"'}\])]*)?[ \t]*(?:[,;}#\r\n]|\\[nr]|$)")

_PASS = {"password", "passwd", "passphrase", "passcode", "pwd", "pass"}
_KEYS_OF = re.compile(
    r"(?i)(?:api|access|private|account|secret|master|signing|encryption|preshared|subscription"
    r"|license|deploy|shared[-_.]?access|service|auth|jwt|hmac|aes|cipher|session)[-_.]?$"
)
_NO_KEY = {
    *(
        "public",
        "pub",
        "primary",
        "foreign",
        "sort",
        "partition",
        "cache",
        "row",
        "index",
        "unique",
    ),
    *(
        "map",
        "object",
        "dict",
        "group",
        "routing",
        "idempotency",
        "dedupe",
        "effect",
        "call",
        "run",
    ),
    *(
        "verify",
        "verification",
        "host",
        "hot",
        "short",
        "registry",
        "translation",
        "i18n",
        "lookup",
    ),
    *("shard", "hash", "range", "storage", "state", "event", "record", "item", "order", "search"),
    *("message", "label", "metric", "tree", "node", "parent", "child", "column", "field", "any"),
}
_NO_TOKEN = {
    *("page", "next", "previous", "prev", "continuation", "pagination", "sync", "cancel", "stop"),
    *("cancellation", "eos", "bos", "pad", "unk", "mask", "sep", "cls", "special", "start", "end"),
    *("max", "min", "per", "total", "input", "output", "resume", "cursor", "marker", "last"),
}
_SURE_TOKEN = {"access", "auth", "refresh", "session", "bearer", "id", "api", "bot", "oauth"}


_LEAST = {Says.NOTHING: 0, Says.PERHAPS: 16, Says.KEY: 8, Says.SURELY: 4}


class Named(NamedTuple):
    """A name that says secret: where it begins, where its value may, how surely."""

    start: int
    end: int
    says: Says
    word: str


def says(name: str) -> Says:
    """How surely a whole name says that its value is a secret."""
    lower = name.lower()
    at = max(lower.rfind(sign) for sign in SIGNS)
    if at < 0:
        return Says.NOTHING
    named = _named(name, lower, at)
    return named.says if named is not None and named.end == len(name) else Says.NOTHING


def in_names(text: str, lower: str) -> Iterator[Span]:
    """Each value that stands beside a name that says secret; `lower` is the text in lower case."""
    for sign in SIGNS:
        at = lower.find(sign)
        while at >= 0:
            after = at + len(sign)
            named = _named(text, lower, at)
            found = _value(text, named) if named is not None else None
            if found is not None:
                yield found
                after = max(after, found.end)
            at = lower.find(sign, after)


def can_be(value: str, how: Says, *, sure: bool) -> bool:
    """Whether a value can be the secret; `sure`: nothing but a value can stand where it does."""
    if len(value) < _LEAST[how] or stands_for_one(value) or is_path(value):
        return False
    if how is Says.SURELY:
        return sure or is_random(value, 8)
    if how is Says.KEY:
        return is_random(value, 8) or is_long_mixed(value)
    return is_random(value, 16) and not is_digest(value)


def _named(text: str, lower: str, at: int) -> Named | None:
    """The name that ends with the word at `at`, if it says secret and something follows it."""
    word = next(sign for sign in SIGNS if lower.startswith(sign, at))
    tail = _TAIL.match(text, at + len(word))
    if tail is None:
        return None
    before = text[max(0, at - _NAME_MOST) : at]
    left = _LEFT.match(before[::-1])
    start = at - (left.end() if left is not None else 0)
    if start < at and text[start - 1 : start] == "\\" and text[start] in "nrt":
        start += 1  # A line break that JSON spelt `\n` is no letter of the name.
    how = _says(text[start:at], text[at : tail.end()], word)
    return Named(start, tail.end(), how, word) if how is not Says.NOTHING else None


@lru_cache(4096)
def _says(before: str, ending: str, word: str) -> Says:
    apart = not before or not before[-1].isalpha() or (before[-1].islower() and ending[0].isupper())
    parts = [part.lower() for part in _SPLIT.findall(before)]
    last = parts[-1] if parts else ""
    if word in {"pass", "pwd"}:
        whole = re.split(r"[_-]|(?<=[a-z])(?=[0-9])", ending.lower())[0]
        return Says.SURELY if whole in _PASS and (apart or len(whole) > 4) else Says.NOTHING
    if word == "secret":
        return Says.NOTHING if ending.lower().startswith("secrets") else Says.SURELY
    if word == "credential":
        return Says.SURELY if apart else Says.NOTHING
    if word == "auth":
        return Says.KEY if apart and ending.lower() == "auth" else Says.NOTHING
    if ending.lower().startswith(word + "s"):
        return Says.NOTHING
    if word == "token":
        if last in _NO_TOKEN:
            return Says.NOTHING
        return Says.SURELY if last in _SURE_TOKEN else Says.KEY
    if _KEYS_OF.search(before):
        return Says.SURELY
    if not apart or last in _NO_KEY:
        return Says.NOTHING
    return Says.KEY if before.isupper() or before.endswith("client-") else Says.PERHAPS


def _value(text: str, named: Named) -> Span | None:
    between = _BETWEEN.match(text, named.end)
    if between is None:
        return None
    kind = between.lastgroup or ""
    quoted = _QUOTED.match(text, between.end()) or _ESCAPED.match(text, between.end())
    if quoted is not None:
        return _quoted(quoted, kind, named)
    if kind in {"argument", "compared"}:
        return None
    env = text[named.start : named.end].isupper() and between[0] == "="
    bare = (_BARE_ENVIRONMENT if env else _BARE).match(text, between.end())
    return _bare(text, bare, between, named) if bare is not None else None


def _quoted(quoted: re.Match[str], kind: str, named: Named) -> Span | None:
    group = quoted.lastgroup or ""
    value = quoted[group]
    start = quoted.start(group)
    scheme = _SCHEME.match(value)
    if scheme is not None:
        start += scheme.end()
        value = value[scheme.end() :]
    if is_prose(value):
        return None
    sure = kind in {"set", "entry", "compared"}
    return Span(start, quoted.end(group), KIND) if can_be(value, named.says, sure=sure) else None


def _bare(text: str, bare: re.Match[str], between: re.Match[str], named: Named) -> Span | None:
    value = bare[0].rstrip(")]}")
    if not _is_bare(text, bare, between, named):
        return None
    rest = _REST.match(text, bare.end()) if len(bare[0]) == _JUDGED else None
    return Span(bare.start(), rest.end() if rest else bare.start() + len(value), KIND)


def _is_bare(text: str, bare: re.Match[str], between: re.Match[str], named: Named) -> bool:
    """Whether an unquoted value is the secret, by what stands between it and its name."""
    kind, value = between.lastgroup or "", bare[0].rstrip(")]}")
    if is_code(value) or not _fits(value, named):
        return False
    if kind == "element":
        element = text[named.start - 1 : named.start] == "<"
        return element and text.startswith("</", bare.end())
    if kind == "word" and text[named.start : named.start + 1] != "-":
        told = named.word in {"pass", "secret"} or "_" in text[named.start : named.end]
        return told and is_random(value, 8)
    plain = not any(map(str.isdigit, value))
    if plain and ":" in between[0] and not _alone(text, named, bare):
        return False
    return len(value) >= _SHORTEST_BARE


def _fits(value: str, named: Named) -> bool:
    return can_be(value, named.says, sure=True)


def _alone(text: str, named: Named, bare: re.Match[str]) -> bool:
    """Whether a name and its value are all of a line, as in a file of settings and not in prose."""
    line = max(text.rfind("\n", max(0, named.start - 80), named.start) + 1, named.start - 80, 0)
    begins = _LINE_STARTS.fullmatch(text, line, named.start) is not None
    return begins and _LINE_ENDS.match(text, bare.end()) is not None
