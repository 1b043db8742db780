"""`holdfast submit`, `holdfast runs`, `holdfast effects`, `holdfast worker`.

A run goes on without whoever asked for it; everything here only asks and looks. Not here: doing
the work (`apps/worker`), the live lines (`watching`), what waits for a person (`dlq`).
"""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import typer

from holdfast.apps.cli.budgets import parsed_limits
from holdfast.apps.cli.exit_codes import ExitCode
from holdfast.apps.cli.printing import clock, complain, emit, note, plain, say, table
from holdfast.apps.cli.project import agent_of, login, project_dir, python_module
from holdfast.apps.cli.reaching import connected
from holdfast.apps.cli.server import WORKER_MODULE
from holdfast.apps.cli.verbs import Json, Project, Reason, Tenant, verb
from holdfast.apps.cli.watching import Watch
from holdfast.client import Client, RunView, SessionView
from holdfast.errors import InvalidRequest
from holdfast.model.effects import EffectEntry
from holdfast.model.events import Record
from holdfast.model.money import format_usd
from holdfast.model.runs import RunState

BY_HAND = "by hand on the command line"
_PROMPT_BYTES = 4_000_000
_SHOWN = 80
_POLL_S = 0.2
_STOPS = (RunState.DONE, RunState.FAILED, RunState.CANCELLED, RunState.DEAD, RunState.PARKED)
RunId = typer.Argument(metavar="RUN", help="The id of the run.")
_RunOrSession = typer.Argument(metavar="RUN_OR_SESSION", help="The id of a run, or of a session.")

