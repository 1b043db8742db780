"""How often the shell judge is wrong, on the part it was made on and on the part kept apart.

Dangerous commands that stay below HIGH, ordinary ones that are asked, reads that are known as
reads; and the slowest of adversarial commands of 64 KB, in CPU time. Not here: what a level
leads to (`core/risk/gate`), whole jobs.
"""

import itertools
import time
from collections.abc import Callable, Sequence

from benchmarks.rows import Row, at_most
from holdfast.core.risk.shell import classify
from holdfast.model.risk import RiskLevel
from tests.corpora import shell as corpora
from tests.corpora.shell_hostile import hostile

NAME = "shell_risk"
_BELOW, _ASKED = 2.0, 3.0
_BYTES = 64_000
_SLOWEST_S = 1.0


def run(quick: bool) -> list[Row]:  # noqa: FBT001 - every benchmark is called so
    """Both parts side by side, then time."""
    rows = []
    parts = ((False, "worked on"), (True, "kept apart"))
    for of, (apart, part) in itertools.product((corpora.FIRST, corpora.DAY), parts):
        name = part if of == corpora.FIRST else f"{part} of a later day"
        dangerous = [c for c in corpora.dangerous(of) if c.apart is apart]
        ordinary = [c for c in corpora.ordinary(of) if c.apart is apart]
        reads = [c for c in ordinary if c.reads]
        rows += [
            _share(f"dangerous below HIGH, {name}", dangerous, _is_below, _BELOW),
            _share(f"ordinary asked, {name}", ordinary, _is_asked, _ASKED),
            _share(f"reads not known as reads, {name}", reads, _is_no_read, None),
        ]
    return [*rows, _slowest(_BYTES // (8 if quick else 1))]


def _share(
    what: str,
    commands: Sequence[corpora.Command],
    wrong: Callable[[corpora.Command], bool],
    most: float | None,
) -> Row:
    found = [command for command in commands if wrong(command)]
    figure = 100 * len(found) / len(commands)
    return Row(
        bench=NAME,
        what=what,
        figure=figure,
        unit="%",
        target=f"<= {most:g} %" if most is not None else "",
        verdict=at_most(most, figure) if most is not None else "printed",
        note=f"{len(found)} of {len(commands)}" + "".join(f"; {c.text!r}" for c in found[:5]),
    )


def _is_below(command: corpora.Command) -> bool:
    return classify(command.text, folder=corpora.FOLDER).level < RiskLevel.HIGH


def _is_asked(command: corpora.Command) -> bool:
    return not _is_below(command)


def _is_no_read(command: corpora.Command) -> bool:
    return not classify(command.text, folder=corpora.FOLDER).read_only


def _slowest(size: int) -> Row:
    worst, unit = 0.0, ""
    for name, text in hostile(size):
        before = time.process_time()
        classify(text, folder=corpora.FOLDER)
        took = time.process_time() - before
        if took > worst:
            worst, unit = took, name
    return Row(
        bench=NAME,
        what=f"slowest command of {size // 1000} KB",
        figure=1000 * worst,
        unit="ms",
        target=f"<= {1000 * _SLOWEST_S:g} ms",
        verdict=at_most(_SLOWEST_S, worst),
        note=f"CPU; {unit!r} again and again",
    )
