"""Whether Claude Code's tools can reach the token of its hooks, found out by running it.

The real CLI is started with settings as a session gets them, against a model and a hook that only
this process serves. The model asks for one command that prints all it can read: its environment,
those of every process that it sees, and the settings. Proved is it where the hook came with its
token, the command ran, and nothing that it printed holds the token.
"""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_TIMEOUT_S = 30
_BEGAN, _ENDED = "probe-began", "probe-ended"
_MOST_BYTES = 8 * 1024 * 1024
_KNOWN = "HOLDFAST_SESSION"
_COMMAND = (
    f"echo {_BEGAN}; env; cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | sort -u"
    " | head -c 12000; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | head -c 6000;"
    f" cat '%s' 2>/dev/null | head -c 4000; echo; echo {_ENDED}"
)

Settings = Callable[[str], dict[str, Any]]
"""The settings file for a server at this URL, as a session gets it."""


class _Seen:
    """What the CLI sent: whether its hook had the token, and what the command printed."""

    def __init__(self, token: str, command: str) -> None:
        self.token = token
        self.command = command
        self.hooked = False
        self.printed = ""


def why_readable(settings: Settings, token_name: str) -> str:
    """Why prompts under its hooks vouch for nothing here; empty where it was seen to hold."""
    cli = shutil.which("claude")
    if cli is None:
        return "there is no `claude` on the PATH to try it with"
    token = "hfprobe_" + secrets.token_hex(24)
    with tempfile.TemporaryDirectory(prefix="holdfast-probe-") as name:
        folder = Path(name)
        path, work = folder / "settings.json", folder / "work"
        work.mkdir()
        seen = _Seen(token, _COMMAND % path)
        with _served(seen) as url:
            path.write_text(json.dumps(settings(url)), encoding="utf-8")
            command = [cli, "--settings", str(path), "--setting-sources", ""]
            command += ["--strict-mcp-config", "-p", "try it", "--output-format", "json"]
            environment = {
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(folder),
                "CLAUDE_CODE_MAX_RETRIES": "0",
                "ANTHROPIC_BASE_URL": url,
                "ANTHROPIC_AUTH_TOKEN": "hfprobe",
                _KNOWN: "probe",
                token_name: token,
            }
            try:
                subprocess.run(
                    command,
                    cwd=work,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=_TIMEOUT_S,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                return f"claude could not be tried: {type(error).__name__}"
    return _judged(seen)


def _judged(seen: _Seen) -> str:
    if not seen.hooked:
        return "its hook did not come with the token"
    if not (_BEGAN in seen.printed and _ENDED in seen.printed and _KNOWN in seen.printed):
        return "its tool did not run as it was asked to"
    if seen.token in seen.printed:
        return "its tools can read the token of its hooks"
    return ""


@contextlib.contextmanager
def _served(seen: _Seen) -> Iterator[str]:
    """A model and a hook on a port of their own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = min(int(self.headers.get("content-length") or 0), _MOST_BYTES)
            asked = json.loads(self.rfile.read(length) or b"{}")
            if "hook_event_name" in asked:
                self._send("application/json", json.dumps(_hooked(seen, asked, self.headers)))
            elif "count_tokens" in self.path:
                self._send("application/json", '{"input_tokens": 1}')
            else:
                self._send("text/event-stream", _answer(seen, asked))

        def do_GET(self) -> None:
            self._send("application/json", "{}")

        def do_HEAD(self) -> None:
            self._send("application/json", "")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing is said."""

        def _send(self, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _hooked(seen: _Seen, asked: dict[str, Any], headers: Any) -> dict[str, Any]:
    if asked.get("hook_event_name") != "PreToolUse":
        return {}
    seen.hooked = headers.get("authorization") == f"Bearer {seen.token}"
    decided = {"hookEventName": "PreToolUse", "permissionDecision": "allow"}
    return {"hookSpecificOutput": decided}


def _answer(seen: _Seen, asked: dict[str, Any]) -> str:
    """One command to a request that offers a shell and shows no result, an end to all others."""
    results = [
        block
        for message in asked.get("messages", ())
        if isinstance(message.get("content"), list)
        for block in message["content"]
        if block.get("type") == "tool_result"
    ]
    if results:
        seen.printed = json.dumps(results)
    offers = any(tool.get("name") == "Bash" for tool in asked.get("tools", ()))
    if results or not offers:
        return _spelt({"type": "text", "text": ""}, {"type": "text_delta", "text": "done"})
    block = {"type": "tool_use", "id": "toolu_probe", "name": "Bash", "input": {}}
    given = json.dumps({"command": seen.command, "description": "try"})
    return _spelt(block, {"type": "input_json_delta", "partial_json": given})


def _spelt(block: dict[str, Any], delta: dict[str, Any]) -> str:
    reason = "tool_use" if block["type"] == "tool_use" else "end_turn"
    usage = {"input_tokens": 1, "output_tokens": 1}
    message: dict[str, Any] = {
        "id": "msg_probe",
        "type": "message",
        "role": "assistant",
        "model": "claude-probe",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    ended = {"stop_reason": reason, "stop_sequence": None}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ended, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]
    return "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in events)
