"""Ends a hook host and all that its hooks started, whatever group or environment it runs in.

The host's keeper takes in the orphans of what was started (it is their subreaper), so as long as it
lives, all of that is found by descent. Where it ended first, what kept the mark in the environment
is found. Everything found is halted before the next look, so that nothing can start more meanwhile.
Without `/proc` only the host's own group is ended.
"""

import contextlib
import os
import signal
from pathlib import Path

MARK = "HOLDFAST_HOOK_HOST"
"""The variable that names the host to all that its hooks start."""
_MOST_LOOKS = 32
# A process that starts the next one and goes, while one look is taken, is seen by none.
_EMPTY_LOOKS = 4
_PARENT = 1


def end_all(host: int, mark: str, *, proc: Path = Path("/proc")) -> None:
    """End the host `host` that was started with `mark`, and what it started. Never raises."""
    halted: set[int] = set()
    empty = 0
    for _ in range(_MOST_LOOKS):
        found = _found(host, mark, proc) - halted
        empty = 0 if found else empty + 1
        if empty == _EMPTY_LOOKS:
            break
        for pid in found:
            _signal(pid, signal.SIGSTOP)
        halted |= found
    for pid in halted:
        _signal(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(host, signal.SIGKILL)


def _found(host: int, mark: str, proc: Path) -> set[int]:
    """All below the host, and all that carry its mark but the host itself."""
    parents = _parents(proc)
    below: set[int] = {host}
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in below} - below
        grown = bool(more)
        below |= more
    wanted = f"{MARK}={mark}".encode()
    marked = {pid for pid in parents if pid not in below and wanted in _environment(pid, proc)}
    return (below | marked) - {host, os.getpid()}


def _parents(proc: Path) -> dict[int, int]:
    found: dict[int, int] = {}
    with contextlib.suppress(OSError), os.scandir(proc) as entries:
        for entry in entries:
            if entry.name.isdigit():
                with contextlib.suppress(OSError, ValueError, IndexError):
                    stat = Path(proc, entry.name, "stat").read_bytes()
                    # The name in brackets may hold anything, brackets too.
                    found[int(entry.name)] = int(stat[stat.rindex(b")") + 2 :].split()[_PARENT])
    return found


def _environment(pid: int, proc: Path) -> list[bytes]:
    with contextlib.suppress(OSError):
        return Path(proc, str(pid), "environ").read_bytes().split(b"\0")
    return []


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
