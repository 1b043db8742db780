"""A connection carries one large request after another, however its bytes are cut into pieces."""

import asyncio
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from holdfast.apps.gateway.protocol import BoundedProtocol

LARGE = 900_000


class Pipe(asyncio.Transport):
    """A connection without a socket: what was written, and whether it was ended."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closing = self.aborted = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True

    def pause_reading(self) -> None:
        """Its pieces come when the test sends them."""

    def resume_reading(self) -> None:
        """As above."""


def post(size: int, *, chunked: bool = False, chunk: int = 60_000) -> bytes:
    if not chunked:
        return b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size
    whole, last = divmod(size, chunk)
    parts = [b"%x\r\n%s\r\n" % (n, b"x" * n) for n in (*[chunk] * whole, last) if n]
    return b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n%s0\r\n\r\n" % (
        b"".join(parts)
    )


async def sent(requests: list[bytes], piece: int) -> tuple[list[int], Pipe]:
    """The sizes of the bodies that arrived, and the connection, all sent in such pieces."""
    sizes: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        sizes.append(size)
        await send({"type": "http.response.start", "status": 200,
                    "headers": [(b"content-length", b"0")]})  # fmt: skip
        await send({"type": "http.response.body", "body": b""})

    config = Config(app, http=BoundedProtocol, lifespan="off", access_log=False, log_config=None)
    config.load()
    pipe = Pipe()
    protocol = BoundedProtocol(config, ServerState(), {}, asyncio.get_running_loop())
    protocol.connection_made(pipe)
    try:
        for number, request in enumerate(requests, 1):
            for at in range(0, len(request), piece):
                protocol.data_received(request[at : at + piece])
                await asyncio.sleep(0)
            for _ in range(100):
                if len(sizes) >= number or pipe.closing:
                    break
                await asyncio.sleep(0)
    finally:
        protocol.connection_lost(None)
    return sizes, pipe


@pytest.mark.parametrize("piece", [16_384, 65_536, 2_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_request_after_a_large_one_arrives_whole(piece, chunked):
    sizes, pipe = asyncio.run(sent([post(LARGE, chunked=chunked)] * 3, piece))
    assert sizes == [LARGE] * 3
    assert not pipe.aborted


def test_a_small_request_after_a_large_one_arrives_whole_too():
    sizes, pipe = asyncio.run(sent([post(LARGE), post(3), post(LARGE)], 50_000))
    assert (sizes, pipe.aborted) == ([LARGE, 3, LARGE], False)


@pytest.mark.parametrize("before", [[], [post(LARGE)]])
def test_a_body_that_is_nearly_all_framing_ends_the_connection_also_behind_a_large_one(before):
    framing = post(100_000, chunked=True, chunk=1)
    sizes, pipe = asyncio.run(sent([*before, framing], 8_192))
    assert sizes == [LARGE] * len(before)
    assert pipe.aborted
