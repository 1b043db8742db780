"""The same bytes to our client of a provider and to aiohttp's: the same answer, or both refuse.

Where ours refuses what aiohttp takes, it is for a reason that stands in `stricter`.
"""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
import re
from itertools import pairwise

import aiohttp
import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.backends.anthropic.framing import Framing
from holdfast.backends.anthropic.upstream import HttpUpstream
from holdfast.errors import UpstreamUnavailable
from tests.cleared import cleared

REFUSED = ("refused",)
BROKEN = ("broken",)
# aiohttp hands on no more than these tests look at, under names of its own.
_SHOWN = ("a", "content-type", "retry-after")
_TIMEOUT_S = 5.0

STARTS = st.sampled_from(
    b"HTTP/1.1 200 OK|HTTP/1.1 200 OK|HTTP/1.1 529 Overloaded|HTTP/1.0 200 OK|HTTP/1.1 204 No|"
    b"HTTP/1.1 304 No|HTTP/1.1 200|HTTP/1.1  200 OK|HTTP/1.2 200 OK|HTTP/2.0 200 OK|HTTP/1.1 20 OK|"
    b"HTTP/1.1 999 Odd|ICY 200|HTTP/1.1 101 Up\r\nupgrade: x\r\nconnection: upgrade".split(b"|")
)
FIELDS = st.lists(
    st.sampled_from(
        b"a: b|A: \xc3\xa9|a:|a: b\r\n c|a: b\nretry-after: 1|a : b|: b|a|a: b\x00c|a: b\rc|a: \xff|"
        b"content-type: text/event-stream|retry-after: 3|connection: close|connection: keep-alive|"
        b"a\x01: b|content-length: 3|content-length: 5|content-length: x|transfer-encoding: chunked|"
        b"transfer-encoding: gzip|transfer-encoding: gzip, chunked".split(b"|")
    ),
    max_size=3,
)
SIZES = st.sampled_from(
    [b"5", b"05", b"5;x=y", b"5 ", b" 5", b"+5", b"0x5", b"-5", b"5\n", b"F" * 17, b"", b"4", b"6"]
)


@st.composite
def bodies(draw):
    """The field that frames a body, and the body."""
    kind = draw(st.sampled_from(["chunked", "chunked", "length", "close", "odd"]))
    if kind == "length":
        return b"content-length: 5", b"hello"
    if kind == "close":
        return None, draw(st.sampled_from([b"hello", b""]))
    sizes = draw(st.lists(SIZES if kind == "odd" else st.just(b"5"), max_size=3))
    end = draw(st.sampled_from([b"0\r\n\r\n", b"0\r\nx: y\r\n\r\n", b"0\r\n", b"0\n\n", b""]))
    if kind == "chunked":
        end = b"0\r\n\r\n"
    chunks = b"".join(size + b"\r\nhello\r\n" for size in sizes)
    return b"transfer-encoding: chunked", chunks + end


@st.composite
def answers(draw):
    """Bytes of a provider, in the pieces that they come in."""
    field, body = draw(bodies())
    lines = [draw(STARTS), *draw(FIELDS), *([field] if field else [])]
    before = draw(st.sampled_from([b"", b"", b"", b"HTTP/1.1 103 Hints\r\nlink: x\r\n\r\n"]))
    after = draw(st.sampled_from([b"", b"", b"", b"x", b"HTTP/1.1 200 OK\r\n\r\n"]))
    data = before + b"\r\n".join(lines) + b"\r\n\r\n" + body + after
    change = draw(st.sampled_from(["", "", "cut", "byte"]))
    if change:
        at = draw(st.integers(0, len(data)))
        data = data[:at] + (
            b"" if change == "cut" else draw(st.binary(max_size=1)) + data[at + 1 :]
        )
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=4)))
    return [data[a:b] for a, b in pairwise([0, *cuts, len(data)]) if a < b]


