"""How often the scrubber is wrong, on the part it was made on and on the part kept apart.

Texts whose secret goes, texts that look alike and do not stay; how fast ordinary text is read.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.rows import Row, at_least, at_most
from holdfast.core.scrub import RuleScrubber
from tests.corpora import scrub as corpora

NAME = "scrub"
_GONE, _HIT = 95.0, 3.0
_ROUNDS = 5
_PAGES = Path(__file__).parents[1] / "docs"


def run(quick: bool) -> list[Row]:  # noqa: FBT001 - every benchmark is called so
    """Both parts side by side, then speed."""
    scrubber, rows = RuleScrubber(), list[Row]()
    for apart, name in ((False, "worked on"), (True, "kept apart")):
        secrets = [text for text in corpora.secrets() if text.apart is apart]
        harmless = [text for text in corpora.harmless() if text.apart is apart]
        left = [text for text in secrets if corpora.leaks(scrubber, text)]
        hit = [text for text in harmless if corpora.changes(scrubber, text)]
        gone, changed = 100 - _share(left, secrets), _share(hit, harmless)
        rows += [
            Row(
                bench=NAME,
                what=f"secrets gone, {name}",
                figure=gone,
                unit="%",
                target=f">= {_GONE:g} %",
                verdict=at_least(_GONE, gone),
                note=_wrong(left, secrets),
            ),
            Row(
                bench=NAME,
                what=f"harmless texts changed, {name}",
                figure=changed,
                unit="%",
                target=f"<= {_HIT:g} %",
                verdict=at_most(_HIT, changed),
                note=_wrong(hit, harmless),
            ),
        ]
    return [*rows, _speed(scrubber, 1 if quick else _ROUNDS)]


def _share(some: Sequence[corpora.Text], every: Sequence[corpora.Text]) -> float:
    return 100 * len(some) / len(every)


def _wrong(some: Sequence[corpora.Text], every: Sequence[corpora.Text]) -> str:
    return f"{len(some)} of {len(every)}" + "".join(f"; {text.line[:60]!r}" for text in some[:5])


def _speed(scrubber: RuleScrubber, rounds: int) -> Row:
    """MB of ordinary text read in a second of CPU: this repository's own pages."""
    text = "".join(
        path.read_text(encoding="utf-8") for path in sorted(_PAGES.rglob("*.md")) if path.is_file()
    )
    best = float("inf")
    for _ in range(rounds):
        before = time.process_time()
        scrubber.text(text)
        best = min(best, time.process_time() - before)
    return Row(
        bench=NAME,
        what="ordinary text read in a second",
        figure=len(text) / best / 1e6,
        unit="MB",
        note=f"CPU; {len(text) // 1000} KB of prose and code",
    )
