"""A relay's objects, and what it is told at its start: no file is read again, no secret is passed.

Keys of providers come from the environment, as in the server.
"""

import os
import random
from collections.abc import Mapping
from pathlib import Path

import msgspec

from holdfast.backends.frames.client import FrameClient
from holdfast.backends.reader_host import ReaderHost
from holdfast.backends.system.clock import SystemClock, SystemEntropy
from holdfast.compose.config.model import Config, GatewaySettings, UpstreamConfig
from holdfast.compose.sandboxes import sandbox
from holdfast.compose.upstreams import admissions, providers
from holdfast.core.wire.admitted import Admitted
from holdfast.runtime.providers import Provider
from holdfast.runtime.relays.calls import RelayedCalls
from holdfast.runtime.relays.line import Line
from holdfast.runtime.request_reading import RequestReader

# Beside a body there are headers and a path in a frame.
_BESIDE_BODY_BYTES = 1024 * 1024
_BACKLOG_BYTES = 64 * 1024 * 1024


class RelaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the server tells a relay. `server` is the name that it gave to those it started."""

    server: str
    socket: str
    host: str
    port: int
    max_body_bytes: int
    upstreams: dict[str, UpstreamConfig]
    gateway: GatewaySettings = GatewaySettings()
    tls_cert: str = ""
    tls_key: str = ""


class Relay(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a relay serves from. `close` it, in the loop that made it."""

    line: Line
    calls: RelayedCalls
    entropy: SystemEntropy
    frames: FrameClient
    providers: Mapping[str, Provider]
    admitted: Admitted
    readers: ReaderHost

    async def close(self) -> None:
        """Let go of everything."""
        for provider in self.providers.values():
            await provider.close()
        await self.readers.close()
        await self.frames.close()


def relay_settings(config: Config, socket: Path, server: str, port: int) -> RelaySettings:
    """What a relay of this configuration needs to know."""
    return RelaySettings(
        server=server,
        socket=str(socket),
        host=config.server.host,
        port=port,
        max_body_bytes=config.server.max_body_bytes,
        upstreams=config.upstreams,
        gateway=config.gateway,
        tls_cert=str(config.tls_cert_path or ""),
        tls_key=str(config.tls_key_path or ""),
    )


def frame_bytes(max_body_bytes: int) -> int:
    """The largest frame between a relay and its server."""
    return max_body_bytes + _BESIDE_BODY_BYTES


def build_relay(settings: RelaySettings, environment: Mapping[str, str]) -> Relay:
    """Wire a relay. Call inside the running loop. Errors: ConfigInvalid."""
    clock = SystemClock()
    frames = FrameClient(
        Path(settings.socket),
        max_frame_bytes=frame_bytes(settings.max_body_bytes),
        backlog_bytes=_BACKLOG_BYTES,
    )
    line = Line(frames, server=settings.server, pid=os.getpid())
    admitted, readers = admissions(settings.gateway), ReaderHost(environment, sandbox())
    reader, dice = RequestReader(admitted, readers), random.SystemRandom().random
    known = providers(settings.upstreams, environment, clock, admitted)
    return Relay(
        line=line,
        calls=RelayedCalls(line, known, clock, dice, reader),
        readers=readers,
        entropy=SystemEntropy(),
        frames=frames,
        providers=known,
        admitted=admitted,
    )
