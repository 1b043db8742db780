"""The five doors, each as one thing: give an agent work, and look at what became of it.

A scenario says what the model answers and looks at three places that are the same at every door:
what the model read, what the journal says, what was done outside. Each door is driven as its users
drive it: runs by a worker, the Messages API by the `anthropic` package, the Agent SDK by `govern`,
Claude Code by its settings file, a relay by the address that a session is given.
"""

import asyncio
import contextlib
import http.client
import json
import os
import signal
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import claude_agent_sdk
from anthropic import APIError, AsyncAnthropic
from claude_agent_sdk import (
    ClaudeAgentOptions,
    ResultError,
    ResultMessage,
    SdkMcpTool,
    create_sdk_mcp_server,
    query,
)
from typer.testing import CliRunner

from holdfast.apps.cli.main import app
from holdfast.client import Client, Session, connect
from holdfast.integrations.claude_agent_sdk import govern, tool_context
from holdfast.integrations.messages_api import guarded_tools
from holdfast.tools import Refused
from tests.promises.house import House, fresh, until
from tests.promises.settings import MCP, desk_tools

BUNDLED = Path(claude_agent_sdk.__file__).parent / "_bundled" / "claude"
VERSION = {"anthropic-version": "2023-06-01"}
PATIENCE_S = 180
# Offered by the MCP server, and never to be run: one without a contract, one that nobody may call.
OTHERS = ("unlisted", "drop_database")


class Gone(BaseException):
    """The program of the agent ended in the middle of a tool, and says nothing more."""


class Work:
    """One piece of work of one session. `said` is how its door says that it ended."""

    def __init__(self, door: "Door", marker: str, user: str, task: str) -> None:
        self.door, self.house, self.marker = door, door.house, marker
        self.user, self.task = user, task
        self.tenant = "acme"
        self.session_id = ""
        self.token = self.model_token = self.model_url = ""
        self.said = self.text = ""
        self.run_id = ""
        self.failed = False
        self.resumed: Work | None = None
        self.before: Work | None = None
        """The work whose conversation was made smaller for this one."""
        self.conversation = ""
        """What the client calls it, where it has a name of its own."""
        self.end: Any = None
        """Ends the program of the agent, as a crash does."""
        self._thread: threading.Thread | None = None

    def under_way(self, thread: threading.Thread) -> None:
        self._thread = thread
        thread.start()

    def wait(self, timeout_s: float = PATIENCE_S) -> "Work":
        if self._thread is not None:
            self._thread.join(timeout_s)
            assert not self._thread.is_alive(), f"{self.door.name}: not over in {timeout_s} s"
        return self

    def or_end(self, timeout_s: float = 15) -> "Work":
        """Wait that long, and then end the program: the bundled CLI tries for minutes."""
        assert self._thread is not None
        self._thread.join(timeout_s)
        if self._thread.is_alive() and self.end is not None:
            self.failed, self.said = True, self.said or "it went on trying"
            self.end()
            self._thread.join(30)
        return self

    def read(self, tool: str = "", order: str = "") -> list[dict[str, Any]]:
        """What the model read of its calls."""
        return [
            one
            for one in self.house.read_model(self.marker)
            if tool in ("", one["tool"]) and one["order"].startswith(order)
        ]

    def records(self, kind: str = "", **filters: Any) -> list[dict[str, Any]]:
        kinds = {"kind": kind} if kind else {}
        asked = {"session": self.session_id, "tenant": self.tenant, **kinds, **filters}
        return self.house.project.records(**asked)

    def decided(self, tool: str = "") -> list[dict[str, Any]]:
        found = self.records("tool_call.decided")
        return [r for r in found if tool in ("", r["tool"].removeprefix(MCP))]

    def view(self) -> dict[str, Any]:
        return self.house.project.view(self.session_id)

    def account(self, scope: str, dimension: str, window: str = "life") -> dict[str, Any]:
        found = [
            a
            for a in self.house.project.accounts(self.session_id)
            if (a["scope"], a["dimension"], a["window"]) == (scope, dimension, window)
        ]
        assert found, (scope, dimension, window)
        return found[0]

    def acts(self, name: str, order: str) -> list[list[Any]]:
        return self.house.acts(name, order)

    def place(self) -> str:
        """The folder in which its conversation began."""
        return self.resumed.place() if self.resumed else self.marker

    def answers(self) -> int:
        """Answers of the model that were paid for."""
        return len(self.records("model_call.settled"))


