"""Secrets by place: whole key blocks, header and cookie values, URLs, key files, options.

What stands in such a place is the secret, whatever it looks like. Each place is looked for by a
sign that no text of its kind lacks, and read from there over a bounded distance.
"""

import re
from collections.abc import Iterator

from holdfast.core.scrub.spans import Span
from holdfast.core.scrub.values import is_code, is_long_mixed, is_random, stands_for_one

_BLOCK_MOST = 20_000
_BLOCK = re.compile(r"-{4,5} ?BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}")
_BLOCK_END = re.compile(r"-{4,5} ?END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}")
# Lines of base64 behind a block's first line, whatever stands between them.
_LINES = re.compile(
    r"(?:[\s\"'+>|#,\\]|(?<=\\)[nrt]|[A-Z][A-Za-z-]{2,20}: [^\r\n\\]{1,80})*"
    r"(?:[A-Za-z0-9+/=]{16,}(?:[\s\"'+>|#,\\]|(?<=\\)[nrt])*)+"
)
_BODY = re.compile(r"[A-Za-z0-9+/=]{16,}")
_PUTTY = re.compile(
    r"private-lines: *[0-9]{1,3}(?:\r?\n|\\r|\\n)+((?:[A-Za-z0-9+/=]{8,}(?:\r?\n|\\r|\\n|$)*)+)"
)
_JWK = re.compile(
    r"\\{0,7}\"(?:d|p|q|dp|dq|qi|k)\\{0,7}\"\s{0,4}:\s{0,4}\\{0,7}\"([A-Za-z0-9_-]{16,})"
)

_QUOTES = r"[\\]{0,7}[\"'`]?"
_HEADER = re.compile(
    rf"(?![A-Za-z0-9_.(]){_QUOTES}[\])]?\s{{0,4}}(?:[:=,]|=>|value{_QUOTES}\s?[:=])?\s{{0,4}}"
    rf"(?:{_QUOTES}value{_QUOTES}\s{{0,3}}[:=]\s{{0,3}})?(?:[fbru]?{_QUOTES})"
    r"(?:(?P<scheme>bearer|basic|token|digest|apikey|negotiate|ntlm|hmac|jwt|oauth|bot"
    r"|aws4-hmac-sha256|key|sharedaccesssignature)[ ]{1,3})?"
    r"(?P<value>[^\s\"'`\\,;]+)",
    re.IGNORECASE,
)
_COOKIES = re.compile(
    rf"{_QUOTES}\]?\s{{0,4}}(?:[:=,]|=>)\s{{0,4}}(?:{_QUOTES}value{_QUOTES}\s{{0,3}}[:=]\s{{0,3}})?"
    rf"{_QUOTES}(?P<value>[A-Za-z0-9!#$%&*+.^_|~-]{{1,80}}=[^\"'\\\r\n]+)"
)
_BEARER = re.compile(r"[ \t]{1,3}(?P<value>[A-Za-z0-9._~+/=-]{16,})")
_RESPONSE = re.compile(r"[^\r\n]{0,600}?response=[\\]{0,3}\"?(?P<value>[0-9a-f]{16,})")
_SIGNED = re.compile(r"(?i)(?:nature)?=(?P<value>[A-Za-z0-9%_~+/=-]{16,})")

_PASSWORD_IN_URL = re.compile(r"(?P<user>[^\s/:@\"'<>\\]{0,100}):(?P<value>[^\s/@\"'\\]{1,200})@")
_TOKEN_IN_URL = re.compile(r"(?P<value>[A-Za-z0-9_.~%-]{16,200})@")
# What stands before and behind the port in a line of a Postgres password file.
_PGPASS_HOST = re.compile(r"[A-Za-z0-9.*_-]{1,100}(?=[\n\"' ]|n\\|$)")
_PGPASS = re.compile(
    r":(?:[0-9]{4,5}|\*):[A-Za-z0-9.*_-]{1,64}:[A-Za-z0-9.*_-]{1,64}:"
    r"(?P<value>[^\s:\"'\\]{6,200})"
)
_OPTIONS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "curl",
        re.compile(
            r"[^\r\n]{0,400}?\s(?:-u|--(?:proxy-)?user)[ =]{0,2}[\\]{0,3}[\"']?"
            r"[^\s:\"'\\]{1,80}:(?P<value>[^\s\"'\\]{3,200})"
        ),
    ),
    ("sshpass", re.compile(r"\s{1,3}-p\s?[\\]{0,3}[\"']?(?P<value>[^\s\"'\\]{3,200})")),
    (
        " login ",
        re.compile(r"[^\r\n]{0,200}?(?<=\s)-p[ =][\\]{0,3}[\"']?(?P<value>[^\s\"'\\]{4,200})"),
    ),
    ("mysql", re.compile(r"[^\r\n]{0,200}?\s-p(?P<value>[^\s\"'\\]{4,200})")),
    ("-pass", re.compile(r"(?:in|out)?\s{1,3}pass:(?P<value>[^\s\"'\\]{4,200})")),
    (
        "redis-cli",
        re.compile(r"[^\r\n]{0,200}?\s-a\s{1,3}[\\]{0,3}[\"']?(?P<value>[^\s\"'\\]{4,200})"),
    ),
    (
        "identified",
        re.compile(
            r"\s{1,3}(?:with\s[a-z_0-9]{1,40}\s)?by\s{1,3}(?:password\s)?[\\]{0,3}[\"'](?P<value>[^\s\"'\\]{3,200})",
            re.IGNORECASE,
        ),
    ),
)


