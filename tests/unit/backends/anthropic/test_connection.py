"""Connections to a provider: kept, looked at, never shared, and never asked twice for money."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio

import pytest

from holdfast.errors import UpstreamUnavailable
from tests.unit.backends.anthropic.lines import CHUNKED, OK, ask, read, serving, whole

pytestmark = pytest.mark.usefixtures("loops")


def test_one_connection_serves_one_call_after_another():
    async def serve(line):
        while True:
            await line.request()
            line.say(whole(b"%d" % len(line.requests)))

    async def main():
        async with serving(serve) as (upstream, lines):
            assert [await read(upstream) for _ in range(3)] == [(200, b"%d" % n) for n in (1, 2, 3)]
            assert len(lines) == 1
            both = await asyncio.gather(read(upstream), read(upstream))
            assert [status for status, _ in both] == [200, 200]
            assert len(lines) == 2

    asyncio.run(main())


@pytest.mark.parametrize(
    "answer",
    [
        whole() + b"x",
        whole() + whole(b"smuggled"),
        whole(more=b"connection: close\r\n"),
        b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        CHUNKED + b"5\r\nhello\r\n0\r\n\r\n" + whole(b"smuggled"),
    ],
)
def test_a_connection_with_anything_behind_its_answer_is_not_used_again(answer):
    async def serve(line):
        await line.request()
        line.say(answer)
        await line.gone()

    async def main():
        async with serving(serve) as (upstream, lines):
            assert [await read(upstream) for _ in range(2)] == [(200, b"hello")] * 2
            assert [len(line.requests) for line in lines] == [1, 1]

    asyncio.run(main())


def test_what_came_unasked_on_a_kept_connection_is_nobodys_answer():
    async def serve(line):
        await line.request()
        line.say(whole(b"first"))
        await line.writer.drain()
        line.say(whole(b"smuggled"))
        await line.gone()

    async def main():
        async with serving(serve) as (upstream, lines):
            for _ in range(5):
                assert await read(upstream) == (200, b"first")
            assert {len(line.requests) for line in lines} == {1}

    asyncio.run(main())


@pytest.mark.parametrize("status", [b"413 Too Large", b"429 Slow Down", b"200 OK"])
@pytest.mark.parametrize("kind", [bytes, memoryview])
def test_a_request_that_was_not_read_whole_is_no_beginning_of_the_next(status, kind):
    early = b"HTTP/1.1 %b\r\ncontent-length: 2\r\n\r\nno" % status

    async def serve(line):
        head = await line.reader.readuntil(b"\r\n\r\n")
        if b"content-length: 2\r" in head:
            line.say(whole(b"mine"))
            await line.gone()
        line.say(early)
        await asyncio.sleep(20)

    async def main():
        async with serving(serve) as (upstream, lines):
            status_of = int(status[:3])
            assert await read(upstream, body=kind(b"x" * 2**24)) == (status_of, b"no")
            assert await read(upstream) == (200, b"mine")
            assert len(lines) == 2

    asyncio.run(main())


def test_a_refusal_of_a_body_that_lies_between_the_machines_ends_its_connection():
    async def serve(line):
        head = await line.reader.readuntil(b"\r\n\r\n")
        small = b"content-length: 2\r" in head
        line.say(whole(b"mine") if small else b"HTTP/1.1 429 x\r\ncontent-length: 2\r\n\r\nno")
        await asyncio.sleep(20)

    async def main():
        async with serving(serve) as (upstream, lines):
            assert await read(upstream, body=b"x" * 60_000) == (429, b"no")
            assert await read(upstream) == (200, b"mine")
            assert len(lines) == 2

    asyncio.run(main())


def test_a_small_request_that_was_refused_leaves_its_connection_to_the_next():
    async def serve(line):
        while True:
            await line.request()
            line.say(b"HTTP/1.1 429 x\r\ncontent-length: 2\r\n\r\nno")

    async def main():
        async with serving(serve) as (upstream, lines):
            assert [await read(upstream) for _ in range(3)] == [(429, b"no")] * 3
            assert len(lines) == 1

    asyncio.run(main())


def test_bytes_that_lie_unread_keep_a_connection_from_being_used(monkeypatch):
    async def serve(line):
        await line.request()
        line.say(whole(b"first"))
        await line.gone()

    async def main():
        async with serving(serve) as (upstream, lines):
            assert await read(upstream) == (200, b"first")
            kept = next(iter(upstream._pool._idle))
            kept._transport.pause_reading()
            lines[0].say(whole(b"smuggled"))
            await asyncio.sleep(0.05)
            assert not kept.fit
            assert await read(upstream) == (200, b"first")
            assert len(lines) == 2

    asyncio.run(main())


def test_a_kept_connection_that_the_provider_closed_is_not_used():
    async def serve(line):
        await line.request()
        line.say(whole())

    async def main():
        async with serving(serve) as (upstream, lines):
            for _ in range(3):
                assert await read(upstream) == (200, b"hello")
                await asyncio.sleep(0.02)
                assert not upstream._pool._idle
                assert not upstream._pool._all
            assert len(lines) == 3

    asyncio.run(main())


@pytest.mark.parametrize(("method", "body"), [("POST", b"{}"), ("GET", b"")])
def test_only_a_read_is_sent_again_where_a_kept_connection_dies_under_it(method, body):
    async def serve(line):
        await line.request()
        line.say(whole())
        await line.request()
        line.writer.transport.abort()

    async def main():
        async with serving(serve) as (upstream, lines):
            assert await read(upstream) == (200, b"hello")
            if method == "GET":
                assert await read(upstream, method=method, body=body) == (200, b"hello")
                assert [len(line.requests) for line in lines] == [2, 1]
                return
            with pytest.raises(UpstreamUnavailable, match="broke off") as lost:
                await read(upstream, method=method, body=body)
            assert lost.value.fields == {"sent": True}
            assert [len(line.requests) for line in lines] == [2]

    asyncio.run(main())


def test_a_read_is_not_sent_again_once_a_byte_of_its_answer_came():
    async def serve(line):
        await line.request()
        line.say(whole())
        await line.request()
        line.say(b"HTTP/1.1 2")
        await line.writer.drain()
        await asyncio.sleep(0.02)

    async def main():
        async with serving(serve) as (upstream, lines):
            await read(upstream)
            with pytest.raises(UpstreamUnavailable, match="broke off"):
                await read(upstream, method="GET", body=b"")
            assert len(lines) == 1

    asyncio.run(main())


def test_a_large_body_goes_in_pieces_and_comes_whole():
    body = bytes(range(256)) * 8192

    async def serve(line):
        for _ in range(2):
            await line.request()
            line.say(whole())
        await line.gone()

    async def main():
        async with serving(serve) as (upstream, lines):
            turns = 0

            async def others():
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            beside = asyncio.create_task(others())
            for _ in range(2):
                assert await read(upstream, body=memoryview(body)) == (200, b"hello")
            beside.cancel()
            assert [sent for _, sent in lines[0].requests] == [body, body]
            assert turns > 2 * len(body) // (128 * 1024)

    asyncio.run(main())


def test_a_refusal_before_the_body_was_sent_ends_the_sending():
    body = bytes(50_000_000)

    async def serve(line):
        await line.reader.readuntil(b"\r\n\r\n")
        line.say(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        await line.writer.drain()
        await asyncio.sleep(0.5)

    async def main():
        async with serving(serve) as (upstream, _):
            answer = await ask(upstream, body=memoryview(body))
            assert (answer.status, await answer.read(100)) == (413, b"no")
            assert not upstream._pool._idle

    asyncio.run(main())


@pytest.mark.parametrize("when", ["head", "body"])
def test_who_is_cancelled_or_closes_ends_the_connection_at_once(when):
    asked, ended = asyncio.Event(), asyncio.Event()

    async def serve(line):
        await line.request()
        asked.set()
        if when == "body":
            line.say(CHUNKED + b"5\r\nhello\r\n")
        await line.gone()
        ended.set()

    async def main():
        async with serving(serve) as (upstream, _):
            if when == "head":
                task = asyncio.create_task(ask(upstream))
                await asked.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            else:
                answer = await ask(upstream)
                answer.close()
            async with asyncio.timeout(10):
                await ended.wait()
            assert not upstream._pool._all

    asyncio.run(main())


def test_slow_bytes_one_by_one_are_one_answer():
    data = CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"

    async def serve(line):
        await line.request()
        for at in range(len(data)):
            line.say(data[at : at + 1])
            await asyncio.sleep(0)
        await line.gone()

    async def main():
        async with serving(serve) as (upstream, _):
            assert await read(upstream) == (200, b"hello")

    asyncio.run(main())


@pytest.mark.parametrize("reset", [True, False])
def test_an_answer_without_a_length_is_whole_only_where_its_connection_ends_in_order(reset):
    async def serve(line):
        await line.request()
        line.say(OK + b"\r\nhello")
        await line.writer.drain()
        await asyncio.sleep(0.05)
        if reset:
            line.writer.transport.get_extra_info("socket").setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")
            line.writer.transport.abort()

    async def main():
        async with serving(serve) as (upstream, _):
            if not reset:
                assert await read(upstream) == (200, b"hello")
                return
            with pytest.raises(UpstreamUnavailable, match="broke off"):
                await read(upstream)

    asyncio.run(main())


def test_a_half_closed_connection_is_answered_no_further():
    async def serve(line):
        await line.request()
        line.say(CHUNKED + b"5\r\nhello\r\n")
        line.writer.write_eof()
        await line.gone()

    async def main():
        async with serving(serve) as (upstream, _):
            answer = await ask(upstream)
            chunks = answer.chunks()
            assert await anext(chunks) == b"hello"
            with pytest.raises(UpstreamUnavailable, match="broke off"):
                await anext(chunks)

    asyncio.run(main())


def test_who_reads_slowly_slows_the_provider_down():
    piece = b"x" * 65536
    said = 0

    async def serve(line):
        nonlocal said
        await line.request()
        line.say(CHUNKED)
        for _ in range(400):
            line.say(b"10000\r\n" + piece + b"\r\n")
            await line.writer.drain()
            said += 1
        line.say(b"0\r\n\r\n")
        await line.gone()

    async def main():
        async with serving(serve) as (upstream, _):
            answer = await ask(upstream)
            await asyncio.sleep(0.5)
            assert said < 300
            assert sum([len(one) async for one in answer.chunks()]) == 400 * len(piece)

    asyncio.run(main())


def test_a_connection_whose_answer_ended_while_it_was_not_read_goes_on():
    large = b"x" * 300_000

    async def serve(line):
        while True:
            await line.request()
            line.say(whole(large))

    async def main():
        async with serving(serve) as (upstream, lines):
            for _ in range(3):
                answer = await ask(upstream)
                await asyncio.sleep(0.05)
                assert await answer.read(10**6) == large
                answer.close()
            assert len(lines) == 1

    asyncio.run(main())


def test_a_provider_that_does_not_read_is_not_sent_all_of_a_large_body():
    async def serve(line):
        await line.reader.readuntil(b"\r\n\r\n")
        line.writer.transport.pause_reading()
        await asyncio.sleep(0.4)

    async def main():
        async with serving(serve) as (upstream, _):
            task = asyncio.create_task(ask(upstream, body=memoryview(bytes(50_000_000))))
            await asyncio.sleep(0.2)
            (line,) = upstream._pool._all
            assert line._transport.get_write_buffer_size() < 1_000_000
            with pytest.raises(UpstreamUnavailable, match="broke off"):
                await task

    asyncio.run(main())
