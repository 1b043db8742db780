"""A seeded sample of the mutants of some folders, and those that are known to change nothing.

Not here: how a mutant is made, how it is tried.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.mutants.operators import Mutant, counts, mutants_of

EQUIVALENTS = Path(__file__).with_name("equivalents.yaml")


@dataclass(frozen=True, slots=True)
class Equivalent:
    """A mutant that no test can notice, by its file and its line before and after, and why."""

    path: str
    before: str
    after: str
    why: str


class Population:
    """All mutants of some files, or below some folders, of a repository."""

    def __init__(
        self, root: Path, folders: Sequence[str], left_out: frozenset[str] = frozenset()
    ) -> None:
        self.sources: dict[str, bytes] = {}
        self._all: list[Mutant] = []
        for folder in folders:
            place = root / folder
            for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
                name = path.relative_to(root).as_posix()
                if name not in left_out:
                    self.sources[name] = path.read_bytes()
                    self._all += mutants_of(name, self.sources[name])

    def __len__(self) -> int:
        return len(self._all)

    def drawn(self, seed: str) -> Iterator[Mutant]:
        """Every mutant once, in the seed's order; what is no other program is passed by."""
        order = list(self._all)
        random.Random(seed).shuffle(order)
        return (mutant for mutant in order if counts(mutant, self.sources[mutant.path]))


def equivalents(path: Path = EQUIVALENTS) -> dict[tuple[str, str, str], Equivalent]:
    """The file's entries by what they speak of. Errors: ValueError for one that says no reason."""
    found = {}
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")) or []:
        known = Equivalent(**entry)
        if not known.why.strip():
            raise ValueError(f"{known.path}: {known.after}: an equivalent needs a reason")
        found[known.path, known.before, known.after] = known
    return found
