"""How text, numbers and addresses are spelt, so that two spellings of one thing compare as one.

Letters lose their case one by one and nothing else: a letter of another script or width stays
another letter, since whoever receives the value reads it so. Not here: where a value stands.
"""

import re
from collections.abc import Iterator
from decimal import Decimal

# Text that can be a number: what surrounds it is space, quotes, brackets or a currency sign.
_CHUNK = re.compile(r"[\w.,:/@+%-]+")
_PLAIN = re.compile(r"[+-]?\d+(?:\.\d+)?")
_POINT_DECIMALS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_COMMA_DECIMALS = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+,\d+")
_SHORT_COMMA = re.compile(r"[+-]?\d+,\d{1,2}")
_LONGEST_NUMBER = 40

_WORD = re.compile(r"\w+")
_SPACE = re.compile(r"\s+")

# Each of these is one run of a class, so that no text costs more than its length.
_PIECE = re.compile(r"[^\s<>\"'`()\[\]{}|]+")
_NAME = re.compile(r"[\w.+%-]+")
_HOST = re.compile(r"[\w.-]+")
_LONGEST_LINK = 2_048
_TOP_LETTERS = range(2, 25)
# Endings that are names of files far more often than of countries.
_FILE_NAMES = """
    bat bin bz cc cfg conf css csv db doc docx eml exe gif go gz hs htm html ico ics ini
    java jpeg jpg js json jsx kt lock log lua md mov mp mp3 mp4 odt pdf php pl png ppt pptx
    ps py rb rs sh so sql svg swift tar tex tf toml ts tsv tsx txt vue wav webp xls xlsx xml
    yaml yml zip
"""
_FILE_ENDINGS = frozenset(_FILE_NAMES.split())
_TRAILING = ".,;:!?"


def plain(text: str) -> str:
    """One space for any run of them; case is kept."""
    return _SPACE.sub(" ", text)


def folded(text: str) -> str:
    """Lower case, letter by letter: as long as `text`, and no letter becomes a different one."""
    if text.isascii():
        return text.lower()
    return "".join(map(_lower, text))


def _lower(letter: str) -> str:
    lower = letter.lower()
    # The Kelvin sign lowers to `k`, but is none.
    return lower if len(lower) == 1 and lower.upper() == letter else letter


def words(text: str) -> Iterator[re.Match[str]]:
    """Runs of letters and digits."""
    return _WORD.finditer(text)


def number(text: str) -> Decimal | None:
    """`text` as a number, if the whole of it is one: `1,100`, `1100.00`, `1.100,00`; else None."""
    if len(text) > _LONGEST_NUMBER or not text.isascii():
        return None
    if _PLAIN.fullmatch(text):
        spelled = text
    elif _POINT_DECIMALS.fullmatch(text):
        spelled = text.replace(",", "")
    elif _COMMA_DECIMALS.fullmatch(text):
        spelled = text.replace(".", "").replace(",", ".")
    elif _SHORT_COMMA.fullmatch(text):
        spelled = text.replace(",", ".")
    else:
        return None
    return Decimal(spelled)


def numbers(text: str) -> Iterator[Decimal]:
    """Every number that stands alone: no part of a date, a version, a name or an address."""
    for chunk in _CHUNK.finditer(text):
        if chunk.end() - chunk.start() <= _LONGEST_NUMBER:
            found = number(chunk.group().strip(".,:/%"))
            if found is not None:
                yield found


def amount(value: object) -> Decimal | None:
    """An argument's value as a number, whether spelt as one or as text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return number(format(Decimal(repr(value)), "f")) if abs(value) < 10**30 else None
    return number(value.strip()) if isinstance(value, str) else None


def links(text: str, most: int) -> set[str]:
    """Addresses and links in a text, lower case, without the punctuation that follows them.

    Stops once there are more than `most`.
    """
    found: set[str] = set()
    for piece in _PIECE.finditer(folded(text)):
        for link in _links_in(piece.group()):
            found.add(link[:_LONGEST_LINK].rstrip(_TRAILING))
            if len(found) > most:
                return found
    return found


def _links_in(piece: str) -> Iterator[str]:
    at = piece.find("://")
    while at >= 0:
        start = at
        while start and (piece[start - 1].isalnum() or piece[start - 1] in "+.-"):
            start -= 1
        yield piece[start : start + _LONGEST_LINK]
        at = piece.find("://", at + 1)
    names = _NAME.finditer(piece) if "@" in piece else iter(())
    before: re.Match[str] | None = None
    for name in names:
        if before is not None and before.end() + 1 == name.start() and piece[before.end()] == "@":
            yield f"{before.group()}@{name.group()}"
        before = name
    if "." in piece:
        yield from _hosts_in(piece)


def _hosts_in(piece: str) -> Iterator[str]:
    """Names of hosts without a scheme, with the path that follows; no names of files."""
    for host in _HOST.finditer(piece):
        before = piece[max(host.start() - 3, 0) : host.start()]
        after = piece[host.end() : host.end() + 1]
        labels = host.group().strip(".-").split(".")
        top = labels[-1]
        # `//host/path` names a host; after a scheme it is part of what was found with it.
        inside = before.endswith(("/", "@", ":")) and (before == "://" or before[-2:] != "//")
        if inside or not all(labels) or len(labels) < len(("host", "top")):
            continue
        if not top.isalpha() or len(top) not in _TOP_LETTERS:
            continue
        if after == "/" or labels[0] == "www" or top not in _FILE_ENDINGS:
            yield piece[host.start() : host.start() + _LONGEST_LINK].lstrip(".-")


def names_file(ending: str) -> bool:
    """Whether what follows the last dot of a name is far more often a file's than a country's."""
    return ending in _FILE_ENDINGS


def bare(link: str) -> str:
    """A link without its scheme and the slash at its end."""
    return re.sub(r"\Ahttps?://", "", folded(link)).rstrip("/")
