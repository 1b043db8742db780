"""A server for the time of one run: `python -m holdfast.apps.server` as a child.

Not here: `holdfast up`, which becomes one.
"""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO

import msgspec

from holdfast.apps.cli.exit_codes import ExitCode
from holdfast.apps.cli.printing import note
from holdfast.apps.cli.project import SERVER_MODULE, python_module
from holdfast.apps.cli.reaching import answering
from holdfast.client import Client, connect
from holdfast.errors import ConfigInvalid, HoldfastError, Unavailable

WORKER_MODULE = "holdfast.apps.worker"
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
_STDERR_BYTES = 8192


class Child(msgspec.Struct, frozen=True):
    """A server of ours: its process and its address."""

    process: asyncio.subprocess.Process
    url: str


@asynccontextmanager
async def serving(folder: Path, *, quiet: bool) -> AsyncIterator[Client]:
    """A client of the project's running server, or of one started for the time of the block.

    Errors: ConfigInvalid or Unavailable, with what the server said, when it does not start.
    """
    client = await answering(folder)
    if client is not None:
        async with client:
            yield client
        return
    async with started(folder) as child, connect(project_dir=folder, spends=False) as own:
        if not quiet:
            note(f"started a server for this run at {child.url}", style="dim")
        yield own


@asynccontextmanager
async def started(folder: Path, variables: Mapping[str, str] | None = None) -> AsyncIterator[Child]:
    """A server as a child for the time of the block, listening on a free port.

    It runs in a process session of its own, so that Ctrl-C reaches it through us, after the
    agent's session was closed. `variables` are added to our own environment. Errors:
    ConfigInvalid, Unavailable.
    """
    read_fd, write_fd = os.pipe()
    arguments = ["--project", str(folder), "--port", "0", "--gateway-port", "0"]
    # It ends with us, however we end.
    arguments += ["--ready-fd", str(write_fd), "--with-parent", str(os.getpid())]
    with tempfile.TemporaryFile(prefix="holdfast-") as said:
        try:
            process = await asyncio.create_subprocess_exec(
                *python_module(SERVER_MODULE, arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=said,
                env={**os.environ, **(variables or {})},
                pass_fds=(write_fd,),
                start_new_session=True,
            )
        finally:
            os.close(write_fd)
        try:
            url = await _told(read_fd)
            if not url:
                await _stop(process)
                raise _not_started(process.returncode, said)
            yield Child(process, url)
        finally:
            os.close(read_fd)
            await _stop(process)


@asynccontextmanager
async def working(folder: Path) -> AsyncIterator[None]:
    """A worker of ours for the time of the block; it gives back what it is at when it ends."""
    process = await asyncio.create_subprocess_exec(
        *python_module(
            WORKER_MODULE, ["--project", str(folder), "--with-parent", str(os.getpid())]
        ),
        stdin=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        await _stop(process)


async def _told(read_fd: int) -> str:
    """The address that the server writes when it listens; empty if it ends or takes too long."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[str] = loop.create_future()

    def readable() -> None:
        if not told.done():
            told.set_result(os.read(read_fd, 4096).decode(errors="replace").strip())

    loop.add_reader(read_fd, readable)
    try:
        return await asyncio.wait_for(told, START_TIMEOUT_S)
    except TimeoutError:
        return ""
    finally:
        loop.remove_reader(read_fd)


def _not_started(code: int | None, said: IO[bytes]) -> HoldfastError:
    said.seek(0)
    last = said.read()[-_STDERR_BYTES:].decode(errors="replace").strip()
    words = "\n".join(line.removeprefix("holdfast: ") for line in last.splitlines())
    if code == ExitCode.USAGE:
        return ConfigInvalid(words or "the settings do not hold; see `holdfast config check`")
    return Unavailable(f"the server did not start: {words or 'it said nothing'}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Ask it to stop, and end it if it does not."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
