"""What a start does first: the state folder, the port, and the policy process.

The policy process takes about as long to load as the rest of the server does, so it is started
before that (`serving`) is loaded, and both load at a time.
"""

import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from holdfast.apps.server import state
from holdfast.apps.server.tasks import PolicyProcess
from holdfast.backends.system.clock import MovedClock
from holdfast.compose.config import policy_inputs
from holdfast.compose.config.model import Config
from holdfast.compose.sandboxes import sandbox
from holdfast.errors import ConfigInvalid, Conflict
from holdfast.ports.sandbox import Sandbox

# Threads that write the journal must not wait 5 ms for a loop that computes.
_SWITCH_INTERVAL_S = 0.0005

Ready = Callable[[str, Sequence[str], Callable[[], str]], None]
"""Told the address, what lets no agent work there (empty where they can), and how to get the first
link of the console (empty where there was one)."""


class StoreLost(Exception):
    """The store went away; the server has to begin again from what it holds, on the same ports."""

    def __init__(self, why: str, port: int, gateway_port: int) -> None:
        super().__init__(why)
        self.port = port
        self.gateway_port = gateway_port


def say(line: str) -> None:
    """One line of the operator's log."""
    sys.stderr.write(f"holdfast: {line}\n")
    sys.stderr.flush()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Errors: Conflict when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise Conflict(
            f"cannot listen on {host}:{port}: {(error.strerror or 'refused').lower()};"
            " is another server running?"
        ) from error
    listening.listen(2048)
    return listening


class Begun(NamedTuple):
    """A server that listens, and whose policy process is on its way; `first`: none did before."""

    config: Config
    admin: str
    listening: socket.socket
    policy: PolicyProcess
    policy_socket: Path
    sandbox: Sandbox
    first: bool
    moved: MovedClock | None = None


@asynccontextmanager
async def begun(
    config: Config, port: int | None, *, test_clock: bool = False
) -> AsyncIterator[Begun]:
    """Listen on `port` or that of the configuration, and have the policy process on its way.

    `test_clock`: time is moved by hand. Errors: ConfigInvalid, Conflict, PolicyUnavailable.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    folder = config.state_path
    state.prepare(folder)
    moved = _moved_clock(config, asked=test_clock)
    first = not (folder / state.ADMIN_TOKEN).exists()
    admin = state.admin_token(folder)
    _check_tls(config)
    inputs = folder / "policy-inputs.json"
    inputs.write_bytes(policy_inputs(config))
    with listen(config.server.host, config.server.port if port is None else port) as listening:
        policy_socket = state.socket_path(folder, state.POLICY_SOCKET)
        applied = None if config.server.watch_policies else folder / state.POLICIES
        here = sandbox()
        policy = PolicyProcess(
            policy_socket, config.policies_path, inputs, say, here, applied, folder / state.POLICIES
        )
        try:
            await policy.begin()
            yield Begun(config, admin, listening, policy, policy_socket, here, first, moved)
        finally:
            await policy.stop()


def _moved_clock(config: Config, *, asked: bool) -> MovedClock | None:
    """The clock that people move, where one is asked for. Errors: ConfigInvalid."""
    mark = config.state_path / state.TEST_CLOCK
    marked = mark.exists()
    if not asked and not marked:
        return None
    # Of no use to a server that is not tried out.
    from holdfast.compose.moved_clock import check_clock  # noqa: PLC0415

    check_clock(config, os.environ, asked=asked, marked=marked)
    mark.touch(mode=0o600)
    return MovedClock()


def _check_tls(config: Config) -> None:
    """Errors: ConfigInvalid when the certificate and its key cannot be used."""
    if config.tls_cert_path is None:
        return
    try:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(config.tls_cert_path, config.tls_key_path)
    except OSError as error:  # `ssl.SSLError` is one.
        why = "no pair in PEM form" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigInvalid(
            f"server.tls: the certificate and its key cannot be used: {why}"
        ) from error
