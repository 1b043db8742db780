"""`holdfast stops`: what holds a part of the fleet."""

from pathlib import Path

import typer

from holdfast.apps.cli.printing import clock, emit, plain, table
from holdfast.apps.cli.reaching import connected
from holdfast.apps.cli.verbs import Json, Project, verb

app = typer.Typer(help="Stops: what holds a part of the fleet.", no_args_is_help=True)
_SHOWN = 80


@verb(app, "list")
async def list_stops(project: Path | None = Project, as_json: bool = Json) -> None:
    """List what is paused or killed and not resumed: by whom, since when, why, who may lift it."""
    async with connected(project) as client:
        found = await client.stops.list()
    if as_json:
        for stop in found:
            emit(stop)
        return
    columns = ("what", "is", "sessions", "by", "since (UTC)", "why", "lifted by")
    rows = (
        (
            plain(stop.what, _SHOWN),
            "paused" if stop.kind == "pause" else "killed",
            stop.sessions,
            plain(stop.by, _SHOWN),
            clock(stop.at_ns),
            plain(stop.reason, _SHOWN),
            plain(stop.lifted_by, _SHOWN),
        )
        for stop in found
    )
    table(columns, rows, empty="nothing is held")


def register(tree: typer.Typer) -> None:
    """Add `stops`."""
    tree.add_typer(app, name="stops")
