"""`holdfast files`: whose files the agents work on."""

from pathlib import Path

import typer

from holdfast.apps.cli.printing import emit, say
from holdfast.apps.cli.reaching import connected
from holdfast.apps.cli.verbs import Json, Project, verb

app = typer.Typer(help="Files: which are the operator's own.", no_args_is_help=True)


@verb(app, "trust")
async def trust(
    ref: str = typer.Argument("HEAD", help="A branch, a tag or a commit."),
    root: str = typer.Option("", help="Which checkout of `files.own`, where there are several."),
    project: Path | None = Project,
    as_json: bool = Json,
) -> None:
    """Take the files of a commit for your own: what they say does not taint a session."""
    async with connected(project) as client:
        done = await client.trust_files(ref, root=root)
    if as_json:
        emit(done)
        return
    say(f"files of {done.root} at {done.commit} are your own")


@verb(app, "forget")
async def forget(
    ref: str = typer.Argument(help="A branch, a tag or a commit, as it was trusted."),
    root: str = typer.Option("", help="Which checkout of `files.own`, where there are several."),
    project: Path | None = Project,
    as_json: bool = Json,
) -> None:
    """Take the files of a commit for your own no longer."""
    async with connected(project) as client:
        done = await client.forget_files(ref, root=root)
    if as_json:
        emit(done)
        return
    say(f"files of {done.root} at {done.commit} are not your own for its sake any more")


def register(tree: typer.Typer) -> None:
    """Add `files`."""
    tree.add_typer(app, name="files")
