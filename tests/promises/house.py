"""The house in which promises are tried: a server, a worker, a scripted model, a receiver of alerts.

What is seen of it is what operators, models and the world outside see: the control API, the
requests that reached the model, and the lines that tools left in `acts.log`.
"""

import contextlib
import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from typer.testing import CliRunner

from holdfast.apps.cli.main import app
from holdfast.testing.project import RunningProject
from holdfast.testing.scripted_model import Match, Scenario, say
from tests.promises import settings as said
from tests.span_receiver import Receiver as Spans

NOTE = "looked at"
SECRET = "a shared secret of the receiver"
CREDENTIALS = {"POST_ACME": "acme-credential", "POST_GLOBEX": "globex-credential"}
_numbers = itertools.count()
# The chunks of one batch; the third has a topic that there is not. All else is scripted in prompts.
BATCH = [
    Scenario(
        name=f"chunk {n}",
        match=Match(text=f"part {n} of 5"),
        turns=(
            say(
                json.dumps(
                    [
                        {"id": f"r{i}", "topic": "kettles" if i == 250 else "delivery"}
                        for i in range(n * 100 - 100, n * 100)
                    ]
                )
            ),
        ),
    )
    for n in range(1, 6)
]


# What a client that makes its conversation smaller asks for, and how the work goes on after it: its
# last turn stays, so the first of these is had already.
_REST = [
    {"text": "had"},
    {"tool": "mcp__desk__look", "input": {"order": "after"}},
    {"text": "done"},
]
SUMMARY = Scenario(
    name="summary",
    match=Match(text="create a detailed summary"),
    turns=(
        say(
            "<analysis>so far</analysis><summary>{{last_tool_result}} FAKE:"
            + json.dumps(_REST)
            + "</summary>"
        ),
    ),
)


def fresh(prefix: str) -> str:
    """A name that nobody had before, over processes as well."""
    return f"{prefix}{os.getpid()}x{next(_numbers)}"


