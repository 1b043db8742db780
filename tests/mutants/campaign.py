"""One run: draw mutants, try each against its fastest tests, and doubt what fails without a mutant.

Not here: what is printed.
"""

import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from tests.mutants.forks import Done, Task, run_all
from tests.mutants.operators import Mutant
from tests.mutants.reach import Reach, Uses, functions_of, tests_of
from tests.mutants.report import Verdict
from tests.mutants.sampling import Equivalent, Population
from tests.mutants.trials import module_name, mutate, passing, prepare, run_tests

_LEAST_S, _TIMES = 20.0, 10.0
_BATCH = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """What is tried where: `sources` are below `root`/src, of `most` tests each, `jobs` at a time."""

    root: Path
    most: int
    jobs: int
    known: dict[tuple[str, str, str], Equivalent]


class Campaign:
    """Mutants of one population against the tests that reach them."""

    def __init__(self, plan: Plan, population: Population, reach: Reach, uses: Uses) -> None:
        self._plan, self._population = plan, population
        self._reach, self._uses = reach, uses
        self._functions = {
            path: functions_of(source) for path, source in population.sources.items()
        }

    def run(self, seed: str, size: int, until: float = math.inf) -> Iterator[Verdict]:
        """`size` verdicts, of mutants that can be imported; one that cannot is replaced by the next.

        Fewer where the monotonic clock passes `until`: the first of the same order.
        """
        drawn = self._population.drawn(seed)
        wanted = size
        while wanted > 0 and time.monotonic() < until:
            batch = list(islice(drawn, min(wanted, _BATCH)))
            if not batch:
                return
            for verdict in self.of(batch, until):
                wanted -= verdict.fate != "stillborn"
                yield verdict

    def of(self, mutants: Sequence[Mutant], until: float = math.inf) -> Iterator[Verdict]:
        """The verdict on each of these that is begun in time."""
        untried: list[Verdict] = []
        tests: dict[int, list[str]] = {}

        def tasks() -> Iterator[Task]:
            for at, mutant in enumerate(mutants):
                if time.monotonic() >= until:
                    return
                known = self._known(mutant)
                tests[at] = self._tests(mutant)
                if known is not None:
                    untried.append(self._verdict(mutant, "equivalent", by=known.why))
                elif not tests[at]:
                    untried.append(self._verdict(mutant, "survived", by="no test reaches it"))
                else:
                    yield self._task(at, mutant, tests[at])

        for done in run_all(tasks(), self._plan.jobs):
            yield self._judged(mutants[done.key], len(tests[done.key]), done)
            sys.stderr.write(f"\rmutants tried: {len(tests)} of {len(mutants)} ")
            sys.stderr.flush()
        yield from untried

    def trusted(self, verdicts: Sequence[Verdict]) -> list[Verdict]:
        """The same, where a test that noticed also fails without a mutant: doubtful, not killed."""
        noticing = sorted({v.by for v in verdicts if v.fate == "killed" and "::" in v.by})
        batches = [noticing[at : at + _BATCH] for at in range(0, len(noticing), _BATCH)]
        broken: set[str] = set()
        tasks = (Task(tuple(batch), self._alone(batch), 600.0) for batch in batches)
        for done in run_all(tasks, self._plan.jobs):
            broken |= set(done.key) - set(done.answer or ())
        return [
            replace(v, fate="doubtful") if v.fate == "killed" and v.by in broken else v
            for v in verdicts
        ]

    def _alone(self, batch: Sequence[str]) -> Any:
        def run(folder: Path) -> list[str]:
            prepare(self._plan.root)
            return passing(batch, folder)

        return run

    def _tests(self, mutant: Mutant) -> list[str]:
        around = [lines for lines in self._functions[mutant.path] if mutant.line in lines]
        function = min(around, key=len, default=range(0))
        return tests_of(mutant, self._reach, self._uses, function, self._plan.most)

    def _task(self, key: int, mutant: Mutant, tests: list[str]) -> Task:
        root = self._plan.root
        source = mutant.applied(self._population.sources[mutant.path])
        path = root / mutant.path

        def run(folder: Path) -> dict[str, Any]:
            prepare(root)
            if not mutate(module_name(path, root / "src"), path, source):
                return {"stillborn": True}
            return run_tests(tests, folder)

        expected = sum(self._reach.seconds[name] for name in tests)
        return Task(key, run, _LEAST_S + _TIMES * expected)

    def _judged(self, mutant: Mutant, tests: int, done: Done) -> Verdict:
        if done.timed_out:
            fate, by = "timed out", ""
        elif done.answer is None:
            fate, by = "killed", "the process ended"
        elif done.answer.get("stillborn"):
            fate, by = "stillborn", ""
        elif done.answer["failed"]:
            fate, by = "killed", done.answer["failed"]
        else:
            fate, by, tests = "survived", "", done.answer["ran"]
        return self._verdict(mutant, fate, by=by, tests=tests, cpu_seconds=done.cpu_seconds)

    def _known(self, mutant: Mutant) -> Equivalent | None:
        changed = mutant.changed(self._population.sources[mutant.path])
        return self._plan.known.get((mutant.path, *changed))

    def _verdict(self, mutant: Mutant, fate: Any, **given: Any) -> Verdict:
        before, after = mutant.changed(self._population.sources[mutant.path])
        return Verdict(mutant, before, after, fate, **given)
