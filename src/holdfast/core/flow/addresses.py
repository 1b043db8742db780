"""What in a text says where something goes: mail, links, hosts, numbers, accounts, names, paths.

Each is brought into one spelling by which two of them are compared: letters without case and width,
percent signs, entities, punycode and what is encoded (`readings`) read, user, port, plus and dots
of a mailbox taken off, `at` and `dot` written as signs. Too much found here costs a question, too
little an address, so what is in doubt is found. Work is linear in the text. Not here: who said it
first (`vouched`).
"""

import html
import itertools
import posixpath
import re
from collections.abc import Iterator
from functools import lru_cache

import msgspec

from holdfast.core.flow.hosts import (
    above,
    host_of,
    is_number,
    is_suffix,
    is_top,
    lends_mailboxes,
    lends_paths,
    likenesses,
    registered,
    whole_number,
)
from holdfast.core.flow.words import names_file, words
from holdfast.core.readings import letters, readings

_DECODINGS = 3
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2})+")
_AT = re.compile(r"\s{0,3}[\[({<]\s{0,3}(?:at|@)\s{0,3}[\])}>]\s{0,3}")
_DOT = re.compile(r"\s{0,3}[\[({<]\s{0,3}(?:dot|\.)\s{0,3}[\])}>]\s{0,3}")
_AT_WORD = re.compile(r"(?<=\w)\s{1,3}at\s{1,3}(?=[\w-]{1,63}\s{1,3}dot\s)")
_DOT_WORD = re.compile(r"(?<=\w)\s{1,3}dot\s{1,3}(?=\w)")
_FULL_STOP = re.compile("[\u3002\uff61]")
_LOCAL = re.compile(r"[\w.+-]+")
_MAIL_HOST = re.compile(r"[\w-]++(?:\.[\w-]++)*+")
_NAMED = re.compile(r"(?<![\w@#.])[@#]([\w][\w.-]{1,63})")
_AUTHORITY = re.compile(r"[^\s/?#\"'<>`|{}]*")
_PATH = re.compile(r"[^\s?#\"'<>`|{}()]*")
_HOST = re.compile(r"(?<![\w.@+-])[\w-]++(?:\.[\w-]++)++(?![@+])")
_NUMBER_SIX = re.compile(
    r"(?<![\w:.])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?::?\d{1,3}(?:\.\d{1,3}){3})?(?![\w:])"
)
_WHOLE = re.compile(r"(?<![\w.:+-])(?:0x[0-9a-f]{7,8}|\d{8,10})(?![\w:-]|\.\d)", re.ASCII)
_IBAN = re.compile(r"(?<!\w)[a-z]{2}\d{2}(?: ?[a-z0-9]{4}){2,7}(?: [a-z0-9]{1,3})?(?!\w)")
_DAY = re.compile(r"\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2\d{4}|\d{1,2}:\d{2}")
_DIGITS = re.compile(r"\d[\d ().\-/]{5,60}")
_GROUP = re.compile(r"\d+")
_TOKEN = re.compile(r"(?<!\w)(?=\w{0,64}\d)(?=\w{0,64}[a-z])\w{16,128}(?!\w)")
_WHERE = re.compile(r"[^\s\"'<>`|{}()\[\],;]+")
_LINE = re.compile(r"(?::\d{1,9}){1,2}\Z")
_SHORT, _LONG = 7, 9
_LOCAL_MOST, _HOST_MOST, _PATH_MOST = 64, 253, 512
_PREFIXES_MOST = 16
_KEPT_TEXT = 128
_PLAIN_MOST = 5_000
_TOP_LETTERS = range(2, 25)
_TRAILING = ".,;:!?)"


class Part(msgspec.Struct, frozen=True):
    """One address in a text.

    `key` is the whole of it, in one spelling. `says` are the keys that whoever brings it brings,
    `asks` those that nobody may have brought where it is to be believed. Of the words `core` one
    has to be new, where there are any: they say whose it is. `host` is its host's key, if it has
    one; `words` are all of its own. `owner` is the key of what whoever it belongs to has as a
    whole: a registered name, an account or a mailbox on a shared host. `certain`: nobody could have
    meant anything else by it.
    """

    key: str
    says: tuple[str, ...]
    asks: tuple[str, ...]
    words: tuple[str, ...]
    core: tuple[str, ...] = ()
    host: str = ""
    owner: str = ""
    certain: bool = True


def name_key(token: str) -> str:
    """The key of a name that stands alone, with or without the sign before it."""
    return f"name:{_folded(token).lstrip('@#').rstrip(_TRAILING)}"


