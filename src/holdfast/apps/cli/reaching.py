"""Which running server answers for a project."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from holdfast.client import Client, connect, find_server_file
from holdfast.client.discovery import locate
from holdfast.errors import ConfigInvalid, Unavailable


@asynccontextmanager
async def connected(given: Path | None, *, spends: bool = False) -> AsyncIterator[Client]:
    """A client of the running server; one that `spends` uses a spending key where there is one.

    Errors: Unavailable when none is found.
    """
    async with connect(project_dir=_folder(given), spends=spends) as client:
        yield client


def address(url: str, given: Path | None) -> str:
    """The server that is named, or the one that runs. Errors: Unavailable when none is found."""
    found = url or locate("", "none", _folder(given), spends=False).url
    return found.rstrip("/")


def _folder(given: Path | None) -> Path | None:
    if given is None:
        return None
    if not given.expanduser().is_dir():
        raise ConfigInvalid(f"`{given}` is no folder")
    return given.expanduser().resolve()


async def answering(folder: Path) -> Client | None:
    """A client of the project's own server if one answers, None otherwise."""
    found = find_server_file(folder)
    if found is None or found.parent.parent != folder:
        return None
    try:
        client = connect(project_dir=folder, spends=False)
        await client.health()
    except Unavailable:
        return None
    return client
