"""Holdfast as its operator sets it up for a job: `holdfast init` in the repository, and a server.

What `init` writes is left as it is, but for the scripted provider and what the job's `grants` say.
Not here: the repository (`repository`), the clients (`doors`).
"""

import contextlib
import io
import os
import pty
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import claude_agent_sdk
import msgspec
import yaml
from typer.testing import CliRunner

from benchmarks.jobs import mcp_server
from benchmarks.jobs.repository import Place
from holdfast.apps.cli.main import app
from holdfast.testing.project import RunningProject

CLI = Path(claude_agent_sdk.__file__).parent / "_bundled" / "claude"
_STATE = ".holdfast/\n"
_SETTINGS = "holdfast.yaml"


class Opened(msgspec.Struct, frozen=True):
    """A session for Claude Code: the command that starts it, and what its environment has."""

    session_id: str
    start: list[str]
    environment: dict[str, str]


class House:
    """The project in a place, initialised and committed; `running` has its server."""

    def __init__(self, place: Place, grants: Sequence[str], servers: Sequence[str]) -> None:
        self.place = place
        self.servers = self.stdio(servers)
        _terminal([*initialised().split()[1:], str(place.root)], place)
        self._settings = yaml.safe_load((place.root / _SETTINGS).read_text(encoding="utf-8"))
        self.agent = next(iter(self._settings["agents"]))
        self._grant(grants)
        exclude = place.root / ".git" / "info" / "exclude"
        exclude.parent.mkdir(parents=True, exist_ok=True)
        with exclude.open("a", encoding="utf-8") as file:
            file.write(_STATE)

    @staticmethod
    def stdio(servers: Sequence[str]) -> dict[str, Any]:
        """The MCP servers as a client's configuration says them."""
        script = str(Path(mcp_server.__file__).resolve())
        return {
            name: {"type": "stdio", "command": sys.executable, "args": [script, name]}
            for name in servers
        }

    def running(self, script: dict[str, Any], environment: Mapping[str, str]) -> RunningProject:
        """The project with its scripted model; its settings are committed. Not started yet.

        `environment` is added to the server's.
        """
        project = RunningProject(
            self.place.root,
            script=script,
            settings=yaml.safe_dump(self._settings, sort_keys=False),
            policies=self._permits,
            environment=environment,
        )
        self.place.shell("git add -A . && git commit -qm 'Holdfast' && git push -q origin main")
        return project

    def own(self, project: RunningProject, *, branches: bool) -> None:
        """Tell the server that the working copy is the operator's own, and the local `branches`."""
        for ref in ["HEAD", *(self.place.branches() if branches else [])]:
            _terminal(["files", "trust", ref, "-C", str(project.folder)], self.place)

    def open(self, project: RunningProject, folder: Path) -> Opened:
        """A session for Claude Code, opened as the manual says. Errors: RuntimeError."""
        asked = ["sessions", "open", "--agent", self.agent, "--user", "ann"]
        asked += ["-C", str(project.folder), "--claude-code", str(folder), "--json"]
        # Claude Code is installed where it is used: whether prompts vouch is tried with it.
        found = {"PATH": f"{CLI.parent}:{self.place.environment['PATH']}"}
        done = CliRunner().invoke(app, asked, env=_exactly(self.place.environment | found))
        if done.exit_code:
            raise RuntimeError(f"no session was opened: {done.output} {project.said()[-2000:]}")
        told = msgspec.json.decode(done.stdout)
        environment = {
            "ANTHROPIC_BASE_URL": told["model_url"],
            "ANTHROPIC_AUTH_TOKEN": told["model_token"],
            "HOLDFAST_HOOK_TOKEN": told["hook_token"],
            "HOLDFAST_SESSION": told["session_id"],
        }
        return Opened(told["session_id"], told["start"], environment)

    def _grant(self, grants: Sequence[str]) -> None:
        """The provider's address, and the tools of the job with contracts and permits."""
        upstream = {"base_url": "$MODEL_URL", "api_key_env": "SCRIPTED_UPSTREAM_KEY"}
        self._settings["upstreams"] = {"anthropic": upstream}
        agent = self._settings["agents"][self.agent]
        path = self.place.root / agent["file"]
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
        told["tools"] = list(dict.fromkeys([*told["tools"], *grants]))
        if self.servers:
            told["mcp_servers"] = self.servers
        path.write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")
        contracts = {name: _contract(name) for name in grants if name.startswith("mcp__")}
        if contracts:
            self._settings["tools"] = (self._settings.get("tools") or {}) | contracts
        actions = ", ".join(f'Action::"{name}"' for name in grants)
        permit = f'@id("granted")\npermit (principal, action in [{actions}], resource);\n'
        self._permits = permit if grants else "// Nothing beyond what was written first.\n"


def initialised() -> str:
    """The command that sets a project up for Claude Code in this build."""
    offered = _offers("init", "--claude-code")
    return "holdfast init --claude-code" if offered else "holdfast init"


def _contract(name: str) -> dict[str, Any]:
    """What an operator declares of a tool that reads from a server which others write to."""
    _, server, tool = name.split("__")
    return {
        "description": (
            f"What: reads what {server} has on its shelves. When: the job is about {server}."
            " Side effects: none."
        ),
        "effect": "read",
        "risk": "LOW",
        "risk_reason": "it reads",
        "input_schema": mcp_server.schema(mcp_server.SERVERS[server][tool]),
    }


def _offers(verb: str, word: str) -> bool:
    """Whether this build's `holdfast VERB --help` knows a word."""
    return word in CliRunner().invoke(app, [verb, "--help"], env={"COLUMNS": "200"}).output


def _terminal(arguments: Sequence[str], place: Place) -> None:
    """Run `holdfast` at a terminal whose person says yes. Errors: RuntimeError.

    In this process: starting Python once more for each takes longer than what it does.
    """
    ours, theirs = pty.openpty()
    said, kept, environment = io.StringIO(), sys.stdin, dict(os.environ)
    try:
        os.write(ours, b"y\n" * 3)
        _become(place.environment)
        with (
            os.fdopen(theirs, encoding="utf-8") as sys.stdin,
            contextlib.chdir(place.root),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            app([*arguments])
    except SystemExit as done:
        if done.code:
            raise RuntimeError(f"holdfast {' '.join(arguments)}: {said.getvalue()}") from None
    finally:
        sys.stdin = kept
        _become(environment)
        os.close(ours)


def _exactly(environment: Mapping[str, str]) -> dict[str, str | None]:
    """What makes this process's environment that one."""
    return {**dict.fromkeys(os.environ), **environment}


def _become(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
