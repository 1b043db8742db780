"""Frames: cut anywhere, bounded, each reply to its own call, faults to their own caller."""

import asyncio
import itertools
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from holdfast.backends.frames.client import FrameClient, _Link, _ring
from holdfast.backends.frames.server import FrameServer
from holdfast.backends.frames.wire import FrameBuffer, FrameTooLarge, Reply, Request, framed
from holdfast.errors import PolicyUnavailable, TooLarge, Unavailable


def serving(
    path: Path,
    handler: Callable[[str, bytes], bytes | Awaitable[bytes]],
    body: Callable[[FrameClient], Awaitable[None]],
    **options: int,
) -> list[str]:
    """Run `body` with a client of a server; what the server reported."""
    said: list[str] = []

    async def main() -> None:
        server = FrameServer(handler, report=said.append, **options)  # type: ignore[arg-type]
        server.bind(path / "run" / "s")
        stop, started = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve(started.set, stop))
            await started.wait()
            client = FrameClient(path / "run" / "s")
            try:
                await body(client)
            finally:
                await client.close()
                stop.set()

    asyncio.run(main())
    return said


@given(st.lists(st.binary(max_size=40), max_size=6), st.lists(st.integers(0, 300), max_size=8))
def test_frames_arrive_whole_however_the_stream_is_cut(bodies: list[bytes], cuts: list[int]):
    stream = b"".join(framed(Request(n, "m", body), 1000) for n, body in enumerate(bodies))
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    buffer = FrameBuffer(1000)
    whole = [p for a, b in itertools.pairwise(places) for p in buffer.feed(stream[a:b])]
    assert whole == [framed(Request(n, "m", body), 1000)[4:] for n, body in enumerate(bodies)]


def test_a_length_past_the_bound_is_refused_before_its_bytes_arrive():
    with pytest.raises(FrameTooLarge):
        FrameBuffer(10).feed(b"\x00\x00\x00\x0b")


async def slow_echo(method: str, body: bytes) -> bytes:
    await asyncio.sleep(0.02 if body.startswith(b"slow") else 0)
    return method.encode() + body


def test_replies_out_of_order_reach_their_own_calls(tmp_path: Path):
    async def body(client: FrameClient) -> None:
        sent = [b"slow%d" % n if n % 3 == 0 else b"%d" % n for n in range(60)]
        got = await asyncio.gather(*(client.call("m", one, 5) for one in sent))
        assert got == [b"m" + one for one in sent]

    assert serving(tmp_path, slow_echo, body) == []


def test_more_calls_than_may_run_at_once_are_all_answered(tmp_path: Path):
    running, most = 0, 0

    async def counted(method: str, body: bytes) -> bytes:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        return body

    async def body(client: FrameClient) -> None:
        await asyncio.gather(*(client.call("m", b"x", 10) for _ in range(200)))

    serving(tmp_path, counted, body, max_in_flight=4)
    assert most == 4


def test_a_fault_of_ours_keeps_its_code_and_any_other_tells_nothing(tmp_path: Path):
    def handler(method: str, body: bytes) -> bytes:
        if method == "ours":
            raise PolicyUnavailable("no valid policies")
        raise ValueError("secret")

    async def body(client: FrameClient) -> None:
        with pytest.raises(Unavailable, match="no valid policies") as ours:
            await client.call("ours", b"", 5)
        assert ours.value.fields == {"fault": "policy_unavailable"}
        with pytest.raises(Unavailable) as other:
            await client.call("other", b"", 5)
        assert "secret" not in str(other.value)
        assert other.value.fields == {"fault": "internal_error"}

    said = serving(tmp_path, handler, body)
    assert said == ["'other' failed: ValueError"]


def test_a_late_reply_is_dropped_and_the_connection_goes_on(tmp_path: Path):
    may_answer = asyncio.Event()

    async def held(method: str, body: bytes) -> bytes:
        if body == b"late":
            await may_answer.wait()
        return method.encode() + body

    async def body(client: FrameClient) -> None:
        assert await client.call("m", b"first", 5) == b"mfirst"
        link = client._link
        assert link is not None
        with pytest.raises(Unavailable, match=r"0\.001 s"):
            await client.call("m", b"late", 0.001)
        assert link._waiting == {}
        may_answer.set()
        assert await client.call("m", b"x", 5) == b"mx"
        assert client._link is link

    serving(tmp_path, held, body)


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_an_answer_that_came_in_time_counts_though_our_own_loop_was_late(
    tmp_path: Path, loop_factory: Callable[[], asyncio.AbstractEventLoop]
):
    ready, answered, done = threading.Event(), threading.Event(), threading.Event()

    async def serve() -> None:
        async def echo(method: str, body: bytes) -> bytes:
            if method == "echo":
                await asyncio.sleep(0.1)
                asyncio.get_running_loop().call_later(0.1, answered.set)
            return body

        server = FrameServer(echo, report=lambda _: None)
        server.bind(tmp_path / "run" / "s")
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve(ready.set, stop))
            await asyncio.to_thread(done.wait)
            stop.set()

    async def ask() -> bytes:
        client = FrameClient(tmp_path / "run" / "s")
        await client.call("warm", b"", 30.0)
        asked = asyncio.create_task(client.call("echo", b"in time", 1.0))
        await asyncio.sleep(0.02)
        # The loop that is late: its answer has come, and its time-out too.
        assert answered.wait(60)
        time.sleep(1.0)  # noqa: ASYNC251
        try:
            return await asked
        finally:
            await client.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(60)
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            assert runner.run(ask()) == b"in time"
    finally:
        done.set()
        thread.join()


