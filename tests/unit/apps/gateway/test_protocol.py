"""A connection carries one large request after another, however its bytes are cut into pieces."""

import asyncio
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from holdfast.apps.gateway.connection import Connection
from holdfast.apps.gateway.protocol import HEAD_BYTES_MAX, HEAD_FIELDS_MAX, BoundedProtocol

LARGE = 900_000


class Pipe(asyncio.Transport):
    """A connection without a socket: what was written, and whether it was ended."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.writes = 0
        self.closing = self.aborted = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def write(self, data: Any) -> None:
        self.written += bytes(data)
        self.writes += 1

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


async def sent(
    requests: list[bytes], piece: int, seen: "list[int] | None" = None
) -> tuple[list[int], Pipe]:
    """The sizes of the bodies that arrived, and the connection, all sent in such pieces.

    `seen` gets a 1 for each request that was begun to be served.
    """
    sizes: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if seen is not None:
            seen.append(1)
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

    protocol, pipe = served(app)
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


class Counted(BoundedProtocol):
    """Counts how often the parser calls back: what a stranger's piece costs."""

    calls = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        type(self).calls += 1
        super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        type(self).calls += 1
        super().on_body(body)

    def on_headers_complete(self) -> None:
        type(self).calls += 1
        super().on_headers_complete()


HEALTH = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n"
FLOODS = {
    "fields of a head": b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 40_000,
    "fields of a trailer": HEAD + b"\r\n0\r\n" + b"x: y\r\n" * 40_000,
    "requests": HEALTH * 6_000,
    "requests with bodies": post(1) * 6_000,
    "a request and then fields": HEALTH + b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 40_000,
}


@pytest.mark.parametrize("kind", FLOODS)
def test_reading_a_piece_stops_where_a_bound_is_passed_and_nothing_of_it_is_served(
    kind, monkeypatch
):
    monkeypatch.setitem(globals(), "BoundedProtocol", Counted)
    Counted.calls = 0
    begun: list[int] = []
    _, pipe = asyncio.run(sent([FLOODS[kind]], 1_000_000, begun))
    assert pipe.closing
    assert begun == []
    assert Counted.calls <= HEAD_FIELDS_MAX + 8


def test_a_body_of_single_bytes_is_read_no_further_than_its_framing_may_go(monkeypatch):
    monkeypatch.setitem(globals(), "BoundedProtocol", Counted)
    Counted.calls = 0
    asyncio.run(sent([post(200_000, chunked=True, chunk=1)], 2_000_000))
    assert 20_000 < Counted.calls < 40_000


def test_one_request_may_follow_another_at_once_and_both_are_served():
    sizes, pipe = asyncio.run(sent([post(3) + post(5), b""], 1_000_000))
    assert (sizes, pipe.aborted) == ([3, 5], False)


@pytest.mark.parametrize(("number", "served"), [(128, True), (129, False)])
def test_a_head_has_so_many_fields_and_not_one_more(number, served):
    fields = b"".join(b"x-%d: y\r\n" % n for n in range(number - 2))
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n"
    begun: list[int] = []
    _, pipe = asyncio.run(sent([head + fields + b"\r\nabc"], 1_000_000, begun))
    assert bool(begun) is served
    assert (b"HTTP/1.1 431 " in pipe.written) is not served


@pytest.mark.parametrize(("size", "served"), [(HEAD_BYTES_MAX, True), (HEAD_BYTES_MAX + 1, False)])
def test_a_head_has_so_many_bytes_and_not_one_more(size, served):
    rest = size - len("/" + "host" + "x" + "content-length" + "3" + "x-long")
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\nx-long: %s\r\n\r\n" % (b"y" * rest)
    begun: list[int] = []
    sizes, pipe = asyncio.run(sent([head + b"abc"], 1_000_000, begun))
    assert (sizes, begun) == (([3], [1]) if served else ([], []))
    assert (b"HTTP/1.1 431 " in pipe.written) is not served


@pytest.mark.parametrize("piece", [4_096, 1_000_000])
def test_a_head_that_does_not_end_is_refused_once_it_is_too_long(piece):
    head = b"GET / HTTP/1.1\r\nx-long: "
    for size, refused in ((HEAD_BYTES_MAX, False), (HEAD_BYTES_MAX + 1, True)):
        _, pipe = asyncio.run(sent([head + b"y" * (size - len(head))], piece))
        assert pipe.written.startswith(b"HTTP/1.1 431 ") is refused


def test_fields_of_a_trailer_are_none_of_the_head_that_follows():
    fields = b"".join(b"x-%d: y\r\n" % n for n in range(100))
    first = HEAD + b"\r\n0\r\n" + fields + b"\r\n"
    second = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n" + fields + b"\r\nabc"
    sizes, pipe = asyncio.run(sent([first, second], 1_000_000))
    assert (sizes, pipe.aborted) == ([0, 3], False)


def test_a_refused_head_puts_no_word_into_an_answer_that_is_under_way():
    async def refused_while_answered() -> Pipe:
        begun = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            head = [(b"content-length", b"10")]
            await send({"type": "http.response.start", "status": 200, "headers": head})
            await send({"type": "http.response.body", "body": b"half.", "more_body": True})
            begun.set()
            while (await receive())["type"] != "http.disconnect":
                pass

        protocol, pipe = served(app)
        protocol.data_received(HEALTH)
        await asyncio.wait_for(begun.wait(), 5)
        protocol.data_received(FLOODS["fields of a head"])
        return pipe

    pipe = asyncio.run(refused_while_answered())
    assert pipe.closing
    assert pipe.written.endswith(b"\r\n\r\nhalf.")


