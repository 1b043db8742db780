"""Which process of this machine a worker is, and whether that process still lives.

A server that starts again gives a run of a worker that died to another one at once, and leaves the
others theirs. Only Linux says all that is needed, and only of its own processes: everywhere else,
and of a worker on another machine or in another container, nothing is known. Not here: leases
(`runtime/dispatch`).
"""

import os
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PIDS = Path("/proc/self/ns/pid")
_AFTER_NAME = 2  # The first two fields, of which the second may hold anything, are cut off.
_STATE = 2 - _AFTER_NAME
_STARTED = 21 - _AFTER_NAME


def this_process() -> str:
    """`boot/pids/pid/started`: this process and no other, ever; empty where it cannot be told."""
    started = _started(os.getpid())
    where = _where()
    return f"{where}/{os.getpid()}/{started}" if where and started else ""


def lives(process: str) -> bool | None:
    """Whether the process of that name lives; None where it cannot be told."""
    where, _, rest = process.rpartition("/")
    where, _, pid = where.rpartition("/")
    if not where or where != _where() or not pid.isdecimal():
        return None
    return _started(int(pid)) == rest


def _where() -> str:
    """This boot of this machine, and the processes that are seen from here."""
    try:
        return f"{_BOOT.read_text().strip()}/{_PIDS.readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process was started, in ticks since boot; empty when there is none, or its corpse."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[_STATE] in "ZX" else fields[_STARTED]
