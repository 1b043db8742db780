"""Which tests reach which lines, and how long each takes: coverage's word, a test a context.

Held outside git under a digest of source and tests, so that it is made once a tree. Not here: mutants.
"""

import ast
import hashlib
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests.mutants.forks import Task, run_all
from tests.mutants.operators import Mutant, defined
from tests.mutants.trials import prepare

KEPT_A_LINE = 60
"""Of the tests that reach a line, this many of the fastest are kept."""
_A_FILE_S = 300.0
_FORMAT = 2
_EMPTY: dict[str, Any] = {"seconds": [], "lines": {}, "imported": {}}


@dataclass(frozen=True)
class Reach:
    """Seconds of each test by its id; by file, the lines with the ids of their fastest tests."""

    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, dict[int, list[str]]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    imported: dict[str, dict[int, list[str]]] = field(default_factory=dict)
    """As `lines`, of what ran while a file of tests was imported: any test of it may notice."""

    def fastest(self, names: Iterable[str], most: int) -> list[str]:
        """The fastest of these tests, fastest first; ties by name."""
        return sorted(set(names), key=lambda name: (self.seconds[name], name))[:most]

    def instances(self, functions: Iterable[str]) -> list[str]:
        """The tests of these test functions (`file::function`), one for each set of parameters."""
        found = [name for one in functions for name in self._by_function.get(one, ())]
        return self.fastest(found, len(found))

    def about(self, path: str) -> list[str]:
        """The tests whose parameter is the dotted name of the module at this path."""
        return [name for name in self.seconds if name.endswith(f"[{dotted(path)}]")]

    @cached_property
    def _by_function(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for name in self.seconds:
            file, _, rest = name.partition("::")
            found[f"{file}::{rest.partition('[')[0].rpartition('::')[2]}"].append(name)
        return found


class _Recorder:
    """Switches the context at each test and times it."""

    def __init__(self, measured: Any) -> None:
        self._measured = measured
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        """One test, with its fixtures."""
        self._measured.switch_context(item.nodeid)
        began = time.perf_counter()
        yield
        self.seconds[item.nodeid] = time.perf_counter() - began
        self._measured.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test that does not pass as it is can notice nothing."""
        if not report.passed:
            self.failed.add(report.nodeid)


def measure(test_file: str, sources: Sequence[str], root: Path, folder: Path) -> dict[str, Any]:
    """In a child: run one file of tests; the seconds of each test, fastest first; by source file and line, which."""
    import coverage

    prepare(root)
    measured = coverage.Coverage(
        data_file=None, source=[str(root / source) for source in sources], config_file=False
    )
    recorder = _Recorder(measured)
    measured.start()
    pytest.main(
        ["-q", "-p", "no:cacheprovider", "--tb=no", "--basetemp", str(folder / "t"), test_file],
        plugins=[recorder],
    )
    measured.stop()
    passed = {k: v for k, v in recorder.seconds.items() if k not in recorder.failed}
    order = {name: at for at, name in enumerate(sorted(passed, key=passed.__getitem__))}
    data, lines, imported = measured.get_data(), {}, {}
    for file in data.measured_files():
        early = [line for line, names in data.contexts_by_lineno(file).items() if "" in names]
        imported[str(Path(file).relative_to(root))] = early
        reached = {
            line: sorted(order[name] for name in contexts if name in order)[:KEPT_A_LINE]
            for line, contexts in data.contexts_by_lineno(file).items()
        }
        if kept := {line: tests for line, tests in reached.items() if tests}:
            lines[str(Path(file).relative_to(root))] = kept
    seconds = [[name, passed[name]] for name in order]
    left_out = sorted(recorder.failed)
    return {"seconds": seconds, "lines": lines, "imported": imported, "left_out": left_out}


def reach_of(
    root: Path, sources: Sequence[str], tests: Sequence[str], cache: Path, jobs: int
) -> Reach:
    """The map of this tree: read, or made and kept. `sources` and `tests` are folders below `root`."""
    files = sorted(
        str(path.relative_to(root)) for one in tests for path in (root / one).rglob("test_*.py")
    )
    common = f"{_FORMAT} " + digest_of(root, [root / "src", *(root / "tests").glob("*.py")])
    cache.mkdir(parents=True, exist_ok=True)
    places = {
        name: cache
        / f"{hashlib.sha256(f'{common} {name} {_own(root, name)}'.encode()).hexdigest()}.json"
        for name in files
    }
    missing = [name for name in files if not places[name].exists()]
    tasks = [
        Task(name, lambda folder, name=name: measure(name, sources, root, folder), _A_FILE_S)  # type: ignore[misc]
        for name in missing
    ]
    for at, done in enumerate(run_all(tasks, jobs), 1):
        answer = done.answer or _EMPTY | {"left_out": [done.key]}
        places[done.key].write_text(json.dumps(answer))
        sys.stderr.write(f"\rtests mapped: {at} of {len(missing)} files ")
        sys.stderr.flush()
    return _joined(json.loads(place.read_text()) for place in places.values())


def _own(root: Path, test_file: str) -> str:
    """What the tests of a file are made of: it, and what stands beside it and is no test file."""
    path = root / test_file
    beside = [one for one in path.parent.glob("*.py") if not one.name.startswith("test_")]
    return digest_of(root, sorted([path, *beside]))


def digest_of(root: Path, places: Iterable[Path]) -> str:
    """Of the Python files at and below these places."""
    found = hashlib.sha256()
    for place in places:
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            found.update(str(path.relative_to(root)).encode())
            found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def _joined(parts: Iterable[dict[str, Any]]) -> Reach:
    seconds: dict[str, float] = {}
    lines: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    imported: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    left_out: list[str] = []
    for part in parts:
        names = [name for name, _ in part["seconds"]]
        seconds |= dict(part["seconds"])
        left_out += part["left_out"]
        for file, reached in part["lines"].items():
            for line, tests in reached.items():
                lines[file][int(line)] += [names[at] for at in tests]
        for file, early in part["imported"].items():
            for line in early:
                imported[file][line] += names[:KEPT_A_LINE]
    reach = Reach(seconds, {}, tuple(left_out), imported)
    for file, reached in lines.items():
        reach.lines[file] = {
            line: reach.fastest(names, KEPT_A_LINE) for line, names in reached.items()
        }
    return reach


class Uses:
    """Where a name that stands outside functions is used: what a change of it can reach."""

    def __init__(self, root: Path, sources: Sequence[str], tests: Sequence[str] = ()) -> None:
        self._lines: dict[str, list[tuple[str, int]]] = defaultdict(list)
        self._made_of: dict[str, set[tuple[str, str]]] = defaultdict(set)
        self._naming: dict[str, set[tuple[str, str]]] = defaultdict(set)
        self._imports: dict[str, set[str]] = {}
        for name, tree in _parsed(root, sources, "*.py"):
            for node in ast.walk(tree):
                for used in _loaded(node):
                    self._lines[used].append((name, getattr(node, "lineno", 0)))
            for statement in tree.body:
                if isinstance(statement, ast.Assign | ast.AnnAssign):
                    made = {(name, one) for one in defined(statement)}
                    for used in _all_loaded(statement):
                        self._made_of[used] |= made
        for name, tree in _parsed(root, tests, "test_*.py"):
            self._imports[name] = _imported(tree)
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
                    for used in _all_loaded(node):
                        self._naming[used].add((name, node.name))

    def of(self, names: Iterable[str]) -> list[tuple[str, int]]:
        """File and line of each use."""
        return [place for name in names for place in self._lines[name]]

    def made_of(self, path: str, names: Iterable[str]) -> set[tuple[str, str]]:
        """File and name of these, and of all that stands outside functions and is made of them."""
        found = {(path, name) for name in names}
        left = list(found)
        while left:
            more = self._made_of.get(left.pop()[1], set()) - found
            found |= more
            left += more
        return found

    def naming(self, things: Iterable[tuple[str, str]]) -> set[str]:
        """The test functions (`file::function`) that import a thing's file and name it."""
        return {
            f"{file}::{test}"
            for path, name in things
            for file, test in self._naming.get(name, ())
            if dotted(path) in self._imports[file]
        }


def dotted(path: str) -> str:
    """`src/holdfast/core/x.py` as it is imported."""
    return path.removeprefix("src/").removesuffix(".py").replace("/", ".")


def _imported(tree: ast.Module) -> set[str]:
    """Dotted names of what a file imports from, and of what it imports."""
    found = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
        elif isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
    return found


def _parsed(root: Path, folders: Sequence[str], files: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((root / folder).rglob(files)):
            yield str(path.relative_to(root)), ast.parse(path.read_bytes())


def _loaded(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
        yield node.id if isinstance(node, ast.Name) else node.attr


def _all_loaded(tree: ast.AST) -> set[str]:
    return {name for node in ast.walk(tree) for name in _loaded(node)}


def tests_of(mutant: Mutant, reach: Reach, uses: Uses, function: range, most: int) -> list[str]:
    """The tests to try on a mutant.

    Those about its module (`Reach.about`), then the fastest that reach its lines, else its function's,
    else its names' uses. Coverage cannot say who reads what was made while a module was imported, so
    that for a line outside functions those that name what is made of it come next (`Uses.naming`).
    """
    reached = reach.lines.get(mutant.path, {})
    found = [n for line in range(mutant.first, mutant.last + 1) for n in reached.get(line, ())]
    if not found:
        found = [name for line in function for name in reached.get(line, ())]
    if not found and function:
        early = reach.imported.get(mutant.path, {})
        lines = range(mutant.first, mutant.last + 1)
        found = [name for line in lines for name in early.get(line, ())]
    if not mutant.names or function:
        return _first(reach.about(mutant.path) if found else [], found, reach, most)
    made = uses.made_of(mutant.path, mutant.names)
    found += [
        n
        for file, line in uses.of({name for _, name in made})
        for n in reach.lines.get(file, {}).get(line, ())
    ]
    if not found:
        found = [name for names in reached.values() for name in names]
    about = [*reach.about(mutant.path), *reach.instances(uses.naming(made))]
    return _first(about, found, reach, most)


def _first(about: Iterable[str], found: Iterable[str], reach: Reach, most: int) -> list[str]:
    first = list(dict.fromkeys(about))[:most]
    return [*first, *reach.fastest(set(found) - set(first), most - len(first))]


def functions_of(source: bytes) -> list[range]:
    """The lines of each function's body, inner ones last."""
    return [
        range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