class Door(ABC):
    """A way for agents to work; `house` has a server and what the door needs beside it."""

    name: ClassVar[str]

    def __init__(self, house: House) -> None:
        self.house = house
        self.known: dict[str, Any] = {}
        """What was done once for all who look at it."""

    def begin(
        self,
        *turns: Any,
        agent: str = "desk",
        user: str = "",
        tenant: str = "acme",
        task: str = "",
        limits: dict[str, Any] | None = None,
        scope: dict[str, list[str]] | None = None,
        words: str = "",
        resume: Work | None = None,
        typed: str = "",
    ) -> Work:
        """Give an agent work whose answers are `turns`, and go on while it is at it.

        `resume`: the conversation of that work goes on, in a session of its own. `typed`: exactly
        what the user types, in place of a scripted prompt.
        """
        marker = fresh("work")
        work = Work(self, marker, user or fresh("u"), task)
        work.tenant = tenant
        scripted = f"{marker} {words} FAKE:" + json.dumps([self.spelt(turn) for turn in turns])
        asked: dict[str, Any] = {"agent": agent, "user": work.user, "tenant": tenant}
        asked |= {"task": task} if task else {}
        asked |= {"limits": limits} if limits else {}
        asked |= {"scope": scope} if scope else {}
        asked |= {"parent": resume.session_id} if resume else {}
        work.resumed = resume
        self.start(work, typed or scripted, asked)
        return work

    def work(self, *turns: Any, **said: Any) -> Work:
        """Give an agent work, and wait until it is over."""
        return self.begin(*turns, **said).wait()

    def spelt(self, turn: Any) -> Any:
        """A turn with tools by the names that they have at this door."""
        if not isinstance(turn, dict):
            return turn
        named = {**turn, "tool": self.spell(turn["tool"])} if "tool" in turn else turn
        if "tools" in named:
            named = {**named, "tools": [self.spelt(one) for one in named["tools"]]}
        return named

    def spell(self, tool: str) -> str:
        return tool

    @abstractmethod
    def start(self, work: Work, prompt: str, asked: dict[str, Any]) -> None: ...


class Runs(Door):
    """Durable runs, worked at by `holdfast worker`."""

    name = "runs"

    def start(self, work: Work, prompt: str, asked: dict[str, Any]) -> None:
        asked.pop("parent", "")
        reply = self.house.project.call("POST", "/v1/runs", {**asked, "prompt": prompt})
        assert reply.status == 200, reply.body
        work.run_id, work.session_id = reply.json["run_id"], reply.json["session"]
        cancel = f"/v1/runs/{work.run_id}/cancel"
        work.end = lambda: self.house.project.call("POST", cancel, {"reason": "enough"})
        work.under_way(threading.Thread(target=self._follow, args=(work,), daemon=True))

    def _follow(self, work: Work) -> None:
        def over() -> Any:
            try:
                view = self.house.project.call("GET", f"/v1/runs/{work.run_id}").json
            except (OSError, http.client.HTTPException):
                return None  # The server is away, and will be back.
            return view if view["state"] not in ("queued", "running", "delayed") else None

        found = until(over, PATIENCE_S)
        if not found:
            work.failed, work.said = True, "it never ended"
            return
        work.failed = found["state"] != "done"
        work.said = f"{found['state']}: {found['reason']}"
        work.text = str(found.get("result"))


