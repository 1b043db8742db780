"""Connections to one provider: made when they are needed, kept for a while, looked at before use.

Not here: what is sent on them (`upstream`).
"""

import asyncio
import functools
import ipaddress
import socket
import ssl
from urllib.parse import urlsplit

from holdfast.backends.anthropic.connection import Connection
from holdfast.backends.anthropic.tasks import Address, begun, first_to_answer
from holdfast.errors import UpstreamUnavailable

KEPT_S = 30.0
_ADDRESSES_S = 10.0
_PORTS = {"http": 80, "https": 443}


@functools.cache
def _trust() -> ssl.SSLContext:
    """Whom this machine trusts, and what is spoken: names and certificates are verified."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


class Pool:
    """Connections to the host of `base_url`; `host` is how a request names it.

    Errors: ValueError for what is no address.
    """

    def __init__(self, base_url: str, connect_timeout_s: float) -> None:
        parts = urlsplit(base_url)
        port = _PORTS.get(parts.scheme)
        name = parts.hostname or ""
        if port is None or not name:
            raise ValueError("a provider's address begins with http:// or https:// and a host")
        self._name = name if name.isascii() else name.encode("idna").decode()
        self._port = port if parts.port is None else parts.port
        shown = f"[{self._name}]" if ":" in self._name else self._name
        self.host = shown if self._port == port else f"{shown}:{self._port}"
        self._trust = _trust() if parts.scheme == "https" else None
        self._connect_timeout_s = connect_timeout_s
        # Since when, the longest first.
        self._idle: dict[Connection, float] = {}
        self._all: set[Connection] = set()
        self._addresses: list[Address] = []
        self._addresses_until_s = 0.0
        self._looking: asyncio.Task[list[Address]] | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    async def connection(self, *, fresh: bool = False) -> Connection:
        """One that nobody uses: a kept one, unless it must be `fresh`.

        Errors: UpstreamUnavailable, and nothing was sent.
        """
        while self._idle and not fresh:
            kept, _ = self._idle.popitem()
            if kept.fit:
                return kept
            kept.abort()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                return await self._connected()
        except TimeoutError as error:
            text = "the provider did not answer in time"
            raise UpstreamUnavailable(text, sent=False) from error
        except (OSError, ssl.SSLError) as error:
            raise UpstreamUnavailable("the provider cannot be reached", sent=False) from error

    async def _connected(self) -> Connection:
        loop = asyncio.get_running_loop()
        line = await first_to_answer(await self._resolved())
        _, made = await loop.create_connection(
            lambda: Connection(self._keep, self._forget),
            sock=line,
            ssl=self._trust,
            server_hostname=self._name if self._trust is not None else None,
        )
        self._all.add(made)
        return made

    async def _resolved(self) -> list[Address]:
        """Where the name stands. One look-up at a time: a resolver that hangs holds a thread."""
        loop = asyncio.get_running_loop()
        if self._addresses and loop.time() < self._addresses_until_s:
            return self._addresses
        if self._looking is None:
            self._looking = begun(_looked_up(self._name, self._port))
            self._looking.add_done_callback(self._found)
        return await asyncio.shield(self._looking)

    def _found(self, looked: asyncio.Task[list[Address]]) -> None:
        self._looking = None
        if not looked.cancelled() and looked.exception() is None:
            self._addresses = looked.result()
            self._addresses_until_s = looked.get_loop().time() + _ADDRESSES_S

    def _keep(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        self._idle[connection] = loop.time()
        if self._sweeper is None:
            self._sweeper = loop.call_later(KEPT_S, self._sweep)

    def _sweep(self) -> None:
        """Close those that nobody used for long."""
        self._sweeper = None
        loop = asyncio.get_running_loop()
        while self._idle:
            oldest, since_s = next(iter(self._idle.items()))
            left_s = since_s + KEPT_S - loop.time()
            if left_s > 0:
                self._sweeper = loop.call_later(left_s, self._sweep)
                return
            del self._idle[oldest]
            oldest.abort()

    def _forget(self, connection: Connection) -> None:
        self._all.discard(connection)
        self._idle.pop(connection, None)

    def close(self) -> None:
        """Close every connection; idempotent."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        if self._looking is not None:
            self._looking.cancel()
        self._idle.clear()
        for connection in list(self._all):
            connection.abort()


async def _looked_up(name: str, port: int) -> list[Address]:
    """Where a name stands, families in turn, the resolver's first one first. Errors: OSError."""
    try:
        number = ipaddress.ip_address(name)
    except ValueError:
        found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
    else:
        family = socket.AF_INET6 if number.version == 6 else socket.AF_INET
        return [(family, (name, port))]
    first = found[0][0]
    ours = [(family, place) for family, *_, place in found if family == first]
    others = [(family, place) for family, *_, place in found if family != first]
    mixed: list[Address] = []
    while ours or others:
        mixed += [line.pop(0) for line in (ours, others) if line]
    return mixed
