"""Terminals that somebody is signed in with: a file of the user's own, by the server's address.

Not here: signing in (`sign_ins`), which server is asked (`discovery`).
"""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from holdfast.errors import ConfigInvalid
from holdfast.model.keys import KEY_HOLDER

_FILE = "sign-ins.json"


class Login(msgspec.Struct, frozen=True):
    """One sign-in: as whom, and its token."""

    holder: str
    token: str

    @property
    def spends(self) -> bool:
        """Whether it acts as a spending key, and operates nothing."""
        return self.holder.startswith(KEY_HOLDER)


class _File(msgspec.Struct, frozen=True):
    servers: dict[str, Login] = {}


def logins_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Where they are kept: below `$XDG_CONFIG_HOME`, or `~/.config`."""
    given = environ.get("XDG_CONFIG_HOME", "")
    base = Path(given) if given.startswith("/") else Path(environ.get("HOME", "~"), ".config")
    return base.expanduser() / "holdfast" / _FILE


def login_at(url: str, environ: Mapping[str, str] = os.environ) -> Login | None:
    """The sign-in at a server; None where there is none. Errors: ConfigInvalid."""
    return _read(logins_path(environ)).servers.get(url.rstrip("/"))


def keep_login(url: str, login: Login | None, environ: Mapping[str, str] = os.environ) -> None:
    """Remember a sign-in in place of the one before, or forget it. Errors: ConfigInvalid."""
    path = logins_path(environ)
    servers = {at: one for at, one in _read(path).servers.items() if at != url.rstrip("/")}
    if login is not None:
        servers[url.rstrip("/")] = login
    draft = path.with_name(f"{_FILE}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(_File(servers)) + b"\n")
        draft.replace(path)
    except OSError as error:
        raise ConfigInvalid(f"`{path}` cannot be written: {error.strerror}") from None


def _read(path: Path) -> _File:
    """Errors: ConfigInvalid, also for a file that others could read or change."""
    try:
        seen = path.stat()
        if seen.st_mode & 0o077 or seen.st_uid != os.geteuid():
            raise ConfigInvalid(f"`{path}` is not yours alone: `chmod 600 {path}`")
        return msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        return _File()
    except OSError as error:
        raise ConfigInvalid(f"`{path}` cannot be read: {error.strerror}") from None
    except msgspec.MsgspecError:
        raise ConfigInvalid(f"`{path}` is damaged; remove it, and sign in again") from None
