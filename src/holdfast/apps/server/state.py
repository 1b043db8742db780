"""The server's own files: its keys, its token, its sockets, and where it can be found.

Everything lies in the state folder, for its owner alone. Tokens are compared by digest; the
admin token itself is written once, for the person who runs the server.
"""

import os
import secrets
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
RELAYS_SOCKET = "relays.sock"
_SIGNING_KEY = "signing.key"
# Searches of agents keep to these, and git does.
_IGNORE_FILES = (".ignore", ".gitignore")
_MAX_SOCKET_PATH_BYTES = 100
_TOKEN_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"  # noqa: S105 -- an alphabet


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """What `server.json` says while a server runs; `model_url` is empty without relays."""

    url: str
    pid: int
    policy_pid: int
    version: str
    admin_token_file: str
    state_dir: str
    model_url: str = ""


def prepare(state: Path) -> None:
    """Make the state folder, closed to others and passed by in searches. Errors: ConfigInvalid."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        _hide(state)
    except OSError as error:
        raise ConfigInvalid(f"the state folder cannot be made: {error.strerror}") from error


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