def test_what_is_too_large_is_refused_on_both_sides(tmp_path: Path):
    async def body(client: FrameClient) -> None:
        with pytest.raises(TooLarge):
            await client.call("m", b"x" * 5_000_000, 5)
        with pytest.raises(Unavailable) as answer:
            await client.call("m", b"", 5)
        assert answer.value.fields == {"fault": "too_large"}

    serving(tmp_path, lambda _, __: b"x" * 5_000_000, body)


def test_a_closed_client_says_so(tmp_path: Path):
    async def body(client: FrameClient) -> None:
        await client.call("m", b"", 5)
        await client.close()
        await client.close()
        with pytest.raises(Unavailable, match="closed"):
            await client.call("m", b"", 5)

    serving(tmp_path, slow_echo, body)


class Book:
    """A talk that writes down what it hears."""

    def __init__(self, drop: Callable[[], None]) -> None:
        self.heard: list[bytes] = []
        self.drop = drop
        self.over = False

    def handle(self, method: str, body: bytes) -> bytes | Awaitable[bytes]:
        self.heard.append(body)
        if method == "slow":
            return self._slow()
        if method == "wrong":
            raise Unavailable("not so")
        if method == "drop":
            self.drop()
        return body

    async def _slow(self) -> bytes:
        await asyncio.sleep(60)
        return b""

    def gone(self) -> None:
        self.over = True


def talking(path: Path, body: Callable[[FrameClient, list[Book]], Awaitable[None]]) -> None:
    """Run `body` with a client of a server that tells connections apart."""

    async def main() -> None:
        books: list[Book] = []

        def talk(drop: Callable[[], None]) -> Book:
            books.append(Book(drop))
            return books[-1]

        said: list[str] = []
        server = FrameServer(report=said.append, talks=talk)
        server.bind(path / "run" / "s")
        stop, started = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve(started.set, stop))
            await started.wait()
            client = FrameClient(path / "run" / "s")
            try:
                await body(client, books)
            finally:
                await client.close()
                stop.set()

    asyncio.run(main())


def test_what_is_told_is_heard_in_order_and_need_not_be_awaited(tmp_path):
    async def body(client: FrameClient, books: list[Book]) -> None:
        with pytest.raises(Unavailable):
            await client.tell("note", b"too early")
        assert await client.call("note", b"0", 1) == b"0"
        told = [client.tell("note", str(n).encode()) for n in range(1, 50)]
        refused = client.tell("wrong", b"50")
        assert await told[-1] == b"49"
        with pytest.raises(Unavailable, match="not so"):
            await refused
        assert books[0].heard == [str(n).encode() for n in range(51)]

    talking(tmp_path, body)


def test_what_is_told_goes_out_even_where_calls_are_refused_for_a_full_line(tmp_path):
    async def body(client: FrameClient, books: list[Book]) -> None:
        await client.call("note", b"", 1)
        link = client._link
        assert link is not None
        link.pause_writing()
        with pytest.raises(Unavailable, match="does not read"):
            await client.call("note", b"refused", 1)
        assert await client.tell("note", b"told") == b"told"

    talking(tmp_path, body)


def test_a_connection_that_ends_is_told_to_its_own_talk_alone(tmp_path):
    async def body(client: FrameClient, books: list[Book]) -> None:
        other = FrameClient(tmp_path / "run" / "s")
        await client.call("note", b"a", 1)
        await other.call("note", b"b", 1)
        waiting = asyncio.ensure_future(client.call("slow", b"", 30))
        told = client.tell("slow", b"")
        await asyncio.sleep(0.05)
        books[0].drop()
        for unanswered in (waiting, told):
            with pytest.raises(Unavailable):
                await unanswered
        assert [book.over for book in books] == [True, False]
        assert await other.call("note", b"c", 1) == b"c"
        assert await client.call("note", b"again", 1) == b"again"
        assert len(books) == 3
        await other.close()

    talking(tmp_path, body)


class Line(asyncio.Transport):
    """A line that nobody answers; what was written, write by write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def abort(self) -> None:
        """Nothing to close."""


def frames_of(line: Line) -> list[int]:
    """How many frames each write held."""
    return [len(list(FrameBuffer(10**6).feed(one))) for one in line.writes]


def on_a_line(body: Callable[[_Link, Line], Awaitable[None]]) -> None:
    async def main() -> None:
        link, line = _Link(10**6, 0), Line()
        link.connection_made(line)
        await body(link, line)

    asyncio.run(main())


def test_calls_of_one_turn_are_one_write():
    async def body(link: _Link, line: Line) -> None:
        for _ in range(3):
            link.send("m", b"x")
        assert line.writes == []
        await asyncio.sleep(0)
        link.send("m", b"y")
        await asyncio.sleep(0)
        assert frames_of(line) == [3, 1]

    on_a_line(body)


def test_what_goes_out_at_once_takes_what_waits_with_it_and_keeps_the_order():
    async def body(link: _Link, line: Line) -> None:
        link.send("m", b"first")
        link.send("m", b"told", even_if_full=True)
        assert frames_of(line) == [2]
        assert line.writes[0].index(b"first") < line.writes[0].index(b"told")
        link.send("m", b"x" * 20_000)
        assert frames_of(line) == [2, 1]
        await asyncio.sleep(0)
        assert frames_of(line) == [2, 1]

    on_a_line(body)


def test_a_timer_that_rings_before_the_line_is_read_gives_it_two_turns():
    async def body(link: _Link, _: Line) -> None:
        call_id, answer = link.send("m", b"x")
        _ring(answer, 1.0)
        came = framed(Reply(call_id, "", b"y"), 1000)
        asyncio.get_running_loop().call_soon(link.data_received, came)
        assert (await answer).body == b"y"
        answer = link.send("m", b"x")[1]
        _ring(answer, 1.0)
        with pytest.raises(Unavailable, match="1 s"):
            await answer

    on_a_line(body)
