"""A whole project that really runs, for tests: its folder, a scripted model, the server.

`RunningProject` writes `holdfast.yaml` and the policies, starts the scripted model in this process
and the server (with its policy process) as a child, hands out addresses and tokens, and ends
everything by process id. It blocks: call it from outside an event loop, or in a thread.

Not here: a typed client (`holdfast.client.connect(url=project.url, token=project.admin_token)`).
"""

import contextlib
import http.client
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import msgspec

from holdfast.testing.scripted_model import ScriptedModel

MODEL_URL = "$MODEL_URL"
UPSTREAM_KEY = "sk-ant-scripted-upstream-key"
_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 15.0
_CALL_TIMEOUT_S = 60.0

SETTINGS = """\
version: 1
policies: policies
approvals: {wait_s: 0}
upstreams:
  anthropic: {base_url: "$MODEL_URL", api_key_env: SCRIPTED_UPSTREAM_KEY}
defaults:
  limits: {project: {tokens: none}}
tenants:
  acme: {projects: {support: {}}, users: {"*": {roles: [support]}}}
agents:
  desk: {model: claude-opus-5-5, tools: [Bash, Read, lookup]}
tools:
  lookup:
    description: >-
      What: looks up one order of the shop. When: somebody asks about that order.
      Side effects: none.
    effect: read
    risk: LOW
    risk_reason: it reads one row
    input_schema:
      type: object
      properties: {order: {type: string}}
      required: [order]
      additionalProperties: false
"""
"""A project with one agent, `desk`, whose tools are all permitted; `$MODEL_URL` is filled in.

Nobody is there to answer what a person is asked, so no client waits for it.
"""

POLICIES = """\
@id("support-tools")
permit (
  principal in Role::"support",
  action in [Action::"Bash", Action::"Read", Action::"lookup"],
  resource
);
"""