def domain(entry: str) -> Part | None:
    """The place that an entry of a list of domains names: a host, with what may stand behind it.

    None for what is nobody's own (`com`, `co.uk`, `github.io`), a wildcard, or no host at all.
    """
    name, _, behind = _folded(entry).partition("/")
    host = host_of(name) if _MAIL_HOST.fullmatch(name.strip(".")) else ""
    if not host or is_suffix(host):
        return None
    if not _PATH.fullmatch(behind) or behind.count("/") >= _PREFIXES_MOST:
        return None
    return _place(host, behind)


def file_names(text: str) -> Iterator[str]:
    """Every name of a file in a text, whole and as it is spelt but for `.` and `..`.

    `src/app.py:12` and `@src/app.py` name `src/app.py`; nothing names a part of itself.
    """
    for found in _WHERE.finditer(text):
        name = _LINE.sub("", found.group()[:_PATH_MOST].rstrip(_TRAILING)).removeprefix("@")
        if "/" in name or "." in name:
            yield posixpath.normpath(name)


def parts(text: str) -> Iterator[Part]:
    """Every address in a text, as it stands and as it reads once it is decoded."""
    return iter(_kept(text)) if len(text) <= _KEPT_TEXT else _found(text)


@lru_cache(maxsize=4096)
def _kept(text: str) -> tuple[Part, ...]:
    """Of a short text: names of arguments, and files that are worked on, come again and again."""
    return tuple(_found(text))


def _found(text: str) -> Iterator[Part]:
    yield from _shown(text)
    for read in readings(text):
        yield from _shown(read)


def hidden(text: str) -> Iterator[Part]:
    """Every address that a text holds in another form alone: encoded, or spelt another way."""
    plain = text.lower().replace("\\", "/")
    forms = {_folded(text), _decoded(_folded(text)), *readings(text)} - {plain}
    if not forms:
        return
    # What stands plainly after so many counts as hidden: too much found costs a question.
    seen = {part.key for part in itertools.islice(_parts(plain), _PLAIN_MOST)}
    for form in sorted(forms):
        for part in _shown(form):
            if part.key not in seen:
                yield part


def _shown(text: str) -> Iterator[Part]:
    plain = _folded(text)
    yield from _parts(plain)
    if (decoded := _decoded(text)) != plain:
        yield from _parts(decoded)


def _folded(text: str) -> str:
    return _FULL_STOP.sub(".", letters(text)).replace("\\", "/")


def _decoded(text: str) -> str:
    for _ in range(_DECODINGS):
        read = html.unescape(text)
        read = _PERCENT.sub(_signs, read) if "%" in read else read
        if read == text:
            break
        text = read
    text = _folded(text)
    if any(sign in text for sign in "[({<"):
        text = _DOT.sub(".", _AT.sub("@", text))
    return _DOT_WORD.sub(".", _AT_WORD.sub("@", text)) if " dot " in text else text


def _signs(found: re.Match[str]) -> str:
    return bytes.fromhex(found.group().replace("%", "")).decode(errors="replace")


def _parts(text: str) -> Iterator[Part]:
    yield from _links(text)
    if "@" in text:
        yield from _mails(text)
    if "@" in text or "#" in text:
        for found in _NAMED.finditer(text):
            name = found.group(1).rstrip(_TRAILING)
            key = f"name:{name}"
            yield Part(key, (key,), (key,), _words(name), owner=key)
    if "." in text:
        yield from _hosts(text)
    if text.count(":") > 1:
        for found in _NUMBER_SIX.finditer(text):
            if host := host_of(found.group()):
                yield _place(host, "")
    yield from _accounts(text)
    if "/" in text:
        yield from _paths(text)


def _links(text: str) -> Iterator[Part]:
    at = text.find("://")
    while at >= 0:
        after = text.find("://", at + 3)
        named = _AUTHORITY.match(text, at + 3, at + 3 + 2 * _HOST_MOST)
        if named is not None:
            name = named.group().rpartition("@")[2]
            name = name.partition("]")[0] if name.startswith("[") else name.partition(":")[0]
            end = named.end() + _PATH_MOST
            path = _PATH.match(text, named.end(), min(end, after) if after >= 0 else end)
            if host := host_of(name.rstrip(_TRAILING)):
                yield _place(host, path.group() if path else "")
        at = after


def _mails(text: str) -> Iterator[Part]:
    at = text.find("@")
    while at >= 0:
        before = _LOCAL.match(text[max(at - _LOCAL_MOST, 0) : at][::-1])
        named = _MAIL_HOST.match(text, at + 1, at + 1 + _HOST_MOST)
        if before is not None and named is not None and (host := host_of(named.group())):
            yield _mail(before.group()[::-1], host)
        at = text.find("@", at + 1)


