"""What the figures were measured on: processor, cores, kernel, load, versions."""

import importlib.metadata
import os
import platform
import resource
import time
from pathlib import Path

import msgspec

_PACKAGES = ("holdfast", "uvicorn", "uvloop", "starlette", "aiohttp", "apsw", "cedarpy", "msgspec")


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Read once, at the start of a run."""

    at: str
    cpu: str
    cores: int
    memory_gb: float
    kernel: str
    python: str
    load_average: tuple[float, float, float]
    versions: dict[str, str]


class ForeignWork:
    """How much of the machine others used since this was made.

    Everything busy, less this process and the children that it has waited for.
    """

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._busy_s, self._ours_s = _busy_s(), _ours_s()

    def lasted_s(self) -> float:
        """Seconds since this was made."""
        return time.monotonic() - self._since

    def percent(self) -> float:
        """Share of all cores that others used, steal included."""
        others_s = (_busy_s() - self._busy_s) - (_ours_s() - self._ours_s)
        cores = os.cpu_count() or 1
        return max(0.0, 100 * others_s / (self.lasted_s() * cores))


def _busy_s() -> float:
    fields = [int(f) for f in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def _ours_s() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used)


def describe() -> Machine:
    """The machine as it is now."""
    return Machine(
        at=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        kernel=platform.release(),
        python=platform.python_version(),
        load_average=os.getloadavg(),
        versions={name: _version(name) for name in _PACKAGES},
    )


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "from this checkout"
