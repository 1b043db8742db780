"""Connections of nobody known: how many, for how long, and what goes on being sent after an answer."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from holdfast.apps.gateway import protocol as bounds
from holdfast.apps.gateway.bodies import Pace
from holdfast.apps.gateway.connection import Connection
from holdfast.apps.gateway.protocol import BoundedProtocol
from tests.skipped_time import run
from tests.unit.apps.gateway.test_protocol import HEALTH, Pipe

HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"


class Heard(Pipe):
    """A connection that knows whether it is read from."""

    reading = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


async def answers(scope: Any, receive: Any, send: Any) -> None:
    """Answer at once, whatever is still to come."""
    if scope["path"] == "/known":
        Connection.of(scope).recognised()
    head = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": b""})


class Lying(Heard):
    """A connection on whose socket lies what nobody has read."""

    def __init__(self, line: socket.socket) -> None:
        super().__init__()
        self._line = line

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._line if name == "socket" else super().get_extra_info(name, default)


@contextmanager
def unread() -> Iterator[Lying]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(HEALTH)
        pipe = Lying(ours)
        served(pipe)
        yield pipe


def connected() -> tuple[BoundedProtocol, Heard]:
    pipe = Heard()
    return served(pipe), pipe


def served(pipe: Heard) -> BoundedProtocol:
    config = Config(
        answers, http=BoundedProtocol, lifespan="off", access_log=False, log_config=None
    )
    config.load()
    made = BoundedProtocol(config, ServerState(), {}, asyncio.get_running_loop())
    made.connection_made(pipe)
    return made


@pytest.fixture(autouse=True)
def _nobody_else():
    bounds._unknown.clear()
    bounds._said.clear()
    yield
    bounds._unknown.clear()


def test_the_oldest_that_waits_gives_way_once_it_had_its_grace(monkeypatch):
    monkeypatch.setattr(bounds, "UNKNOWN_MAX", 3)

    async def main() -> None:
        pipes = [connected()[1] for _ in range(5)]
        assert not any(pipe.aborted for pipe in pipes), "all are new"
        monkeypatch.setattr(bounds, "GRACE_S", 0.0)
        pipes.append(connected()[1])
        assert [pipe.aborted for pipe in pipes] == [True, True, True, False, False, False]

    run(main)


def test_more_than_all_that_may_wait_end_the_oldest_however_new_it_is(monkeypatch):
    monkeypatch.setattr(bounds, "UNKNOWN_MAX", 1)
    monkeypatch.setattr(bounds, "UNKNOWN_HARD", 4)

    async def main() -> None:
        pipes = [connected()[1] for _ in range(6)]
        assert [pipe.aborted for pipe in pipes] == [True, True, False, False, False, False]

    run(main)


def test_whose_bytes_lie_unread_is_waited_for_once_more_and_others_give_way(monkeypatch):
    monkeypatch.setattr(bounds, "UNKNOWN_MAX", 2)
    monkeypatch.setattr(bounds, "GRACE_S", 0.0)

    async def main() -> None:
        with unread() as late_here:
            silent = [connected()[1] for _ in range(2)]
            assert not late_here.aborted
            assert [pipe.aborted for pipe in silent] == [True, False]
            silent += [connected()[1] for _ in range(2)]
            assert late_here.aborted, "once for each head"
            assert [pipe.aborted for pipe in silent] == [True, True, False, False]

    run(main)


def test_many_whose_bytes_lie_unread_are_all_waited_for_within_what_may_wait_at_all(monkeypatch):
    monkeypatch.setattr(bounds, "UNKNOWN_MAX", 2)
    monkeypatch.setattr(bounds, "UNKNOWN_HARD", 4)
    monkeypatch.setattr(bounds, "GRACE_S", 60.0)

    async def main() -> None:
        with ExitStack() as lines:
            pipes = [lines.enter_context(unread()) for _ in range(4)]
            monkeypatch.setattr(bounds, "GRACE_S", 0.0)
            pipes.append(lines.enter_context(unread()))
            assert [pipe.aborted for pipe in pipes] == [True] + [False] * 4

    run(main)


def test_the_time_of_a_head_that_lies_unread_begins_anew_once(monkeypatch):
    monkeypatch.setattr(bounds, "HEAD_TIMEOUT_S", 0.05)

    async def main() -> None:
        with unread() as late_here:
            _, silent = connected()
            await asyncio.sleep(0.08)
            assert (silent.aborted, late_here.aborted) == (True, False)
            await asyncio.sleep(0.05)
            assert late_here.aborted

    run(main)


def test_a_head_that_does_not_come_ends_its_connection_and_a_known_sender_is_waited_for(
    monkeypatch,
):
    monkeypatch.setattr(bounds, "HEAD_TIMEOUT_S", 0.05)

    async def main() -> None:
        silent, slow, known, stranger = (connected() for _ in range(4))
        slow[0].data_received(b"GET / HT")
        known[0].data_received(b"GET /known HTTP/1.1\r\nhost: x\r\n\r\n")
        stranger[0].data_received(HEALTH)
        await asyncio.sleep(0.02)
        assert not any(pipe.aborted for _, pipe in (silent, slow, known, stranger))
        await asyncio.sleep(0.1)
        assert silent[1].aborted
        assert slow[1].aborted
        assert stranger[1].aborted, "it was answered, and kept for its next request no longer"
        assert not known[1].aborted

    run(main)


def test_a_known_senders_connection_is_no_strangers_that_gives_way(monkeypatch):
    monkeypatch.setattr(bounds, "UNKNOWN_MAX", 2)
    monkeypatch.setattr(bounds, "GRACE_S", 0.0)

    async def main() -> None:
        known, pipe = connected()
        known.data_received(b"GET /known HTTP/1.1\r\nhost: x\r\n\r\n")
        await asyncio.sleep(0)
        known.data_received(b"GET / HT")
        strangers = [connected()[1] for _ in range(6)]
        assert not pipe.aborted
        assert [one.aborted for one in strangers] == [True] * 4 + [False] * 2

    run(main)


def test_what_is_left_of_an_answered_body_is_read_at_a_pace_of_all_together(monkeypatch):
    monkeypatch.setattr(bounds, "_thrown", Pace(1_000_000))

    async def main() -> None:
        ones = [connected() for _ in range(2)]
        for made, _ in ones:
            made.data_received(HEAD)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for made, pipe in ones:
            assert pipe.written, "it was answered before its body"
            made.data_received(b"x" * 40_000)
            assert not pipe.reading
        await asyncio.sleep(0.06)
        assert [pipe.reading for _, pipe in ones] == [True, False], "80,000 bytes are 80 ms"
        await asyncio.sleep(0.06)
        assert [pipe.reading for _, pipe in ones] == [True, True]

    run(main)


def test_what_is_no_request_takes_a_line_of_the_log_once_in_a_while(caplog, monkeypatch):
    async def main() -> None:
        for _ in range(20):
            made, pipe = connected()
            made.data_received(b"\x16\x03\x01 no request\r\n\r\n")
            assert pipe.closing
        assert len(caplog.records) == 1
        monkeypatch.setattr(bounds, "SAID_EVERY_S", 0.0)
        bounds._said.clear()
        for _ in range(2):
            connected()[0].data_received(b"\x16\x03\x01 no request\r\n\r\n")
        assert len(caplog.records) == 3
        assert not any(record.exc_info for record in caplog.records)

    run(main)
