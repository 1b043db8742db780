"""What the end-to-end tests of the running server share: bodies, clients, and what must hold after."""

import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anthropic

from holdfast.testing.project import Opened, Reply, RunningProject

MODEL = "claude-opus-5-5"
IN, OUT, READ, WRITE_5M, WRITE_1H = 4_000, 20_000, 200, 5_000, 8_000  # nano-dollars a token
WEB_SEARCH = 10_000_000  # nano-dollars a request
VERSION = {"anthropic-version": "2023-06-01"}
BASH = {"name": "Bash", "input_schema": {"type": "object"}}
_numbers = itertools.count()


def fresh_user() -> str:
    """A user with accounts of its own."""
    return f"u{next(_numbers)}"


def fake(*turns: Any) -> str:
    """A prompt that carries its own script."""
    return "FAKE:" + json.dumps(turns)


def body(*turns: Any, **fields: Any) -> dict[str, Any]:
    """A request whose answer is scripted in its prompt."""
    messages = [{"role": "user", "content": fake(*turns)}]
    return {"model": MODEL, "max_tokens": 1000, "messages": messages} | fields


def ask(project: RunningProject, session: Opened, request: object, **more: Any) -> Reply:
    """One `POST /v1/messages` without any client library."""
    headers = {**VERSION, **more.pop("headers", {})}
    path = more.pop("path", "/v1/messages")
    return project.call("POST", path, request, token=session.token, headers=headers, **more)


def sdk(project: RunningProject, session: Opened, **more: Any) -> Any:
    """The real client, which retries unless told otherwise here."""
    given: dict[str, Any] = {"api_key": session.token, "max_retries": 0} | more
    return anthropic.Anthropic(base_url=project.url, **given)


def events(raw: bytes) -> list[dict[str, Any]]:
    """The events of a stream; every frame must be whole."""
    assert raw == b"" or raw.endswith(b"\n\n"), raw[-200:]
    frames = [frame for frame in raw.decode().split("\n\n") if frame]
    return [json.loads(frame.split("data: ", 1)[1]) for frame in frames]


def until(holds: Callable[[], Any], timeout_s: float = 30.0) -> Any:
    """The first true answer; fails when there is none."""
    end = time.monotonic() + timeout_s
    while not (found := holds()):
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.01)
    return found


def usd(project: RunningProject, session: Opened, scope: str = "session") -> dict[str, Any]:
    """The innermost dollar account of a scope."""
    found = [
        account
        for account in project.accounts(session.session_id)
        if account["scope"] == scope and account["dimension"] == "usd"
    ]
    return found[0]


def no_hold_left(project: RunningProject, session: Opened) -> None:
    """Every hold of the chain is settled or given back, soon."""
    until(lambda: not any(a["held"] for a in project.accounts(session.session_id)))


def within_caps(project: RunningProject, session: Opened) -> None:
    """Invariant I1, on the whole chain."""
    for account in project.accounts(session.session_id):
        if account["limit"] is not None:
            assert account["settled"] + account["held"] <= account["limit"], account


def unharmed(project: RunningProject, session: Opened) -> None:
    """After a fault: the server answers, wrote no trace, and holds no money of the session."""
    health = project.call("GET", "/healthz", token="")
    assert (health.json["status"], health.json["policy"]) == ("ok", "ok")
    assert "Traceback" not in project.said(), project.said()
    no_hold_left(project, session)
    within_caps(project, session)


def refused(reply: Reply, status: int, kind: str = "", *, says: str = "") -> dict[str, Any]:
    """The reply is a refusal in the Messages API's envelope that no client retries."""
    assert reply.status == status, (reply.status, reply.body[:500])
    found = reply.json
    assert found["type"] == "error", found
    assert found["request_id"] == reply.headers["request-id"], reply.headers
    assert reply.headers["x-should-retry"] in ("true", "false")
    error: dict[str, Any] = found["error"]
    assert not kind or error["type"] == kind, error
    assert says in error["message"], error
    assert "Traceback" not in error["message"], error
    return error


def turned_down(reply: Reply, status: int, code: str = "", *, says: str = "") -> dict[str, Any]:
    """The reply is a refusal in the control API's JSON."""
    assert reply.status == status, (reply.status, reply.body[:500])
    error: dict[str, Any] = reply.json["error"]
    assert not code or error["code"] == code, error
    assert says in error["message"], error
    assert isinstance(error["retryable"], bool)
    assert "Traceback" not in error["message"], error
    return error


