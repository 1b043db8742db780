"""Relays beside the server: the socket they come to, the port they share, their processes.

Not here: what they say (`runtime/relays`), what they are (`apps/relay`).
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from holdfast.apps.control.deps import RelaysHere
from holdfast.apps.server import state
from holdfast.apps.server.tasks import RelayProcesses
from holdfast.backends.frames.server import FrameServer
from holdfast.compose.config.model import Config
from holdfast.compose.relays import frame_bytes, relay_settings
from holdfast.errors import Conflict, Unavailable
from holdfast.model.gauges import Gauge
from holdfast.ports.sandbox import Sandbox
from holdfast.runtime.gauges import Gauges
from holdfast.runtime.relays.owner import RelayDesk
from holdfast.runtime.relays.wire import IN_FLIGHT_MAX

_START_S = 20.0
# Relays of a server that was killed hold the port until they hear of the new one.
_TAKE_OVER_S = 3.0
_AGAIN_S = 0.1

Listen = Callable[[str, int], socket.socket]
Say = Callable[[str], None]


class Relays:
    """The relays of one server. `port` is where clients find them; 0 where there are none."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.port = 0
        self.desk: RelayDesk | None = None
        self.processes: RelayProcesses | None = None

    def here(self) -> RelaysHere:
        """How many are to be here, and how many are."""
        return RelaysHere(self._count, len(self.desk.pids) if self.desk is not None else 0)

    def measured(self, gauges: Gauges) -> None:
        """Have it read how many are here, where there are to be any."""
        if self._count:
            gauges.register(
                Gauge(
                    name="holdfast.relays.here",
                    unit="{process}",
                    description="processes that serve the model's door beside the server",
                    read=lambda: self.here().here,
                )
            )

    def tick(self) -> None:
        """About once a second."""
        if self.desk is not None:
            self.desk.tick()

    async def start(self) -> None:
        """Start them all. Errors: Unavailable when one ends, or does not come in time."""
        if self.processes is None or self.desk is None:
            return
        settled: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def settle(fault: str) -> None:
            if not settled.done():
                settled.set_result(fault)

        def changed() -> None:
            if self.here().here >= self._count:
                settle("")

        def ended(code: int) -> None:
            settle(f"a gateway process ended with {code} while it started")

        self.desk.changed, self.processes.on_end = changed, ended
        self.processes.start()
        try:
            async with asyncio.timeout(_START_S):
                fault = await settled
        except TimeoutError:
            wanted, here = self.here()
            fault = f"{here} of {wanted} gateway processes started in {_START_S:g} s"
        if fault:
            raise Unavailable(fault)

    async def end(self) -> None:
        """End them while the server still answers, so that they settle; idempotent."""
        if self.processes is not None:
            await self.processes.end()


@asynccontextmanager
async def relaying(
    config: Config,
    desk: RelayDesk,
    port: int | None,
    sandbox: Sandbox,
    *,
    listen: Listen,
    say: Say,
) -> AsyncIterator[Relays]:
    """Everything that relays need, from before they start to after their end; none where none are.

    Errors: ConfigInvalid for a socket that cannot be had, Conflict when the port is taken.
    """
    relays = Relays(config.gateway.processes)
    if not config.gateway.processes:
        yield relays
        return
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
