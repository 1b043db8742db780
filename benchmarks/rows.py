"""One measured figure and how it is judged and printed. Not here: how anything is measured."""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

Verdict = Literal["met", "missed", "printed"]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table.

    `unit` says what `figure` counts; `target` is empty where the figure is only printed. `figure`
    is None where it could not be had, and `note` then says why.
    """

    bench: str
    what: str
    figure: float | None
    unit: str
    target: str = ""
    verdict: Verdict = "printed"
    note: str = ""


def at_most(limit: float, figure: float) -> Verdict:
    """Met when the figure is no more than the limit."""
    return "met" if figure <= limit else "missed"


def at_least(limit: float, figure: float) -> Verdict:
    """Met when the figure is no less than the limit."""
    return "met" if figure >= limit else "missed"


def percentile(values: Sequence[float], percent: float) -> float:
    """Nearest-rank percentile; NaN of nothing."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def printed(rows: Sequence[Row], write: Callable[[str], object]) -> None:
    """One aligned line a row."""
    for row in rows:
        figure = "-" if row.figure is None else _short(row.figure)
        judged = f"{row.target} -> {row.verdict.upper()}" if row.target else ""
        write(f"  {row.what:66} {figure:>10} {row.unit:9} {judged:24} {row.note}".rstrip() + "\n")


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| what | figure | target | verdict | note |", "|---|---|---|---|---|"]
    for row in rows:
        figure = "-" if row.figure is None else f"{_short(row.figure)} {row.unit}"
        verdict = row.verdict if row.target else ""
        lines.append(f"| {row.what} | {figure} | {row.target} | {verdict} | {row.note} |")
    return "\n".join(lines) + "\n"


def _short(value: float) -> str:
    if math.isnan(value):
        return "none"
    if value == int(value) and abs(value) < 1e9:
        return str(int(value))
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.4f}"
