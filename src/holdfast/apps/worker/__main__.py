"""`python -m holdfast.apps.worker`: work at runs until told to stop.

The server and its worker token come from the project's `.holdfast` folder, or from HOLDFAST_URL
and HOLDFAST_WORKER_TOKEN.
"""

import argparse
import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from holdfast.apps.worker.tasks import Worker
from holdfast.backends.system.parent import stop_with
from holdfast.client import Work, locate_worker
from holdfast.errors import HoldfastError
from holdfast.integrations.native.scratch import sweep
from holdfast.runtime.workers import this_process


def main(arguments: list[str]) -> int:
    """Exit code: 0 stopped as told, 2 no server or token is known, or it is of another version."""
    parser = argparse.ArgumentParser(prog="holdfast-worker", description=__doc__)
    parser.add_argument("--project", type=Path, default=Path(), help="folder of holdfast.yaml")
    parser.add_argument("--concurrency", type=int, default=8, help="runs at a time")
    parser.add_argument("--name", default="", help="as the journal names it")
    parser.add_argument("--idle-exit-s", type=float, default=0.0, help="end when idle for so long")
    parser.add_argument("--with-parent", type=int, default=0, help="end when this process does")
    parser.add_argument("--announce", action="store_true", help="say whose runs it takes")
    given = parser.parse_args(arguments)
    name = given.name or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"

    def connect() -> Work:
        found = locate_worker(given.project)
        return Work(found.url, found.token, name, this_process(), found=found.found)

    try:
        url = connect().url
    except HoldfastError as fault:
        _say(fault.message)
        return 2
    sweep()
    if given.announce:
        _say(f"{name} takes runs of {url}")
    working = _work(connect, max(1, given.concurrency), given.idle_exit_s, given.with_parent)
    fits = asyncio.run(working)
    return 0 if fits else 2


async def _work(
    connect: Callable[[], Work], concurrency: int, idle_exit_s: float, parent: int
) -> bool:
    """Whether the worker fitted the server."""
    worker = Worker(
        connect,
        concurrency=concurrency,
        environment=os.environ,
        say=_say,
        idle_exit_s=idle_exit_s,
    )
    loop = asyncio.get_running_loop()
    for caught in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(caught, worker.stop)
    if parent:
        stop_with(parent, worker.stop)
    await worker.run()
    return not worker.misfit


def _say(line: str) -> None:
    sys.stderr.write(f"holdfast worker: {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
