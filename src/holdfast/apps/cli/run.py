"""`holdfast run`: one governed session of the real Claude Agent SDK, watched as it goes.

The journal is what is shown and what decides the exit code; the agent's own account of itself is
only its final text. Not here: what makes a session governed (`integrations/claude_agent_sdk`).
"""

import asyncio
import enum
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import typer

from holdfast.apps.cli.agent_process import Spoken, agent_options, drive
from holdfast.apps.cli.asking import answered_here
from holdfast.apps.cli.budgets import parsed_limits
from holdfast.apps.cli.exit_codes import ExitCode
from holdfast.apps.cli.outcomes import Outcome, outcome_of
from holdfast.apps.cli.printing import complain, emit, note, say
from holdfast.apps.cli.project import agent_of, login, project_dir
from holdfast.apps.cli.runs import followed, prompt_of
from holdfast.apps.cli.server import serving, working
from holdfast.apps.cli.verbs import Json, Project, Tenant, verb
from holdfast.apps.cli.watching import Watch
from holdfast.client import Client, Session
from holdfast.errors import ConfigInvalid, HoldfastError, InvalidRequest
from holdfast.model.money import format_usd


class Engine(enum.StrEnum):
    """Whose loop works: the house's own, or the Claude Agent SDK's."""

    NATIVE = "native"
    CLAUDE = "claude"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asked for."""

    agent: str
    agent_file: Path | None
    prompt: str
    user: str
    tenant: str
    project_name: str
    task: str
    parent: str
    limits: dict[str, str | int]
    cwd: Path
    cancel_on_interrupt: bool
    asks: bool | None


def register(app: typer.Typer) -> None:
    """Add `run`."""

    @verb(app, "run")
    async def run(  # noqa: PLR0913, PLR0917 - each is an option
        prompt: str = typer.Argument(help="What to do; `-` reads it from standard input."),
        agent: str = typer.Option(..., help="An agent of holdfast.yaml, or its agent file."),
        project: Path | None = Project,
        tenant: str = Tenant,
        project_name: str = typer.Option("", help="The tenant's project, where it has several."),
        user: str = typer.Option("", help="For whom it works; your login name if not given."),
        task: str = typer.Option("", help="A kind of work, or `kind/instance`."),
        parent: str = typer.Option(
            "", metavar="SESSION", help="The session of the same user whose calls and trust go on."
        ),
        limit: list[str] = typer.Option([], help="Tighten a cap: `usd=0.50`, `tool_calls=5`."),
        cwd: Path | None = typer.Option(None, help="Where the agent works; the project's folder."),
        engine: Engine | None = typer.Option(
            None, help="The loop; `native` where the agent's tools need it, else `claude`."
        ),
        cancel_on_interrupt: bool = typer.Option(
            False, "--cancel-on-interrupt", help="Ctrl-C ends a native run instead of leaving it."
        ),
        ask: bool | None = typer.Option(
            None,
            "--ask/--no-ask",
            help="Ask here what a person has to answer; where input is a terminal if not given.",
        ),
        as_json: bool = Json,
    ) -> int:
        """Run an agent under control; the exit code says what stopped it."""
        folder = project_dir(project)
        place = (cwd or folder).resolve()
        if not place.is_dir():
            raise ConfigInvalid(f"`{cwd}` is no folder")
        named, file = agent_of(agent)
        asked = Asked(
            agent=named,
            agent_file=file,
            prompt=prompt_of(prompt),
            user=user or login(),
            tenant=tenant,
            project_name=project_name,
            task=task,
            parent=parent,
            limits=parsed_limits(limit),
            cwd=place,
            cancel_on_interrupt=cancel_on_interrupt,
            asks=ask,
        )
        _stop_on_sigterm()
        async with serving(folder, quiet=as_json) as client:
            if await _engine(client, asked, engine) is Engine.NATIVE:
                if parent:
                    raise InvalidRequest(
                        "a native run has no `--parent`: `holdfast runs retry` goes on from one"
                    )
                return await _durable(client, asked, folder, as_json=as_json)
            return await _governed(client, asked, as_json=as_json)


async def _engine(client: Client, asked: Asked, chosen: Engine | None) -> Engine:
    if chosen is not None:
        return chosen
    found = await client.runs.plan(
        user=asked.user,
        agent=asked.agent,
        agent_file=asked.agent_file,
        tenant=asked.tenant,
        project=asked.project_name,
        task=asked.task,
    )
    return Engine(found.engine)


async def _durable(client: Client, asked: Asked, folder: Path, *, as_json: bool) -> int:
    """A run by the house's own loop, with a worker for the time of it."""
    run = await client.runs.submit(
        asked.prompt,
        user=asked.user,
        agent=asked.agent,
        agent_file=asked.agent_file,
        tenant=asked.tenant,
        project=asked.project_name,
        task=asked.task,
        limits=asked.limits,
    )
    if not as_json:
        note(f"run {run.run_id}; it goes on without this terminal", style="dim")
    async with working(folder):
        try:
            async with answered_here(client, asks=asked.asks, as_json=as_json) as heard:
                return await followed(client, run, as_json=as_json, heard=heard)
        except asyncio.CancelledError:
            if asked.cancel_on_interrupt:
                await client.runs.cancel(run.run_id, "interrupted on the command line")
                note(f"run {run.run_id} is cancelled", style="yellow")
            else:
                # A server or worker of ours ends with us; the run waits in the queue for the next.
                note(
                    f"kept: `holdfast runs follow {run.run_id}` shows it, and `holdfast up` or"
                    " `holdfast worker` goes on with it",
                    style="yellow",
                )
            raise


