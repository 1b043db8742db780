"""Finding and ending every process of a session, without asking any of them.

A session's processes carry `HOLDFAST_SESSION=<id>` in the environment they were started with, and
so do their children. Where control groups (v2) can be written, the marked processes are moved
into a group of their own as soon as the session first asks for a permit; from then on nothing
leaves it, whatever it does to its environment or its process group. Without control groups the
marker and the tree of parents are what is left: a process that clears its environment *and*
detaches is missed, and the report says `marker`, not `cgroup`.
"""

import asyncio
import contextlib
import os
import signal
import threading
from pathlib import Path

from holdfast.ports.processes import StopReport

_MARKER = b"HOLDFAST_SESSION="
_ROUNDS = 20
_SETTLE_S = 0.01


class LinuxProcesses:
    """Reads `/proc`; uses control groups when this user may."""

    def __init__(self, *, proc: Path = Path("/proc"), group_root: Path | None = None) -> None:
        self._proc = proc
        self._groups = group_root if group_root is not None else _group_root()
        self._lock = threading.Lock()

    async def adopt(self, session_id: str) -> str:
        """Move the session's processes into a group of their own; names what will find them."""
        return await asyncio.to_thread(self._adopt, session_id)

    async def stop(self, session_id: str) -> StopReport:
        """Kill until nothing is left, a bounded number of times."""
        return await asyncio.to_thread(self._stop, session_id)

    def _group(self, session_id: str) -> Path | None:
        return self._groups / session_id if self._groups is not None else None

    def _adopt(self, session_id: str) -> str:
        group = self._group(session_id)
        if group is None:
            return "marker"
        with self._lock:
            try:
                group.mkdir(parents=True, exist_ok=True)
                for pid in self._marked(session_id):
                    # The process may have ended since it was listed.
                    with contextlib.suppress(ProcessLookupError):
                        (group / "cgroup.procs").write_text(str(pid))
            except OSError:
                return "marker"
        return "cgroup"

    def _stop(self, session_id: str) -> StopReport:
        group = self._group(session_id)
        grouped = group is not None and group.is_dir()
        found: set[int] = set()
        with self._lock:
            for _ in range(_ROUNDS):
                members = self._members(group) if grouped and group is not None else set()
                now = members | self._marked(session_id)
                if not now:
                    break
                found |= now
                self._kill(group if members else None, now)
                threading.Event().wait(_SETTLE_S)
            left = self._marked(session_id)
            if grouped and group is not None:
                left |= self._members(group)
                with contextlib.suppress(OSError):
                    group.rmdir()
        how = "cgroup" if grouped else "marker"
        return StopReport(how=how if found else "none", found=len(found), survivors=len(left))

    def _kill(self, group: Path | None, pids: set[int]) -> None:
        if group is not None:
            with contextlib.suppress(OSError):
                (group / "cgroup.kill").write_text("1")
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def _members(self, group: Path) -> set[int]:
        with contextlib.suppress(OSError):
            return {int(pid) for pid in (group / "cgroup.procs").read_text().split()}
        return set()

    def _marked(self, session_id: str) -> set[int]:
        """Processes started with the marker, and everything below them; never this one."""
        wanted = _MARKER + session_id.encode()
        parents: dict[int, int] = {}
        marked: set[int] = set()
        for entry in self._proc.iterdir():
            if not entry.name.isdigit():
                continue
            pid = int(entry.name)
            try:
                stat = (entry / "stat").read_bytes()
                rest = stat[stat.rindex(b")") + 2 :].split()
                if rest[0] in (b"Z", b"X"):
                    continue
                parents[pid] = int(rest[1])
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    marked.add(pid)
            except (OSError, ValueError):
                continue  # It ended meanwhile, or belongs to somebody else.
        grown = True
        while grown:
            below = {pid for pid, parent in parents.items() if parent in marked} - marked
            grown = bool(below)
            marked |= below
        return marked - {os.getpid()}


def _group_root() -> Path | None:
    """A folder for our control groups, None where this user may not have one."""
    for mount in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")):
        if not (mount / "cgroup.procs").exists():
            continue
        root = mount / "holdfast"
        try:
            root.mkdir(exist_ok=True)
        except OSError:
            return None
        return root if (root / "cgroup.kill").exists() else None
    return None
