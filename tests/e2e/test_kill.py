"""A kill at every moment: streaming, waiting, running a tool, being decided, paused, restarted."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from holdfast.testing.project import Opened, RunningProject
from tests.served import (
    Reader,
    SlowReader,
    alive,
    ask,
    body,
    emitted,
    ends_as_if_max_tokens,
    events,
    figure,
    fresh_user,
    refused,
    turned_down,
    unharmed,
    until,
)

SLOW = {"words": 5000, "pacing": {"event_interval_ms": 10}}
LEVERS = {"refuse", "streams", "journal", "processes"}
ORDER = {"order": "7"}
SLEEPER = textwrap.dedent(
    """
    import os, subprocess, sys, time
    # As a tool does it: in a process session of its own, out of reach of a killpg.
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    print(child.pid, flush=True)
    time.sleep(600)
    """
)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Iterator[RunningProject]:
    with RunningProject(tmp_path_factory.mktemp("p")) as running:
        yield running


@pytest.fixture
def session(project):
    return project.open(user=fresh_user())


@pytest.fixture
def sibling(project):
    return project.open(user=fresh_user())


def kill(project: RunningProject, session: Opened) -> dict[str, Any]:
    """Kill it; every lever must have been pulled."""
    path = f"/v1/sessions/{session.session_id}/kill"
    reply = project.call("POST", path, {"reason": "a test"})
    assert reply.status == 200, reply.body
    receipt: dict[str, Any] = reply.json
    assert receipt["state"] == "killed"
    assert {lever["lever"] for lever in receipt["levers"]} >= LEVERS, receipt
    assert all(lever["ok"] for lever in receipt["levers"]), receipt
    figure(f"killed in {receipt['total_ms']:.1f} ms")
    return receipt


def is_dead(project: RunningProject, session: Opened) -> None:
    """The token opens nothing that could act."""
    refused(ask(project, session, body({"text": "x"})), 403, "permission_error", says="killed")
    models = project.call("GET", "/v1/models", token=session.token)
    refused(models, 403, "permission_error", says="killed")
    asked = {"call_id": "toolu_x", "tool": "lookup", "arguments": ORDER}
    reply = project.call("POST", "/v1/guard/decide", asked, token=session.token)
    turned_down(reply, 403, "session_stopped")
    assert project.view(session.session_id)["state"] == "killed"
    assert project.view(session.session_id)["streams"] == 0


def streaming(project: RunningProject, session: Opened) -> Reader:
    """A stream that has begun and has long to go."""
    reader = Reader(project, session, body(SLOW, stream=True) | {"max_tokens": 8000})
    until(lambda: len(reader.seen) > 800)
    return reader


def goes_on(project: RunningProject, session: Opened, reader: Reader) -> None:
    """The stream of another session still brings bytes, and ends with its session."""
    had = len(reader.seen)
    until(lambda: len(reader.seen) > had)
    kill(project, session)
    reader.whole()


def levers(receipt: dict[str, Any]) -> dict[str, str]:
    return {lever["lever"]: lever["detail"] for lever in receipt["levers"]}


def test_a_kill_while_it_streams_ends_the_stream_and_no_other(project, session, sibling):
    mine, other = streaming(project, session), streaming(project, sibling)
    upstream = next(
        r
        for r in project.model.message_requests
        if r.message_id and r.message_id.encode() in mine.seen
    )
    receipt = kill(project, session)
    assert levers(receipt)["streams"].startswith("1 ")
    ends_as_if_max_tokens(mine.whole())
    seen = len(mine.seen)
    until(lambda: upstream.client_disconnected_at)
    is_dead(project, session)
    assert len(mine.seen) == seen
    assert project.view(sibling.session_id)["state"] == "active"
    goes_on(project, sibling, other)
    unharmed(project, session)


@pytest.mark.parametrize("stream", [True, False])
def test_what_a_slow_reader_has_not_taken_yet_is_discarded(project, session, sibling, stream):
    other = streaming(project, sibling)
    turn = {"text": "word " * 400_000}
    reader = SlowReader(project, session, body(turn, stream=stream) | {"max_tokens": 500_000})
    assert reader.some().startswith(b"HTTP/1.1 200")
    # The provider is done, and all that there is waits on this machine.
    until(lambda: project.view(session.session_id)["streams"] == 1)
    time.sleep(1)
    kill(project, session)
    came, broken = reader.rest()
    figure(f"{came} bytes came after the kill")
    assert broken
    assert came < 64 * 1024
    is_dead(project, session)
    goes_on(project, sibling, other)


def test_a_reader_that_keeps_up_gets_the_whole_of_an_answer_that_closes_its_connection(
    project, session
):
    for stream in (True, False):
        text = "word " * 20_000
        asked = body({"text": text}, stream=stream) | {"max_tokens": 30_000}
        reply = ask(project, session, asked, headers={"connection": "close"})
        assert reply.status == 200
        if stream:
            deltas = [e["delta"] for e in events(reply.body) if e["type"] == "content_block_delta"]
            assert "".join(d["text"] for d in deltas) == text
        else:
            assert reply.json["content"][0]["text"] == text


@pytest.mark.parametrize("stream", [True, False])
def test_a_kill_while_the_provider_has_not_answered_yet_ends_the_call(project, session, stream):
    turn = {"text": "late", "fault": {"hang_before_headers_s": 60}}
    replies: list[Any] = []
    before = len(project.model.message_requests)
    call = threading.Thread(
        target=lambda: replies.append(ask(project, session, body(turn, stream=stream)))
    )
    call.start()
    until(lambda: len(project.model.message_requests) > before)
    upstream = project.model.message_requests[-1]
    until(lambda: upstream.raw)
    kill(project, session)
    call.join(5)
    assert not call.is_alive()
    refused(replies[0], 403, "permission_error", says="killed")
    until(lambda: upstream.client_disconnected_at)
    is_dead(project, session)
    unharmed(project, session)


def test_a_kill_while_an_answer_is_made_in_one_piece_gives_none_of_it(project, session):
    turn = {"text": "secret", "fault": {"hang_after_events": 1, "hang_s": 60}}
    replies: list[Any] = []
    before = len(project.model.message_requests)
    call = threading.Thread(target=lambda: replies.append(ask(project, session, body(turn))))
    call.start()
    until(lambda: len(project.model.message_requests) > before)
    kill(project, session)
    call.join(5)
    assert not call.is_alive()
    assert b"secret" not in replies[0].body
    refused(replies[0], 403, "permission_error", says="killed")
    unharmed(project, session)


def test_a_kill_ends_the_sessions_processes_and_their_detached_children(project, session, sibling):
    def started(one: Opened) -> tuple[subprocess.Popen[str], int]:
        running = subprocess.Popen(
            [sys.executable, "-c", SLEEPER],
            env={"PATH": os.environ["PATH"], "HOLDFAST_SESSION": one.session_id},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert running.stdout is not None
        return running, int(running.stdout.readline())

    mine, child = started(session)
    other, kept = started(sibling)
    try:
        [call] = emitted(project, session, {"tool": "lookup", "input": ORDER})
        assert project.decide(session, call["id"], "lookup", ORDER).json["verdict"] == "allow"
        receipt = kill(project, session)
        assert levers(receipt)["processes"].startswith("2 processes ended")
        assert mine.wait(30) == -signal.SIGKILL
        until(lambda: not alive(child))
        assert alive(other.pid)
        assert alive(kept)
        is_dead(project, session)
        unharmed(project, session)
    finally:
        for running, pid in ((mine, child), (other, kept)):
            running.kill()
            running.wait()
            if running.stdout is not None:
                running.stdout.close()
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def test_a_kill_while_a_call_is_being_decided_leaves_no_permit(project, session):
    [call] = emitted(project, session, {"tool": "lookup", "input": ORDER})
    replies: list[Any] = []
    pid = project.policy_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        waiting = threading.Thread(
            target=lambda: replies.append(project.decide(session, call["id"], "lookup", ORDER))
        )
        waiting.start()
        kill(project, session)
        waiting.join(5)
        assert not waiting.is_alive()
    finally:
        os.kill(pid, signal.SIGCONT)
    [reply] = replies
    if reply.status == 200:
        assert (reply.json["verdict"], reply.json["permit"]) == ("deny", "")
    else:
        turned_down(reply, 403, "session_stopped")
    is_dead(project, session)
    until(lambda: project.call("GET", "/healthz", token="").json["policy"] == "ok", 60)
    unharmed(project, session)


def test_a_permit_from_before_the_kill_is_worth_nothing_after_it(project, session):
    [call] = emitted(project, session, {"tool": "lookup", "input": ORDER})
    permit = project.decide(session, call["id"], "lookup", ORDER).json["permit"]
    assert permit
    kill(project, session)
    fields = {"permit": permit, "call_id": call["id"], "tool": "lookup", "arguments": ORDER}
    reply = project.call("POST", "/v1/guard/redeem", fields, token=session.token)
    turned_down(reply, 403, "session_stopped")
    unharmed(project, session)


def test_a_second_kill_says_so_and_changes_nothing(project, session):
    first = kill(project, session)
    assert first["already"] is False
    second = kill(project, session)
    assert second["already"] is True
    kinds = [r["kind"] for r in project.records(session=session.session_id)]
    assert kinds.count("session.killed") == 1
    assert kinds.count("kill.receipt") == 2
    is_dead(project, session)


def test_a_paused_session_can_be_killed_and_not_be_resumed(project, session):
    path = f"/v1/sessions/{session.session_id}"
    assert project.call("POST", f"{path}/pause", {"reason": "wait"}).json["state"] == "paused"
    assert kill(project, session)["already"] is False
    turned_down(project.call("POST", f"{path}/resume", {"reason": "go on"}), 409, "conflict")
    is_dead(project, session)


def test_a_kill_of_nobody_is_refused(project, session):
    reply = project.call("POST", "/v1/sessions/ses_nobody/kill", {"reason": "a test"})
    turned_down(reply, 404, "not_found")
    path = f"/v1/sessions/{session.session_id}/kill"
    turned_down(project.call("POST", path, {}, token=session.token), 403)
    assert project.view(session.session_id)["state"] == "active"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_session_is_still_killed_after_a_restart(tmp_path, how):
    with RunningProject(tmp_path) as project:
        dead, other = project.open(), project.open()
        streaming(project, dead)
        kill(project, dead)
        project.stop(how)
        project.start()
        is_dead(project, dead)
        kinds = [r["kind"] for r in project.records(session=dead.session_id)]
        assert "session.killed" in kinds
        assert json.dumps(kinds).count("kill.receipt") == 1
        assert ask(project, other, body({"text": "ok"})).status == 200
        unharmed(project, dead)
