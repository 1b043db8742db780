"""`holdfast batch run`: many records, chunk by chunk, each checked before the next.

The same command goes on where it stopped. Not here: what a chunk is (`integrations/batches`).
"""

import asyncio
from pathlib import Path

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from holdfast.apps.cli.exit_codes import ExitCode
from holdfast.apps.cli.printing import complain, emit, note, table
from holdfast.apps.cli.project import agent_of, login, project_dir
from holdfast.apps.cli.runs import code_of_run, prompt_of
from holdfast.apps.cli.server import serving, working
from holdfast.apps.cli.verbs import Json, Project, Tenant, verb
from holdfast.client import Client, RunView
from holdfast.errors import InvalidRequest
from holdfast.integrations.batches import (
    Chunk,
    Standing,
    chunks_of,
    judged,
    name_of,
    records_of,
    standings,
)
from holdfast.model.money import format_usd
from holdfast.model.runs import RunState

app = typer.Typer(help="Many records, in chunks that are checked.", no_args_is_help=True)
_POLL_S = 0.1
_CHUNK = 20
_OPEN = (RunState.QUEUED, RunState.RUNNING, RunState.DELAYED)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asked for."""

    agent: str
    agent_file: Path | None
    user: str
    tenant: str
    project_name: str
    task: str
    name: str
    check: str
    folder: Path


@verb(app, "run")
async def run(  # noqa: PLR0913, PLR0917 - each is an option
    prompt: str = typer.Argument(help="The task, put before each chunk; `-` reads it."),
    agent: str = typer.Option(..., help="An agent of holdfast.yaml, or its agent file."),
    records: Path = typer.Option(..., help="JSON lines, each an object with an `id`."),
    chunk: int = typer.Option(
        0, min=0, max=1000, help=f"Records at a time; the task's own, or {_CHUNK}, if not given."
    ),
    check: str = typer.Option("", help="`module:function(records, result)` of objections."),
    name: str = typer.Option("", help="The batch's name; made from the work if not given."),
    project: Path | None = Project,
    tenant: str = Tenant,
    project_name: str = typer.Option("", help="The tenant's project, where it has several."),
    user: str = typer.Option("", help="For whom it works; your login name if not given."),
    task: str = typer.Option("", help="A kind of work, or `kind/instance`."),
    as_json: bool = Json,
) -> int:
    """Work at records in short fresh runs; stops at the first chunk that does not hold.

    The same command goes on at that chunk.
    """
    if check and ":" not in check:
        raise InvalidRequest("a check is `module:function`")
    folder, text, found = project_dir(project), prompt_of(prompt), records_of(records)
    named, file = agent_of(agent)
    whose = user or login()
    asked = Asked(
        agent=named,
        agent_file=file,
        user=whose,
        tenant=tenant,
        project_name=project_name,
        task=task,
        name=name or name_of(text, found, agent, whose),
        check=check,
        folder=folder,
    )
    async with serving(folder, quiet=as_json) as client, working(folder):
        planned = await _planned(client, asked)
        chunks = chunks_of(found, chunk or planned or _CHUNK, text)
        return await _worked(client, asked, chunks, as_json=as_json)


async def _planned(client: Client, asked: Asked) -> int | None:
    """Records at a time, as the task says.

    Also whose the batch is: where that is open, runs of several would be taken for this one's.
    """
    plan = await client.runs.plan(
        user=asked.user,
        agent=asked.agent,
        agent_file=asked.agent_file,
        tenant=asked.tenant,
        project=asked.project_name,
        task=asked.task,
    )
    return plan.chunk


async def _worked(client: Client, asked: Asked, chunks: tuple[Chunk, ...], *, as_json: bool) -> int:
    known = client.runs.each(
        batch=asked.name, tenant=asked.tenant, project=asked.project_name, user=asked.user
    )
    runs = [run async for run in known]
    standing = await asyncio.to_thread(
        standings, chunks, runs, asked.check, asked.folder, agent=asked.agent
    )
    done = sum(one.verified for one in standing)
    if done and not as_json:
        note(f"{asked.name}: {done} of {len(chunks)} chunks are verified already", style="dim")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=as_json) as progress:
        bar = progress.add_task(asked.name, total=len(chunks), completed=done)
        for place, before in enumerate(standing):
            if before.verified:
                continue
            standing[place] = await _one(client, asked, before)
            if as_json:
                emit(_row(standing[place]))
            if not standing[place].verified:
                break
            progress.advance(bar)
    return _report(asked, standing, as_json=as_json)


async def _one(client: Client, asked: Asked, before: Standing) -> Standing:
    """A chunk, to the end of its run; one that is open already is waited for.

    One that waits for a person is left to that person: a second run beside it would meet the same
    unknown effect.
    """
    if before.run is not None and before.run.state is RunState.PARKED:
        return before
    open_still = before.run is not None and before.run.state in _OPEN
    if open_still and before.run is not None:
        found: RunView = before.run
    else:
        found = await client.runs.submit(
            before.chunk.prompt,
            user=asked.user,
            agent=asked.agent,
            agent_file=asked.agent_file,
            tenant=asked.tenant,
            project=asked.project_name,
            task=asked.task,
            batch=asked.name,
        )
    while found.state in _OPEN:
        await asyncio.sleep(_POLL_S)
        found = await client.runs.show(found.run_id)
    return await asyncio.to_thread(judged, before.chunk, found, asked.check, asked.folder)


def _report(asked: Asked, standing: list[Standing], *, as_json: bool) -> int:
    bad = next((one for one in standing if one.run is not None and not one.verified), None)
    verified = [one for one in standing if one.verified]
    code = ExitCode.DONE
    if bad is not None and bad.run is not None:
        code = ExitCode.UNVERIFIED if bad.problems else code_of_run(bad.run)
    if as_json:
        emit(
            {
                "event": "result",
                "batch": asked.name,
                "chunks": len(standing),
                "verified": len(verified),
                "records": sum(len(one.chunk.records) for one in verified),
                "exit_code": int(code),
            }
        )
        return code
    columns = ("chunk", "records", "run", "state", "cost", "problems")
    rows = [_cells(one) for one in standing if one.run is not None]
    table(columns, rows, empty="nothing was begun")
    if bad is not None:
        why = "; ".join(bad.problems) or (bad.run.reason if bad.run is not None else "")
        complain(f"chunk {bad.chunk.number} of {bad.chunk.of} does not hold: {why}")
        if bad.run is not None and bad.run.state is RunState.PARKED:
            complain(f"it waits for a person: `holdfast dlq show {bad.run.run_id}`")
        complain("mend what it is about, then give the same command again to go on there")
    return code


def _cells(one: Standing) -> tuple[object, ...]:
    run = one.run
    state = "verified" if one.verified else "bad" if one.problems else run.state if run else ""
    return (
        f"{one.chunk.number} of {one.chunk.of}",
        len(one.chunk.records),
        run.run_id if run else "",
        state,
        format_usd(run.cost_nusd) if run else "",
        "; ".join(one.problems[:3]),
    )


def _row(one: Standing) -> dict[str, object]:
    return {
        "event": "chunk",
        "chunk": one.chunk.number,
        "of": one.chunk.of,
        "run_id": one.run.run_id if one.run else "",
        "state": one.run.state if one.run else "",
        "verified": one.verified,
        "problems": one.problems,
    }


def register(tree: typer.Typer) -> None:
    """Add `batch`."""
    tree.add_typer(app, name="batch")
