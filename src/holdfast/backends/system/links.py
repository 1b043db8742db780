"""Where paths lead on this machine, bounded in time and in number."""

import asyncio
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path

_TIMEOUT_S = 2.0
_MOST_PATHS = 512
_MOST_ENTRIES = 20_000
# What a system may reach by a link of its own; a place there keeps the name that all know.
_SHARED = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 -- judged, not used
# These are no links that a file system holds: they name what a process has open.
_OF_A_PROCESS = ("/dev/", "/proc/")
_MARKS = frozenset("*?[")


class _Beyond(Exception):
    """More to look up than is done for one call; never leaves this module."""


class SystemLinks:
    """Looks links up in threads of its own.

    `known` are absolute paths that are judged by name (settings, policies, state): whatever lies
    behind a link to one of them, or to the user's home, is called by that name.
    """

    def __init__(self, known: Sequence[str] = (), *, timeout_s: float = _TIMEOUT_S) -> None:
        self._known = (*_SHARED, str(Path.home()), *known)
        self._timeout_s = timeout_s
        # A file system that hangs keeps these threads, and holds up nothing else.
        self._pool = ThreadPoolExecutor(2, "links")

    async def resolved(
        self, folder: str, paths: Sequence[str], *, globs: bool = False
    ) -> Mapping[str, tuple[str, ...]] | None:
        """Where those of the paths lead that lead elsewhere; None where it is too much or slow."""
        if len(paths) > _MOST_PATHS:
            return None
        stop = threading.Event()
        given = (folder, tuple(paths), globs, stop)
        try:
            async with asyncio.timeout(self._timeout_s):
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._pool, self._resolved, *given)
        except (TimeoutError, _Beyond):
            return None
        finally:
            stop.set()

    def _resolved(
        self,
        folder: str,
        paths: tuple[str, ...],
        globs: bool,  # noqa: FBT001 -- an executor passes by position
        stop: threading.Event,
    ) -> Mapping[str, tuple[str, ...]]:
        if not Path(folder).is_dir():
            # It lies on another machine.
            return {}
        look = _Look(folder, self._known, stop)
        found = ((path, tuple(look.elsewhere(path, globs=globs))) for path in paths)
        return {path: places for path, places in found if places}


class _Look:
    """One lookup: what it knows by name, and what it may still do."""

    def __init__(self, folder: str, known: Sequence[str], stop: threading.Event) -> None:
        self._folder = folder
        self._stop = stop
        self._entries = _MOST_ENTRIES
        names = {os.path.realpath(one): one for one in (*known, folder)}
        # The longest first: the folder lies below the home.
        self._names = sorted(names.items(), key=lambda pair: -len(pair[0]))

    def elsewhere(self, path: str, *, globs: bool) -> Iterator[str]:
        """Real places of a path, without those that are where it says. Errors: _Beyond."""
        # As text, since pathlib would take away the `.` of what stands behind a link.
        home = os.path.expanduser(path.replace("\0", ""))  # noqa: PTH111
        whole = home if home.startswith("/") else f"{self._folder}/{home}"
        for one in self._expanded(whole) if globs and _MARKS & set(whole) else (whole,):
            self._spend()
            written = os.path.normpath(one)
            if f"{written}/".startswith(_OF_A_PROCESS):
                continue
            real = self._named(os.path.realpath(one))
            if real not in (written, self._named(written)):
                yield real

    def _expanded(self, whole: str) -> Iterator[str]:
        """What a shell may make of a pattern, part by part, and the pattern as it stands."""
        found = ["/"]
        for part in whole.split("/")[1:]:
            if _MARKS & set(part):
                found = [one for above in found for one in self._fitting(above, part)]
            else:
                found = [f"{above.rstrip('/')}/{part}" for above in found]
        yield from found
        yield whole

    def _fitting(self, folder: str, pattern: str) -> Iterator[str]:
        try:
            names = os.scandir(folder)
        except OSError:
            return
        with names:
            for entry in names:
                self._spend()
                hidden = entry.name.startswith(".") and not pattern.startswith((".", "["))
                if not hidden and fnmatchcase(entry.name, pattern.replace("[^", "[!")):
                    yield f"{folder.rstrip('/')}/{entry.name}"

    def _spend(self) -> None:
        self._entries -= 1
        if self._entries < 0 or self._stop.is_set():
            raise _Beyond

    def _named(self, real: str) -> str:
        for behind, name in self._names:
            if behind != "/" and (real == behind or real.startswith(f"{behind}/")):
                return name + real[len(behind) :]
        return real
