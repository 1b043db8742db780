"""Several gateway processes on one hot tenant: the cap holds, and each of them may die at any moment.

With both stores, real processes and real signals. Not here: what the model's door does in one
process (`test_gateway_*`), the words between relay and server (`tests/unit/runtime/test_relays`).
"""

import contextlib
import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from holdfast.testing.project import SETTINGS, NotStarted, Opened, RunningProject
from tests.postgres import serving
from tests.served import (
    OUT,
    Reader,
    SlowReader,
    alive,
    answered,
    ask,
    body,
    ends_as_if_max_tokens,
    events,
    fake,
    figure,
    fresh_user,
    no_hold_left,
    refused,
    result,
    unharmed,
    until,
    usd,
    within_caps,
)

SLOW = {"words": 5000, "pacing": {"event_interval_ms": 10}}
ORDER = {"order": "7"}
ANSWER_TOKENS = 400
CAP_NUSD = 400_000_000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings(processes: int, store_url: str = "") -> str:
    store = f"store: {{url: '{store_url}'}}\n" if store_url else ""
    gateway = f"gateway: {{processes: {processes}, port: {free_port()}}}\n"
    fast = SETTINGS.replace(
        "SCRIPTED_UPSTREAM_KEY}", "SCRIPTED_UPSTREAM_KEY, max_tokens_per_s: 512}"
    )
    loop = "  loop: {max_turns: 1000}\n"
    return fast.replace("defaults:\n", "defaults:\n" + loop) + gateway + store


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Iterator[RunningProject]:
    with RunningProject(tmp_path_factory.mktemp("p"), settings=settings(2)) as running:
        yield running


@pytest.fixture
def session(project):
    return project.open(user=fresh_user())


def through(project: RunningProject, session: Opened, request: Any) -> Any:
    """One call through the relays."""
    return ask(project, session, request, url=project.model_url)


def streaming(project: RunningProject, session: Opened) -> Reader:
    """A stream through a relay, that has begun and has long to go."""
    request = body(SLOW, stream=True) | {"max_tokens": 8000}
    reader = Reader(project, session, request, project.model_url)
    until(lambda: len(reader.seen) > 800)
    return reader


def relays(project: RunningProject) -> list[int]:
    """The processes of the relays: children of the server that were started as such."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if not folder.name.isdecimal():
                continue
            parent = (folder / "stat").read_text().rsplit(")", 1)[1].split()[1]
            command = (folder / "cmdline").read_bytes()
            if parent == str(project.pid) and b"holdfast.apps.relay" in command:
                found.append(int(folder.name))
    return found


def carrier(project: RunningProject, reader: Reader) -> int:
    """The relay whose socket is the other end of a reader's."""
    # Its own port, too: elsewhere on the machine the same number may be somebody else's.
    ends = [f":{urlsplit(project.model_url).port:04X}", f":{reader.port:04X}"]
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    [inode] = [line[9] for line in lines if [end[-5:] for end in line[1:3]] == ends]
    for pid in relays(project):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if f"socket:[{inode}]" == str(descriptor.readlink()):
                    return pid
    raise AssertionError("no relay has this connection")


def cap(project: RunningProject, session: Opened, usd_nano: int) -> None:
    asked = {"scope": "session", "owner": f"acme/{session.session_id}", "dimension": "usd"}
    asked |= {"window": "life", "limit": usd_nano, "reason": "a test"}  # type: ignore[dict-item]
    reply = project.call("PUT", "/v1/budgets", asked)
    assert reply.status == 200, reply.body


def gateway(project: RunningProject) -> str:
    found: str = project.call("GET", "/healthz", token="").json["gateway"]
    return found