def _stop_on_sigterm() -> None:
    """Told to end, do as at Ctrl-C: the session is killed and a server of ours stopped."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


async def _governed(client: Client, asked: Asked, *, as_json: bool) -> int:
    session = await client.sessions.open(
        agent=asked.agent,
        agent_file=asked.agent_file,
        user=asked.user,
        tenant=asked.tenant,
        project=asked.project_name,
        task=asked.task,
        parent=asked.parent,
        limits=asked.limits,
    )
    async with (
        session,
        answered_here(client, asks=asked.asks, as_json=as_json) as heard,
    ):
        watch = Watch(client, asked.tenant, session.session_id, as_json=as_json, heard=heard)

        async def interrupted() -> None:
            await client.sessions.kill(session.session_id, "interrupted on the command line")

        try:
            options = await agent_options(session, asked.cwd)
            spoken = await _watched(watch, lambda: drive(asked.prompt, options, interrupted))
        except asyncio.CancelledError:
            await interrupted()
            raise
        except HoldfastError as fault:
            await client.sessions.kill(session.session_id, f"it did not start: {fault.message}")
            raise
        await watch.catch_up()
        view = await client.sessions.show(session.session_id)
        outcome = outcome_of(view, watch.records, fault=spoken.fault)
        if view.state == "active":
            await session.end()
        _print_end(session, outcome, spoken, watch.spent_nusd, as_json=as_json)
        return outcome.code


async def _watched(watch: Watch, work: Callable[[], Awaitable[Spoken]]) -> Spoken:
    async with asyncio.TaskGroup() as tasks:
        done = asyncio.Event()
        tasks.create_task(watch.follow(done))
        try:
            ended: Spoken | HoldfastError = await work()
        except HoldfastError as fault:
            ended = fault
        finally:
            done.set()
    if isinstance(ended, HoldfastError):
        raise ended
    return ended


def _print_end(
    session: Session, outcome: Outcome, spoken: Spoken, spent_nusd: int, *, as_json: bool
) -> None:
    if as_json:
        emit(
            {
                "event": "result",
                "session_id": session.session_id,
                "outcome": outcome.code.name.lower(),
                "exit_code": int(outcome.code),
                "why": outcome.why,
                "text": spoken.text,
                "cost_nusd": spent_nusd,
            }
        )
        return
    if spoken.text and outcome.code is ExitCode.DONE:
        say(spoken.text)
    if outcome.code is not ExitCode.DONE:
        complain(f"{outcome.code.name.lower()}: {outcome.why}")
    note(f"session {session.session_id}: {format_usd(spent_nusd)} in all", style="bold")