class Loop(Door):
    """A loop of one's own on the Messages API, with the `anthropic` package."""

    name = "loop"

    def start(self, work: Work, prompt: str, asked: dict[str, Any]) -> None:
        opened, over = threading.Event(), []

        def main() -> None:
            try:
                asyncio.run(self._main(work, prompt, asked, opened))
            except BaseException as fault:  # noqa: BLE001 -- shown by the one who waits
                over.append(fault)
                work.failed, work.said = True, f"{type(fault).__name__}: {fault}"
            finally:
                opened.set()

        work.under_way(threading.Thread(target=main, daemon=True))
        assert opened.wait(PATIENCE_S)
        if over and not work.session_id:
            raise over[0]

    async def _main(
        self, work: Work, prompt: str, asked: dict[str, Any], opened: threading.Event
    ) -> None:
        project = self.house.project
        async with connect(url=project.url, token=project.admin_token) as client:
            session = await client.sessions.open(**asked)
            note_session(work, session)
            ending = asyncio.get_running_loop()
            task = asyncio.create_task(self.converse(work, session, prompt, client))
            work.end = lambda: ending.call_soon_threadsafe(task.cancel)
            opened.set()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await session.close()

    async def converse(self, work: Work, session: Session, prompt: str, client: Client) -> None:
        def ended() -> None:
            raise Gone

        desk = desk_tools()
        desk.end_here = ended
        desk.ACTS = self.house.acts_file
        tools = guarded_tools(session, desk.FUNCTIONS)
        offered = [
            {"name": n, "description": n, "input_schema": t.contract.input_schema}
            for n, t in desk.FUNCTIONS.items()
        ]
        kept = client.conversations(user=work.user, tenant=work.tenant)
        earlier = (await kept.load(work.resumed.marker)).messages if work.resumed else []
        messages: list[Any] = [*earlier, {"role": "user", "content": prompt}]
        await session.prompt(prompt)
        async with AsyncAnthropic(
            base_url=session.model_url, auth_token=session.token, timeout=PATIENCE_S
        ) as model:
            try:
                for _ in range(300):
                    asked = model.messages.stream(
                        model=session.plan.model,
                        max_tokens=32000,
                        messages=messages,
                        tools=offered,  # type: ignore[arg-type]
                    )
                    async with asked as stream:
                        answer = await stream.get_final_message()
                    said = [block.to_dict() for block in answer.content]
                    messages.append({"role": "assistant", "content": said})
                    await kept.save(work.marker, messages)
                    if answer.stop_reason == "max_tokens":
                        messages.append({"role": "user", "content": "Go on."})
                        continue
                    if answer.stop_reason != "tool_use":
                        work.text = "".join(getattr(b, "text", "") for b in answer.content)
                        work.said = str(answer.stop_reason)
                        await session.end()
                        return
                    results = await tools.results(answer.content)
                    messages.append({"role": "user", "content": results})
            except Exception as fault:  # noqa: BLE001 -- how this door says that it ended
                work.failed = True
                body = getattr(fault, "body", "") if isinstance(fault, APIError) else ""
                work.said = f"{type(fault).__name__}: {fault} {body}"


class Relay(Loop):
    """The same, where models are reached through gateway processes beside the server."""

    name = "relay"


class AgentSdk(Loop):
    """The Agent SDK with its bundled CLI, its options governed."""

    name = "sdk"

    def spell(self, tool: str) -> str:
        return tool if tool in ("delegate", "nobody_knows") else MCP + tool

    async def converse(self, work: Work, session: Session, prompt: str, client: Client) -> None:
        name = work.place()
        home = self.house.folder / "homes" / name
        home.mkdir(parents=True, exist_ok=True)
        desk = desk_tools()

        over = threading.Event()

        def ended() -> None:
            work.end()
            over.wait(20)

        desk.end_here = ended
        desk.ACTS = self.house.acts_file
        offered = [*(self._tool(name) for name in desk.FUNCTIONS), *map(self._other, OTHERS)]
        server = create_sdk_mcp_server("desk", tools=offered)
        options = ClaudeAgentOptions(
            cwd=home,
            tools=[],
            mcp_servers={"desk": server},
            env={"HOME": str(home)},
            resume=work.resumed.conversation if work.resumed else None,
        )
        governed = govern(options, session, bubblewrap=False, config_dir=home / "config")
        try:
            async with contextlib.aclosing(query(prompt=prompt, options=governed)) as messages:  # type: ignore[type-var]
                async for message in messages:
                    if isinstance(message, ResultMessage):
                        work.text = work.said = str(message.result)
                        work.failed = message.is_error
                        work.conversation = message.session_id
        except (ResultError, Exception) as fault:  # noqa: BLE001 -- how this door says that it ended
            work.failed = True
            work.said = f"{work.said} {type(fault).__name__}: {fault}"
        finally:
            over.set()

    def _tool(self, name: str) -> SdkMcpTool[Any]:
        made = desk_tools().FUNCTIONS[name]

        async def run(arguments: dict[str, Any]) -> dict[str, Any]:
            context = tool_context(name, arguments)
            try:
                found = await asyncio.to_thread(made.run, arguments, context)
            except Refused as refused:
                text = f"{refused.code}: {refused.message}"
                return {"content": [{"type": "text", "text": text}], "is_error": True}
            given = (
                found if isinstance(found, dict) else {"order": found.order, "state": found.state}
            )
            return {"content": [{"type": "text", "text": json.dumps(given)}]}

        schema = made.contract.input_schema
        return SdkMcpTool(name=name, description=name, input_schema=schema, handler=run)

    def _other(self, name: str) -> SdkMcpTool[Any]:
        async def run(arguments: dict[str, Any]) -> dict[str, Any]:
            desk_tools().acts(name, str(arguments.get("order")))
            return {"content": [{"type": "text", "text": "done"}]}

        return SdkMcpTool(name=name, description=name, input_schema={"type": "object"}, handler=run)


