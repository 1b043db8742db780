"""Finding and ending every process of a session, without asking any of them.

A session's processes carry `HOLDFAST_SESSION=<id>` in the environment they were started with, and
so do their children. Before its first model call, and again before each permit, all that is of the
session by mark, descent or group (`process_table`) is moved into a control group (v2) of its own,
where this user may write one; from then on nothing leaves it, whatever it does to its environment
or its process group. Without control groups a process that cleared its environment, left its
parents *and* made a group of its own between two looks is not found; the report then says so.
"""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from holdfast.backends.system.births import Births
from holdfast.backends.system.lookout import Lookout
from holdfast.backends.system.process_table import ProcessTable
from holdfast.ports.processes import StopReport

UNPROVED = (
    "there is no control group here: a process that left its parents, its group and its mark"
    " between two calls would not be found"
)
_ROUNDS = 20
_SETTLE_S = 0.01
_MOST_MADE = 100_000


class LinuxProcesses:
    """Reads `/proc`; uses control groups when this user may."""

    def __init__(self, *, proc: Path = Path("/proc"), group_root: Path | None = None) -> None:
        self._lookout = Lookout(ProcessTable(proc), Births(proc))
        self._groups = group_root if group_root is not None else _group_root()
        # Sessions that have a group; a few are forgotten, and made sure of again.
        self._made: set[str] = set()
        self._ending = ThreadPoolExecutor(1, "kill")

    async def adopt(self, session_id: str) -> str:
        """Move the session's processes into a group of their own; names what will find them."""
        await self._lookout.look()
        if self._groups is None:
            return "marker"
        if session_id in self._made and not self._lookout.table.of(session_id):
            return "cgroup"
        group, loop = self._groups / session_id, asyncio.get_running_loop()
        return await loop.run_in_executor(self._lookout.thread, self._fence, group, session_id)

    async def stop(self, session_ids: Collection[str]) -> Mapping[str, StopReport]:
        """Kill until nothing is left, a bounded number of times."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._ending, self._stop, tuple(session_ids))

    async def seen(self, session_id: str) -> frozenset[tuple[int, int]]:
        """The session's processes that live, by a look at everybody."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._lookout.thread, self._seen, session_id)

    def _seen(self, session_id: str) -> frozenset[tuple[int, int]]:
        with self._lookout.lock:
            self._lookout.table.look(whole=True)
            found = self._lookout.table.identities(session_id)
        return frozenset(one for one in found if one[0] != os.getpid())

    def _group(self, session_id: str) -> Path | None:
        """The session's own, where one was made."""
        group = self._groups / session_id if self._groups is not None else None
        return group if group is not None and group.is_dir() else None

    def _fence(self, group: Path, session_id: str) -> str:
        with self._lookout.lock:
            try:
                group.mkdir(parents=True, exist_ok=True)
                if len(self._made) > _MOST_MADE:
                    self._made.clear()
                self._made.add(session_id)
                for pid in self._of(session_id) - self._members(group):
                    # The process may have ended since it was listed.
                    with contextlib.suppress(ProcessLookupError):
                        (group / "cgroup.procs").write_text(str(pid))
            except OSError:
                return "marker"
        return "cgroup"

    def _of(self, session_id: str) -> set[int]:
        """The session's processes as of the last look; never this one."""
        return self._lookout.table.of(session_id) - {os.getpid()}

    def _stop(self, session_ids: Collection[str]) -> dict[str, StopReport]:
        groups = {one: group for one in session_ids if (group := self._group(one)) is not None}
        found: dict[str, set[int]] = {one: set() for one in session_ids}
        with self._lookout.lock:
            for _ in range(_ROUNDS):
                now = self._living(session_ids, groups)
                if not now:
                    break
                for one, pids in now.items():
                    found[one] |= pids
                    self._kill(groups.get(one), pids)
                threading.Event().wait(_SETTLE_S)
            else:
                now = self._living(session_ids, groups)
            for one, group in groups.items():
                self._made.discard(one)
                with contextlib.suppress(OSError):
                    group.rmdir()
        return {
            one: StopReport(
                how=("cgroup" if one in groups else "marker") if pids else "none",
                found=len(pids),
                survivors=len(now.get(one, ())),
                unproved="" if one in groups else UNPROVED,
            )
            for one, pids in found.items()
        }

    def _living(
        self, session_ids: Collection[str], groups: Mapping[str, Path]
    ) -> dict[str, set[int]]:
        """The processes of each of these sessions that has any, by a look at everybody."""
        members = {one: self._members(group) for one, group in groups.items()}
        self._lookout.table.look(whole=True)
        every = {one: members.get(one, set()) | self._of(one) for one in session_ids}
        return {one: pids for one, pids in every.items() if pids}

    def _kill(self, group: Path | None, pids: set[int]) -> None:
        if group is not None and self._members(group):
            with contextlib.suppress(OSError):
                (group / "cgroup.kill").write_text("1")
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def _members(self, group: Path) -> set[int]:
        with contextlib.suppress(OSError):
            return {int(pid) for pid in (group / "cgroup.procs").read_text().split()}
        return set()


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
