"""Finds and ends what hooks started, whatever group or environment it runs in.

A keeper finds its own by descent. Where a hook ended or halted its keeper, whose orphans are not
below it any more, the server finds what is of the keeper's session or kept its mark in the
environment. Everything found is halted before the next look, so that nothing can start more
meanwhile. Without `/proc` nobody is found.
"""

import contextlib
import os
import signal
from pathlib import Path

MARK = "HOLDFAST_HOOK_HOST"
"""The variable that names the keeper to all that its hooks start."""
_MOST_LOOKS = 32
# A process that starts the next one and goes, while one look is taken, is seen by none.
_ROUNDS = 4
_PARENT, _SESSION = 1, 3


def end_kept(keeper: int, mark: str) -> None:
    """End what a keeper, which ended itself or does nothing, has left. Never raises."""
    for _ in range(_ROUNDS):
        end_found(keeper, mark)


def end_found(keeper: int, mark: str = "", *, proc: Path = Path("/proc")) -> None:
    """End what is found below a keeper, or by its mark where one is given. Never raises."""
    halted: set[int] = set()
    for _ in range(_MOST_LOOKS):
        found = _found(keeper, mark, proc) - halted
        if not found:
            break
        for pid in found:
            _signal(pid, signal.SIGSTOP)
        halted |= found
    for pid in halted:
        _signal(pid, signal.SIGKILL)


def _found(keeper: int, mark: str, proc: Path) -> set[int]:
    """All below the keeper and of its session, and all that carry its mark, but itself and us."""
    seen = _seen(proc)
    below: set[int] = {keeper}
    grown = True
    while grown:
        more = {pid for pid, (parent, _) in seen.items() if parent in below} - below
        grown = bool(more)
        below |= more
    wanted = f"{MARK}={mark}".encode()
    marked = {
        pid
        for pid, (_, session) in seen.items()
        if session == keeper or (mark and wanted in _environment(pid, proc))
    }
    return (below | marked) - {keeper, os.getpid()}


def _seen(proc: Path) -> dict[int, tuple[int, int]]:
    """Parent and session of each process."""
    found: dict[int, tuple[int, int]] = {}
    with contextlib.suppress(OSError), os.scandir(proc) as entries:
        for entry in entries:
            if entry.name.isdigit():
                with contextlib.suppress(OSError, ValueError, IndexError):
                    stat = Path(proc, entry.name, "stat").read_bytes()
                    # The name in brackets may hold anything, brackets too.
                    fields = stat[stat.rindex(b")") + 2 :].split()
                    found[int(entry.name)] = int(fields[_PARENT]), int(fields[_SESSION])
    return found


def _environment(pid: int, proc: Path) -> list[bytes]:
    with contextlib.suppress(OSError):
        return Path(proc, str(pid), "environ").read_bytes().split(b"\0")
    return []


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
