"""Bytes of an answer to its head and body: what is taken, what is refused, however it is cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.backends.anthropic.framing import HEAD_BYTES_MAX, HEAD_FIELDS_MAX, Framing

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
EMPTY = OK + b"content-length: 0\r\n\r\n"


def read(*pieces, closes=False):
    """The framing after these pieces, and all of the body that it gave."""
    framing = Framing()
    body = b"".join([framing.feed(piece) for piece in pieces])
    if closes:
        framing.end()
    return framing, body


def outcome(framing, body):
    """All that a user can see of it; of a broken answer only what came before."""
    headers = framing.headers if framing.headed else {}
    seen = (framing.status, headers, body, framing.complete, framing.broken)
    return (*seen, framing.reusable)


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (OK + b"content-length: 3\r\n\r\nabc", b"abc"),
        (CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (CHUNKED + b"3;a=b\r\nabc\r\n1\r\nd\r\n0\r\nx: y\r\n\r\n", b"abcd"),
        (OK + b"Transfer-Encoding: CHUNKED\r\n\r\n1\r\na\r\n0\r\n\r\n", b"a"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n", b""),
        (b"HTTP/1.1 200\r\ncontent-length: 1\r\n\r\na", b"a"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + EMPTY, b""),
        (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\ncontent-length: 9\r\n\r\n" + EMPTY, b""),
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\na", b"a"),
    ],
)
def test_whole_answers_are_read_and_their_connection_is_kept(data, body):
    framing, got = read(data)
    assert (framing.complete, framing.broken, framing.reusable) == (True, False, True)
    assert got == body
    assert "link" not in framing.headers


@pytest.mark.parametrize(
    "data",
    [
        # A length beside chunks, in both orders; lengths that differ, repeat or are none.
        CHUNKED.replace(b"\r\n\r\n", b"\r\ncontent-length: 3\r\n\r\n") + b"3\r\nabc\r\n0\r\n\r\n",
        OK + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        OK + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        OK + b"content-length: 3\r\ncontent-length: 3\r\n\r\nabc",
        OK + b"content-length: 3, 3\r\n\r\nabc",
        OK + b"content-length: +3\r\n\r\nabc",
        OK + b"content-length: 99999999999999999999\r\n\r\nabc",
        # Other codings of the transfer, and chunks where there are none.
        OK + b"transfer-encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"transfer-encoding: gzip\r\n\r\nabc",
        OK + b"transfer-encoding: identity\r\n\r\nabc",
        b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        # Lines that two readers would end or join differently.
        OK + b"a: b\r\n c\r\ncontent-length: 0\r\n\r\n",
        OK + b"a: b\ncontent-length: 0\r\n\r\n",
        OK + b"a : b\r\ncontent-length: 0\r\n\r\n",
        OK + b"a: b\x00c\r\ncontent-length: 0\r\n\r\n",
        OK + b"content-length: 0\n\n",
        CHUNKED + b"3\nabc\r\n0\r\n\r\n",
        CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"-1\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"ffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
        # No answer to a request of ours.
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\nxyz",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + EMPTY + b"\x00",
        b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/0.9 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 099 Odd\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(data):
    framing, _ = read(data, closes=True)
    assert (framing.complete, framing.broken, framing.reusable) == (False, True, False)


def test_an_answer_without_a_length_ends_with_its_connection_which_is_not_kept():
    framing, body = read(OK + b"\r\nabc", b"def")
    assert (framing.complete, framing.broken, body) == (False, False, b"abcdef")
    framing.end()
    assert (framing.complete, framing.broken, framing.reusable) == (True, False, False)


@pytest.mark.parametrize(
    "data", [b"", b"HTTP/1.1 200", OK + b"content-length: 4\r\n\r\nabc", CHUNKED + b"3\r\nabc\r\n"]
)
def test_an_answer_that_is_cut_off_is_broken(data):
    framing, _ = read(data, closes=True)
    assert (framing.complete, framing.broken) == (False, True)


@pytest.mark.parametrize("more", [EMPTY, b"x", b"HTTP/1.1 408 Request Timeout\r\n\r\n"])
@pytest.mark.parametrize("first", [EMPTY, CHUNKED + b"1\r\na\r\n0\r\n\r\n"])
@pytest.mark.parametrize("together", [True, False])
def test_bytes_behind_an_answer_end_its_connection_and_are_no_part_of_it(first, more, together):
    framing, body = read(*([first + more] if together else [first, more]))
    assert (framing.complete, framing.surplus, framing.reusable) == (True, True, False)
    assert body in (b"", b"a")


def test_connections_that_are_to_be_closed_are_not_kept():
    framing, _ = read(OK + b"connection: close\r\ncontent-length: 0\r\n\r\n")
    assert (framing.complete, framing.reusable) == (True, False)
    framing, _ = read(b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n")
    assert (framing.complete, framing.reusable) == (True, False)


def test_fields_that_come_several_times_are_one_list_and_odd_bytes_survive():
    framing, _ = read(OK + b"A: 1\r\na: 2\r\nb: \xff\xc3\xa9\r\ncontent-length: 0\r\n\r\n")
    assert framing.headers == {"a": "1, 2", "b": "\udcff\u00e9", "content-length": "0"}
    assert framing.headers["b"].encode("utf-8", "surrogateescape") == b"\xff\xc3\xa9"


@pytest.mark.parametrize("fields", [HEAD_FIELDS_MAX, HEAD_FIELDS_MAX + 1])
def test_a_head_has_so_many_fields(fields):
    lines = b"".join(b"x%d: y\r\n" % number for number in range(fields - 1))
    framing, _ = read(OK + lines + b"content-length: 0\r\n\r\n")
    assert framing.complete is (fields <= HEAD_FIELDS_MAX)
    assert framing.broken is (fields > HEAD_FIELDS_MAX)


@pytest.mark.parametrize("size", [1000, 100_000])
def test_a_head_has_so_many_bytes(size):
    piece = b"x: " + b"y" * (HEAD_BYTES_MAX // 2)
    framing, _ = read(OK, *[piece[:size]] * (HEAD_BYTES_MAX // min(size, len(piece)) + 1))
    assert framing.broken
    framing, _ = read(OK + b"x: " + b"y" * HEAD_BYTES_MAX + b"\r\ncontent-length: 0\r\n\r\n")
    assert framing.broken


def test_announcements_without_end_are_a_head_without_end():
    framing, _ = read(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * (HEAD_BYTES_MAX // 25 + 1))
    assert framing.broken


def test_framing_may_not_outgrow_what_it_frames_but_small_chunks_are_honest():
    framing, _ = read(CHUNKED, *[b"1;" + b"x" * 1000 + b"\r\na\r\n"] * 80)
    assert framing.broken
    framing, body = read(CHUNKED, *[b"1\r\na\r\n"] * 50_000)
    assert not framing.broken
    assert len(body) == 50_000


PIECES = st.lists(st.binary(max_size=40), max_size=5)


@st.composite
def answers(draw):
    """An answer that is whole, or odd in one way; and where it is cut."""
    body = draw(PIECES)
    kind = draw(st.sampled_from(["chunked", "length", "close"]))
    more = draw(
        st.sampled_from([b"", b"", b"a: b\r\n", b"connection: close\r\n", b"a: b\r\n c\r\n"])
    )
    if kind == "chunked":
        lines = [b"%x\r\n%b\r\n" % (len(one), one) for one in body if one]
        data = OK + more + b"transfer-encoding: chunked\r\n\r\n" + b"".join(lines) + b"0\r\n\r\n"
    elif kind == "length":
        size = sum(map(len, body))
        data = OK + more + b"content-length: %d\r\n\r\n" % size + b"".join(body)
    else:
        data = OK + more + b"\r\n" + b"".join(body)
    data = draw(st.sampled_from([b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n"])) + data
    data += draw(st.sampled_from([b"", b"", b"", EMPTY, b"x"]))
    if draw(st.booleans()):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.binary(max_size=2)) + data[at + draw(st.integers(0, 2)) :]
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    places = [0, *cuts, len(data)]
    return data, [data[a:b] for a, b in pairwise(places)]


@given(answers(), st.booleans())
def test_however_an_answer_is_cut_it_is_the_same(made, closes):
    data, pieces = made
    assert outcome(*read(*pieces, closes=closes)) == outcome(*read(data, closes=closes))


@given(answers())
def test_however_an_answer_is_cut_byte_by_byte_it_is_the_same(made):
    data, _ = made
    one_by_one = [data[at : at + 1] for at in range(len(data))]
    assert outcome(*read(*one_by_one, closes=True)) == outcome(*read(data, closes=True))


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_bytes_of_any_kind_are_read_or_refused(pieces):
    framing, _ = read(*pieces, closes=True)
    assert framing.complete is not framing.broken
