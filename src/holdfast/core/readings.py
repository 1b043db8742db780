"""What a text reads as once somebody decodes it: base64, hex, escapes of strings and of mail.

A tool, or who stands behind it, may decode what it is given; an address that was hidden in this way
is that address. Only what comes out as text counts, and each run of letters is decoded a bounded
number of times, so that a text costs what it is long. Not here: percent signs, entities, `at` and
`dot` (`core/flow/addresses`), ciphers.
"""

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterator

_DEPTH = 3
_SHORTEST_TEXT = 4
_PAD = 4
# The two alphabets of base64; what stands between slashes is a run of its own as well.
_RUN = re.compile(r"[A-Za-z0-9+/_-]{8,}")
_HEX = re.compile(r"(?:0[xX])?((?:[0-9A-Fa-f]{2}){5,})")
_HEX_APART = re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{2}(?:[ :][0-9A-Fa-f]{2}){5,}(?![0-9A-Fa-f])")
_BASE32 = re.compile(r"[A-Z2-7]{8,}")
_ESCAPE = re.compile(r"\\(?:u\{?([0-9A-Fa-f]{4})\}?|x([0-9A-Fa-f]{2}))")
_GROWTH = 3
# Marks that nobody sees: joiners, directions, tags, variants of a letter.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f"
    "\ufeff\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_PRINTED = re.compile(r"=([0-9A-F]{2})")


def letters(text: str) -> str:
    """A text in lower case, of one width, without the marks that nobody sees."""
    if text.isascii():
        return text.lower()
    wide = unicodedata.normalize("NFKC", text)
    if len(wide) > _GROWTH * len(text):
        # Signs that stand for whole sentences.
        wide = "".join(map(_narrow, text))
    return _UNSEEN.sub("", wide.lower())


def readings(text: str) -> Iterator[str]:
    """Every text that stands encoded in this one, at most three layers deep."""
    layer = [text]
    for _ in range(_DEPTH):
        layer = [found for one in layer for found in _decoded(one)]
        yield from layer


def _narrow(letter: str) -> str:
    found = unicodedata.normalize("NFKC", letter)
    return found if len(found) == 1 else letter


def _decoded(text: str) -> Iterator[str]:
    if "\\" in text and (read := _ESCAPE.sub(_letter, text)) != text:
        yield read
    if "=" in text and (read := _PRINTED.sub(_printed, text)) != text:
        yield read
    for found in _RUN.finditer(text):
        run = found.group()
        for piece in {run, *run.split("/")} if "/" in run else (run,):
            yield from _runs(piece)
    for found in _HEX_APART.finditer(text):
        yield from _text(bytes.fromhex(re.sub("[ :]", "", found.group())))


def _runs(run: str) -> Iterator[str]:
    """What one run reads as, in each way in which it is well formed."""
    if len(run) < len("YUBiLmNv"):
        return
    if found := _HEX.fullmatch(run):
        yield from _text(bytes.fromhex(found.group(1)))
    if _BASE32.fullmatch(run) and len(run) % 8 not in (1, 3, 6):
        yield from _text(base64.b32decode(run + "=" * (-len(run) % 8)))
    if len(run) % _PAD == 1:
        return
    try:
        padded = run.replace("-", "+").replace("_", "/") + "=" * (-len(run) % _PAD)
        yield from _text(base64.b64decode(padded, validate=True))
    except binascii.Error:
        return


def _text(raw: bytes) -> Iterator[str]:
    """The bytes as text, if one can read all of it."""
    for encoding in ("utf-8", "utf-16-le") if b"\0" in raw else ("utf-8",):
        try:
            read = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if len(read) >= _SHORTEST_TEXT and all(c.isprintable() or c.isspace() for c in read):
            yield read
            return


def _letter(found: re.Match[str]) -> str:
    return chr(int(found.group(1) or found.group(2), 16))


def _printed(found: re.Match[str]) -> str:
    return chr(int(found.group(1), 16))
