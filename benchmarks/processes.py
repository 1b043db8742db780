"""Processes that a benchmark starts: until they are ready, what they cost, and their end.

CPU is utime + stime of a process and everything below it, from `/proc`; the kernel counts it in
ticks of 10 ms, so one round has to last long enough for that to be fine.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.rows import Row

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
ROOT = Path(__file__).resolve().parent.parent
SCRATCH = ROOT / ".bench"


class Unavailable(Exception):
    """Something that a benchmark needs is not on this machine; the sentence says what."""


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """This process's environment with the checkout importable."""
    paths = [os.environ.get("PYTHONPATH", ""), str(ROOT / "src"), str(ROOT)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p), **(extra or {})}


class Child:
    """One process, ended when the block ends. Its standard error goes to a file."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        log: Path,
        env: dict[str, str] | None = None,
        pass_fds: tuple[int, ...] = (),
        piped: bool = False,
    ) -> None:
        self._log = log.open("wb")
        self.log = log
        pipe = subprocess.PIPE if piped else subprocess.DEVNULL
        self.process = subprocess.Popen(
            list(arguments),
            stdin=pipe,
            stdout=pipe,
            stderr=self._log,
            env=env if env is not None else environment(),
            pass_fds=pass_fds,
        )

    @property
    def pid(self) -> int:
        """Process id."""
        return self.process.pid

    def line(self, timeout_s: float = 30.0) -> str:
        """The next line of its standard output. Errors: Unavailable when none comes."""
        stdout = self.process.stdout
        if stdout is None:
            raise RuntimeError("the process was started without pipes")
        timer = threading.Timer(timeout_s, self.process.kill)
        timer.start()
        try:
            found: str = stdout.readline().decode()
        finally:
            timer.cancel()
        if not found:
            raise Unavailable(f"{self.process.args!r} said nothing: {self.said()}")
        return found

    def tell(self, line: bytes) -> None:
        """Write a line to its standard input. Errors: RuntimeError when it has none."""
        stdin = self.process.stdin
        if stdin is None:
            raise RuntimeError("the process was started without pipes")
        stdin.write(line + b"\n")
        stdin.flush()

    def said(self) -> str:
        """The end of its standard error."""
        self._log.flush()
        return self.log.read_text(errors="replace")[-600:]

    def stop(self) -> None:
        """SIGTERM, then SIGKILL; idempotent."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(8)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def tree(pid: int) -> set[int]:
    """The process and everything below it."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                parents[int(entry.name)] = int(_stat(int(entry.name))[1])
    found = {pid}
    while below := {p for p, parent in parents.items() if parent in found} - found:
        found |= below
    return found


def cpu_s(pid: int) -> float:
    """CPU seconds that the tree of `pid` has used so far."""
    total = 0
    for member in tree(pid):
        with contextlib.suppress(OSError, ValueError):
            fields = _stat(member)
            total += int(fields[11]) + int(fields[12])
    return total / _TICKS_PER_S


def ended_cpu_s(pid: int) -> float:
    """CPU seconds of children that `pid` has waited for."""
    fields = _stat(pid)
    return (int(fields[13]) + int(fields[14])) / _TICKS_PER_S


def busy_s(core: int) -> float:
    """CPU seconds that one core has spent on anything, steal included, since the start."""
    for line in Path("/proc/stat").read_text().splitlines():
        fields = line.split()
        if fields[0] == f"cpu{core}":
            idle = int(fields[4]) + int(fields[5])
            return (sum(int(field) for field in fields[1:9]) - idle) / _TICKS_PER_S
    return 0.0


def rss_mb(pid: int) -> float:
    """Resident megabytes of the tree; pages shared between its members count for each."""
    total = 0
    for member in tree(pid):
        with contextlib.suppress(OSError, ValueError):
            total += int(Path(f"/proc/{member}/statm").read_text().split()[1]) * _PAGE_BYTES
    return total / 1e6


def _stat(pid: int) -> list[str]:
    """Fields of `stat` from the state on (index 1: parent, 11: utime, 12: stime)."""
    raw = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    return raw[raw.rindex(")") + 2 :].split()


def pin(pid: int, cores: set[int]) -> None:
    """Keep a process and its present threads on these cores."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError, ValueError):
            os.sched_setaffinity(int(task.name), cores)


def python(*arguments: str) -> list[str]:
    """A command line of this Python."""
    return [sys.executable, *arguments]


def scratch(name: str) -> Path:
    """An empty folder below `.bench/`, for one run of one benchmark."""
    folder = SCRATCH / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def gone(pids: set[int], timeout_s: float = 5.0) -> bool:
    """Whether all of them end in time; the rest are killed."""
    deadline = time.monotonic() + timeout_s
    while left := {pid for pid in pids if Path(f"/proc/{pid}").exists()}:
        if time.monotonic() > deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return False
        time.sleep(0.01)
    return True


def unavailable(bench: str, what: str, unit: str, why: Exception) -> Row:
    """The row of a figure that could not be had."""
    return Row(bench=bench, what=what, figure=None, unit=unit, note=f"not measured: {why}")
