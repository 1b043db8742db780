"""How an answer begins: every kind of error, every bound, and what is handed on, to the byte."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
import json

import pytest

from holdfast.errors import UpstreamUnavailable
from holdfast.runtime import opening
from holdfast.runtime.opening import Begun, opened

ABOUT = pytest.mark.parametrize("module", ["holdfast.runtime.opening"])
JSON = {"content-type": "application/json"}
SSE = {"content-type": "text/event-stream; charset=utf-8"}
STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
    "no_such_error": 500,
}


class Answer:
    """Pieces, of which an exception is raised; `pulled` counts those that were asked for."""

    def __init__(self, pieces, headers=None, status=200):
        self.status, self.headers, self._pieces = (
            status,
            SSE if headers is None else headers,
            pieces,
        )
        self.pulled = self.closes = 0

    async def chunks(self):
        for piece in self._pieces:
            self.pulled += 1
            if isinstance(piece, BaseException):
                raise piece
            if piece is None:
                await asyncio.sleep(60)
            yield piece

    def taking(self, take):
        self.take = take

    def close(self):
        self.closes += 1


def event(kind, **fields):
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def said(kind):
    return {"type": "error", "error": {"type": kind, "message": "no"}}


START = event(
    "message_start",
    message={
        "id": "msg_1",
        "model": "m",
        "usage": {"input_tokens": 7, "cache_creation_input_tokens": 5, "output_tokens": 1},
    },
)
BLOCK = event("content_block_start", index=0, content_block={"type": "text", "text": ""})


async def begun(*pieces, headers=None, seconds=5.0):
    made = Answer(pieces, headers)
    return await opened(made, lambda: seconds), made


@ABOUT
def test_error_before_any_output_becomes_the_refusal_that_it_is(module):
    assert module == opening.__name__

    async def main():
        for kind, status in STATUSES.items():
            body = json.dumps(said(kind)).encode()
            for pieces, headers in (
                ((event("error", error=said(kind)["error"]),), SSE),
                ((body,), JSON),
                ((body[:11], body[11:]), {}),
            ):
                found, made = await begun(*pieces, headers=headers)
                answer = found.answer
                assert (answer.status, found.reading, made.closes) == (status, None, 1)
                assert answer.headers == {"content-type": "application/json"}
                whole = await answer.read(10_000)
                assert json.loads(whole) == said(kind)
                assert [one async for one in answer.chunks()] == [whole]
                assert await answer.read(7) == whole[:7]
                answer.close()
                assert made.closes == 1
        kept = {"Request-Id": "r", "retry-after": "1", "RETRY-AFTER-MS": "2"}
        for plain in (JSON, SSE):
            piece = event("error", error=said("api_error")["error"])
            piece = json.dumps(said("api_error")).encode() if plain is JSON else piece
            found, _ = await begun(piece, headers={**plain, **kept, "x": "y"})
            assert found.answer.headers == {**kept, **JSON}

    asyncio.run(main())


@ABOUT
def test_error_behind_a_start_names_what_was_counted_by_then(module):
    assert module == opening.__name__

    async def main():
        error = event("error", error=said("overloaded_error")["error"])
        found, made = await begun(START + error, None)
        assert (found.answer.status, made.closes, made.pulled) == (529, 1, 1)
        reading = found.reading
        assert reading is not None
        assert (reading.usage.input_tokens, reading.usage.cache_write_1h_tokens) == (7, 5)
        assert reading.usage.cache_write_5m_tokens == 0
        # Behind output, or behind a start that was handed on, it is an event as any other.
        for pieces in ((START + BLOCK + error,), (START, error)):
            found, made = await begun(*pieces)
            assert (found.answer.status, found.reading, made.closes) == (200, None, 0)
            assert b"".join([one async for one in found.answer.chunks()]) == b"".join(pieces)

    asyncio.run(main())


@ABOUT
def test_stream_is_handed_on_from_its_first_event_that_is_no_ping_and_read_to_its_limit(module):
    assert module == opening.__name__

    async def main():
        ping = event("ping")
        for pieces, pulled in (
            ((START, b"more"), 1),
            ((ping, START, b"more"), 2),
            ((ping[:9], ping[9:], ping, START[:20], START[20:], b"more"), 5),
            ((event("vendor_note"), START, b"more"), 2),
            ((b"data: {nonsense\n\n", b"more"), 1),
        ):
            whole = b"".join(pieces)
            found, made = await begun(*pieces)
            assert (found.reading, made.pulled, made.closes) == (None, pulled, 0)
            assert (found.answer.status, found.answer.headers) == (200, SSE)
            assert [one async for one in found.answer.chunks()] == list(pieces)
            assert await found.answer.read(10) == b""
            found.answer.close()
            assert made.closes == 1
            found, made = await begun(*pieces)
            assert await found.answer.read(len(whole)) == whole
            assert made.closes == 0
            found, made = await begun(*pieces)
            with pytest.raises(UpstreamUnavailable) as refused:
                await found.answer.read(len(whole) - 1)
            assert refused.value.message == "the provider's answer is too large"
            assert made.closes == 1

    asyncio.run(main())


@ABOUT
def test_answer_in_one_piece_is_waited_for_only_while_it_may_be_an_error(module):
    assert module == opening.__name__

    async def main():
        error = b'{"type":"error","error":{"type":"api_error","message":"'
        end = b'"}}'
        hidden = b'{"a":"' + b"x" * 300 + b'","type":"error","error":{}}'
        # In front of its `"error"`, so that this ends at the byte where it has to have been named.
        far = [b'{"type":"x","a":"' + b"y" * n + b'","error"' for n in (230, 231)]
        rows = (
            # pieces, status, how many were pulled
            ((b'{"a":1}', b"more"), 200, 1),
            ((b"[1]", b"more"), 200, 1),
            ((b'{"type":"message"}', b"more"), 200, 1),
            ((b'{"type":"mess', b'age"}', b"more"), 200, 2),
            ((b'"\xff"', b"more"), 200, 2),
            ((b"\xff\xfe", b"more"), 200, 2),
            ((), 200, 0),
            # 256 bytes that do not name an error yet, and 257.
            ((b'{"a":"' + b"x" * 250, b'"}', b"more"), 200, 2),
            ((b'{"a":"' + b"x" * 251, b'"}', b"more"), 200, 1),
            # The name ends at byte 256, and at byte 257.
            ((far[0], b":1}", b"more"), 200, 2),
            ((far[1], b":1}", b"more"), 200, 1),
            ((hidden, b"more"), 200, 1),
            # 64 KiB of an error that is not whole yet, and one byte more.
            ((error + b"x" * (65_536 - len(error)), end, b"more"), 200, 2),
            ((error + b"x" * (65_537 - len(error)), end, b"more"), 200, 1),
            ((error + b"x" * (65_536 - len(error) - len(end)) + end, b"more"), 500, 1),
            ((error + b"x" * (65_537 - len(error) - len(end)) + end, b"more"), 200, 1),
        )
        assert [len(one) for one in far] == [256, 257]
        for pieces, status, pulled in rows:
            found, made = await begun(*pieces, headers=JSON)
            assert (found.answer.status, made.pulled) == (status, pulled), pieces
            assert (found.reading, made.closes) == (None, int(status != 200))
            handed = [one async for one in found.answer.chunks()]
            assert handed == (list(pieces) if status == 200 else [b"".join(pieces[:pulled])])

    asyncio.run(main())


@ABOUT
def test_answer_that_does_not_begin_is_closed_and_says_whose_fault_that_is(module):
    assert module == opening.__name__

    async def main():
        broken = UpstreamUnavailable("it broke", sent=False, other=1)
        for pieces, headers, seconds, message, fields in (
            ((), SSE, 5, "the provider ended the stream before it began", {"sent": True}),
            ((broken,), SSE, 5, "it broke", {"sent": True, "other": 1}),
            ((b"{", broken), JSON, 5, "it broke", {"sent": True, "other": 1}),
            (
                (None,),
                SSE,
                0.001,
                "the turn's time was over before the provider answered",
                {"sent": True, "ours": True},
            ),
        ):
            made = Answer(pieces, headers)
            with pytest.raises(UpstreamUnavailable) as refused:
                await opened(made, lambda seconds=seconds: seconds)
            assert (refused.value.message, refused.value.fields) == (message, fields)
            assert made.closes == 1
        for error in (TimeoutError(), asyncio.CancelledError(), ValueError()):
            made = Answer((error,))
            with pytest.raises(type(error)):
                await opened(made, lambda: 5)
            assert made.closes == 1
        for status in (199, 201, 500):
            made = Answer((None,), status=status)
            assert await opened(made, lambda: 0.001) == Begun(made)
            assert made.closes == made.pulled == 0

    asyncio.run(main())