class ClaudeCode(Door):
    """Claude Code in print mode, governed by the settings file that `sessions open` writes."""

    name = "claude_code"

    def spell(self, tool: str) -> str:
        return tool if tool in ("delegate", "nobody_knows") else MCP + tool

    def start(self, work: Work, prompt: str, asked: dict[str, Any]) -> None:
        place = self.house.folder / "terminals" / work.marker
        stands = place.with_name(work.place())
        for folder in ("cwd", "home"):
            (stands / folder).mkdir(parents=True, exist_ok=True)
        words = ["sessions", "open", "-C", str(self.house.folder), "--agent", asked["agent"]]
        words += ["--user", work.user, "--tenant", asked["tenant"], "--folder", str(stands / "cwd")]
        words += ["--claude-code", str(place / "govern"), "--json"]
        words += ["--task", asked["task"]] if "task" in asked else []
        words += ["--parent", asked["parent"]] if "parent" in asked else []
        for name, patterns in asked.get("scope", {}).items():
            words += [part for pattern in patterns for part in ("--scope", f"{name}={pattern}")]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
        given = json.loads(done.stdout)
        work.session_id, work.token = given["session_id"], given["token"]
        work.model_token, work.model_url = given["model_token"], given["model_url"]
        for what, most in asked.get("limits", {}).items():
            tighten(self.house, f"{asked['tenant']}/{work.session_id}", what, most)
        resumed = ["--resume", work.resumed.conversation] if work.resumed else []
        running = subprocess.Popen(
            [str(BUNDLED), *given["start"][1:], *resumed, "-p", prompt, "--output-format", "json"],
            cwd=stands / "cwd",
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(stands / "home"),
                "DESK_ACTS": str(self.house.acts_file),
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                "IS_SANDBOX": "1",
                "CLAUDE_CODE_MAX_RETRIES": "1",
                "ANTHROPIC_BASE_URL": given["model_url"],
                "ANTHROPIC_AUTH_TOKEN": given["model_token"],
                "HOLDFAST_HOOK_TOKEN": given["hook_token"],
                "HOLDFAST_SESSION": given["session_id"],
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        work.end = lambda: os.killpg(running.pid, signal.SIGKILL)
        work.under_way(threading.Thread(target=self._follow, args=(work, running), daemon=True))

    def _follow(self, work: Work, running: subprocess.Popen[bytes]) -> None:
        try:
            out, said = running.communicate(timeout=PATIENCE_S)
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait()
        found = (
            json.loads(out) if out.startswith(b"{") else {"result": said.decode(), "is_error": True}
        )
        work.failed = bool(found["is_error"]) or running.returncode != 0
        work.text = work.said = str(found.get("result"))
        work.conversation = str(found.get("session_id", ""))


def note_session(work: Work, session: Session) -> None:
    work.session_id = session.session_id
    work.token, work.model_token = session.token, session.model_token
    work.model_url = session.model_url


def tighten(house: House, owner: str, what: str, most: Any, scope: str = "session") -> None:
    """Set a limit as an operator does."""
    amount = round(float(most) * 1e9) if what.startswith("usd") else int(most)
    body = {"scope": scope, "owner": owner, "dimension": what, "window": "life", "limit": amount}
    reply = house.project.call("PUT", "/v1/budgets", {**body, "reason": "a tighter session"})
    assert reply.status == 200, reply.body


def call(tool: str, order: str, **given: Any) -> dict[str, Any]:
    """A turn in which the model asks for one call."""
    return {"tool": tool, "input": {"order": order, **given}}


def calls(tool: str, orders: Sequence[str], **given: Any) -> dict[str, Any]:
    """A turn in which the model asks for several calls at once."""
    return {"tools": [call(tool, order, **given) for order in orders]}


DONE = {"text": "done"}
DOORS: dict[str, type[Door]] = {
    made.name: made for made in (Runs, Loop, AgentSdk, ClaudeCode, Relay)
}
__all__ = ["DONE", "DOORS", "Door", "Work", "call", "calls", "tighten", "time"]
