"""`holdfast operators`: who acts beside the admin, by name."""

from pathlib import Path

import typer

from holdfast.apps.cli.printing import clock, emit, note, say, table
from holdfast.apps.cli.reaching import connected
from holdfast.apps.cli.verbs import Json, Project, verb
from holdfast.model.operators import Role

app = typer.Typer(help="Operators by name, beside the admin.", no_args_is_help=True)
_Name = typer.Argument(help="As `approvers` and the journal name them.")


@verb(app, "add")
async def add(
    name: str = _Name,
    role: Role = typer.Option(Role.OPERATOR, help="What they may do."),
    within: list[str] = typer.Option(
        [], help="Where: a tenant, or `tenant/project`; everywhere if not given."
    ),
    identity: str = typer.Option(
        "", help="By whom they sign in: `email:ann@acme.example`, or `sub:…`."
    ),
    token: bool = typer.Option(False, "--token", help="With an identity, a token too."),
    project: Path | None = Project,
    as_json: bool = Json,
) -> None:
    """Name an operator; print their token, this once, where they get one. Only the admin may."""
    async with connected(project) as client:
        added = await client.operators.add(
            name, role=role, within=within, identity=identity, token=token
        )
    if as_json:
        emit(added)
        return
    if not added.token:
        say(f"{added.name} signs in as {identity}")
        return
    note(f"the token of {added.name}, shown this once; they set HOLDFAST_OPERATOR_TOKEN to it")
    say(added.token)


@verb(app, "list")
async def list_operators(project: Path | None = Project, as_json: bool = Json) -> None:
    """List operators; the admin has no entry."""
    async with connected(project) as client:
        found = await client.operators.list()
    if as_json:
        for one in found:
            emit(one)
        return
    rows = (
        (
            one.name,
            one.role,
            ", ".join(one.within) or "everywhere",
            clock(one.added_at_ns),
            ", ".join(one.users) or "-",
            one.identity or "-",
        )
        for one in found
    )
    columns = ("name", "role", "where", "added (UTC)", "is the user", "signs in as")
    table(columns, rows, empty="no operators but the admin")


@verb(app, "remove")
async def remove(name: str = _Name, project: Path | None = Project, as_json: bool = Json) -> None:
    """Take an operator's token back. Only the admin may."""
    async with connected(project) as client:
        await client.operators.remove(name)
    if as_json:
        emit({"removed": name})
    else:
        say(f"{name} is no operator any more")


def register(tree: typer.Typer) -> None:
    """Add `operators`."""
    tree.add_typer(app, name="operators")