def settled(project: RunningProject, session: Opened) -> list[dict[str, Any]]:
    # What ended a stream is queued, not awaited; opening a session waits for all before it.
    project.open(user=fresh_user())
    return project.records(session=session.session_id, kind="model_call.settled")


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_four_relays_spend_one_cap_to_its_end_and_never_past_it(tmp_path, store, request):
    url = request.getfixturevalue("postgres").new_database() if store == "postgres" else ""
    with RunningProject(tmp_path, settings=settings(4, url)) as project:
        session = project.open()
        cap(project, session, CAP_NUSD)
        seen: list[int] = []

        def burst() -> None:
            for _ in range(4):
                turn = {"text": "word " * ANSWER_TOKENS}
                asked = body(turn, stream=True) | {"max_tokens": 2 * ANSWER_TOKENS}
                seen.append(through(project, session, asked).status)

        callers = [threading.Thread(target=burst) for _ in range(24)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(60)
        no_hold_left(project, session)
        account = usd(project, session)
        assert set(seen) == {200, 402}, seen
        assert account["settled"] <= CAP_NUSD
        assert account["settled"] >= CAP_NUSD * 9 // 10
        assert account["settled"] == sum(r["cost_nusd"] for r in settled(project, session))
        assert gateway(project) == "4 of 4"
        unharmed(project, session)


def test_a_relay_that_is_killed_is_charged_in_full_and_started_again(project, session):
    mine = streaming(project, session)
    other_session = project.open(user=fresh_user())
    other = streaming(project, other_session)
    doomed = carrier(project, mine)
    while carrier(project, other) == doomed:
        other = streaming(project, other_session)
    held = usd(project, session)["held"]
    os.kill(doomed, signal.SIGKILL)
    mine.join(10)
    assert mine.broken
    until(lambda: not usd(project, session)["held"])
    [record] = settled(project, session)
    assert record["body"]["ended"] == "lost: the relay that carried it is gone"
    # Tranches may have been held between the look and the kill.
    assert usd(project, session)["settled"] >= held
    within_caps(project, session)
    had = len(other.seen)
    until(lambda: len(other.seen) > had)
    until(lambda: gateway(project) == "2 of 2", 60)
    assert doomed not in relays(project)
    assert through(project, session, body({"text": "on"})).status == 200
    project.call("POST", f"/v1/sessions/{other_session.session_id}/kill", {"reason": "over"})
    other.whole()


def test_a_relay_that_stands_still_is_charged_in_full_ended_and_started_again(project, session):
    reader = streaming(project, session)
    frozen = carrier(project, reader)
    os.kill(frozen, signal.SIGSTOP)
    until(lambda: not usd(project, session)["held"], 60)
    [record] = settled(project, session)
    assert record["body"]["ended"].startswith("lost:")
    until(lambda: not alive(frozen), 60)
    reader.join(10)
    assert reader.broken
    until(lambda: gateway(project) == "2 of 2", 60)
    assert through(project, session, body({"text": "on"})).status == 200


def test_a_relay_that_stood_still_for_a_moment_goes_on(project, session):
    reader = streaming(project, session)
    frozen = carrier(project, reader)
    os.kill(frozen, signal.SIGSTOP)
    time.sleep(1.5)
    os.kill(frozen, signal.SIGCONT)
    had = len(reader.seen)
    until(lambda: len(reader.seen) > had + 2_000)
    project.call("POST", f"/v1/sessions/{session.session_id}/kill", {"reason": "over"})
    ends_as_if_max_tokens(reader.whole())
    assert len(settled(project, session)) == 1


def test_a_killed_session_streams_no_further_through_a_relay(project, session):
    reader = streaming(project, session)
    path = f"/v1/sessions/{session.session_id}/kill"
    receipt = project.call("POST", path, {"reason": "a test"}).json
    assert any(one["lever"] == "streams" and one["ok"] for one in receipt["levers"]), receipt
    ends_as_if_max_tokens(reader.whole())
    refused(through(project, session, body({"text": "x"})), 403, "permission_error", says="killed")
    no_hold_left(project, session)
    assert settled(project, session)[-1]["body"]["ended"].startswith("cut: ")


def test_a_relay_that_does_not_confirm_a_kill_is_ended_and_what_it_took_along_is_named(
    project, session
):
    mine = streaming(project, session)
    frozen = carrier(project, mine)
    sibling = project.open(user=fresh_user())
    while carrier(project, streaming(project, sibling)) != frozen:
        # Whoever the other relay carries is out of the way before anything is measured.
        project.call("POST", f"/v1/sessions/{sibling.session_id}/kill", {"reason": "elsewhere"})
        sibling = project.open(user=fresh_user())
    os.kill(frozen, signal.SIGSTOP)
    had = len(mine.seen)
    path = f"/v1/sessions/{session.session_id}/kill"
    receipt = project.call("POST", path, {"reason": "a test"}).json
    figure(f"killed in {receipt['total_ms']:.1f} ms with its relay standing still")
    [confirm] = [one for one in receipt["levers"] if one["lever"] == "confirm"]
    assert confirm["ok"], receipt
    assert "1 relays did not confirm" in confirm["detail"]
    assert receipt["taken_along"] == [sibling.session_id]
    assert receipt["total_ms"] < 1000
    # What the client's machine had taken before is all that it ever gets.
    until(lambda: not alive(frozen), 60)
    mine.join(10)
    assert mine.broken
    assert b"message_stop" not in mine.seen[had:]
    for one in (session, sibling):
        no_hold_left(project, one)
        [record] = settled(project, one)
        assert record["body"]["ended"].startswith("lost:")
    assert project.view(sibling.session_id)["state"] == "active"
    until(lambda: gateway(project) == "2 of 2", 60)
    assert through(project, sibling, body({"text": "on"})).status == 200


@pytest.mark.parametrize("stream", [True, False])
def test_what_a_slow_reader_has_not_taken_from_a_relay_is_discarded(project, session, stream):
    turn = {"text": "word " * 400_000}
    asked = body(turn, stream=stream) | {"max_tokens": 500_000}
    reader = SlowReader(project, session, asked, project.model_url)
    assert reader.some().startswith(b"HTTP/1.1 200")
    until(lambda: project.view(session.session_id)["streams"] == 1)
    time.sleep(1)
    path = f"/v1/sessions/{session.session_id}/kill"
    receipt = project.call("POST", path, {"reason": "a test"}).json
    assert all(one["ok"] for one in receipt["levers"]), receipt
    assert receipt["taken_along"] == []
    came, broken = reader.rest()
    figure(f"{came} bytes came after the kill")
    assert broken
    assert came < 64 * 1024


def test_a_tool_call_that_went_through_a_relay_is_decided_by_the_guard(project, session):
    asked = body({"tools": [{"tool": "lookup", "input": ORDER}]}, {"text": "done"}, stream=True)
    seen = events(through(project, session, asked).body)
    [block] = [
        e["content_block"]
        for e in seen
        if e["type"] == "content_block_start" and e["content_block"]["type"] == "tool_use"
    ]
    ruling = project.decide(session, block["id"], "lookup", ORDER).json
    assert ruling["verdict"] == "allow", ruling
    forged = project.decide(session, "toolu_forged", "lookup", ORDER)
    assert forged.status != 200
    sent = answered([{**block, "input": ORDER}], result(block["id"], "order 7"))
    sent["messages"][0]["content"] = fake({"text": "x"}, {"text": "on"})
    reply = through(project, session, sent)
    assert reply.status == 200, reply.body


def test_a_result_without_a_permit_stops_the_session_through_a_relay_too(project, session):
    asked = body({"tools": [{"tool": "lookup", "input": ORDER}]}, {"text": "done"})
    blocks = through(project, session, asked).json["content"]
    [call] = [block for block in blocks if block["type"] == "tool_use"]
    sent = answered(blocks, result(call["id"]))
    refused(through(project, session, sent), 403, says="without a permit")
    assert project.view(session.session_id)["state"] == "stopped"


def test_a_call_of_nobodys_is_refused_through_a_relay_and_stops_nothing(project, session):
    sent = answered(
        [{"type": "tool_use", "id": "toolu_1", "name": "lookup", "input": ORDER}],
        result("toolu_1"),
    )
    error = refused(through(project, session, sent), 400, "invalid_request_error", says="--parent")
    assert error["code"] == "history_unknown"
    assert project.view(session.session_id)["state"] == "active"
    unharmed(project, session)


def test_a_cap_lowered_under_a_relays_stream_cuts_it_and_the_next_call_is_402(project, session):
    turn = {"words": 30_000, "pacing": {"event_interval_ms": 3}}
    asked = body(turn, stream=True) | {"max_tokens": 30_000}
    reader = Reader(project, session, asked, project.model_url)
    until(lambda: len(reader.seen) > 2000)
    cap(project, session, usd(project, session)["held"])
    ends_as_if_max_tokens(reader.whole())
    no_hold_left(project, session)
    within_caps(project, session)
    assert settled(project, session)[-1]["body"]["ended"].startswith("cut: budget_exceeded")
    cap(project, session, usd(project, session)["settled"])
    refused(through(project, session, body({"text": "x"})), 402, "billing_error")


def test_refusals_read_the_same_through_a_relay_and_without_one(project, session):
    cap(project, session, 1)
    for asked in (
        body({"text": "x"}),
        body({"text": "x"}, model="nobody-knows"),
        {"model": "claude-opus-5-5"},
        "no object",
    ):
        plain, relayed = ask(project, session, asked), through(project, session, asked)
        assert plain.status == relayed.status
        assert plain.json["error"] == relayed.json["error"]
        told = ("x-should-retry", "retry-after")
        assert [plain.headers.get(h) for h in told] == [relayed.headers.get(h) for h in told]
    bad = project.call("POST", "/v1/messages", {}, token="hfs_nobody", url=project.model_url)
    refused(bad, 401, "authentication_error")
    other = project.call("GET", "/v1/sessions", token=session.token, url=project.model_url)
    refused(other, 404, "not_found_error")


def test_a_client_that_leaves_a_relay_closes_the_upstream_and_pays_a_bound(project, session):
    line = project.connection(url=project.model_url)
    headers = {"anthropic-version": "2023-06-01", "x-api-key": session.token}
    line.request("POST", "/v1/messages", json.dumps(body(SLOW, stream=True)), headers)
    assert line.getresponse().read1()
    line.close()
    no_hold_left(project, session)
    [record] = settled(project, session)
    assert record["body"]["ended"] == "abandoned"
    assert 0 < record["cost_nusd"] < 1000 * OUT + 200_000_000


def test_a_server_that_is_killed_is_waited_for_and_come_back_to(tmp_path):
    with RunningProject(tmp_path, settings=settings(2)) as project:
        session = project.open()
        reader = streaming(project, session)
        door = project.model_url
        orphans = relays(project)
        held = usd(project, session)["held"]
        project.stop(signal.SIGKILL)
        ends_as_if_max_tokens(reader.whole())
        reply = ask(project, session, body({"text": "x"}), url=door)
        error = refused(reply, 503, "api_error", says="away")
        assert error["code"] == "unavailable"
        assert reply.headers["x-should-retry"] == "true"
        project.start()
        assert project.model_url == door
        assert usd(project, session)["held"] == 0
        assert usd(project, session)["settled"] >= held
        until(lambda: not any(map(alive, orphans)), 60)
        assert ask(project, session, body({"text": "on"}), url=door).status == 200
        unharmed(project, session)


def test_a_postgres_that_restarts_brings_the_relays_back_on_their_port(tmp_path):
    with serving() as postgres:
        url = postgres.new_database()
        text = re.sub(r"port: \d+}", "port: 0}", settings(2, url))
        with RunningProject(tmp_path, settings=text) as project:
            session = project.open()
            door = project.model_url
            assert through(project, session, body({"text": "x"})).status == 200
            postgres.stop("immediate")
            with contextlib.suppress(OSError):
                assert through(project, session, body({"text": "x"})).status >= 500
            postgres.start()

            def served() -> bool:
                with contextlib.suppress(OSError):
                    return ask(project, session, body({"text": "on"}), url=door).status == 200
                return False

            until(served, 40)
            # Relays answer a moment before the server says that it is ready.
            until((project.state / "server.json").exists, 60)
            assert project.model_url == door
            no_hold_left(project, session)


def test_a_server_that_stops_leaves_no_relay_behind_and_settles_what_was_seen(tmp_path):
    with RunningProject(tmp_path, settings=settings(2)) as project:
        session = project.open()
        reader = streaming(project, session)
        known = relays(project)
        assert len(known) == 2
        assert project.stop() == 0
        ends_as_if_max_tokens(reader.whole())
        assert not any(map(alive, known))
        project.start()
        [record] = settled(project, session)
        assert record["body"]["ended"].startswith("cut: unavailable"), record


def test_a_port_that_is_taken_keeps_the_server_from_starting(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        text = re.sub(r"port: \d+}", f"port: {other.getsockname()[1]}}}", settings(2))
        project = RunningProject(tmp_path, settings=text)
        with pytest.raises(NotStarted) as failed:
            project.start()
        project.close()
    assert failed.value.code == 9
    assert "cannot listen" in failed.value.said
