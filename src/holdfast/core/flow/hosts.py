"""Names and numbers of hosts in one spelling, and whose they are.

`Evil.COM.`, `evil.com` and `xn--…` for the same letters are one host; so are the many spellings of
one number. Whoever registered `evil.com` has all names below it, except where a name is shared by
strangers: `github.io` lends names, `gmail.com` mailboxes, `github.com` paths. Which do is a table
of the well-known ones, not the public list of suffixes: that one changes weekly, is read from a
file, and has no mailboxes and paths.
"""

import ipaddress
import re
from collections.abc import Iterator
from contextlib import suppress

_LABEL_MOST, _NAME_MOST = 63, 253
_NUMBER = re.compile(r"0x[0-9a-f]{1,8}|\d{1,11}")
_FOUR = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}", re.ASCII)
_OCTET, _WHOLE = 2**8, 2**32
# Second labels of countries under which names are registered: `shop.co.uk`.
_SECOND_TEXT = "ac co com edu go gob gov id ltd me mil ne net nom or org plc sch web"
_SECOND = frozenset(_SECOND_TEXT.split())
_COUNTRY = 2
_CLOUDS = """
    amazonaws.com appspot.com azurewebsites.net blogspot.com cloudfront.net deno.dev duckdns.org
    firebaseapp.com fly.dev github.io gitlab.io glitch.me herokuapp.com hf.space loca.lt netlify.app
    ngrok-free.app ngrok.app ngrok.io onrender.com pages.dev pipedream.net pythonanywhere.com
    railway.app readthedocs.io repl.co replit.dev run.app streamlit.app supabase.co surge.sh
    trycloudflare.com vercel.app web.app webhook.site windows.net wordpress.com workers.dev
"""
_LENDS_NAMES = frozenset(_CLOUDS.split())
_MAILERS = """
    aol.com fastmail.com free.fr gmail.com gmx.de gmx.net googlemail.com hey.com hotmail.com
    icloud.com live.com mac.com mail.ru me.com msn.com outlook.com proton.me protonmail.com
    qq.com t-online.de web.de yahoo.co.jp yahoo.co.uk yahoo.com yandex.ru zoho.com 163.com
"""
_LENDS_MAILBOXES = frozenset(_MAILERS.split())
_FORGES = """
    bitbucket.org codeberg.org docs.google.com drive.google.com facebook.com gist.github.com
    github.com gitlab.com huggingface.co instagram.com linkedin.com medium.com npmjs.com pypi.org
    raw.githubusercontent.com reddit.com sr.ht t.me twitter.com wa.me www.facebook.com
    www.linkedin.com www.npmjs.com www.reddit.com x.com youtube.com
"""
_LENDS_PATHS = frozenset(_FORGES.split())
# Below these every name is lent, at any depth: regions and services stand between.
_DEEP = ("amazonaws.com", "windows.net")
# Top names that many register below; those of countries are two letters, but some are words.
_TOPS_TEXT = "app biz cloud com dev edu gov info net online org shop site tech top xyz"
_TOPS = frozenset(_TOPS_TEXT.split())
_ENDINGS = frozenset({"biz", "com", "edu", "gov", "net", "org", "xyz"})
_WORDS_TEXT = "am as at be by do go id in is it me my no of on or pm so to up us"
_WORDS = frozenset(_WORDS_TEXT.split())
# Names that stand for the number in them: `203-0-113-7.nip.io`.
_NUMBERED = ("nip.io", "sslip.io", "xip.io")
_REVERSED = ".in-addr.arpa"
_DASHED = re.compile(r"(?:^|[.-])(\d{1,3}(?:[.-]\d{1,3}){3}|[0-9a-f]{8})$", re.ASCII)
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
# Letters of other scripts that are drawn as Latin ones.
_DRAWN = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u051d\u043a\u043c\u0442\u043d\u0432"
    "\u03bf\u03b1\u03b5\u03b9\u03ba\u03bd\u03c1\u03c4\u03c5\u03c7\u03b3\u0131\u0261\u0251\u04cf",
    "aeopcyxijshdqwkmthboaeiknptuxyigal",
)


def lends_mailboxes(host: str) -> bool:
    """Whether a mailbox of this host says nothing about its neighbour."""
    return host in _LENDS_MAILBOXES


def lends_paths(host: str) -> bool:
    """Whether the first part of a path, and not the host, says whose a page is."""
    return host in _LENDS_PATHS


