"""A running project whose agent works by the house's own loop, with real worker processes.

Its tools leave a line in `acts.log` for each thing they really do: that is the outside world, and
what the tests count.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from holdfast.testing.project import RunningProject
from holdfast.testing.scripted_model import Scenario, Script, Text, ToolUse, Turn
from holdfast.testing.scripted_model.script import Match

SETTINGS = """\
version: 1
policies: policies
upstreams:
  anthropic: {base_url: "$MODEL_URL", api_key_env: SCRIPTED_UPSTREAM_KEY}
runs: {lease_s: 3}
defaults:
  limits: {project: {tokens: none}, user: {usd: none}}
tenants:
  acme: {projects: {support: {}}, users: {"*": {roles: [support]}}}
tool_modules: [desk_tools]
agents:
  clerk:
    model: claude-opus-5-5
    tools: [look, pay, ship, wire]
    retries: {base_s: 0.02, most_s: 0.1}
"""

POLICIES = """\
@id("support-tools")
permit (
  principal in Role::"support",
  action in [Action::"look", Action::"pay", Action::"ship", Action::"wire"],
  resource
);
"""

TOOLS = '''
import json
import os
import pathlib
import time

from holdfast.tools import *

ACTS = pathlib.Path(__file__).with_name("acts.log")
COMMON = dict(
    when="the order's own record says that it is due.",
    side_effects="something happens in the world outside.",
    effect=Effect.COMMIT,
    risk=RiskLevel.LOW,
    risk_reason="for tests",
    roles={"order": ArgumentRole.WHAT},
    errors={"no_order": "there is no such order"},
    first_party=True,
    timeout_s=TIMEOUT_S,
)


def acted():
    return ACTS.read_text().splitlines() if ACTS.exists() else []


def act(name, order, key):
    """Do it; a slow order leaves time to be killed, before and after."""
    if "slow" in order:
        time.sleep(0.3)
    with ACTS.open("a") as log:
        log.write(f"{name} {order} {key}\\n")
    if "slow" in order:
        time.sleep(0.5)
    if "hang" in order:
        time.sleep(3600)


@tool(
    what="looks one order up in the books.",
    when="before anything else is done with it.",
    side_effects="none.",
    effect=Effect.READ,
    risk=RiskLevel.LOW,
    risk_reason="reads",
    first_party=True,
)
def look(order: str) -> dict:
    return {"order": order}


@tool(what="pays money back for one order.", idempotency=Idempotency.KEYED, **COMMON)
def pay(order: str, context: ToolContext) -> dict:
    if any(line.split()[2] == context.key for line in acted()):
        return {"receipt": order}  # The bank knows the key.
    act("pay", order, context.key)
    return {"receipt": order}


def shipped(order: str, context: ToolContext):
    lines = [line.split() for line in acted()]
    return Happened({"parcel": order}) if ["ship", order, context.key] in lines else (
        ProbeAnswer.NOTHING_HAPPENED
    )


@tool(what="sends one order out of the house.", idempotency=Idempotency.PROBE, probe=shipped, **COMMON)
def ship(order: str, context: ToolContext) -> dict:
    act("ship", order, context.key)
    return {"parcel": order}


@tool(what="wires money in a way that cannot be asked.", idempotency=Idempotency.ONCE, **COMMON)
def wire(order: str, context: ToolContext) -> dict:
    act("wire", order, context.key)
    return {"wired": order}
'''


def calls(*asked: tuple[str, str]) -> tuple[Turn, ...]:
    """A turn for each call, and a last word."""
    turns = [Turn(blocks=(ToolUse(name=tool, input={"order": order}),)) for tool, order in asked]
    return (*turns, Turn(blocks=(Text(text="done"),)))


def script(**scenarios: tuple[Turn, ...]) -> Script:
    """Scenarios by a word of the prompt."""
    return Script(
        scenarios=tuple(
            Scenario(name=name, turns=turns, match=Match(text=name))
            for name, turns in scenarios.items()
        )
    )


class NativeProject:
    """A project with runs and workers; everything ends with the block."""

    def __init__(
        self,
        folder: Path,
        played: Script,
        *,
        settings: str = SETTINGS,
        tool_timeout_s: float = 60.0,
        environment: dict[str, str] | None = None,
        store_url: str = "",
    ) -> None:
        if store_url:
            settings += "store: {url_env: TEST_STORE_URL}\n"
            environment = {**(environment or {}), "TEST_STORE_URL": store_url}
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        (folder / "desk_tools.py").write_text(TOOLS.replace("TIMEOUT_S", str(tool_timeout_s)))
        self.project = RunningProject(
            folder,
            script=played,
            settings=settings,
            policies=POLICIES,
            environment=environment,
        )
        self.workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.project.__enter__()
        return self

    def __exit__(self, *given: object) -> None:
        for worker in self.workers:
            end(worker)
        self.project.close()

    def worker(self, *arguments: str) -> subprocess.Popen[bytes]:
        """One more worker process."""
        command = [sys.executable, "-m", "holdfast.apps.worker", "--project", str(self.folder)]
        started = subprocess.Popen(
            [*command, "--with-parent", str(os.getpid()), *arguments],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.workers.append(started)
        return started

    def submit(self, prompt: str, **asked: Any) -> dict[str, Any]:
        """A run of the clerk for ann."""
        body = {"agent": "clerk", "user": "ann", "prompt": prompt, **asked}
        reply = self.project.call("POST", "/v1/runs", body)
        assert reply.status == 200, reply.body
        found: dict[str, Any] = reply.json
        return found

    def show(self, run: dict[str, Any]) -> dict[str, Any]:
        """The run as it stands."""
        found: dict[str, Any] = self.project.call("GET", f"/v1/runs/{run['run_id']}").json
        return found

    def until(self, run: dict[str, Any], *states: str, timeout_s: float = 60) -> dict[str, Any]:
        """The run once it is in one of the states."""
        found = until(
            lambda: v if (v := self.show(run))["state"] in states else None,
            timeout_s,
            lambda: f"{self.show(run)} {self.project.said()[-2000:]}",
        )
        return dict(found)

    def kinds(self, run: dict[str, Any]) -> list[str]:
        """Kinds of the records of its session, in order."""
        return [r["kind"] for r in self.project.records(session=run["session"])]

    def acts(self, tool: str = "") -> list[list[str]]:
        """What really happened outside: tool, order, key."""
        log = self.folder / "acts.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.split() for line in lines if line.startswith(tool)]


def end(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGKILL) -> None:
    """End a worker and wait for it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, how)
    process.wait(15)


def until(look: Callable[[], Any], timeout_s: float, said: Callable[[], str] = lambda: "") -> Any:
    """What `look` finds, once it finds anything."""
    for _ in _ticks(timeout_s):
        found = look()
        if found:
            return found
    raise AssertionError(f"not within {timeout_s} s: {said()}")


def _ticks(timeout_s: float) -> Iterator[None]:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        yield
        time.sleep(0.05)