runs = typer.Typer(help="Durable runs: look at them, do them again.", no_args_is_help=True)
effects = typer.Typer(help="What runs did to the world outside.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    verb(app, "submit")(submit)
    verb(app, "worker")(worker)
    app.add_typer(runs, name="runs")
    app.add_typer(effects, name="effects")


async def submit(  # noqa: PLR0913, PLR0917 - each is an option
    prompt: str = typer.Argument(help="What to do; `-` reads it from standard input."),
    agent: str = typer.Option(..., help="An agent of holdfast.yaml, or its agent file."),
    project: Path | None = Project,
    tenant: str = Tenant,
    project_name: str = typer.Option("", help="The tenant's project, where it has several."),
    user: str = typer.Option("", help="For whom it works; your login name if not given."),
    task: str = typer.Option("", help="A kind of work, or `kind/instance`."),
    limit: list[str] = typer.Option([], help="Tighten a cap: `usd=0.50`, `tool_calls=5`."),
    scope: list[str] = typer.Option([], help="Files it may name: `path=src/**`, `tool=NAME`."),
    priority: int = typer.Option(0, min=-100, max=100, help="Higher goes first."),
    deadline: int = typer.Option(0, min=0, help="Seconds until it is too late to begin."),
    as_json: bool = Json,
) -> None:
    """Queue a run for the workers and print its id; it goes on without this terminal."""
    named, file = agent_of(agent)
    async with connected(project) as client:
        run = await client.runs.submit(
            prompt_of(prompt),
            agent=named,
            agent_file=file,
            user=user or login(),
            tenant=tenant,
            project=project_name,
            task=task,
            limits=parsed_limits(limit),
            scope=parsed_scope(scope),
            priority=priority,
            deadline_s=deadline,
        )
    if as_json:
        emit(run)
    else:
        say(run.run_id)


def parsed_scope(given: Sequence[str]) -> dict[str, list[str]]:
    """Patterns by argument, of `path=src/**` and the like. Errors: InvalidRequest."""
    found: dict[str, list[str]] = {}
    for text in given:
        name, equals, pattern = text.partition("=")
        if not (name and equals and pattern):
            raise InvalidRequest(f"`{text}` is no scope; expected `argument=pattern`")
        found.setdefault(name, []).append(pattern)
    return found


def prompt_of(given: str) -> str:
    """The prompt, from standard input for `-`. Errors: InvalidRequest when it is empty."""
    text = sys.stdin.read(_PROMPT_BYTES) if given == "-" else given
    if not text.strip():
        raise InvalidRequest("the prompt is empty")
    return text


def worker(
    project: Path | None = Project,
    concurrency: int = typer.Option(8, min=1, max=1000, help="Runs at a time."),
    name: str = typer.Option("", help="As the journal names it."),
) -> None:
    """Work at runs in the foreground, one of any number of workers.

    The server is the project's, or the one that HOLDFAST_URL and HOLDFAST_WORKER_TOKEN name.
    """
    elsewhere = os.environ.get("HOLDFAST_URL") and os.environ.get("HOLDFAST_WORKER_TOKEN")
    folder = Path.cwd() if elsewhere and project is None else project_dir(project)
    arguments = ["--project", str(folder), "--concurrency", str(concurrency), "--announce"]
    command = python_module(WORKER_MODULE, arguments + (["--name", name] if name else []))
    sys.stdout.flush()
    os.execve(command[0], command, {**os.environ})  # noqa: S606 - there is no shell


@verb(runs, "list")
async def list_runs(
    project: Path | None = Project,
    tenant: str = Tenant,
    project_name: str = typer.Option("", help="A project of the tenant."),
    user: str = typer.Option("", help="Runs of this user."),
    state: RunState | None = typer.Option(None, help="Runs in this state."),
    batch: str = typer.Option("", help="Runs of this batch."),
    limit: int = typer.Option(50, min=1, help="At most so many."),
    as_json: bool = Json,
) -> None:
    """List runs, latest first."""
    async with connected(project) as client:
        found = await client.runs.list(
            tenant=tenant,
            project=project_name,
            user=user,
            batch=batch,
            state=state or "",
            limit=limit,
        )
    print_runs(found, as_json=as_json, empty="no runs")


@verb(runs, "show")
async def show(run: str = RunId, project: Path | None = Project, as_json: bool = Json) -> None:
    """Show one run, with what it waits for."""
    async with connected(project) as client:
        print_run(await client.runs.show(run), as_json=as_json)


@verb(runs, "follow")
async def follow(run: str = RunId, project: Path | None = Project, as_json: bool = Json) -> int:
    """Watch a run to its end; the exit code says how it ended. Ctrl-C leaves it at work."""
    async with connected(project) as client:
        return await followed(client, await client.runs.show(run), as_json=as_json)


@verb(runs, "retry")
async def retry(
    run: str = RunId, reason: str = Reason, project: Path | None = Project, as_json: bool = Json
) -> None:
    """Do a run again from its prompt; what was done in its task is not done twice."""
    async with connected(project) as client:
        print_run(await client.runs.retry(run, reason or BY_HAND), as_json=as_json)


@verb(runs, "fork")
async def fork(
    run: str = RunId,
    turn: int = typer.Option(..., min=1, help="The last turn that the branch knows."),
    prompt: str = typer.Option("", help="What to do, in place of the run's own prompt."),
    reason: str = Reason,
    project: Path | None = Project,
    as_json: bool = Json,
) -> None:
    """Branch off a new run after a turn."""
    async with connected(project) as client:
        branch = await client.runs.fork(run, turn, reason or BY_HAND, prompt=prompt)
    print_run(branch, as_json=as_json)


@verb(runs, "cancel")
async def cancel(
    run: str = RunId, reason: str = Reason, project: Path | None = Project, as_json: bool = Json
) -> None:
    """End a run for good."""
    async with connected(project) as client:
        print_run(await client.runs.cancel(run, reason or BY_HAND), as_json=as_json)


@verb(runs, "resume")
async def resume(
    run: str = RunId, reason: str = Reason, project: Path | None = Project, as_json: bool = Json
) -> None:
    """Queue a run again that waits for a person."""
    async with connected(project) as client:
        print_run(await client.runs.resume(run, reason or BY_HAND), as_json=as_json)


@verb(effects, "list")
async def list_effects(
    of: str = _RunOrSession, project: Path | None = Project, as_json: bool = Json
) -> None:
    """List what a run or session did to the world outside, or meant to."""
    async with connected(project) as client:
        session, _ = await _whose(client, of)
        found = await client.effects.list(session)
    if as_json:
        for entry in found:
            emit(entry)
        return
    columns = ("key", "tool", "class", "state", "attempt", "since (UTC)", "what")
    table(columns, (_effect_cells(entry) for entry in found), empty="no effects")


@verb(effects, "resolve")
async def resolve(  # noqa: PLR0913, PLR0917 - each is an option
    of: str = _RunOrSession,
    key: str = typer.Argument(help="The effect's key, as `effects list` shows it."),
    done: bool = typer.Option(False, "--done", help="It took effect."),
    failed: bool = typer.Option(False, "--failed", help="It did not; it may be tried again."),
    output: str = typer.Option("", help="What the tool would have returned, as JSON."),
    by: str = typer.Option("", help="Who says so; your login name if not given."),
    reason: str = Reason,
    project: Path | None = Project,
    as_json: bool = Json,
) -> None:
    """Say what became of an unknown effect; the run that waits for it goes on."""
    if done == failed:
        raise InvalidRequest("say either --done or --failed")
    try:
        value: Any = msgspec.json.decode(output) if output else None
    except msgspec.DecodeError:
        raise InvalidRequest("--output is no JSON") from None
    async with connected(project) as client:
        _, tenant = await _whose(client, of)
        entry = await client.effects.resolve(
            tenant,
            key,
            "done" if done else "failed",
            output=value,
            by=by or login(),
            reason=reason or BY_HAND,
        )
    if as_json:
        emit(entry)
    else:
        say(f"{entry.key} is {entry.state}, as {entry.resolved_by} says")


async def _whose(client: Client, given: str) -> tuple[str, str]:
    """Session and tenant of a run, or of a session itself. Errors: NotFound."""
    if given.startswith("ses_"):
        session = await client.sessions.show(given)
        return session.session_id, session.tenant
    run = await client.runs.show(given)
    return run.session, run.tenant


async def followed(
    client: Client,
    run: RunView,
    *,
    as_json: bool,
    heard: Callable[[Record], None] = lambda _: None,
) -> int:
    """Show a run's journal as it grows, until the run stops; its exit code.

    `heard` is told of each record.
    """
    watch = Watch(client, run.tenant, run.session, as_json=as_json, heard=heard)
    while True:
        run = await client.runs.show(run.run_id)
        await watch.catch_up()
        if run.state in _STOPS:
            break
        await asyncio.sleep(_POLL_S)
    code = code_of_run(run)
    if as_json:
        emit({"event": "result", "exit_code": int(code), "run": run})
        return code
    if run.state is RunState.DONE:
        result = run.result
        say(result if isinstance(result, str) else msgspec.json.encode(result).decode())
    else:
        complain(f"{run.state}: {run.reason}")
        if run.state in (RunState.PARKED, RunState.DEAD):
            complain(f"look at it with `holdfast dlq show {run.run_id}`")
    note(f"run {run.run_id}: {format_usd(watch.spent_nusd)} in all", style="bold")
    return code


_BY_REASON = {
    "budget_exceeded": ExitCode.BUDGET,
    "deadline_exceeded": ExitCode.LOOP,
    "context_overflow": ExitCode.LOOP,
    "the session is expired": ExitCode.LOOP,
    "the session is stopped": ExitCode.LOOP,
    "permission_denied": ExitCode.DENIED,
}


def code_of_run(run: RunView) -> ExitCode:
    """The exit code of a run that stopped."""
    if run.state is RunState.DONE:
        return ExitCode.DONE
    if run.state is RunState.CANCELLED:
        return ExitCode.KILLED
    if run.state is RunState.PARKED:
        return ExitCode.PAUSED
    head = run.reason.partition(":")[0]
    return _BY_REASON.get(head, ExitCode.UPSTREAM)


def print_runs(found: tuple[RunView, ...], *, as_json: bool, empty: str) -> None:
    """A line for each run."""
    if as_json:
        for run in found:
            emit(run)
        return
    columns = ("run", "agent", "user", "state", "submitted (UTC)", "cost", "what", "why")
    rows = [
        (
            run.run_id,
            run.agent,
            f"{run.tenant}/{run.user}",
            run.state,
            clock(run.submitted_at_ns),
            cost_so_far(run) if run.turns or run.reserved_nusd else "",
            plain(run.prompt, _SHOWN),
            plain(run.reason, _SHOWN),
        )
        for run in found
    ]
    table(columns, rows, empty=empty)


def cost_so_far(view: SessionView | RunView) -> str:
    """What is settled, and about what the answers under way cost so far."""
    settled = format_usd(view.cost_nusd)
    return f"{settled} + ~{format_usd(view.estimated_nusd)}" if view.reserved_nusd else settled


def print_run(run: RunView, *, as_json: bool) -> None:
    """A run as it stands, with what it waits for."""
    if as_json:
        emit(run)
        return
    reason = f" ({run.reason})" if run.reason else ""
    say(f"{run.run_id} is {run.state}{reason}")
    say(f"  agent    {run.agent}, for {run.tenant}/{run.user}")
    say(f"  session  {run.session}")
    say(f"  so far   {run.turns} turns, {cost_so_far(run)}, {run.activations} activations")
    if run.context_percent:
        alerted = ", an alert was raised" if run.context_alerted else ""
        say(f"  context  {run.context_percent} % full after the last answer{alerted}")
    if run.worker:
        say(f"  worker   {run.worker}")
    if run.retry_of:
        branched = f" after turn {run.fork_turn}" if run.fork_turn else " from its prompt"
        say(f"  again    {run.retry_of}{branched}")
    for entry in run.unknown_effects:
        print_unknown(entry, run.run_id)


def print_unknown(entry: EffectEntry, of: str) -> None:
    """An unknown effect of a run or session, and what settles it."""
    say(f"  unknown  {entry.tool}: {entry.error or 'nobody reported it'}")
    say(f"           holdfast effects resolve {of} {entry.key} --done | --failed")


def _effect_cells(entry: EffectEntry) -> tuple[object, ...]:
    what = entry.error or msgspec.json.encode(entry.output).decode()
    return (
        entry.key,
        entry.tool,
        entry.idempotency,
        entry.state,
        entry.attempt,
        clock(entry.intended_at_ns),
        plain(what, _SHOWN),
    )
