"""`holdfast store`: where the journal and every state are kept.

Not here: the work, which is a process of its own (`apps/storage`), as it needs the wiring.
"""

import os
import sys
from pathlib import Path

import typer

from holdfast.apps.cli.project import project_dir, python_module
from holdfast.apps.cli.reaching import answering
from holdfast.apps.cli.verbs import Json, Project, verb
from holdfast.errors import Conflict

app = typer.Typer(help="Where journal and states are kept.", no_args_is_help=True)

STORAGE_MODULE = "holdfast.apps.storage"


@verb(app, "move")
async def move(
    to: str = typer.Option(
        "", help="`postgresql://host/database` or `sqlite`; as holdfast.yaml says if not given."
    ),
    project: Path | None = Project,
    as_json: bool = Json,
) -> None:
    """Move the project's store, every row read back and compared; no server may run meanwhile."""
    folder = project_dir(project)
    client = await answering(folder)
    if client is not None:
        async with client:
            raise Conflict(f"a server of this project answers at {client.base_url}; stop it first")
    arguments = ["move", str(folder), "--to", to, *(["--json"] if as_json else [])]
    command = python_module(STORAGE_MODULE, arguments)
    sys.stdout.flush()
    # Becomes it: a large store takes its time, and Ctrl-C is its own to handle.
    os.execve(command[0], command, {**os.environ})  # noqa: S606 - there is no shell


@app.callback()
def _store_group() -> None:
    """Where journal and states are kept."""


def register(tree: typer.Typer) -> None:
    """Add `store`."""
    tree.add_typer(app, name="store")
