"""Whether a word names a host, and whether that host is this machine."""

import re

from holdfast.core.risk.shell_rules import words

_LOCAL = re.compile(
    r"(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)(?::\d{1,5})?|:\d{1,5}|\d{1,5}", re.IGNORECASE
)
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)")
_DOTTED = re.compile(r"(?:[\w.+-]+@)?([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)(?::\d{1,5})?(?:/.*)?")
_ADDRESS = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?(?:/\d{1,2})?")
_TOP = words(
    """
    com org net io dev app ai co uk de fr eu us example invalid local internal cloud info biz
    xyz site online me tv gg ly ru cn jp br in nl es it ch se no pl
    """
)


def local_url(word: str) -> bool:
    """Whether a URL (or ``host[:port][/path]``) names this machine and nothing else.

    A user part, an escape or a backslash may send a client elsewhere than it reads, so they are
    refused.
    """
    match = _URL.match(word)
    if match is not None:
        scheme, host = match.groups()
        if scheme.lower() not in ("http", "https", "ws", "wss"):
            return False
    else:
        host = word.partition("/")[0].partition("?")[0]
    return _LOCAL.fullmatch(host) is not None and not host.isdigit()


def is_local(word: str) -> bool:
    """Whether a word is a host, an address or a port of this machine."""
    return _LOCAL.fullmatch(word) is not None or ("://" in word and local_url(word))


def names_host(word: str) -> bool:
    """Whether a word names another machine: a URL, an address, ``user@host`` or a domain."""
    if "://" in word:
        match = _URL.search(word)
        return match is None or not local_url(word[match.start() :])
    if word in ("0.0.0.0", "[::]", "::") or word.startswith(("0.0.0.0:", "[::]:")):  # noqa: S104
        return True
    if _ADDRESS.fullmatch(word):
        return not _LOCAL.fullmatch(word)
    match = _DOTTED.fullmatch(word)
    return match is not None and match.group(1).rpartition(".")[2].lower() in _TOP
