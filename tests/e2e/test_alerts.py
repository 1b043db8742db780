"""Alerts at a real receiver: each threshold once, signed, tried again, and never in the way."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from holdfast.backends.channels.webhook import signature
from holdfast.testing.project import SETTINGS, NotStarted, RunningProject

SECRET = "a shared secret of the receiver"
ALERTS = """alerts:
  oncall: {url_env: ALERT_URL, secret_env: ALERT_SECRET}
  chat: {url_env: CHAT_URL, secret_env: ALERT_SECRET, format: slack}
"""


class Receiver:
    """What arrived, by path: headers and body; `fails` answers 500 first."""

    def __init__(self, fails: int = 0) -> None:
        self.seen: list[tuple[str, dict[str, str], bytes, int]] = []
        self.fails = fails
        self.url = ""

    def told(self, path: str) -> list[dict[str, Any]]:
        """Messages that were answered with 200, in order."""
        return [json.loads(b) for p, _, b, status in self.seen if p == path and status == 200]


@contextmanager
def receiving(fails: int = 0) -> Iterator[Receiver]:
    """A receiver on the loopback."""
    receiver = Receiver(fails)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            failing = self.path == "/all" and receiver.fails > 0
            receiver.fails -= failing
            status = 500 if failing else 200
            fields = {name.lower(): value for name, value in self.headers.items()}
            receiver.seen.append((self.path, fields, body, status))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """The test's output stays readable."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


def environment(url: str) -> dict[str, str]:
    return {"ALERT_URL": f"{url}/all", "CHAT_URL": f"{url}/chat", "ALERT_SECRET": SECRET}


def spend(project: RunningProject) -> str:
    """Model calls until the session's cap of two cents refuses; the session's id."""
    session = project.open(user="ann", limits={"usd": "0.02"})
    body = {
        "model": "claude-opus-5-5",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": 'FAKE:[{"text":"' + "word " * 60 + '"}]'}],
    }
    replies = [
        project.call(
            "POST",
            "/v1/messages",
            body,
            token=session.token,
            headers={"anthropic-version": "2023-06-01"},
        )
        for _ in range(20)
    ]
    assert replies[-1].status == 402, replies[-1].json
    return session.session_id


def percents(receiver: Receiver, session: str) -> list[int]:
    told = [m for m in receiver.told("/all") if m["kind"] == "budget.alert"]
    mine = [m["fields"] for m in told if m["session"] == session]
    return [
        f["percent"]
        for f in mine
        if f["account"].startswith("session:") and ":usd:" in f["account"]
    ]


def wait_for(done: Any, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not done() and time.monotonic() < until:
        time.sleep(0.05)


def test_each_threshold_arrives_once_signed_also_at_a_receiver_that_fails_at_first(
    tmp_path: Path,
) -> None:
    with (
        receiving(fails=2) as receiver,
        RunningProject(
            tmp_path, settings=SETTINGS + ALERTS, environment=environment(receiver.url)
        ) as project,
    ):
        session = spend(project)
        wait_for(lambda: 100 in percents(receiver, session))
        found = percents(receiver, session)
        assert found == sorted(set(found))
        assert {50, 80, 100} <= set(found)
        for _, fields, body, _ in receiver.seen:
            stamp = fields["x-holdfast-timestamp"]
            assert fields["x-holdfast-signature"] == signature(SECRET, stamp, body)
            assert signature("another secret", stamp, body) != fields["x-holdfast-signature"]
        assert any(status == 500 for _, _, _, status in receiver.seen)
        assert all(set(m) == {"text"} and m["text"] for m in receiver.told("/chat"))
        assert receiver.told("/chat")


def test_a_kill_is_told_and_a_receiver_that_is_away_changes_nothing(tmp_path: Path) -> None:
    with receiving() as receiver:
        away = environment("http://127.0.0.1:9") | {"ALERT_URL": f"{receiver.url}/all"}
        with RunningProject(tmp_path, settings=SETTINGS + ALERTS, environment=away) as project:
            session = project.open(user="ann")
            killed = project.call(
                "POST", f"/v1/sessions/{session.session_id}/kill", {"reason": "enough"}
            )
            assert killed.status == 200
            wait_for(lambda: receiver.told("/all"))
            message = receiver.told("/all")[0]
            assert (message["kind"], message["session"]) == ("session.killed", session.session_id)
            assert project.call("GET", "/healthz", token="").json["status"] == "ok"


MAIL = """alerts:
  oncall: {url_env: ALERT_URL, secret_env: ALERT_SECRET, kinds: [session.killed]}
  gone: {url_env: GONE_URL, secret_env: ALERT_SECRET, hard_only: true}
  post: {url_env: MAIL_URL, format: email, from: holdfast@acme.example, to: [ops@acme.example]}
"""


class Letters:
    """What a mail server took."""

    def __init__(self) -> None:
        self.came: list[str] = []

    async def handle_DATA(  # noqa: N802 - the server calls it so
        self, _: Any, __: Any, envelope: Any
    ) -> str:
        self.came.append(envelope.content.decode())
        return "250 taken"


@contextmanager
def mailing() -> Iterator[tuple[Letters, str]]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    letters = Letters()
    server = Controller(letters, hostname="127.0.0.1", port=port)
    server.start()
    try:
        yield letters, f"smtp://127.0.0.1:{port}"
    finally:
        server.stop()


def alerts(project: RunningProject, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "holdfast.apps.cli.main", "alerts", *words]
    command += ["-C", str(project.folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_receivers_are_tried_by_hand_and_told_by_their_rules_also_by_e_mail(tmp_path: Path) -> None:
    with receiving() as receiver, mailing() as (letters, url):
        known = environment(receiver.url) | {"GONE_URL": "http://127.0.0.1:9", "MAIL_URL": url}
        with RunningProject(tmp_path, settings=SETTINGS + MAIL, environment=known) as project:
            tried = alerts(project, "test")
            assert tried.returncode == 9, tried.stderr
            assert tried.stdout.splitlines() == [
                "✓ oncall: it answered 200",
                "✗ gone: no answer (ConnectionRefusedError)",
                "✓ post: the mail server took it",
            ]
            one = alerts(project, "test", "post")
            assert (one.returncode, len(letters.came)) == (0, 2), one.stderr
            unknown = alerts(project, "test", "nobody")
            assert "no receiver `nobody` is configured" in unknown.stderr
            session = spend(project)
            project.call("POST", f"/v1/sessions/{session}/kill", {"reason": "enough"})
            wait_for(lambda: receiver.told("/all")[1:])
            assert [m["kind"] for m in receiver.told("/all")] == ["alerts.test", "session.killed"]
            wait_for(lambda: "session.killed" in "".join(letters.came))
            assert any("Subject: [holdfast] budget.alert desk" in one for one in letters.came)
            shown = alerts(project, "list").stdout
            assert "post" in shown


def test_a_variable_that_is_not_set_is_told_at_the_start(tmp_path: Path) -> None:
    project = RunningProject(tmp_path, settings=SETTINGS + ALERTS, environment={})
    with pytest.raises(NotStarted) as refused:
        project.start()
    project.close()
    assert "ALERT_URL" in str(refused.value.said)