def until(look: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """What `look` finds, once it finds anything; None where it never does."""
    end = time.monotonic() + timeout_s
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.03)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Receiver:
    """Where alerts are posted; `seen` holds path, headers and body."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                fields = {name.lower(): value for name, value in self.headers.items()}
                receiver.seen.append((self.path, fields, body))
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                """The test's output stays readable."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def told(self, session_id: str, kind: str = "") -> list[dict[str, Any]]:
        """Messages about one session, as their fields."""
        found = [json.loads(body) for path, _, body in list(self.seen) if path == "/all"]
        return [m for m in found if m["session"] == session_id and kind in ("", m["kind"])]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class House:
    """A project that runs until the block ends; with `relays`, models are reached through those."""

    def __init__(
        self,
        folder: Path,
        *,
        relays: int = 0,
        workers: int = 1,
        settings: str = "",
        answers: bool = True,
    ) -> None:
        """`settings`: those of a project that stands in the folder already, with policies.

        `answers`: somebody answers what people are asked, within moments; else it waits for long.
        """
        if not settings:
            folder.mkdir(parents=True, exist_ok=True)
            for file in said.HERE.glob("*.py"):
                shutil.copy(file, folder)
        self.folder = folder
        self.acts_file = folder / "acts.log"
        self.receiver = Receiver()
        self._spans = Spans()
        self._spans.__enter__()
        self._count = workers
        self._operators: dict[str, str] = {}
        self._reviews = answers and not settings
        self._over = threading.Event()
        self.workers: list[subprocess.Popen[bytes]] = []
        urls = {"spans": self._spans.url, "posts": self.receiver.url}
        port = free_port() if relays else 0
        text = settings or said.settings(relays=relays, port=port, answers=answers, **urls)
        self.project = RunningProject(
            folder,
            script=[*BATCH, SUMMARY],
            settings=text.replace(str(said.HERE), str(folder)),
            policies="" if settings else said.policies(),
            environment={
                "ALERT_URL": f"{self.receiver.url}/all",
                "CHAT_URL": f"{self.receiver.url}/chat",
                "ALERT_SECRET": SECRET,
                "PYTHONFAULTHANDLER": "1",
            },
        )

    def __enter__(self) -> Self:
        try:
            self.project.__enter__()
            for _ in range(self._count):
                self.worker()
            if self._reviews:
                threading.Thread(target=self._review, daemon=True).start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _review(self) -> None:
        """Somebody answers each question within moments: no, unless the order begins otherwise."""
        while not self._over.wait(0.2):
            with contextlib.suppress(OSError, http.client.HTTPException, RuntimeError):
                found = self.project.call("GET", "/v1/approvals?state=pending&limit=100")
                for one in found.json["approvals"] if found.status == 200 else []:
                    order = str(one["arguments"].get("order", ""))
                    if not order.startswith("nobody-"):
                        verb = "approve" if order.startswith("yes-") else "deny"
                        path = f"/v1/approvals/{one['approval_id']}/{verb}"
                        self.project.call("POST", path, {"digest": one["digest"], "note": NOTE})

    def questions(self, session_id: str) -> list[dict[str, Any]]:
        """What people were asked about the calls of one session."""
        found = self.project.call("GET", f"/v1/approvals?session={session_id}")
        assert found.status == 200, found.body
        return list(found.json["approvals"])

    def close(self) -> None:
        self._over.set()
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGKILL)
            worker.wait(15)
        self.project.close()
        self.receiver.close()
        self._spans.__exit__()

    def alive(self) -> None:
        """The server runs; one that died is started again for the next, and shows what it said.

        Errors: AssertionError where it had died.
        """
        said = self.project.said()
        try:
            alive = Path(f"/proc/{self.project.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (OSError, RuntimeError):
            alive = "X"
        if alive in ("Z", "X"):
            code = self.project.stop()
            self.project.start("--port", self.project.url.rsplit(":", 1)[1])
            raise AssertionError(f"the server had ended with {code}: {said[-4000:]}")

    def operators(self, *names: str) -> dict[str, str]:
        """Operators by name, each with their token; named once."""
        for name in names:
            if name not in self._operators:
                code, told = cli("operators", "add", name, "-C", str(self.folder))
                assert code == 0, told
                self._operators[name] = told.split()[-1]
        return self._operators

    def worker(self) -> subprocess.Popen[bytes]:
        """One more worker process."""
        command = [sys.executable, "-m", "holdfast.apps.worker", "--project", str(self.folder)]
        started = subprocess.Popen(
            [*command, "--with-parent", str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "DESK_ACTS": str(self.acts_file), **CREDENTIALS},
            start_new_session=True,
        )
        self.workers.append(started)
        return started

    def read_model(self, marker: str) -> list[dict[str, Any]]:
        """The tool results in the longest request of the work that carries the marker."""
        sent = [r.json for r in self.project.model.message_requests if marker.encode() in r.raw]
        found = [results_of(body) for body in sent if isinstance(body, dict)]
        return max(found, key=len, default=[])

    def requests(self, marker: str) -> list[Any]:
        """The requests of the work that reached the provider."""
        return [r for r in self.project.model.message_requests if marker.encode() in r.raw]

    def spans(self, session_id: str) -> list[dict[str, Any]]:
        """Spans of a session as the collector got them: the name, and each attribute by its own."""
        found = []
        for span in self._spans.spans:
            told = {kind.key: kind.value.string_value for kind in span.attributes}
            if session_id in told.values():
                found.append({**told, "name": span.name})
        return found

    def acts(self, name: str, order: str) -> list[list[Any]]:
        """What tools really did: name, order, key, process."""
        lines = self.acts_file.read_text("utf-8").splitlines() if self.acts_file.exists() else []
        return [act for line in lines if (act := json.loads(line))[:2] == [name, order]]


def results_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Each tool result of a request, with its text, whether it is an error, and its call."""
    found, calls = [], {}
    for message in body["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else []:
            if block.get("type") == "tool_use":
                calls[block["id"]] = block
            if block.get("type") == "tool_result":
                call = calls.get(block["tool_use_id"], {})
                content = block.get("content", "")
                if isinstance(content, list):
                    content = "".join(part.get("text", "") for part in content)
                found.append(
                    {
                        "call_id": block["tool_use_id"],
                        "tool": call.get("name", "").removeprefix(said.MCP),
                        "order": str(call.get("input", {}).get("order", "")),
                        "text": content,
                        "error": bool(block.get("is_error")),
                    }
                )
    return found


def cli(*words: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """What `holdfast WORDS` ends with and says, on both of its outputs."""
    done = CliRunner().invoke(app, list(words), env=env)
    return done.exit_code, done.output
