"""Large requests through real processes: read elsewhere, sent as they came, refused when they must be.

With the model's door in the server, and in gateway processes. Not here: what is decided about a
request (`tests/unit/runtime/test_model_calls`, which runs on requests that were read elsewhere too).
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.testing.project import SETTINGS, RunningProject
from tests.served import ask, body, fresh_user, no_hold_left, refused, unharmed, until

MIB = 1024 * 1024
LOOP = "  loop: {max_turns: 1000}\n"


@pytest.fixture(scope="module", params=[0, 1], ids=["in the server", "in gateway processes"])
def project(request, tmp_path_factory) -> Iterator[RunningProject]:
    settings = SETTINGS.replace("defaults:\n", "defaults:\n" + LOOP)
    if request.param:
        settings += "gateway: {processes: 1, port: 0}\n"
    with RunningProject(tmp_path_factory.mktemp("p"), settings=settings) as running:
        yield running


@pytest.fixture
def session(project):
    return project.open(user=fresh_user())


def readers(project: RunningProject) -> list[int]:
    """Readers of the server and of its gateway processes."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, IndexError):
            if not folder.name.isdecimal() or b"reader_host" not in _of(folder, "cmdline"):
                continue
            parent = _parent(folder)
            if project.pid in (parent, _parent(Path(f"/proc/{parent}"))):
                found.append(int(folder.name))
    return found


def _of(folder: Path, name: str) -> bytes:
    return (folder / name).read_bytes()


def _parent(folder: Path) -> int:
    return int(_of(folder, "stat").rsplit(b")", 1)[1].split()[1])


def large(mib: int, **fields):
    """A request of some megabytes, whose answer is scripted at its end."""
    text = {"type": "text", "text": "word " * (mib * MIB // 5)}
    asked = body({"text": "hello"}, **fields)
    asked["messages"] = [{"role": "user", "content": [text]}, *asked["messages"]]
    return asked


def send(project, session, request):
    return ask(project, session, request, url=project.model_url or project.url)


def test_a_large_request_is_answered_and_the_provider_gets_all_of_it(project, session):
    reply = send(project, session, large(3))
    assert reply.status == 200, reply.body[:500]
    assert reply.json["content"][0]["text"] == "hello"
    assert reply.json["usage"]["input_tokens"] > 3 * MIB // 8
    assert len(readers(project)) == 1
    no_hold_left(project, session)


def test_a_large_stream_whose_max_tokens_are_lowered_is_answered(project, session):
    reply = send(project, session, large(1, stream=True) | {"max_tokens": 60_000})
    assert reply.status == 200, reply.body[:500]
    assert b"hello" in reply.body
    unharmed(project, session)


def test_a_large_request_that_is_none_is_refused_in_the_usual_words(project, session):
    said = refused(send(project, session, large(1, novel=1)), 400, says="is not in the table")
    assert "novel" in said["message"]
    refused(send(project, session, large(1) | {"messages": [[]] * 250_000}), 400, says="200000")
    unharmed(project, session)


def test_a_reader_that_dies_costs_one_request_at_most(project, session):
    assert send(project, session, large(1)).status == 200
    [pid] = readers(project)
    os.kill(pid, signal.SIGKILL)
    until(lambda: pid not in readers(project))
    assert send(project, session, large(1)).status == 200
    assert pid not in readers(project)
    unharmed(project, session)


def test_a_large_outcome_is_read_elsewhere(project, session):
    reply = project.call(
        "POST",
        "/v1/guard/finish",
        {"call_id": "toolu_none", "ok": True, "output": "x" * 3 * MIB},
        token=session.token,
    )
    assert reply.status == 409, reply.body[:500]
    assert "no running call" in reply.json["error"]["message"]
    unharmed(project, session)


def test_readers_end_with_their_server(project):
    """Last: it stops what the others share."""
    found = readers(project)
    assert found
    project.stop()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in found))
