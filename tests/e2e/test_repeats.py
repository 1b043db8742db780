"""Answers that are lost on the way: what was asked for is there once, and is found again."""

import asyncio
import contextlib
import re
import signal
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from holdfast.client import connect
from holdfast.client.exchange import Asked
from holdfast.core.proofs import header_of
from holdfast.errors import OutcomeUnknown
from holdfast.testing.project import RunningProject

OPEN = {"agent": "desk", "user": "ann"}
MAKES = b"POST /v1/sessions "


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProject]:
    with RunningProject(tmp_path_factory.mktemp("p")) as running:
        yield running


class Lossy:
    """Stands before a server and hands on what is asked; the first `losses` openings go unanswered.

    What was asked has been done by then: the answer came this far.
    """

    def __init__(self, onward: str, losses: int) -> None:
        place = urlsplit(onward)
        self._onward = (place.hostname or "", place.port or 80)
        self.losses = losses
        self.openings = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(line,), daemon=True).start()

    def _carry(self, line: socket.socket) -> None:
        with line, socket.create_connection(self._onward) as onward, contextlib.suppress(OSError):
            while asked := message(line):
                makes = asked.startswith(MAKES)
                self.openings += makes
                onward.sendall(asked)
                answer = message(onward)
                if makes and self.losses:
                    self.losses -= 1
                    return
                line.sendall(answer)


def message(line: socket.socket) -> bytes:
    """One request or answer of HTTP, whole; empty at the end."""
    seen = b""
    while b"\r\n\r\n" not in seen and (piece := line.recv(65536)):
        seen += piece
    head, _, body = seen.partition(b"\r\n\r\n")
    size = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    while size is not None and len(body) < int(size[1]) and (piece := line.recv(65536)):
        body, seen = body + piece, seen + piece
    return seen


@contextlib.contextmanager
def lossy(project: RunningProject, losses: int) -> Iterator[Lossy]:
    between = Lossy(project.url, losses)
    try:
        yield between
    finally:
        between.close()


def opened(project: RunningProject, user: str) -> list[str]:
    return [r["session"] for r in project.records(user=user, kind="session.opened")]


def test_a_client_whose_answer_is_lost_twice_has_one_session_and_its_token(project):
    async def main(url: str) -> str:
        async with connect(url, token=project.admin_token) as client:
            session = await client.sessions.open(agent="desk", user="lost")
            assert (await session.view()).state == "active"
            return session.session_id

    with lossy(project, 2) as between:
        session_id = asyncio.run(main(between.url))
        assert between.openings == 3
    assert opened(project, "lost") == [session_id]


def test_an_answer_that_never_comes_is_an_outcome_that_is_unknown_and_found_by_its_key(project):
    async def main(url: str) -> None:
        async with connect(url, token=project.admin_token) as client:
            with pytest.raises(OutcomeUnknown):
                await client.sessions.open(agent="desk", user="never", key="order-7")

    async def later() -> str:
        async with connect(project.url, token=project.admin_token) as client:
            return (
                await client.sessions.open(agent="desk", user="never", key="order-7")
            ).session_id

    with lossy(project, 99) as between:
        asyncio.run(main(between.url))
    assert opened(project, "never") == [asyncio.run(later())]


def test_after_kill_9_the_same_key_finds_the_same_session_with_the_same_token(project):
    key = {"idempotency-key": "before-the-crash"}
    before = project.call("POST", "/v1/sessions", OPEN, headers=key).json
    project.stop(signal.SIGKILL)
    project.start()
    answer = project.call("POST", "/v1/sessions", OPEN, headers=key)
    assert answer.status == 200, answer.body
    after = answer.json
    assert (after["session"]["session_id"], after["token"]) == (
        before["session"]["session_id"],
        before["token"],
    )
    view = project.call("GET", "/v1/guard/session", token=after["token"])
    assert (view.status, view.json["state"]) == (200, "active")
    said = [
        r["body"]["action"]
        for r in project.records(session=after["session"]["session_id"])
        if r["kind"] == "admin.acted"
    ]
    assert said == ["session.open"]


@pytest.mark.parametrize("sent", ["another", "", None])
def test_a_key_that_was_not_signed_is_refused_whoever_put_it_there(project, sent):
    async def signed() -> dict[str, str]:
        async with connect(project.url, token=project.admin_token) as client:
            await client.sessions.list(limit=1)
            signer = client._door._signer
            assert signer is not None
            asked = Asked("POST", "/v1/sessions", b'{"agent":"desk","user":"signed"}', "mine")
            return {"authorization": header_of(signer.sign(asked))}

    headers = asyncio.run(signed())
    if sent is not None:
        headers["idempotency-key"] = sent
    raw = b'{"agent":"desk","user":"signed"}'
    reply = project.call("POST", "/v1/sessions", raw, token="", headers=headers)
    assert (reply.status, reply.json["error"]["code"]) == (401, "unauthenticated")
    assert opened(project, "signed") == []
