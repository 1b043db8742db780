"""Spending keys on a running server: their budget, their end, at the server and at a relay.

Not here: each thing that a key must not do (`tests/unit/apps/control/test_keys.py`).
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from holdfast.client import connect
from holdfast.errors import KeyEnded, KeyRefused, Unauthenticated
from holdfast.testing.project import Opened, RunningProject
from tests.e2e.test_relays import settings
from tests.served import OUT, Reader, ask, body, events, no_hold_left, refused, until, within_caps

SLOW = {"words": 5000, "pacing": {"event_interval_ms": 10}}
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProject]:
    with RunningProject(tmp_path_factory.mktemp("p"), settings=settings(1)) as running:
        yield running


def added(project: RunningProject, name: str, budget: str = "usd=5.00", **more: Any) -> str:
    asked = {"name": name, "agent": "desk", "users": ["ann"], "budget": [budget]} | more
    reply = project.call("POST", "/v1/keys", asked)
    assert reply.status == 200, reply.body
    token: str = reply.json["token"]
    return token


def opened(project: RunningProject, token: str) -> Opened:
    reply = project.call("POST", "/v1/sessions", {}, token=token)
    assert reply.status == 200, reply.body
    found = reply.json
    return Opened(found["session"]["session_id"], found["token"], found["plan"])


def shown(project: RunningProject, name: str) -> dict[str, Any]:
    found: dict[str, Any] = project.call("GET", f"/v1/keys/{name}").json
    return found


def revoked(project: RunningProject, name: str) -> list[str]:
    stopped: list[str] = project.call("POST", f"/v1/keys/{name}/revoke", {}).json["stopped"]
    return stopped


def streaming(project: RunningProject, session: Opened, url: str) -> Reader:
    reader = Reader(project, session, body(SLOW, stream=True) | {"max_tokens": 8000}, url)
    until(lambda: len(reader.seen) > 800)
    return reader


def test_forty_sessions_of_one_key_at_once_spend_what_it_has_and_no_more(project):
    limit = 40_000_000
    token = added(project, "crowd", "usd=0.04")
    sessions = [opened(project, token) for _ in range(40)]

    def work(number: int) -> int:
        url = project.model_url if number % 2 else project.url
        request = body({"words": 80}) | {"max_tokens": 200}
        return ask(project, sessions[number], request, url=url).status

    with ThreadPoolExecutor(16) as many:
        statuses = list(many.map(work, range(40)))
    assert set(statuses) == {200, 402}
    for session in (sessions[0], sessions[-1]):
        no_hold_left(project, session)
        within_caps(project, session)
    (account,) = shown(project, "crowd")["budget"]
    assert (account["limit"], account["held"]) == (limit, 0)
    assert limit - 200 * OUT <= account["settled"] <= limit
    refusal = ask(project, sessions[0], body({"words": 80}) | {"max_tokens": 2000})
    refused(refusal, 402, says="key usd (life) is capped at $0.0400")


@pytest.mark.parametrize("door", ["server", "relay"])
def test_a_revoked_key_cuts_what_streams_and_stops_what_it_opened(project, door):
    url = project.model_url if door == "relay" else project.url
    name = f"leaked-at-{door}"
    token = added(project, name)
    session, other = opened(project, token), opened(project, added(project, f"kept-at-{door}"))
    reader = streaming(project, session, url)
    assert revoked(project, name) == [session.session_id]
    reader.join(5)
    assert not reader.is_alive()
    assert events(reader.seen)
    refusal = ask(project, session, body({"text": "more"}), url=url)
    refused(refusal, 403, says=f"the key `{name}` was revoked")
    ruling = project.decide(session, "toolu_1", "Read", {"file_path": "a"})
    assert f"the key `{name}` was revoked" in ruling.body.decode()
    again = project.call("POST", "/v1/sessions", {}, token=token)
    assert (again.status, again.json["error"]["code"]) == (403, "key_ended")
    assert project.view(session.session_id)["state"] == "stopped"
    assert ask(project, other, body({"text": "fine"}), url=url).status == 200
    no_hold_left(project, session)


def test_a_key_that_expires_ends_what_streams(project):
    session = opened(project, added(project, "short", ttl_s=4))
    reader = streaming(project, session, project.model_url)
    reader.join(15)
    assert not reader.is_alive()
    view = project.view(session.session_id)
    assert (view["state"], view["state_reason"]) == ("stopped", "the key `short` expired")


def test_a_key_and_what_it_spent_outlive_kill_9(tmp_path):
    with RunningProject(tmp_path) as project:
        token, gone = added(project, "crash", "usd=0.50"), added(project, "gone")
        session, lost = opened(project, token), opened(project, gone)
        assert ask(project, session, body({"words": 50})).status == 200
        no_hold_left(project, session)
        revoked(project, "gone")
        before = shown(project, "crash")
        project.stop(signal.SIGKILL)
        project.start()
        assert shown(project, "crash") == before
        assert before["budget"][0]["settled"] > 0
        assert (before["opened"], before["used_at_ns"] > 0) == (1, True)
        assert ask(project, session, body({"text": "on"})).status == 200
        refused(ask(project, lost, body({"text": "on"})), 403, says="`gone` was revoked")
        assert opened(project, token).token
        state = b"".join(p.read_bytes() for p in project.state.iterdir() if p.is_file())
        assert token.encode() not in state
        assert token not in project.said()


def test_the_typed_client_opens_by_the_key_and_is_refused_all_else(project, monkeypatch):
    monkeypatch.setenv("HOLDFAST_KEY", added(project, "typed"))

    async def main() -> None:
        async with connect(project_dir=project.folder) as holdfast:
            session = await holdfast.sessions.open()
            view = await session.view()
            assert (view.agent, view.user, view.key) == ("desk", "ann", "typed")
            await session.end()
            with pytest.raises(KeyRefused, match="opens sessions, and does nothing else"):
                await holdfast.sessions.list()
            with pytest.raises(KeyRefused, match="for the user `ann` alone"):
                await holdfast.sessions.open(user="carol")
        async with connect(project_dir=project.folder, spends=False) as operator:
            fresh = await operator.keys.rotate("typed")
            assert fresh.key.rotated_at_ns
            async with connect(project_dir=project.folder) as holdfast:
                with pytest.raises(Unauthenticated):
                    await holdfast.sessions.open()
            monkeypatch.setenv("HOLDFAST_KEY", fresh.token)
            async with connect(project.url) as holdfast:
                await holdfast.sessions.open(agent="desk")
            assert [k.name for k in await operator.keys.list() if k.name == "typed"] == ["typed"]
            assert (await operator.keys.show("typed")).opened == 2
            await operator.keys.revoke("typed", "over")
            async with connect(project.url) as holdfast:
                with pytest.raises(KeyEnded, match="was revoked"):
                    await holdfast.sessions.open()

    asyncio.run(main())


def command(project: RunningProject, *words: str, **variables: str) -> tuple[int, str, str]:
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src"), "HOME": "/nowhere"}
    done = subprocess.run(
        [sys.executable, "-m", "holdfast.apps.cli.main", *words],
        cwd=project.folder,
        env=known | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command_prints_a_key_once_and_nothing_shows_it_again(project):
    words = ("--agent", "desk", "--user", "ann", "--budget", "usd=1.00/day", "--ttl", "12h")
    code, out, said = command(project, "keys", "add", "cli", *words)
    token = out.strip()
    assert (code, token[:4], len(token)) == (0, "hfk_", 56), said
    assert token not in said
    for verb in (("list",), ("show", "cli"), ("list", "--json"), ("show", "cli", "--json")):
        code, out, said = command(project, "keys", *verb)
        assert (code, said) == (0, "")
        assert "cli" in out
        assert token not in out
    assert command(project, "keys", "add", "cli", *words)[0] == 2
    assert command(project, "keys", "add", "x", *words[:-1], "soon")[0] == 2
    by_key = command(project, "sessions", "open", "--agent", "desk", "--json", HOLDFAST_KEY=token)
    assert by_key[0] == 0, by_key
    view = project.view(json.loads(by_key[1])["session_id"])
    assert (view["user"], view["key"]) == ("ann", "cli")
    other = command(project, "sessions", "open", "--agent", "other", HOLDFAST_KEY=token)
    assert (other[0], "for the agent `desk` alone" in other[2]) == (3, True), other
    # An operator's command looks for no key.
    assert command(project, "sessions", "list", HOLDFAST_KEY=token)[0] == 0
    code, out, _ = command(project, "keys", "revoke", "cli", "--reason", "done", HOLDFAST_KEY=token)
    assert (code, view["session_id"] in out) == (0, True)


def test_a_first_start_says_how_a_key_is_made(tmp_path):
    with RunningProject(tmp_path) as project:
        assert "`holdfast keys add NAME --agent desk --budget usd=5.00/day`" in project.said()
        project.stop()
        first = project.said()
        project.start()
        assert "holdfast keys add" not in project.said()[len(first) :]