class Bench:
    """A server that says what it is told to, and both clients."""

    def __init__(self):
        self.pieces: list[bytes] = []
        self.runner = asyncio.Runner()

    async def start(self):
        async def serve(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            for piece in self.pieces:
                writer.write(piece)
                await asyncio.sleep(0)
            writer.close()

        self.server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        self.theirs = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def stop(self):
        await self.theirs.close()
        self.server.close()

    async def of_ours(self):
        upstream = HttpUpstream(self.url, "k")
        request = cleared("GET", "/v1/models", {}, b"")
        try:
            answer = await upstream.send(request, timeout_s=_TIMEOUT_S)
            try:
                body = await answer.read(10**6)
            except UpstreamUnavailable:
                return BROKEN
            return answer.status, shown(answer.headers), body
        except UpstreamUnavailable:
            return REFUSED
        finally:
            await upstream.close()

    async def of_theirs(self):
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                answer = await self.theirs.get(f"{self.url}/v1/models", allow_redirects=False)
        except (aiohttp.ClientError, ValueError, TimeoutError):
            return REFUSED
        try:
            body = await answer.read()
        except aiohttp.ClientError:
            return BROKEN
        finally:
            answer.close()
        fields = {name.lower(): value for name, value in answer.headers.items()}
        return answer.status, shown(fields), body

    def both(self, pieces):
        self.pieces = pieces

        async def asked():
            return await self.of_ours(), await self.of_theirs()

        return self.runner.run(asked())


def shown(fields):
    """What is compared; of a field that comes twice ours is a list, theirs the last."""
    return {name: fields[name].split(", ")[-1] for name in _SHOWN if name in fields}


@pytest.fixture(scope="module")
def bench():
    made = Bench()
    made.runner.run(made.start())
    yield made
    made.runner.run(made.stop())
    made.runner.close()


class Lenient(Framing):
    """Ours with the leniencies that aiohttp has its parser allow."""

    def __init__(self):
        super().__init__()
        parser = httptools.HttpResponseParser(self)
        parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )
        self._parser = parser


def of(framing, pieces):
    """The framing after all of them."""
    for piece in pieces:
        framing.feed(piece)
    framing.end()
    return framing


def stricter(pieces):
    """Why ours refuses what another client takes; nothing where there is no reason."""
    lenient = of(Lenient(), pieces)
    data = b"".join(pieces)
    if lenient.complete:
        return "fields that are folded, end in a bare line feed or hold controls; spaces in sizes"
    lowered = data.lower()
    if lowered.count(b"transfer-encoding:") > 1 or b"gzip" in lowered:
        return "a coding of the transfer besides `chunked`"
    if b"transfer-encoding:" in lowered and b"http/1.0" in lowered:
        return "chunks in HTTP/1.0"
    if b"transfer-encoding:" in lowered and (b" 204 " in data or b" 304 " in data):
        return "chunks where there can be no body"
    if any(version not in (b"1.0", b"1.1") for version in re.findall(rb"HTTP/(\S*)", data)):
        return "another version of HTTP"
    if b" 101 " in data:
        return "another protocol"
    if not lenient.headed and b" 999 " in data:
        return "a status that is none"
    return ""


@given(answers())
def test_ours_reads_what_theirs_reads_or_refuses_for_a_reason(bench, pieces):
    ours, theirs = bench.both(pieces)
    if ours in (REFUSED, BROKEN):
        if theirs not in (REFUSED, BROKEN):
            assert stricter(pieces), (ours, theirs)
        return
    if theirs in (REFUSED, BROKEN) and of(Framing(), pieces).surplus:
        # Theirs refuses what came together with bytes that nobody asked for, ours lets the answer
        # stand and never uses the connection again, however they were cut.
        return
    assert ours == theirs


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
    ],
)
def test_the_oracle_reads_what_everybody_reads(bench, data):
    ours, theirs = bench.both([data])
    assert ours == theirs == (200, {}, b"hello")
