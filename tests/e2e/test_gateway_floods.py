"""Whoever is not known can neither fill the server's memory nor keep others out of it.

Raw sockets of strangers at the real server; somebody with a token works beside them.
"""

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from holdfast.apps.gateway.protocol import GRACE_S, HEAD_TIMEOUT_S, UNKNOWN_MAX
from holdfast.testing.project import Opened, RunningProject
from tests.served import VERSION, ask, body, figure, fresh_user, unharmed

MIB = 1024 * 1024
GROWTH_MAX = 96 * MIB


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Iterator[RunningProject]:
    with RunningProject(tmp_path_factory.mktemp("p")) as running:
        yield running


@pytest.fixture
def session(project):
    return project.open(user=fresh_user())


@pytest.fixture
def stranger(project):
    opened: list[socket.socket] = []

    def connect() -> socket.socket:
        place = urlsplit(project.url)
        assert place.hostname is not None
        made = socket.create_connection((place.hostname, place.port or 80), 30)
        opened.append(made)
        return made

    yield connect
    for one in opened:
        one.close()


def resident(project: RunningProject) -> int:
    pages = int(Path(f"/proc/{project.pid}/statm").read_text().split()[1])
    return pages * 4096


def answer_to(line: socket.socket) -> bytes:
    """All that the server says until it closes the connection."""
    seen = b""
    with contextlib.suppress(ConnectionError):
        while chunk := line.recv(65536):
            seen += chunk
    return seen


def poured(line: socket.socket, piece: bytes, times: int) -> int:
    """How many bytes of `piece` again and again the server takes before it closes."""
    sent = 0
    with contextlib.suppress(ConnectionError, TimeoutError):
        for _ in range(times):
            line.sendall(piece)
            sent += len(piece)
    return sent


def models(line: http.client.HTTPConnection, session: Opened) -> int:
    """One request on a connection that is kept."""
    line.request("GET", "/v1/models", headers={**VERSION, "x-api-key": session.token})
    answer = line.getresponse()
    answer.read()
    return answer.status


HEADS = {
    "one field without end": (b"GET / HTTP/1.1\r\nx: ", b"a" * MIB),
    "fields without end": (b"GET / HTTP/1.1\r\n", b"x: y\r\n" * 100_000),
    "a path without end": (b"GET /", b"a" * MIB),
    "a name without end": (b"GET / HTTP/1.1\r\n", b"a" * MIB),
    "a trailer without end": (
        b"POST /v1/messages HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ",
        b"a" * MIB,
    ),
    "a chunk's extension without end": (
        b"POST /v1/messages HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1;x=",
        b"a" * MIB,
    ),
}


@pytest.mark.parametrize("kind", HEADS)
def test_what_comes_before_a_body_is_bounded_whoever_sends_it(project, session, stranger, kind):
    start, piece = HEADS[kind]
    before = resident(project)
    line = stranger()
    line.sendall(start)
    sent = poured(line, piece, 64)
    assert sent < 32 * MIB, f"the server took {sent} bytes"
    assert resident(project) - before < GROWTH_MAX
    assert ask(project, session, body({"text": "x"})).status == 200
    unharmed(project, session)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + b"x: y\r\n" * 200 + b"\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 70_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
    ids=["too many fields", "too large a field", "too long a path"],
)
def test_a_head_over_its_bounds_is_refused_with_what_they_are(stranger, head):
    line = stranger()
    line.sendall(head)
    seen = answer_to(line)
    assert seen.startswith(b"HTTP/1.1 431 ")
    assert b"at most 65536 bytes in 128 fields" in seen


def test_a_head_within_its_bounds_is_served(stranger):
    line = stranger()
    fields = b"".join(b"x-%d: %s\r\n" % (n, b"y" * 500) for n in range(100))
    line.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" + fields + b"\r\n")
    assert answer_to(line).startswith(b"HTTP/1.1 200 ")


def test_silent_connections_are_kept_in_a_number_and_for_a_time_and_keep_nobody_out(
    project, session, stranger
):
    quiet = [stranger() for _ in range(UNKNOWN_MAX + 100)]
    begun = time.monotonic()
    assert ask(project, session, body({"text": "x"})).status == 200
    figure(f"a call among {len(quiet)} silent connections: {time.monotonic() - begun:.3f} s")
    time.sleep(GRACE_S)
    quiet.append(stranger())
    assert answer_to(quiet[0]) == b"", "the oldest gives way"
    assert time.monotonic() - begun < HEAD_TIMEOUT_S, "before its own time is over"
    newest = quiet[-1]
    newest.settimeout(HEAD_TIMEOUT_S + 20)
    assert answer_to(newest) == b""


def test_many_connections_of_one_client_at_once_are_all_served(stranger):
    asked = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    lines = []
    for _ in range(UNKNOWN_MAX + 30):
        lines.append(stranger())
        lines[-1].sendall(asked)
    seen = {answer_to(line)[:12] for line in lines}
    assert seen == {b"HTTP/1.1 200"}


def test_two_large_requests_on_one_connection_are_both_read(project, session):
    kept = project.connection()
    headers = {**VERSION, "x-api-key": session.token}
    for _ in range(2):
        asked = body({"text": "x" * 2 * MIB})
        kept.request("POST", "/v1/messages", json.dumps(asked), headers)
        answer = kept.getresponse()
        answer.read()
        assert answer.status in (200, 400, 402)
    kept.close()


def test_a_head_that_trickles_is_ended_and_a_known_client_that_waits_is_not(
    project, session, stranger
):
    kept = project.connection()
    assert models(kept, session) == 200
    port = kept.sock.getsockname()
    line = stranger()
    line.settimeout(1)
    line.sendall(b"GET / HTTP/1.1\r\n")
    begun = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while time.monotonic() - begun < HEAD_TIMEOUT_S + 20:
            line.sendall(b"x: y\r\n")
            time.sleep(0.5)
            with contextlib.suppress(TimeoutError):
                if line.recv(1024) == b"":
                    break
    assert time.monotonic() - begun < HEAD_TIMEOUT_S + 10
    assert models(kept, session) == 200
    assert kept.sock.getsockname() == port
    kept.close()


def test_requests_that_queue_up_behind_one_another_end_their_connection(project, stranger):
    before = resident(project)
    line = stranger()
    sent = poured(line, b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" * 10_000, 40)
    assert resident(project) - before < GROWTH_MAX
    assert sent < 20 * MIB
