"""Names and numbers of hosts in one spelling, and whose they are.

`Evil.COM.`, `evil.com` and `xn--…` for the same letters are one host; so are the many spellings of
one number. Whoever registered `evil.com` has all names below it, except where a name is shared by
strangers: `github.io` lends names, `gmail.com` mailboxes, `github.com` paths.
"""

import ipaddress
import re
from contextlib import suppress

_LABEL_MOST, _NAME_MOST = 63, 253
_NUMBER = re.compile(r"0x[0-9a-f]{1,8}|\d{1,11}")
_OCTET, _WHOLE = 2**8, 2**32
# Second labels of countries under which names are registered: `shop.co.uk`.
_SECOND_TEXT = "ac co com edu go gob gov id ltd me mil ne net nom or org plc sch web"
_SECOND = frozenset(_SECOND_TEXT.split())
_COUNTRY = 2
_CLOUDS = """
    amazonaws.com azurewebsites.net blogspot.com cloudfront.net firebaseapp.com fly.dev github.io
    gitlab.io glitch.me herokuapp.com loca.lt netlify.app ngrok-free.app ngrok.app ngrok.io
    onrender.com pages.dev pythonanywhere.com railway.app readthedocs.io repl.co replit.dev
    run.app surge.sh trycloudflare.com vercel.app web.app windows.net workers.dev
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
    return ":" in host or host.replace(".", "").isdigit()


def is_suffix(host: str) -> bool:
    """Whether strangers register, or are lent, names under this one: it is nobody's own."""
    labels = host.split(".")
    if is_number(host) or len(labels) > _COUNTRY + 1:
        return False
    country = len(labels) == _COUNTRY and len(labels[-1]) == _COUNTRY and labels[0] in _SECOND
    return len(labels) == 1 or country or host in _LENDS_NAMES


def registered(host: str) -> str:
    """The name that somebody registered, or was lent, of which `host` is part."""
    if is_number(host):
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
            return str(ipaddress.ip_address(name.strip("[]")))
        except ValueError:
            return ""
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
