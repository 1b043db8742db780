"""What the figures were measured on: processor, cores, kernel, load, versions."""

import importlib.metadata
import os
import platform
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