def _mail(local: str, host: str) -> Part:
    kept = local.partition("+")[0].replace(".", "") or local
    key = f"mail:{kept}@{host}"
    whose = registered(host)
    lent = lends_mailboxes(host)
    says = () if lent else (f"host:{host}", f"host:{whose}")
    own = _words(local) if lent else (*_words(local), *_words(whose.partition(".")[0]))
    alike = () if lent else _alike(host)
    return Part(
        key,
        (key, *says, *alike),
        (key, *(f"host:{name}" for name in above(host)), *alike),
        (*_words(local), *_words(host)),
        own,
        f"host:{host}",
        key if lent else f"host:{whose}",
    )


def _hosts(text: str) -> Iterator[Part]:
    """Hosts without a scheme, with the path that follows; no names of files."""
    for found in _HOST.finditer(text):
        labels = found.group().split(".")
        after = text[found.end() : found.end() + 1]
        host = host_of(found.group())
        top = labels[-1]
        named = top.isalpha() and len(top) in _TOP_LETTERS
        www = labels[0] == "www"
        certain = is_top(top) or www or after == "/" or (is_number(host) and found.group() == host)
        if not host or not (named or top.startswith("xn--") or is_number(host)):
            continue
        if names_file(top) and after != "/" and not www:
            continue
        path = _PATH.match(text, found.end(), found.end() + _PATH_MOST) if after == "/" else None
        yield _place(host, path.group() if path else "", certain=certain)


def _alike(host: str) -> tuple[str, ...]:
    return tuple(f"host:{name}" for name in likenesses(host))


def _place(host: str, path: str, *, certain: bool = True) -> Part:
    """A host, and what is behind it."""
    way = [one for one in path.rstrip(_TRAILING).split("/") if one][:_PREFIXES_MOST]
    behind = tuple(f"link:{host}/{'/'.join(way[: n + 1])}" for n in range(len(way)))
    key = behind[-1] if behind else f"host:{host}"
    spelled = _words(f"{host}/{'/'.join(way)}")
    if lends_paths(host):
        says = tuple(dict.fromkeys((*behind[:1], *behind[-1:])))
        core = _words(way[0]) if way else ()
        owner = behind[0] if behind else key
        return Part(key, says, behind, spelled, core, f"host:{host}", owner, certain)
    whose = registered(host)
    core = () if is_number(host) else _words(whose.partition(".")[0])
    alike = _alike(host)
    maybe = (f"maybe:{host}",) if is_number(host) else ()
    says = (f"host:{host}", f"host:{whose}", *behind[-1:], *alike)
    asks = (*(f"host:{n}" for n in above(host)), *behind, *alike, *maybe)
    return Part(key, says, asks, spelled, core, f"host:{host}", f"host:{whose}", certain)


def _accounts(text: str) -> Iterator[Part]:
    """Numbers of phones, accounts and cards, however grouped, and long names of wallets."""
    if not _GROUP.search(text):
        return
    for run in _DIGITS.finditer(_DAY.sub("|", text)):
        yield from _numbers(tuple(_GROUP.findall(run.group())))
    for found in _TOKEN.finditer(text):
        key = f"token:{found.group()}"
        yield Part(key, (key,), (key,), (found.group(),), owner=key)
    for found in _IBAN.finditer(text) if " " in text else ():
        key = f"token:{found.group().replace(' ', '')}"
        yield Part(key, (key,), (key,), tuple(found.group().split()), owner=key)
    for found in _WHOLE.finditer(text):
        if host := whole_number(found.group()):
            # Most such numbers are none of a host: who brings it as one is another matter.
            may = f"maybe:{host}"
            asks = (may, f"host:{host}")
            yield Part(may, (may,), asks, (found.group(),), owner=may, certain=False)


def _numbers(groups: tuple[str, ...]) -> Iterator[Part]:
    """A number by its last digits, since what stands before them may be a country's.

    It is brought whole; asked for is each that may end at a group, whatever follows it.
    """
    whole = "".join(groups)
    size, asks = 0, list[str]()
    for group in groups:
        size += len(group)
        if size >= _SHORT:
            asks.append(f"number:{whole[max(size - _LONG, 0) : size]}")
    if asks:
        yield Part(asks[-1], (asks[-1],), tuple(asks), groups, owner=asks[-1])


def _paths(text: str) -> Iterator[Part]:
    for found in _WHERE.finditer(text):
        where = found.group()[:_PATH_MOST].rstrip(_TRAILING)
        slashes = where.count("/")
        if not slashes or "://" in where or where.replace("/", "").isdigit():
            continue
        way = posixpath.normpath(where)
        last = way.rpartition("/")[2]
        if slashes > 1 or where[0] in "/~." or "." in last:
            key = f"path:{way}"
            yield Part(key, (key,), (key,), _words(way), _words(last), owner=key)


def _words(text: str) -> tuple[str, ...]:
    return tuple(found.group() for found in words(text))
