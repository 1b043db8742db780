"""`holdfast up`: this process becomes the server.

What asks whether one runs already is loaded only where a server has left word.
"""

import os
import sys
from pathlib import Path

import typer

from holdfast.apps.cli.project import SERVER_FILE, SERVER_MODULE, project_dir, python_module
from holdfast.apps.cli.verbs import Project, verb
from holdfast.errors import Conflict


def register(app: typer.Typer) -> None:
    """Add `up`."""

    @verb(app, "up")
    def up(
        project: Path | None = Project,
        port: int | None = typer.Option(None, min=0, max=65535, help="0 takes a free one."),
        host: str = typer.Option("", help="Address to listen on."),
        workers: int = typer.Option(
            -1, min=-1, max=64, help="Workers beside it; 1 where an agent needs one."
        ),
        test_clock: bool = typer.Option(
            False, "--test-clock", help="Time is moved by `clock`, in a project of tests."
        ),
        store: str = typer.Option("", help="A Postgres, as `postgresql://host/database`."),
    ) -> None:
        """Start the server in the foreground: gateway, control API, policy process, workers."""
        folder = project_dir(project)
        running = _running(folder)
        if running:
            raise Conflict(f"a server of this project answers already at {running}")
        arguments = ["--project", str(folder)]
        if port is not None:
            arguments += ["--port", str(port)]
        if host:
            arguments += ["--host", host]
        if store:
            arguments += ["--store", store]
        if test_clock:
            arguments.append("--test-clock")
        arguments += ["--workers", str(workers)]
        command = python_module(SERVER_MODULE, arguments)
        sys.stdout.flush()
        # Becomes the server, so that no process of the command line stays resident.
        os.execve(command[0], command, {**os.environ})  # noqa: S606 - there is no shell


def _running(folder: Path) -> str:
    """The address of a server of this project that answers already; empty where none does."""
    if not (folder / SERVER_FILE).is_file():
        return ""
    import asyncio

    from holdfast.apps.cli.reaching import answering

    async def asked() -> str:
        client = await answering(folder)
        if client is None:
            return ""
        async with client:
            return client.base_url

    return asyncio.run(asked())