def test_whoever_answers_a_connection_that_was_ended_writes_nothing_and_raises_nothing(caplog):
    async def ended_while_served() -> Pipe:
        going, over = asyncio.Event(), asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            going.set()
            while (await receive())["type"] != "http.disconnect":
                pass
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"late"})
            over.set()

        protocol, pipe = served(app)
        protocol.data_received(HEALTH)
        await asyncio.wait_for(going.wait(), 5)
        protocol.data_received(HEALTH * 2)
        await asyncio.wait_for(over.wait(), 5)
        return pipe

    pipe = asyncio.run(ended_while_served())
    assert pipe.aborted
    assert pipe.written == b""
    assert not caplog.records


def test_a_client_that_leaves_is_noticed_also_while_its_next_request_waits():
    async def left() -> str:
        told: list[str] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            told.append((await receive())["type"])

        protocol, _ = served(app)
        protocol.data_received(HEALTH)
        await asyncio.sleep(0)
        protocol.data_received(HEALTH)
        protocol.connection_lost(None)
        await asyncio.sleep(0.01)
        return told[0]

    assert asyncio.run(left()) == "http.disconnect"


def test_a_fault_at_one_place_is_told_once_in_a_while_and_at_another_place_too(caplog):
    async def faults() -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/a":
                raise ValueError("first")
            raise ValueError("second")

        for path in (b"/a", b"/a", b"/a", b"/b", b"/a"):
            protocol, _ = served(app)
            protocol.data_received(b"GET %s HTTP/1.1\r\nhost: x\r\n\r\n" % path)
            await asyncio.sleep(0.01)

    asyncio.run(faults())
    told = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert told == ["first", "second"]


def served(app: Any) -> tuple[BoundedProtocol, Pipe]:
    """A connection to `app`."""
    config = Config(app, http=BoundedProtocol, lifespan="off", access_log=False, log_config=None)
    config.load()
    pipe = Pipe()
    protocol = BoundedProtocol(config, ServerState(), {}, asyncio.get_running_loop())
    protocol.connection_made(pipe)
    return protocol, pipe


def test_a_piece_goes_straight_only_while_its_answer_streams_and_the_client_takes_it():
    async def main():
        found: list[Any] = []
        go_on = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            client = Connection.of(scope)
            found.append((client, client.write(b"early")))
            await send({"type": "http.response.start", "status": 200, "headers": []})
            found.append((client, client.write(b"straight")))
            protocol.pause_writing()
            found.append((client, client.write(b"full")))
            protocol.resume_writing()
            await go_on.wait()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            found.append((client, client.write(b"late")))

        protocol, pipe = served(app)
        protocol.data_received(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await asyncio.sleep(0.01)
        go_on.set()
        await asyncio.sleep(0.01)
        assert [went for _, went in found] == [False, True, False, False]
        assert pipe.written.endswith(b"\r\n\r\n8\r\nstraight\r\n0\r\n\r\n")
        protocol.connection_lost(None)
        assert not found[0][0].write(b"gone")

    asyncio.run(main())


def test_an_answer_of_a_known_length_has_no_pieces_that_go_straight():
    async def main():
        found: list[bool] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            head = [(b"content-length", b"2")]
            await send({"type": "http.response.start", "status": 200, "headers": head})
            found.append(Connection.of(scope).write(b"no"))
            await send({"type": "http.response.body", "body": b"ok"})

        protocol, pipe = served(app)
        protocol.data_received(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await asyncio.sleep(0.01)
        assert found == [False]
        assert pipe.written.endswith(b"\r\n\r\nok")
        protocol.connection_lost(None)

    asyncio.run(main())


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("closes", [False, True])
def test_a_head_goes_with_the_first_of_its_body_and_alone_where_that_takes_a_while(waits, closes):
    async def main():
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            if waits:
                await asyncio.sleep(0.01)
                assert pipe.writes == 1
            await send({"type": "http.response.body", "body": b"one", "more_body": True})
            await send({"type": "http.response.body", "body": b""})

        protocol, pipe = served(app)
        more = b"connection: close\r\n" if closes else b""
        protocol.data_received(b"GET / HTTP/1.1\r\nhost: x\r\n" + more + b"\r\n")
        await asyncio.sleep(0.05)
        assert pipe.written.startswith(b"HTTP/1.1 200 OK\r\n")
        assert pipe.written.endswith(b"\r\n\r\n3\r\none\r\n0\r\n\r\n")
        assert pipe.writes == (3 if waits else 2)
        assert pipe.closing is closes
        protocol.connection_lost(None)

    asyncio.run(main())


def test_an_answer_of_a_head_alone_is_sent_before_its_connection_is_closed():
    async def main():
        async def app(scope: Any, receive: Any, send: Any) -> None:
            fields = [(b"content-length", b"2"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": 200, "headers": fields})
            await send({"type": "http.response.body", "body": b"ok"})

        protocol, pipe = served(app)
        protocol.data_received(b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n")
        await asyncio.sleep(0.05)
        assert pipe.written.endswith(b"connection: close\r\n\r\n")
        assert pipe.closing
        protocol.connection_lost(None)

    asyncio.run(main())
