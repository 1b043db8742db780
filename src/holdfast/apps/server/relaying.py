"""What serves relays: the socket they come to, the port they share, their processes.

Not here: what they say (`runtime/relays`), what they are (`apps/relay`).
"""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from holdfast.apps.server import state
from holdfast.apps.server.relays import Relays
from holdfast.apps.server.tasks import RelayProcesses
from holdfast.backends.frames.server import FrameServer
from holdfast.compose.config.model import Config
from holdfast.compose.house import House
from holdfast.compose.relays import frame_bytes, relay_settings
from holdfast.errors import Conflict
from holdfast.ports.sandbox import Sandbox
from holdfast.runtime.relays.owner import RelayDesk
from holdfast.runtime.relays.wire import IN_FLIGHT_MAX

# Relays of a server that was killed hold the port until they hear of the new one.
_TAKE_OVER_S = 3.0
_AGAIN_S = 0.1

Listen = Callable[[str, int], socket.socket]
Say = Callable[[str], None]


@asynccontextmanager
async def relaying(
    config: Config,
    house: House,
    port: int | None,
    sandbox: Sandbox,
    *,
    listen: Listen,
    say: Say,
    report: Callable[[BaseException], None],
) -> AsyncIterator[Relays]:
    """Everything that relays need, from before they start to after their end.

    Errors: ConfigInvalid for a socket that cannot be had, Conflict when the port is taken.
    """
    relays = Relays(config.gateway.processes)
    desk = RelayDesk(secrets.token_hex(8), house.doorkeeper, house, house.calls, report)
    relays.desk = desk
    path = state.socket_path(config.state_path, state.RELAYS_SOCKET)
    frames = FrameServer(
        talks=desk.talk,
        report=say,
        max_frame_bytes=frame_bytes(config.server.max_body_bytes),
        max_in_flight=IN_FLIGHT_MAX,
    )
    frames.bind(path)
    stop, started = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(frames.serve(started.set, stop))
        await started.wait()
        chosen = config.gateway.port if port is None else port
        try:
            with await _reserved(config.server.host, chosen, listen) as reserved:
                relays.port = reserved.getsockname()[1]
                told = relay_settings(config, path, desk.server, relays.port)
                settings = msgspec.json.encode(told)
                relays.processes = RelayProcesses(config.gateway.processes, settings, say, sandbox)
                desk.silent = relays.processes.kill
                try:
                    yield relays
                finally:
                    await relays.end()
        finally:
            stop.set()


async def _reserved(host: str, port: int, listen: Listen) -> socket.socket:
    """The port that relays share, once those of a server that was killed have left it.

    Nobody listens on this one: it keeps the port ours while no relay lives. Whoever else has the
    port is found by trying to have it alone: a shared one would be shared with another project.
    """
    deadline = asyncio.get_running_loop().time() + _TAKE_OVER_S
    while port:
        try:
            listen(host, port).close()
            break
        except Conflict:
            if asyncio.get_running_loop().time() >= deadline:
                raise
        await asyncio.sleep(_AGAIN_S)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reserved = socket.socket(family, socket.SOCK_STREAM)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        reserved.bind((host, port))
    except OSError as error:
        reserved.close()
        raise Conflict(f"cannot have {host}:{port} for the gateway's processes") from error
    return reserved
