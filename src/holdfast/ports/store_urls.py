"""Addresses of stores: what is wrong with one, and how it is shown without its password.

Not here: opening a connection.
"""

from urllib.parse import parse_qs, urlsplit

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def store_url_fault(url: str) -> str:
    """What is wrong with the address of a Postgres, as a sentence without the address; or empty.

    Off this machine it has to say how far TLS is to be trusted: a default would be a guess.
    """
    try:
        parts = urlsplit(url)
        asked = parse_qs(parts.query)
        _ = parts.port
    except ValueError:
        return "the store's url cannot be read"
    if parts.scheme not in {"postgresql", "postgres"}:
        return "the store's url begins with `postgresql://`"
    if not parts.path.strip("/"):
        return "the store's url names a database: `postgresql://host/DATABASE`"
    mode = next(iter(asked.get("sslmode", [])), "")
    if mode and mode not in _SSL_MODES:
        return f"sslmode is one of {', '.join(_SSL_MODES)}"
    host = _host(url)
    if host and not host.startswith("/") and host not in _LOOPBACK and not mode:
        return (
            "the store's url says no sslmode; add `?sslmode=verify-full`, or `disable` on a"
            " network that is yours alone"
        )
    return ""


def has_password(url: str) -> bool:
    """Whether a password stands in the address, so that whoever reads it has it."""
    parts = urlsplit(url)
    return parts.password not in {None, ""} or "password" in parse_qs(parts.query)


def shown(url: str) -> str:
    """The address for people: host and database, nothing else."""
    return f"postgresql://{_host(url)}/{urlsplit(url).path.strip('/')}"


def _host(url: str) -> str:
    parts = urlsplit(url)
    return parts.hostname or next(iter(parse_qs(parts.query).get("host", [])), "")
