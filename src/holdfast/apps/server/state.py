"""The server's own files: its keys, its token, its sockets, and where it can be found.

Everything lies in the state folder, for its owner alone. Tokens are compared by digest; the
admin token itself is written once, for the person who runs the server.
"""

import hmac
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.errors import ConfigInvalid

ADMIN_TOKEN = "admin.token"  # noqa: S105 -- a file's name
WORKER_TOKEN = "worker.token"  # noqa: S105 -- a file's name
SERVER_FILE = "server.json"
POLICY_SOCKET = "policyd.sock"
POLICIES = "policies"
TEST_CLOCK = "test-clock"
RELAYS_SOCKET = "relays.sock"
_SIGNING_KEY = "signing.key"
# Searches of agents keep to these, and git does.
_IGNORE_FILES = (".ignore", ".gitignore")
_MAX_SOCKET_PATH_BYTES = 100
_TOKEN_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"  # noqa: S105 -- an alphabet


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """What `server.json` says while a server runs; `model_url` is empty without relays.

    `seal` is what only who knows the admin token can write of this address, process and folder.
    """

    url: str
    pid: int
    policy_pid: int
    version: str
    admin_token_file: str
    state_dir: str
    model_url: str = ""
    seal: str = ""


def prepare(state: Path) -> None:
    """Make the state folder, closed to others and passed by in searches.

    One that is there already is taken only where nobody else can have made it or write to it: who
    does knows its tokens. Errors: ConfigInvalid.
    """
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_own(state)
        _hide(state)
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise ConfigInvalid(f"the state folder `{state}` cannot be made: {why}") from error


def _check_own(state: Path) -> None:
    """Errors: ConfigInvalid, OSError."""
    seen = state.stat()
    if seen.st_uid != os.geteuid():
        raise ConfigInvalid(
            f"the state folder `{state}` belongs to another user, who knows its tokens; move it"
            " away, or set `server.state_dir`"
        )
    if seen.st_mode & 0o077:
        raise ConfigInvalid(
            f"the state folder `{state}` is open to others; close it: `chmod 700 {state}`"
        )
    for above in state.resolve().parents:
        mode = above.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise ConfigInvalid(
                f"everybody can put another folder in place of `{state}`, since `{above}` is"
                f" open to all: `chmod o-w {above}`"
            )


def _check_private(path: Path) -> None:
    """A secret of ours was made by us, for us alone. Errors: ConfigInvalid, OSError."""
    seen = path.lstat()
    if stat.S_ISREG(seen.st_mode) and seen.st_uid == os.geteuid() and not seen.st_mode & 0o077:
        return
    raise ConfigInvalid(
        f"`{path}` is not a file of yours alone, so others may know it; remove it to make a new one"
    )


def _hide(state: Path) -> None:
    """Tell searches to pass the folder by, unless it is one that holds more than our state."""
    ours = (state / ADMIN_TOKEN).exists() or not any(state.iterdir())
    for name in _IGNORE_FILES if ours and not any(state.glob("*.yaml")) else ():
        if not (state / name).exists():
            (state / name).write_text("*\n", encoding="ascii")


def socket_path(state: Path, name: str) -> Path:
    """Where a unix socket of the server lies. Errors: ConfigInvalid when the path is too long."""
    path = state / name
    if len(os.fsencode(path)) > _MAX_SOCKET_PATH_BYTES:
        raise ConfigInvalid(
            "the state folder's path is too long for a unix socket; set `server.state_dir`"
        )
    return path


def signing_key(state: Path) -> Ed25519PrivateKey:
    """The key that signs permits; made on the first start. Errors: ConfigInvalid."""
    raw = _kept(state / _SIGNING_KEY, lambda: Ed25519PrivateKey.generate().private_bytes_raw())
    try:
        return Ed25519PrivateKey.from_private_bytes(raw)
    except ValueError:
        raise ConfigInvalid(
            f"`{_SIGNING_KEY}` in the state folder is damaged; remove it to make a new one"
        ) from None


def repeats_secret(state: Path) -> bytes:
    """With what keys of repeated requests are read: follows one way from the signing key.

    Errors: ConfigInvalid.
    """
    return hmac.digest(signing_key(state).private_bytes_raw(), b"holdfast repeats", "sha256")


def admin_token(state: Path) -> str:
    """The operator's token; made on the first start. Errors: ConfigInvalid."""
    return _token(state / ADMIN_TOKEN, "hfa_")


def worker_token(state: Path) -> str:
    """The workers' token; made on the first start. Errors: ConfigInvalid."""
    return _token(state / WORKER_TOKEN, "hfw_")


def _token(path: Path, prefix: str) -> str:
    made = prefix + "".join(secrets.choice(_TOKEN_ALPHABET) for _ in range(52))
    token = _kept(path, made.encode).decode("ascii", "replace").strip()
    if not token.startswith(prefix) or len(token) != len(made):
        raise ConfigInvalid(
            f"`{path.name}` in the state folder is damaged; remove it to make a new one"
        )
    return token


def _kept(path: Path, make: Callable[[], bytes]) -> bytes:
    """The content of a private file, made once; two servers starting at a time make one."""
    try:
        if not path.exists():
            draft = path.with_name(f"{path.name}.{os.getpid()}")
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(make())
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        _check_private(path)
        return path.read_bytes()
    except OSError as error:
        raise ConfigInvalid(f"`{path.name}` cannot be kept: {error.strerror}") from error


def announce(state: Path, running: Running) -> None:
    """Say where the server is, whole or not at all."""
    draft = state / f"{SERVER_FILE}.{os.getpid()}"
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(running)) + b"\n")
    draft.replace(state / SERVER_FILE)


def withdraw(state: Path) -> None:
    """Take the announcement back, if it is this process's."""
    path = state / SERVER_FILE
    try:
        if msgspec.json.decode(path.read_bytes(), type=Running).pid == os.getpid():
            path.unlink()
    except (OSError, msgspec.DecodeError):
        return