def emitted(project: RunningProject, session: Opened, *calls: Any, **fields: Any) -> list[Any]:
    """Let the model call tools; its content blocks."""
    reply = ask(project, session, body({"tools": list(calls)}, {"text": "done"}, **fields))
    assert reply.status == 200, reply.body
    blocks: list[Any] = reply.json["content"]
    return blocks


def answered(blocks: list[Any], *results: Any, **fields: Any) -> dict[str, Any]:
    """The request that sends tool results back after `blocks`."""
    request = body({"tools": []}, {"text": "done"}, **fields)
    request["messages"] += [
        {"role": "assistant", "content": blocks},
        {"role": "user", "content": list(results)},
    ]
    return request


def result(call_id: str, text: Any = "hi", **fields: Any) -> dict[str, Any]:
    """A `tool_result` block."""
    return {"type": "tool_result", "tool_use_id": call_id, "content": text} | fields


def figure(line: str) -> None:
    """A measured figure, shown with `pytest -s`; never a condition by itself."""
    sys.stdout.write(f"\n{line}\n")


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rsplit(")", 1)[1].split()[0] not in ("Z", "X")


def claude(
    project: RunningProject, session: Opened, folder: Path, prompt: str, *arguments: str
) -> tuple[int, dict[str, Any]]:
    """Run the bundled Claude Code with only address and token; its exit code and JSON result."""
    import claude_agent_sdk

    binary = Path(claude_agent_sdk.__file__).parent / "_bundled" / "claude"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "CLAUDE_CONFIG_DIR": str(folder / "claude"),
        "ANTHROPIC_BASE_URL": project.url,
        "ANTHROPIC_AUTH_TOKEN": session.token,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "IS_SANDBOX": "1",
    }
    command = [str(binary), "-p", prompt, "--output-format", "json", "--model", MODEL, *arguments]
    running = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, said = running.communicate(timeout=60)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    assert out, said.decode()
    return running.returncode, json.loads(out)


class Reader(threading.Thread):
    """Reads one stream in a thread; `seen` grows as bytes arrive."""

    def __init__(
        self, project: RunningProject, session: Opened, request: Any, url: str = ""
    ) -> None:
        super().__init__()
        self.seen = b""
        self.status = 0
        self.broken = False
        self._line = project.connection(url=url)
        headers = {**VERSION, "x-api-key": session.token}
        self._line.request("POST", "/v1/messages", json.dumps(request), headers)
        self.port: int = self._line.sock.getsockname()[1]
        self.start()

    def run(self) -> None:
        try:
            answer = self._line.getresponse()
            self.status = answer.status
            while chunk := answer.read1():
                self.seen += chunk
        except (http.client.HTTPException, OSError):
            self.broken = True
        finally:
            self._line.close()

    def whole(self) -> list[dict[str, Any]]:
        self.join(30)
        assert not self.is_alive()
        assert (self.status, self.broken) == (200, False), self.seen
        return events(self.seen)


class SlowReader:
    """A client whose machine takes little at a time, and that reads only when it is told to."""

    def __init__(
        self, project: RunningProject, session: Opened, request: Any, url: str = ""
    ) -> None:
        place = urlsplit(url or project.url)
        assert place.hostname is not None
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.settimeout(30)
        self._socket.connect((place.hostname, place.port or 80))
        sent = json.dumps(request).encode()
        head = f"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {session.token}\r\n"
        head += f"anthropic-version: 2023-06-01\r\ncontent-length: {len(sent)}\r\n\r\n"
        self._socket.sendall(head.encode() + sent)

    def some(self) -> bytes:
        """The first of it."""
        return self._socket.recv(1024)

    def rest(self) -> tuple[int, bool]:
        """Read to the end: how many bytes still came, and whether it ended by a reset."""
        came = 0
        try:
            while chunk := self._socket.recv(65536):
                came += len(chunk)
        except ConnectionResetError:
            return came, True
        finally:
            self._socket.close()
        return came, False


def ends_as_if_max_tokens(seen: list[dict[str, Any]]) -> None:
    """Every block is closed, then the reason, then the end."""
    started = [e["index"] for e in seen if e["type"] == "content_block_start"]
    stopped = [e["index"] for e in seen if e["type"] == "content_block_stop"]
    assert started == stopped
    assert [e["type"] for e in seen[-2:]] == ["message_delta", "message_stop"]
    assert seen[-2]["delta"]["stop_reason"] == "max_tokens"
