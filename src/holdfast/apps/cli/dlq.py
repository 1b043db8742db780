"""`holdfast dlq`: what waits for a person, of runs and of sessions, in one list.

Not here: settling an effect (`holdfast effects resolve`, in `runs`).
"""

from pathlib import Path

import typer

from holdfast.apps.cli.printing import clock, emit, plain, say, table
from holdfast.apps.cli.reaching import connected
from holdfast.apps.cli.runs import BY_HAND, RunId, print_run, print_runs, print_unknown
from holdfast.apps.cli.verbs import Json, Project, Reason, Tenant, verb
from holdfast.client import Client
from holdfast.errors import NotFound
from holdfast.model.effects import EffectEntry, EffectState

_SHOWN = 80
_Waiting = typer.Argument(metavar="RUN_OR_SESSION", help="The id of a run, or of a session.")

dlq = typer.Typer(help="What waits for a person, of runs and of sessions.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.add_typer(dlq, name="dlq")


@verb(dlq, "list")
async def list_dead(
    project: Path | None = Project,
    tenant: str = Tenant,
    limit: int = typer.Option(1000, min=1, help="At most so many runs, and so many effects."),
    as_json: bool = Json,
) -> None:
    """List runs that wait for a person, and effects of sessions that nobody knows of."""
    async with connected(project) as client:
        runs = await client.dlq.list(tenant=tenant, limit=limit)
        unknown = await client.dlq.effects(tenant=tenant, limit=limit)
    told = {entry.key for run in runs for entry in run.unknown_effects}
    left = [entry for entry in unknown if entry.key not in told]
    if as_json:
        for one in (*runs, *left):
            emit(one)
        return
    if runs or not left:
        print_runs(runs, as_json=False, empty="nothing waits for a person")
    if left:
        columns = ("session", "tenant", "tool", "unknown since (UTC)", "why", "effect")
        table(columns, map(_cells, left), empty="")


def _cells(entry: EffectEntry) -> tuple[object, ...]:
    why = plain(entry.error or "nobody reported it", _SHOWN)
    since = clock(entry.changed_at_ns)
    return entry.session, entry.tenant, entry.tool, since, why, entry.key


@verb(dlq, "show")
async def show_dead(
    of: str = _Waiting, project: Path | None = Project, as_json: bool = Json
) -> None:
    """Show why a run waits, or what of a session is unknown, and the commands that settle it."""
    async with connected(project) as client:
        if not of.startswith("ses_"):
            print_run(await client.runs.show(of), as_json=as_json)
            return
        unknown = await _unknown_of(client, of)
    if not as_json:
        say(f"{of} left open what came of")
    for entry in unknown:
        if as_json:
            emit(entry)
        else:
            print_unknown(entry, of)


async def _unknown_of(client: Client, session: str) -> list[EffectEntry]:
    """Errors: NotFound where nothing of the session waits for anybody."""
    found = [e for e in await client.effects.list(session) if e.state is EffectState.UNKNOWN]
    if not found:
        raise NotFound("nothing of this session waits for a person")
    return found


@verb(dlq, "redrive")
async def redrive(
    run: str = RunId, reason: str = Reason, project: Path | None = Project, as_json: bool = Json
) -> None:
    """Queue it again, where it stopped."""
    async with connected(project) as client:
        print_run(await client.dlq.redrive(run, reason or BY_HAND), as_json=as_json)


@verb(dlq, "discard")
async def discard(
    run: str = RunId, reason: str = Reason, project: Path | None = Project, as_json: bool = Json
) -> None:
    """Give it up; its journal stays."""
    async with connected(project) as client:
        print_run(await client.dlq.discard(run, reason or BY_HAND), as_json=as_json)
