"""A relay put together: the inherited socket, the routes, the line to the server, the stop."""

import asyncio
import socket
from collections.abc import Mapping

import uvicorn
from starlette.applications import Starlette

from holdfast.apps.gateway.front import Front
from holdfast.apps.gateway.routes import Gateway
from holdfast.apps.gateway.serving import OrderlyServer, keep_loaded, report, uvicorn_config
from holdfast.compose.relays import Relay, RelaySettings, build_relay
from holdfast.model.settling import settle_types

_FLUSH_S = 1.0
# Clients of a server that died are told so for this long; then nothing is left of it.
_PATIENCE_S = 60.0


async def serve(
    settings: RelaySettings, listening: socket.socket, environment: Mapping[str, str]
) -> None:
    """Serve the model's door until told to stop, sent away, or left alone for too long.

    Errors: ConfigInvalid.
    """
    settle_types()  # Before there is a second thread.
    relay = build_relay(settings, environment)
    gateway = Gateway(
        relay.calls,
        relay.calls,
        relay.entropy,
        max_body_bytes=settings.max_body_bytes,
        report=report,
        admitted=relay.admitted,
        readers=relay.readers,
    )
    server = _Server(
        uvicorn_config(
            Front(gateway.direct(), Starlette(routes=gateway.routes(alone=True))),
            tls_cert=settings.tls_cert or None,
            tls_key=settings.tls_key or None,
        ),
        relay,
    )
    keep_loaded()
    try:
        async with asyncio.TaskGroup() as tasks:
            kept = tasks.create_task(_kept(relay, server))
            await server.serve(sockets=[listening])
            kept.cancel()
    finally:
        await relay.close()


async def _kept(relay: Relay, server: "_Server") -> None:
    """The line, from when this process answers; its end is the end of the process."""
    await server.ready.wait()
    await relay.line.keep(_PATIENCE_S)
    server.should_exit = True


class _Server(OrderlyServer):
    """Says when it answers, and cuts what still streams when it stops."""

    def __init__(self, config: uvicorn.Config, relay: Relay) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self._relay = relay

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then take up the line."""
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Cut streams well-formed first: they would outlast the drain. Their money is settled."""
        self._relay.line.cut_all("unavailable: the gateway is stopping", stopped=False)
        await super().shutdown(sockets)
        await self._relay.line.flush(_FLUSH_S)