def in_places(text: str, lower: str) -> Iterator[Span]:
    """Each secret that its place gives away; `lower` is the text in lower case."""
    if "PRIVATE KEY" in text:
        yield from _blocks(text)
    if "private-lines" in lower:
        yield from _all(_PUTTY, lower)
    if '"kty' in text:
        yield from _all(_JWK, text)
    for sign in ("authorization", "bearer", "basic", "digest"):
        if sign in lower:
            yield from _headers(sign, text, lower)
    if "cookie" in lower:
        yield from _cookies(text, lower)
    if "sig" in lower and "=" in text:
        yield from _signatures(text, lower)
    if "://" in text:
        yield from _urls(text)
    if ":" in text:
        yield from _pgpass(text)
    for sign, rule in _OPTIONS:
        if sign in lower:
            yield from _options(sign, rule, text, lower)


def _at(sign: str, lower: str) -> Iterator[int]:
    """Where each occurrence of a sign ends."""
    at = lower.find(sign)
    while at >= 0:
        yield at + len(sign)
        at = lower.find(sign, at + len(sign))


def _all(rule: re.Pattern[str], text: str) -> Iterator[Span]:
    for match in rule.finditer(text):
        yield Span(match.start(1), match.end(1), "private_key")


def _blocks(text: str) -> Iterator[Span]:
    at = 0
    while (begin := _BLOCK.search(text, at)) is not None:
        end = _end_of_block(text, begin.end())
        if end is not None:
            yield Span(begin.start(), end, "private_key")
        at = end or begin.end()


def _end_of_block(text: str, body: int) -> int | None:
    """Where a key ends whose first line ends at `body`; None where none follows."""
    dashes = text.find("----", body, body + _BLOCK_MOST)
    while dashes >= 0 and text[dashes : dashes + 12].strip("- ")[:3] not in {"END", "BEG"}:
        dashes = text.find("----", dashes + 4, body + _BLOCK_MOST)
    end = _BLOCK_END.match(text, dashes) if dashes >= 0 else None
    if end is not None and _BODY.search(text, body, dashes) is not None:
        return end.end()
    lines = _LINES.match(text, body)
    return lines.end() if lines is not None else None


def _headers(sign: str, text: str, lower: str) -> Iterator[Span]:
    for at in _at(sign, lower):
        if sign == "authorization":
            match = _HEADER.match(text, at)
            if match is not None and _is_credential(match):
                yield Span(match.start("value"), match.end("value"), "authorization")
        elif sign == "digest":
            match = _RESPONSE.match(text, at)
            if match is not None:
                yield Span(match.start("value"), match.end("value"), "authorization")
        else:
            match = _BEARER.match(text, at)
            if match is not None and _is_mixed(match["value"], 16):
                yield Span(match.start("value"), match.end("value"), "authorization")


def _is_credential(match: re.Match[str]) -> bool:
    value = match["value"]
    if stands_for_one(value) or (is_code(value) and not match["scheme"]):
        return False
    return _is_mixed(value, 6 if match["scheme"] else 12)


def _is_mixed(value: str, least: int) -> bool:
    return is_random(value, least) or is_long_mixed(value)


def _cookies(text: str, lower: str) -> Iterator[Span]:
    read = 0
    for at in _at("cookie", lower):
        match = _COOKIES.match(text, at) if at >= read else None
        if match is None:
            continue
        read = match.end()
        values = (pair.partition("=")[2].strip() for pair in match["value"].split(";"))
        if any(_is_mixed(value, 8) and not stands_for_one(value) for value in values):
            yield Span(match.start("value"), match.end("value"), "cookie")


def _signatures(text: str, lower: str) -> Iterator[Span]:
    for at in _at("sig", lower):
        if at > 3 and (text[at - 4].isalnum() or text[at - 4] == "_"):
            continue
        match = _SIGNED.match(text, at)
        if match is not None and _is_mixed(match["value"], 16):
            yield Span(match.start("value"), match.end("value"), "signature")


def _urls(text: str) -> Iterator[Span]:
    for at in _at("://", text):
        match = _PASSWORD_IN_URL.match(text, at)
        if match is not None:
            start = match.start("user" if is_random(match["user"], 16) else "value")
            if not stands_for_one(match["value"]):
                yield Span(start, match.end("value"), "url_password")
            continue
        match = _TOKEN_IN_URL.match(text, at)
        if match is not None and _is_mixed(match["value"], 16):
            yield Span(match.start("value"), match.end("value"), "url_password")


def _pgpass(text: str) -> Iterator[Span]:
    for match in _PGPASS.finditer(text):
        before = text[max(0, match.start() - 101) : match.start()][::-1]
        if _PGPASS_HOST.match(before) is not None and is_random(match["value"], 6):
            yield Span(match.start("value"), match.end("value"), "password")


def _options(sign: str, rule: re.Pattern[str], text: str, lower: str) -> Iterator[Span]:
    for at in _at(sign, lower):
        match = rule.match(text, at)
        if match is not None and not stands_for_one(match["value"]):
            yield Span(match.start("value"), match.end("value"), "password")
