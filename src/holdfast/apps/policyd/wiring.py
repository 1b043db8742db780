"""The serving process put together: signals, socket, service."""

import asyncio
import signal
import sys
from pathlib import Path

import uvloop

from holdfast.apps.policyd.clock import now_ns
from holdfast.apps.policyd.service import Files, PolicyService
from holdfast.backends.frames.server import FrameServer
from holdfast.backends.system.ready import told_ready
from holdfast.errors import HoldfastError


def serve(socket: Path, files: Files, ready_fd: int | None) -> int:
    """Run until SIGINT or SIGTERM; the exit code.

    Once questions are answered (with a refusal, if the files do not hold) one line is written to
    `ready_fd`, which is then closed.
    """
    try:
        uvloop.run(_serve(socket, files, ready_fd))
    except HoldfastError as fault:
        _report(fault.message)
        return 1
    except OSError as fault:
        _report(f"the socket cannot be had: {fault.strerror or type(fault).__name__}")
        return 1
    return 0


async def _serve(socket: Path, files: Files, ready_fd: int | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for caught in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(caught, stop.set)
    service = PolicyService(files, now_ns=now_ns, report=_report)
    server = FrameServer(service.handle, report=_report)
    server.bind(socket)

    def started() -> None:
        if ready_fd is not None:
            told_ready(ready_fd, "ready")

    try:
        await service.refresh()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(service.watch(stop))
            await server.serve(started, stop)
    finally:
        service.close()


def _report(line: str) -> None:
    """Diagnostics for the operator; stdout stays free."""
    sys.stderr.write(f"policyd: {line}\n")
    sys.stderr.flush()
