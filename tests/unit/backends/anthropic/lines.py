"""A server that says exactly what a test wants, byte for byte, and keeps what it heard."""

import asyncio
import ssl
from contextlib import asynccontextmanager

from holdfast.backends.anthropic.upstream import HttpUpstream
from tests.cleared import cleared

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def whole(body=b"hello", more=b""):
    return OK + more + b"content-length: %d\r\n\r\n%b" % (len(body), body)


class Heard:
    """One connection as the server sees it: `requests` in order, and how to go on."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.requests: list[tuple[str, bytes]] = []

    async def request(self):
        """Read one request. Errors: IncompleteReadError when the client goes."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("utf-8", "surrogateescape")
        at = head.lower().find("content-length:")
        size = int(head[at + 15 :].partition("\r\n")[0]) if at >= 0 else 0
        self.requests.append((head, await self.reader.readexactly(size)))

    def say(self, data):
        self.writer.write(data)

    async def gone(self):
        """Wait until the client has closed, reset or not."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass


@asynccontextmanager
async def serving(serve, tls: ssl.SSLContext | None = None, there: str = "127.0.0.1", **options):
    """`serve(heard)` answers each connection; the upstream that goes there, and all connections."""
    lines: list[Heard] = []

    async def connected(reader, writer):
        line = Heard(reader, writer)
        lines.append(line)
        try:
            await serve(line)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, there, 0, ssl=tls, limit=2**22)
    port = server.sockets[0].getsockname()[1]
    scheme = "http" if tls is None else "https"
    upstream = HttpUpstream(options.pop("url", f"{scheme}://{there}:{port}"), "k", **options)
    upstream.port = port  # type: ignore[attr-defined]
    try:
        yield upstream, lines
    finally:
        await upstream.close()
        server.close()
        for line in lines:
            line.writer.close()
        await asyncio.sleep(0)


async def ask(upstream, body=b"{}", method="POST", timeout_s=5.0, path="/v1/messages", headers=()):
    request = cleared(method, path, dict(headers), body)
    return await upstream.send(request, timeout_s=timeout_s)


async def read(upstream, **asked):
    """Status and body of one call."""
    answer = await ask(upstream, **asked)
    try:
        async with asyncio.timeout(20):
            return answer.status, await answer.read(10**7)
    finally:
        answer.close()
