"""Where the time of a run went: `make test ARGS="--where ..."` (with `-n` in each process, summed).

Seconds on the clock and of the processor, a file and a test. The processor's are of the test
process and of the children that it waited for; of what goes on after a test (a server for the
whole run) the next reader, or nobody, is told. Not here: what is slow inside of one test.
"""

import resource
import time
from collections import defaultdict
from collections.abc import Generator
from typing import Any

import pytest

ROWS = 60
COLLECTION = "(collection)"

# Wall and processor seconds by node id.
Spent = dict[str, tuple[float, float]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--where`."""
    said = "say at the end which files and tests took the time"
    parser.addoption("--where", action="store_true", help=said)


def pytest_configure(config: pytest.Config) -> None:
    """Measure when asked to."""
    if config.getoption("where"):
        config.pluginmanager.register(Where(config))


def _now() -> tuple[float, float]:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.monotonic(), sum(one.ru_utime + one.ru_stime for one in used)


class Where:
    """Measures in the process that runs tests, and prints in the one that reports."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._spent: Spent = defaultdict(lambda: (0.0, 0.0))

    def _add(self, name: str, wall_s: float, cpu_s: float) -> None:
        wall, cpu = self._spent[name]
        self._spent[name] = (wall + wall_s, cpu + cpu_s)

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        """Importing and listing the tests."""
        before = _now()
        try:
            return (yield)
        finally:
            self._since(COLLECTION, before)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """One test with its fixtures."""
        before = _now()
        try:
            return (yield)
        finally:
            self._since(item.nodeid, before)

    def _since(self, name: str, before: tuple[float, float]) -> None:
        wall, cpu = _now()
        self._add(name, wall - before[0], cpu - before[1])

    def pytest_sessionfinish(self) -> None:
        """Hand over to the process that reports."""
        if (output := getattr(self._config, "workeroutput", None)) is not None:
            output["where"] = dict(self._spent)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Take over from a process that is done."""
        for name, (wall_s, cpu_s) in getattr(node, "workeroutput", {}).get("where", {}).items():
            self._add(name, wall_s, cpu_s)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the dearest, first by file, then by test."""
        files: Spent = defaultdict(lambda: (0.0, 0.0))
        for name, (wall_s, cpu_s) in self._spent.items():
            wall, cpu = files[name.partition("::")[0]]
            files[name.partition("::")[0]] = (wall + wall_s, cpu + cpu_s)
        for title, spent in (("files", files), ("tests", self._spent)):
            wall, cpu = (sum(one[at] for one in spent.values()) for at in (0, 1))
            terminalreporter.section(f"{title}: {wall:.0f} s, {cpu:.0f} s of processor")
            for name, (wall_s, cpu_s) in sorted(spent.items(), key=lambda one: -one[1][0])[:ROWS]:
                terminalreporter.line(f"{wall_s:8.1f} {cpu_s:8.1f}  {name}")
