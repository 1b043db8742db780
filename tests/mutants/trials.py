"""What a forked child does: run some tests, over the code as it is or with one mutant in it.

A mutant is put in where its module is imported, from source, before any test's module is: whatever
a test or another module takes from it is the mutated thing. Not here: choosing tests, forking.
"""

import importlib
import importlib.abc
import importlib.machinery
import os
import sys
import types
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
_QUIET = ("-q", "--no-header", "-p", "no:cacheprovider", "--tb=no")


class MutatedModule(importlib.abc.MetaPathFinder):
    """Finds one module, and gives it another source."""

    def __init__(self, name: str, path: Path, source: bytes) -> None:
        self._name, self._path, self._source = name, path, source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The mutated module; every other is found as always."""
        if fullname != self._name:
            return None
        loader = _FromMemory(fullname, str(self._path), self._source)
        return importlib.util.spec_from_file_location(
            fullname,
            self._path,
            loader=loader,
            submodule_search_locations=[str(self._path.parent)]
            if self._path.name == "__init__.py"
            else None,
        )


class _FromMemory(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, source: bytes) -> None:
        super().__init__(name, path)
        self._mutated = source

    def get_code(self, fullname: str) -> types.CodeType | None:
        return compile(self._mutated, self.path, "exec", dont_inherit=True)


def module_name(path: Path, source_root: Path) -> str:
    """`src/holdfast/core/x.py` below `src` is `holdfast.core.x`."""
    parts = path.relative_to(source_root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def mutate(name: str, path: Path, source: bytes) -> bool:
    """Put the mutant in; False where the module cannot be imported with it."""
    sys.meta_path.insert(0, MutatedModule(name, path, source))
    try:
        importlib.import_module(name)
    except BaseException:  # noqa: BLE001 - whatever a mutant does while it is imported
        return False
    return True


class _Chosen:
    """Keeps the chosen tests, in the order given, and remembers which failed and how long each took."""

    def __init__(self, chosen: Iterable[str] | None) -> None:
        self._chosen = None if chosen is None else {name: at for at, name in enumerate(chosen)}
        self.failed: list[str] = []
        self.passed: list[str] = []
        self.ran = 0

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Leave out what was not chosen."""
        if self._chosen is not None:
            kept = [item for item in items if item.nodeid in self._chosen]
            items[:] = sorted(kept, key=lambda item: self._chosen[item.nodeid])  # type: ignore[index]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Name those that failed and those that passed."""
        self.ran += report.when == "call"
        if report.failed:
            self.failed.append(report.nodeid)
        elif report.when == "call" and report.passed:
            self.passed.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A test file that cannot be imported any more notices, too."""
        if report.failed:
            self.failed.append(report.nodeid or "collection")


def prepare(root: Path) -> None:
    """Before any test is imported in a child."""
    os.chdir(root)
    os.environ["HYPOTHESIS_PROFILE"] = "mutants"
    # Plugins would be found imported already, which pytest warns of; no test here needs one.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ.pop("CI", None)
    for folder in (str(root), str(root / "src")):
        if folder not in sys.path:
            sys.path.insert(0, folder)


def run_tests(chosen: Sequence[str], folder: Path) -> dict[str, Any]:
    """Run the tests named until one fails; `failed` names it, `ran` is how many were tried."""
    plugin, code = _run(chosen, folder, "-x")
    failed = plugin.failed[0] if plugin.failed else ""
    if not failed and code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        failed = f"pytest ended with {int(code)}"
    return {"failed": failed, "ran": plugin.ran}


def passing(chosen: Sequence[str], folder: Path) -> list[str]:
    """Those of the tests that pass."""
    plugin, _ = _run(chosen, folder)
    return sorted(set(plugin.passed) - set(plugin.failed))


def _run(chosen: Sequence[str], folder: Path, *options: str) -> tuple[_Chosen, int]:
    files = list(dict.fromkeys(name.split("::")[0] for name in chosen))
    plugin = _Chosen(chosen)
    code = pytest.main([*_QUIET, *options, "--basetemp", str(folder / "t"), *files], [plugin])
    return plugin, int(code)
