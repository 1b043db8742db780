"""A client's connection, as whoever answers it needs it: what has not arrived can be taken back.

Bytes that were written wait in this process, then in this machine's send buffer, until the client's
machine takes them. A slow reader's wait for minutes, and a kill must not hand them over afterwards:
while an answer is on its way, closing the connection discards what waits (`SO_LINGER` of nothing),
also where this process is ended from outside. What the client's machine has taken is the client's.
"""

import asyncio
import fcntl
import socket
import struct
import termios
from collections.abc import Callable
from typing import Any

from starlette.types import Scope

_KEY = "holdfast.connection"
# So much on its way counts as handed over: a client that reads at all has it in a moment.
_IN_FLIGHT_BYTES = 4096
_LOOK_S = 0.005
_LOOK_MOST_S = 0.25
_DISCARD = struct.pack("ii", 1, 0)
_DELIVER = struct.pack("ii", 0, 0)


class Connection:
    """One client's connection; does nothing where the server shows none (`transport` None)."""

    def __init__(
        self,
        transport: asyncio.Transport | None,
        recognise: Callable[[], None] = lambda: None,
        write: Callable[[bytes], bool] = lambda _: False,
    ) -> None:
        self._transport = transport
        self._recognise = recognise
        self.write = write
        """Sends a piece of a stream at once; False where it has to be sent in turn."""

    @classmethod
    def of(cls, scope: Scope) -> "Connection":
        """The connection that a request came by."""
        found: Any = (scope.get("extensions") or {}).get(_KEY)
        return found if isinstance(found, cls) else cls(None)

    def shown_in(self, scope: Scope) -> None:
        """Let `of` find it."""
        scope.setdefault("extensions", {})[_KEY] = self

    def recognised(self) -> None:
        """Whoever sent the request is known: the connection may be kept for their next ones."""
        self._recognise()

    def unsent_bytes(self) -> int:
        """Bytes that were written and that the client's machine has not taken."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return 0
        return transport.get_write_buffer_size() + self._queued_bytes()

    def discards(self) -> None:
        """From here on, closing discards what has not arrived: an answer is on its way."""
        self._linger(_DISCARD)

    def delivers(self) -> None:
        """From here on, closing delivers what was written."""
        self._linger(_DELIVER)

    def reset(self) -> None:
        """Discard what has not arrived; the client sees a broken connection.

        One that has (nearly) everything is left open, so that its stream can end well-formed.
        """
        if self._transport is not None and self.unsent_bytes() > _IN_FLIGHT_BYTES:
            self._linger(_DISCARD)
            self._transport.abort()

    async def delivered(self) -> None:
        """Wait until (nearly) all that was written has arrived, or the connection is gone."""
        wait_s = _LOOK_S
        while self.unsent_bytes() > _IN_FLIGHT_BYTES:
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _LOOK_MOST_S)

    def _queued_bytes(self) -> int:
        """In this machine's send buffer, sent or not, and not yet taken by the other side."""
        held = self._socket()
        if held is None:
            return 0
        try:
            answer = fcntl.ioctl(held.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
        except OSError:
            return 0
        return int(struct.unpack("i", answer)[0])

    def _linger(self, value: bytes) -> None:
        held = self._socket()
        if held is None:
            return
        try:
            # The event loop's own socket object does not offer options; the descriptor is the same.
            own = socket.socket(fileno=held.fileno())
        except OSError:
            return
        try:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, value)
        except OSError:
            pass  # It closed meanwhile; there is nothing left to discard.
        finally:
            own.detach()

    def _socket(self) -> Any:
        if self._transport is None or self._transport.is_closing():
            return None
        held = self._transport.get_extra_info("socket")
        return held if held is not None and held.fileno() >= 0 else None