def host_of(spelled: str) -> str:
    """The one spelling of a host, given in lower case; empty where it is none."""
    name = spelled.strip(".")
    if len(name) > _NAME_MOST:
        return ""
    if (number := _by_number(name)) is not None:
        return number
    labels = name.split(".")
    return ".".join(map(_letters, labels)) if all(labels) else ""


def is_number(host: str) -> bool:
    """Whether a host, in its one spelling, is an address by number."""
    return ":" in host or _FOUR.fullmatch(host) is not None


def is_top(label: str) -> bool:
    """Whether a label, after a dot, ends the name of a host far more often than anything else."""
    country = len(label) == _COUNTRY and label.isalpha() and label not in _WORDS
    return label in _TOPS or country


def is_ending(label: str) -> bool:
    """Whether a label that stands alone can be meant as the end of a host's name alone."""
    return label in _ENDINGS


def likenesses(host: str) -> Iterator[str]:
    """Other hosts, each in its one spelling, that this one looks like, or leads to."""
    if (drawn := host.translate(_DRAWN)) != host:
        yield drawn
    if ":" in host:
        if (inner := _within(ipaddress.IPv6Address(host))) is not None:
            yield str(inner)
    elif host.endswith(_REVERSED):
        yield ".".join(reversed(host.removesuffix(_REVERSED).split(".")))
    else:
        for ending in _NUMBERED:
            if host.endswith("." + ending):
                yield from _spelled_out(host.removesuffix("." + ending))


def whole_number(spelled: str) -> str | None:
    """The host that a whole number stands for, in decimal or hex; None where it stands for none."""
    least = 2**24
    number = _read(spelled) if _NUMBER.fullmatch(spelled) else 0
    return str(ipaddress.IPv4Address(number)) if least <= number < _WHOLE else None


def is_suffix(host: str) -> bool:
    """Whether strangers register, or are lent, names under this one: it is nobody's own."""
    labels = host.split(".")
    if is_number(host) or len(labels) > _COUNTRY + 1:
        return False
    country = len(labels) == _COUNTRY and len(labels[-1]) == _COUNTRY and labels[0] in _SECOND
    return len(labels) == 1 or country or host in _LENDS_NAMES


def registered(host: str) -> str:
    """The name that somebody registered, or was lent, of which `host` is part."""
    if is_number(host) or any(host.endswith("." + zone) for zone in _DEEP):
        return host
    labels = host.split(".")
    kept = 2
    if len(labels) > kept:
        lent = ".".join(labels[-2:]) in _LENDS_NAMES
        country = len(labels[-1]) == _COUNTRY and labels[-2] in _SECOND
        kept += lent or country
    return ".".join(labels[-kept:])


def above(host: str) -> list[str]:
    """`host` and the names above it, as far as one that can be registered."""
    if is_number(host):
        return [host]
    labels = host.split(".")
    return [".".join(labels[n:]) for n in range(max(len(labels) - 1, 1))][-16:]


def _letters(label: str) -> str:
    if label.startswith("xn--") and len(label) <= _LABEL_MOST:
        with suppress(UnicodeError):
            return label[4:].encode("ascii").decode("punycode").lower()
    return label


def _by_number(name: str) -> str | None:
    """An address by number, as `inet_aton` and browsers read it: parts may be octal or hex."""
    if ":" in name:
        try:
            read = ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return ""
        mapped = read.ipv4_mapped if isinstance(read, ipaddress.IPv6Address) else None
        return str(mapped or read)
    parts = name.split(".")
    if len(parts) > len("abcd") or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    *first, last = map(_read, parts)
    if any(one >= _OCTET for one in first) or last >= _WHOLE >> (8 * len(first)):
        return None
    whole = last
    for place, one in enumerate(first):
        whole += one << (8 * (3 - place))
    return str(ipaddress.IPv4Address(whole))


def _read(part: str) -> int:
    if part.startswith("0x"):
        return int(part, 16)
    octal = part.startswith("0") and part.strip("01234567") == ""
    return int(part, 8 if octal else 10)


def _within(six: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The address of version four that one of version six leads to."""
    if six.sixtofour is not None:
        return six.sixtofour
    return ipaddress.IPv4Address(int(six) % _WHOLE) if six in _TRANSLATED else None


def _spelled_out(name: str) -> Iterator[str]:
    if found := _DASHED.search(name):
        number = found.group(1).replace("-", ".")
        read = _by_number(number if "." in number else f"0x{number}")
        if read:
            yield read