class Reply(msgspec.Struct, frozen=True):
    """One HTTP answer; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return msgspec.json.decode(self.body)


class Opened(msgspec.Struct, frozen=True):
    """A session as it was opened."""

    session_id: str
    token: str
    plan: dict[str, Any]


class NotStarted(Exception):
    """The server ended instead of becoming ready; `code` is its exit code, `said` its log."""

    def __init__(self, code: int | None, said: str) -> None:
        super().__init__(f"the server ended with {code}: {said}")
        self.code = code
        self.said = said

    def __reduce__(self) -> tuple[type["NotStarted"], tuple[int | None, str]]:
        """Whole in another process as well: exceptions are rebuilt from their text otherwise."""
        return NotStarted, (self.code, self.said)


class RunningProject:
    """`with RunningProject(folder) as project:` runs until the block ends.

    `script` is what the scripted model plays, `settings` the text of `holdfast.yaml` (`$MODEL_URL`
    is replaced), `policies` the text of one Cedar file, `environment` is added to the server's.
    Errors: NotStarted, OSError.
    """

    def __init__(
        self,
        folder: Path,
        *,
        script: Any = None,
        settings: str = SETTINGS,
        policies: str = POLICIES,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.state = folder / ".holdfast"
        self.url = ""
        self.server_module = "holdfast.apps.server"
        """What is started; a test may name a module that watches the server from within."""
        self.model = ScriptedModel(script, api_keys=frozenset({UPSTREAM_KEY}))
        self._environment = {"SCRIPTED_UPSTREAM_KEY": UPSTREAM_KEY, **(environment or {})}
        self._log = tempfile.TemporaryFile(prefix="holdfast-log-")  # noqa: SIM115 -- `close` does
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "policies").mkdir(parents=True, exist_ok=True)
        (folder / "policies" / "project.cedar").write_text(policies, encoding="utf-8")
        self.write_settings(settings)

    def write_settings(self, settings: str) -> None:
        """Replace `holdfast.yaml`; it is read at the next start."""
        text = settings.replace(MODEL_URL, self.model.url)
        (self.folder / "holdfast.yaml").write_text(text, encoding="utf-8")

    def start(self, *arguments: str) -> None:
        """Start the server and wait until it is ready; `--port 0` unless `arguments` say one.

        Errors: NotStarted.
        """
        readable, writable = os.pipe()
        port = () if "--port" in arguments else ("--port", "0")
        command = [
            *(sys.executable, "-m", self.server_module, "--project", str(self.folder)),
            *("--ready-fd", str(writable), "--with-parent", str(os.getpid())),
            *(*port, *arguments),
        ]
        try:
            self._process = subprocess.Popen(
                command,
                pass_fds=(writable,),
                stdin=subprocess.DEVNULL,
                stderr=self._log,
                env={**os.environ, **self._environment},
                start_new_session=True,
            )
        finally:
            os.close(writable)
        try:
            ready, _, _ = select.select([readable], [], [], _START_TIMEOUT_S)
            told = os.read(readable, 4096).decode() if ready else ""
        finally:
            os.close(readable)
        if not told:
            code = self.stop(signal.SIGKILL) if ready == [] else self._process.wait()
            raise NotStarted(code, self.said())
        self.url = told.strip()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int | None:
        """End the server by `how` and wait for it; its exit code, None where none ran."""
        process, self._process = self._process, None
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(how)
        try:
            return process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def close(self) -> None:
        """End the server and the scripted model; idempotent."""
        self.stop()
        self.model.close()
        self._log.close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Process id of the server. Errors: RuntimeError when none runs."""
        if self._process is None:
            raise RuntimeError("the server does not run")
        return self._process.pid

    @property
    def policy_pid(self) -> int:
        """Process id of the policy process that was announced at the start."""
        announced = msgspec.json.decode((self.state / "server.json").read_bytes())
        return int(announced["policy_pid"])

    @property
    def model_url(self) -> str:
        """Where model calls go: the server's address, or that of its relays."""
        announced = msgspec.json.decode((self.state / "server.json").read_bytes())
        return str(announced["model_url"]) or self.url

    @property
    def admin_token(self) -> str:
        """The operator's token."""
        return (self.state / "admin.token").read_text(encoding="ascii").strip()

    def said(self) -> str:
        """What the server wrote to its log so far."""
        self._log.flush()
        return os.pread(self._log.fileno(), 1_000_000, 0).decode(errors="replace")

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = _CALL_TIMEOUT_S,
        url: str = "",
    ) -> Reply:
        """One request; `body` is bytes, or any JSON value. The operator's token unless given.

        `url` is another address than the server's.

        Errors: OSError, http.client.HTTPException.
        """
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        shown = self.admin_token if token is None else token
        fields = {"content-type": "application/json"} if body is not None else {}
        if shown:
            fields["authorization"] = f"Bearer {shown}"
        with contextlib.closing(self.connection(timeout_s, url)) as line:
            fields.update(headers or {})
            line.request(method, path, raw if body is not None else None, fields)
            answer = line.getresponse()
            answered = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, answered, answer.read())

    def connection(
        self, timeout_s: float = _CALL_TIMEOUT_S, url: str = ""
    ) -> http.client.HTTPConnection:
        """A connection of one's own, for requests that are sent or read in pieces."""
        parts = urlsplit(url or self.url)
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)

    def open(self, *, agent: str = "desk", user: str = "ann", **asked: Any) -> Opened:
        """A new session; `asked` are further fields of `POST /v1/sessions`.

        Errors: AssertionError with the server's answer when it refuses.
        """
        reply = self.call("POST", "/v1/sessions", {"agent": agent, "user": user} | asked)
        assert reply.status == 200, (reply.body, self.said()[-4000:])
        found = reply.json
        return Opened(found["session"]["session_id"], found["token"], found["plan"])

    def view(self, session_id: str) -> dict[str, Any]:
        """The session as the server shows it."""
        found: dict[str, Any] = self.call("GET", f"/v1/sessions/{session_id}").json
        return found

    def records(self, **filters: str | int) -> list[dict[str, Any]]:
        """Journal records that match (`session=…`, `kind=…`), oldest first, a thousand at most."""
        query = urlencode({"limit": 1000, **filters})
        found: list[dict[str, Any]] = self.call("GET", f"/v1/records?{query}").json["records"]
        return found

    def accounts(self, session_id: str) -> list[dict[str, Any]]:
        """Every account of a session's chain."""
        query = urlencode({"session": session_id})
        found: list[dict[str, Any]] = self.call("GET", f"/v1/budgets?{query}").json["accounts"]
        return found

    def decide(
        self, session: Opened, call_id: str, tool: str, arguments: Mapping[str, Any]
    ) -> Reply:
        """Ask the guard for a permit, as an agent's hook does."""
        body = {"call_id": call_id, "tool": tool, "arguments": dict(arguments)}
        return self.call("POST", "/v1/guard/decide", body, token=session.token)
