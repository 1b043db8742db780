"""A Redis of our own, as it ships but for its port and folder."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.peers.nginx import free_port, wait_for_port
from benchmarks.processes import Child, Unavailable

# Atomic, since a task's successor is pushed before the task itself is acknowledged.
_OPEN = "return redis.call('llen', 'celery') + redis.call('hlen', 'unacked')"


def _binary(name: str) -> str:
    found = shutil.which(name)
    if not found:
        raise Unavailable(f"{name} is not installed; on Debian or Ubuntu: apt install redis-server")
    return found


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[int]:
    """The port of an empty Redis. Errors: Unavailable."""
    port = free_port()
    command = [_binary("redis-server"), "--port", str(port), "--bind", "127.0.0.1"]
    with Child([*command, "--dir", str(folder)], log=folder / "redis.log") as child:
        wait_for_port(child, port, 10)
        yield port


def open_tasks(port: int) -> int:
    """Tasks of Celery that are queued, or fetched and not acknowledged."""
    command = [_binary("redis-cli"), "-p", str(port), "eval", _OPEN, "0"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
    return int(said)
