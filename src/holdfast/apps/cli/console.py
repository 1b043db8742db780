"""`holdfast console`: a link that signs a browser in, who is signed in, and their ends."""

from pathlib import Path

import typer

from holdfast.apps.cli.printing import clock, emit, note, say, table
from holdfast.apps.cli.reaching import connected
from holdfast.apps.cli.verbs import Json, Project, verb

app = typer.Typer(
    help="The console: a link that signs a browser in, who is signed in.", no_args_is_help=True
)


@verb(app, "link")
async def link(project: Path | None = Project, as_json: bool = Json) -> None:
    """Print a link that signs one browser in as you, once, within 15 minutes."""
    async with connected(project) as client:
        made = await client.sign_ins.link()
    if as_json:
        emit(made)
        return
    note(f"signs one browser in as {made.operator}, once, until {clock(made.expires_at_ns)} UTC")
    say(made.url)


@verb(app, "list")
async def list_sign_ins(project: Path | None = Project, as_json: bool = Json) -> None:
    """List browsers that are signed in: your own, or everybody's for the admin."""
    async with connected(project) as client:
        found = await client.sign_ins.list()
    if as_json:
        for one in found:
            emit(one)
        return
    rows = (
        (x.sign_in_id, x.operator, clock(x.since_ns), clock(x.seen_ns), clock(x.expires_at_ns))
        for x in found
    )
    columns = ("sign-in", "operator", "since (UTC)", "last seen", "until")
    table(columns, rows, empty="nobody is signed in")


@verb(app, "end")
async def end(
    sign_in: str = typer.Argument(metavar="SIGN_IN", help="As `console list` shows it."),
    project: Path | None = Project,
    as_json: bool = Json,
) -> None:
    """Sign a browser out."""
    async with connected(project) as client:
        await client.sign_ins.end(sign_in)
    if as_json:
        emit({"ended": sign_in})
    else:
        say(f"{sign_in} is signed out")


def register(tree: typer.Typer) -> None:
    """Add `console`."""
    tree.add_typer(app, name="console")
