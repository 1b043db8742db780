"""A provider's refusal is read to its end, or its status stands alone."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
import json
from typing import Any

import pytest

from holdfast.errors import UpstreamUnavailable
from holdfast.runtime import refused
from holdfast.runtime.refused import Refused, read_out

HEADERS = {"X-Id": "7", "Content-Type": "text/html", "content-encoding": "br"}


class Answer:
    """Says what a test wants, or nothing for ever."""

    def __init__(self, said: Any, status=529, headers=None):
        self.said = said
        self.status = status
        self.headers = headers or {}
        self.closes = 0

    async def read(self, limit_bytes):
        self.limit_bytes = limit_bytes
        if self.said is None:
            await asyncio.sleep(3_600)
        if isinstance(self.said, Exception):
            raise self.said
        return self.said

    def close(self):
        self.closes += 1


def read(made) -> Refused:
    return asyncio.run(read_out(made))


def test_what_a_refusal_says_is_here_and_the_connection_is_let_go():
    made = Answer(b"busy", headers=HEADERS)
    found = read(made)
    assert (found.status, found.headers, found.body) == (529, HEADERS, b"busy")
    assert (made.closes, made.limit_bytes) == (1, 1024 * 1024)


@pytest.mark.parametrize(
    ("status", "kind"), [(499, "invalid_request_error"), (500, "api_error"), (529, "api_error")]
)
def test_words_that_cannot_be_read_are_left_out_and_the_status_stays(status, kind):
    made = Answer(UpstreamUnavailable("too large"), status, HEADERS)
    found = read(made)
    assert found.headers == {"X-Id": "7", "content-type": "application/json"}
    text = f"the provider answered {status}; its words are left out: too large"
    assert json.loads(found.body) == {"type": "error", "error": {"type": kind, "message": text}}
    assert made.closes == 1


def test_words_that_do_not_come_are_not_waited_for(monkeypatch):
    monkeypatch.setattr(refused, "_WITHIN_S", 0.05)
    made = Answer(None)
    found = read(made)
    assert b"they did not come within 0.05 s" in found.body
    assert made.closes == 1


def test_headers_of_ours_take_the_place_of_the_providers():
    async def main():
        found = Refused(429, {"X-Should-Retry": "true", "a": "1"}, b"no")
        marked = found.marked({"x-should-retry": "false"})
        assert marked.headers == {"a": "1", "x-should-retry": "false"}
        assert found.headers == {"X-Should-Retry": "true", "a": "1"}
        assert (marked.status, await marked.read(2)) == (429, b"no")
        assert [piece async for piece in marked.chunks()] == [b"no"]
        with pytest.raises(UpstreamUnavailable):
            await marked.read(1)

    asyncio.run(main())
