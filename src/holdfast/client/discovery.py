"""Where the server is: an argument, the environment, or the nearest `.holdfast/server.json`.

Not here: talking to it.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from holdfast.core.proofs import key_of, same, seal_of
from holdfast.errors import ConfigInvalid, Unavailable

from .logins import login_at

STATE_DIR = ".holdfast"
SERVER_FILE = "server.json"
URL_VARIABLE = "HOLDFAST_URL"
TOKEN_VARIABLE = "HOLDFAST_ADMIN_TOKEN"  # noqa: S105 - the name of a variable, not a token
OPERATOR_TOKEN_VARIABLE = "HOLDFAST_OPERATOR_TOKEN"  # noqa: S105 - the name of a variable
KEY_VARIABLE = "HOLDFAST_KEY"
WORKER_TOKEN_FILE = "worker.token"  # noqa: S105 - the name of a file
WORKER_TOKEN_VARIABLE = "HOLDFAST_WORKER_TOKEN"  # noqa: S105 - the name of a variable
TOKEN_VARIABLES = (
    KEY_VARIABLE,
    OPERATOR_TOKEN_VARIABLE,
    TOKEN_VARIABLE,
    WORKER_TOKEN_VARIABLE,
)
"""What an agent's tools should find none of, wherever its program was started."""
_NOT_RUNNING = "no holdfast server was found from `{start}` upward; start one with `holdfast up`"


class ServerFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a running server writes about itself, and removes when it stops.

    `seal` shows that whoever wrote it knows the admin token.
    """

    url: str
    pid: int
    admin_token_file: str
    state_dir: str = ""
    version: str = ""
    policy_pid: int = 0
    seal: str = ""


class Address(msgspec.Struct, frozen=True):
    """A server and the token to show it; the token is empty where none is known.

    `found` says that a file named the address: the server has to be the one at it, and nobody in
    between.
    """

    url: str
    token: str = ""
    found: bool = False


def find_server_file(start: Path) -> Path | None:
    """The nearest `.holdfast/server.json` in `start` or above it."""
    for folder in (start, *start.parents):
        candidate = folder / STATE_DIR / SERVER_FILE
        if candidate.is_file():
            return candidate
    return None


def locate(
    url: str | None,
    token: str | None,
    project_dir: Path | None,
    environ: Mapping[str, str] = os.environ,
    *,
    spends: bool = True,
) -> Address:
    """The server to talk to.

    Where a URL is given or stands in the environment, no file is read: a token found in a file is
    never shown to a server that the file does not name. An operator's own token in the environment
    stands in place of the admin's, and a spending key in place of both, where whoever asks `spends`
    and does not operate. After those, it is the sign-in of this terminal at that server
    (`holdfast login`); where it acts as a key, as such. Errors: Unavailable when no server is
    known, ConfigInvalid for a file that cannot be read.
    """
    token = token or (environ.get(KEY_VARIABLE, "").strip() if spends else "")
    token = token or environ.get(OPERATOR_TOKEN_VARIABLE, "")
    chosen = url or ("" if project_dir is not None else environ.get(URL_VARIABLE, ""))
    if chosen:
        token = token or environ.get(TOKEN_VARIABLE, "") or _signed_in(chosen, environ, spends)
        return Address(chosen.rstrip("/"), token)
    start = (project_dir or Path.cwd()).resolve()
    found = find_server_file(start)
    if found is None:
        raise Unavailable(_NOT_RUNNING.format(start=start))
    server = read_server_file(found)
    token = token or _signed_in(server.url, environ, spends)
    if not token:
        token = _admin_token(found, server)
        _check_seal(found, server, token)
    return Address(server.url.rstrip("/"), token, found=True)


def _signed_in(url: str, environ: Mapping[str, str], spends: bool) -> str:  # noqa: FBT001
    """The token of this terminal's sign-in; empty where there is none that can do what is asked."""
    login = login_at(url, environ)
    return "" if login is None or (login.spends and not spends) else login.token


def locate_worker(project_dir: Path, environ: Mapping[str, str] = os.environ) -> Address:
    """The server to work for, with its worker token.

    Both from the environment, or both from the project's folder. Errors: Unavailable when no
    server is known, ConfigInvalid for a token that cannot be read.
    """
    url, token = environ.get(URL_VARIABLE, ""), environ.get(WORKER_TOKEN_VARIABLE, "")
    if url and token:
        return Address(url.rstrip("/"), token)
    start = project_dir.resolve()
    found = find_server_file(start)
    if found is None:
        raise Unavailable(_NOT_RUNNING.format(start=start))
    try:
        token = _private_text(found.parent / WORKER_TOKEN_FILE)
    except (OSError, UnicodeDecodeError):
        raise ConfigInvalid(
            f"the worker token beside `{found}` cannot be read; set {WORKER_TOKEN_VARIABLE}"
        ) from None
    return Address(read_server_file(found).url.rstrip("/"), token, found=True)


def read_server_file(path: Path) -> ServerFile:
    """The parsed file. Errors: ConfigInvalid, Unavailable when it vanished meanwhile.

    A file that another user made, or can change, names no server.
    """
    try:
        _check_ours(path.parent)
        _check_ours(path)
        return msgspec.json.decode(path.read_bytes(), type=ServerFile)
    except FileNotFoundError:
        raise Unavailable(_NOT_RUNNING.format(start=path.parent.parent)) from None
    except OSError as error:
        raise ConfigInvalid(f"`{path}` cannot be read: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise ConfigInvalid(f"`{path}` is no server file: {error}") from None


def _admin_token(server_file: Path, server: ServerFile) -> str:
    path = server_file.parent / server.admin_token_file
    try:
        return _private_text(path)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not ascii"
        raise ConfigInvalid(f"the admin token in `{path}` cannot be read: {why}") from None


def _private_text(path: Path) -> str:
    """Errors: ConfigInvalid for a file that others can write, OSError, UnicodeDecodeError."""
    _check_ours(path)
    return path.read_text(encoding="ascii").strip()


def _check_ours(path: Path) -> None:
    """Errors: ConfigInvalid for what another user owns or can write, OSError."""
    seen, own = path.stat(), os.geteuid()
    if own and seen.st_uid not in {own, 0}:
        raise ConfigInvalid(
            f"`{path}` belongs to another user, so nothing is sent to the server that it names;"
            f" give the address in {URL_VARIABLE}, and your own token in"
            f" {OPERATOR_TOKEN_VARIABLE} or a key in {KEY_VARIABLE}"
        )
    if seen.st_mode & 0o022:
        raise ConfigInvalid(
            f"`{path}` can be written by others, so nothing is sent to the server that it names:"
            f" `chmod go-w {path}`"
        )


def _check_seal(path: Path, server: ServerFile, token: str) -> None:
    """Errors: ConfigInvalid for a file that no server with this token wrote."""
    wanted = seal_of(key_of(token), server.url, server.pid, server.state_dir)
    in_place = Path(server.state_dir).resolve() == path.parent.resolve()
    if not same(wanted, server.seal) or not in_place:
        raise ConfigInvalid(
            f"`{path}` was not written by the server of this folder, so nothing is sent to"
            f" {server.url}; remove it, and start the server again with `holdfast up`"
        )
