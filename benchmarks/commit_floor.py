"""How long a record takes to become durable: `journal_commit`'s table as rows.

Not here: the measurement itself (`journal_commit`).
"""

import asyncio

from benchmarks.journal_commit import lines
from benchmarks.processes import scratch
from benchmarks.rows import Row

NAME = "commit_floor"


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows of milliseconds a commit."""
    table = asyncio.run(lines(scratch(NAME), 0.3 if quick else 1.0))
    return [
        Row(
            bench=NAME,
            what=f"{name}, p50",
            figure=p50,
            unit="ms",
            note=f"p99 {p99:.2f} ms, {rate:.0f} commits/s",
        )
        for name, _, rate, p50, p99 in table
    ]
