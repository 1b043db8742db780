"""The head of an answer leaves together with its body, or with the first of a stream.

A write is a call into the kernel, and costs as much as the whole of uvicorn's part in an answer.
A head waits for what is written in the same turn of the loop, and for nothing else; the word that
a body may come (100) does not wait at all.
"""

import asyncio

_HEAD = b"HTTP/1.1 "
_GO_ON = b"HTTP/1.1 100 "


class OneWrite:
    """The transport as one answer sees it."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def write(self, data: bytes) -> None:
        """Write it behind a head that waits; a head waits itself."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(_HEAD) and not data.startswith(_GO_ON):
            self._head = data
            self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        """As of a transport: what was written still goes out."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """As of a transport."""
        return self._transport.is_closing()

    def _flush(self) -> None:
        head, self._head = self._head, b""
        if head and not self._transport.is_closing():
            self._transport.write(head)
