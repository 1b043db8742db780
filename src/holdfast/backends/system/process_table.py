"""Whose process is whose: by mark, by descent, and by the groups that a session's processes lead.

A process is known by its id and the inode of its folder in `/proc`, which another process under the
same id does not share. What was found to be of a session stays so, whatever the process does to its
environment, its parents or its group afterwards. Each look reads only processes that are new: their
number, not the machine's, is what a look costs.

A mark may come late: a process is seen between `fork` and `exec`, or a wrapper sets the mark and
executes the agent. So a new one is read in its first looks, and everything in a whole look.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

_MARKER = b"HOLDFAST_SESSION="
# Looks in which a new process is read again.
_FRESH_LOOKS = 3


class _Process(msgspec.Struct):
    """One process as it was last read. `sessions` it was found to belong to."""

    pid: int
    inode: int
    parent: int = 0
    group: int = 0
    leader: int = 0
    looks: int = 0
    sessions: frozenset[str] = frozenset()
    ended: bool = False


class ProcessTable:
    """Processes of this machine that this user may look at. Not safe for threads by itself."""

    def __init__(self, proc: Path) -> None:
        self._proc = proc
        self._known: dict[int, _Process] = {}
        # Groups and process sessions led by a process that another one of the session started.
        self._led: dict[int, frozenset[str]] = {}
        self._of: dict[str, list[_Process]] = {}
        self.fresh = False
        """Whether somebody is so new that the next look reads it again."""

    def look(self, *, whole: bool = False) -> None:
        """See who is there; `whole` reads everybody again."""
        there: dict[int, _Process] = {}
        changed = False
        for pid, inode in self._pids():
            known = self._known.get(pid)
            if known is None or known.inode != inode:
                self._led.pop(pid, None)
                known = _Process(pid=pid, inode=inode)
            if whole or known.looks < _FRESH_LOOKS:
                self._read(known)
                changed = True
            there[pid] = known
        self._known = there
        if changed:
            self._attribute()
        self.fresh = any(p.looks < _FRESH_LOOKS for p in there.values())
        self._of = _by_session(there.values())

    def _attribute(self) -> None:
        groups = {number for p in self._known.values() for number in (p.group, p.leader)}
        self._led = {number: of for number, of in self._led.items() if number in groups}
        self._spread()

    def of(self, session_id: str) -> set[int]:
        """Ids of the session's processes that live, as of the last look."""
        return {p.pid for p in self._of.get(session_id, ())}

    def identities(self, session_id: str) -> frozenset[tuple[int, int]]:
        """Ids and inodes of the session's processes that live, as of the last look."""
        return frozenset((p.pid, p.inode) for p in self._of.get(session_id, ()))

    def _pids(self) -> Iterator[tuple[int, int]]:
        try:
            with os.scandir(self._proc) as entries:
                for entry in entries:
                    if entry.name.isdigit():
                        yield int(entry.name), entry.inode()
        except OSError:
            return  # No such folder on this machine: nothing can be found.

    def _read(self, process: _Process) -> None:
        folder = f"{self._proc}/{process.pid}"
        process.looks += 1
        try:
            stat = _content(f"{folder}/stat")
            rest = stat[stat.rindex(b")") + 2 :].split()
            process.ended = rest[0] in (b"Z", b"X")
            if process.looks == 1:
                # Where it came from counts, not who took it in when its parent ended.
                process.parent = int(rest[1])
            process.group, process.leader = int(rest[2]), int(rest[3])
            marks = _marks(_content(f"{folder}/environ"))
        except (OSError, ValueError):
            return  # It ended meanwhile, or belongs to somebody else.
        process.sessions |= marks

    def _spread(self) -> None:
        """Children belong where their parents do, and so does whoever is in a group they lead."""
        grown = True
        while grown:
            grown = False
            for process in self._known.values():
                parent = self._known.get(process.parent)
                above = parent.sessions if parent is not None else frozenset()
                led = self._led.get(process.group, frozenset())
                led |= self._led.get(process.leader, frozenset())
                if not above | led <= process.sessions:
                    process.sessions |= above | led
                    grown = True
                # A group that somebody marked leads may be the shell pipeline it was started in.
                if above and process.pid in (process.group, process.leader):
                    before = self._led.get(process.pid, frozenset())
                    if not above <= before:
                        self._led[process.pid] = before | above
                        grown = True


def _by_session(processes: Iterable[_Process]) -> dict[str, list[_Process]]:
    """Those that live, under each session that they are of."""
    found: dict[str, list[_Process]] = {}
    for process in processes:
        if process.sessions and not process.ended:
            for session in process.sessions:
                found.setdefault(session, []).append(process)
    return found


def _content(path: str) -> bytes:
    """Without a buffer or a decoder: there are hundreds of these, and a permit waits for them."""
    opened = os.open(path, os.O_RDONLY)
    try:
        parts = []
        while part := os.read(opened, 65536):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(opened)


def _marks(environ: bytes) -> frozenset[str]:
    """The sessions that an environment names; nearly always one or none."""
    found = (v[len(_MARKER) :] for v in environ.split(b"\0") if v.startswith(_MARKER))
    return frozenset(value.decode("ascii", "replace") for value in found)
