"""The real clients: Claude Code by its settings file, the Agent SDK under `govern()`, and bare.

A client is started as after `env -i` and typed one prompt after the other; each is an `Ending`.
`direct` has nothing between client and provider: what does not run there is a fault of the corpus.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from benchmarks.jobs.house import CLI, House, Opened
from benchmarks.jobs.repository import Place
from holdfast.testing.project import RunningProject

Door = Literal["claude-code", "govern", "direct"]
_STREAMING = ("--input-format", "stream-json", "--output-format", "stream-json", "--verbose")


class Ending(msgspec.Struct, frozen=True):
    """What a client said when a prompt was done; empty when it never was."""

    result: str | None = ""
    is_error: bool = False


def claude_code(
    place: Place, opened: Opened, prompts: Sequence[str], timeout_s: float
) -> list[Ending]:
    """Claude Code, started as `sessions open --claude-code` says."""
    command = [str(CLI), *opened.start[1:], "-p", *_STREAMING]
    return _typed(command, place, opened.environment, prompts, timeout_s)


def direct(
    place: Place,
    model_url: str,
    servers: Mapping[str, Any],
    prompts: Sequence[str],
    timeout_s: float,
) -> list[Ending]:
    """Claude Code at the provider itself, with every tool allowed."""
    environment = {"ANTHROPIC_BASE_URL": model_url, "ANTHROPIC_AUTH_TOKEN": "scripted"}
    command = [str(CLI), "-p", *_STREAMING, "--dangerously-skip-permissions"]
    command += ["--setting-sources", "", "--strict-mcp-config"]
    if servers:
        command += ["--mcp-config", msgspec.json.encode({"mcpServers": servers}).decode()]
    return _typed(command, place, environment, prompts, timeout_s)


def governed(
    house: House,
    project: RunningProject,
    prompts: Sequence[str],
    timeout_s: float,
    *,
    sandboxed: bool,
) -> tuple[str, list[Ending]]:
    """A program of ours with the Agent SDK; the session it had, and the endings."""
    asked = {"folder": str(house.place.root), "sandboxed": sandboxed}
    opened = project.open(agent=house.agent, user="ann", **asked)
    environment = house.place.environment
    work = {
        "url": project.url,
        "token": opened.token,
        "plan": opened.plan,
        "cwd": str(house.place.root),
        "prompts": prompts,
        "environment": {"HOME": environment["HOME"]},
        "servers": house.servers,
        "sandboxed": sandboxed,
    }
    done = _run(
        [sys.executable, "-m", "benchmarks.jobs.governed"],
        msgspec.json.encode(work),
        house.place.root,
        environment | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p) + f":{_top()}"},
        timeout_s,
    )
    return opened.session_id, [msgspec.json.decode(line, type=Ending) for line in done]


def _top() -> Path:
    return Path(__file__).resolve().parents[2]


def _run(
    command: Sequence[str],
    given: bytes,
    cwd: Path,
    environment: Mapping[str, str],
    timeout_s: float,
) -> list[bytes]:
    """The lines a program wrote; one that takes too long is ended with what it started."""
    running = subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, said = running.communicate(given, timeout_s)
    except subprocess.TimeoutExpired:
        _end(running)
        out, said = running.communicate()
    lines = out.splitlines()
    if not lines:
        last = (said.decode(errors="replace").strip().splitlines() or ["nothing was said"])[-1]
        return [msgspec.json.encode(Ending(last, is_error=True))]
    return lines


def _typed(
    command: Sequence[str],
    place: Place,
    environment: Mapping[str, str],
    prompts: Sequence[str],
    timeout_s: float,
) -> list[Ending]:
    """Type each prompt when the one before is answered; fewer endings where the client is gone."""
    with (place.folder / "client.log").open("wb") as log:
        running = subprocess.Popen(
            command,
            cwd=place.root,
            env={**place.environment, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    assert running.stdin is not None
    assert running.stdout is not None
    endings: list[Ending] = []
    deadline = time.monotonic() + timeout_s
    try:
        lines = _Lines(running.stdout)
        for prompt in prompts:
            message = {"role": "user", "content": prompt}
            typed = {"type": "user", "message": message, "parent_tool_use_id": None}
            running.stdin.write(msgspec.json.encode(typed) + b"\n")
            running.stdin.flush()
            ending = lines.ending(deadline)
            if ending is None:
                break
            endings.append(ending)
        running.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(10)
    except BrokenPipeError:
        pass
    finally:
        _end(running)
        running.stdout.close()
    return endings


class _Lines:
    """Reads a client's stream of JSON lines up to the end of each prompt."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._fd = stream.fileno()
        self._left = b""
        self._ready = selectors.DefaultSelector()
        self._ready.register(self._fd, selectors.EVENT_READ)

    def ending(self, deadline: float) -> Ending | None:
        """The next `result`; None when the client ended or the deadline passed."""
        while True:
            line, found, rest = self._left.partition(b"\n")
            if found:
                self._left = rest
                told = msgspec.json.decode(line)
                if told.get("type") == "result":
                    return Ending(told.get("result"), bool(told.get("is_error")))
                continue
            if not self._ready.select(max(0.0, deadline - time.monotonic())):
                return None
            chunk = os.read(self._fd, 1 << 16)
            if not chunk:
                return None
            self._left += chunk


def _end(running: subprocess.Popen[bytes]) -> None:
    """End a client and its process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)
    running.wait()
