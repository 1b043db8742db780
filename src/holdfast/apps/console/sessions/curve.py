"""What a session's model calls came to, as a line over time, in units of a drawing.

Not here: the drawing itself (`templates/sessions`).
"""

from collections.abc import Sequence
from typing import NamedTuple

from holdfast.model.events import Record

WIDTH, HEIGHT = 600, 96
_EDGE = 6


class Curve(NamedTuple):
    """`line` and `area` are paths; `cap_y` is where the cap runs, None where it is far above."""

    line: str
    area: str
    from_ns: int
    until_ns: int
    before_nusd: int
    total_nusd: int
    cap_y: float | None


def curve(
    settled: Sequence[Record], total_nusd: int, cap_nusd: int | None, *, whole: bool
) -> Curve | None:
    """The curve over these calls, by time; None for fewer than two.

    `total_nusd` is what the session cost with all of them; where they are not the `whole`, the
    line begins with what was spent before.
    """
    if len(settled) < 2:
        return None
    spent = sum(record.cost_nusd for record in settled)
    before = 0 if whole else max(total_nusd - spent, 0)
    first, last = settled[0].at_ns, settled[-1].at_ns
    total = before + spent
    near = cap_nusd is not None and cap_nusd <= 2 * total
    top = max(total, cap_nusd or 0 if near else 0, 1) * 1.06
    at = before
    points = [f"0,{_height(at, top)}"]
    for record in settled:
        x = f"{_EDGE + (WIDTH - 2 * _EDGE) * (record.at_ns - first) / max(last - first, 1):.1f}"
        points.append(f"{x},{_height(at, top)}")
        at += record.cost_nusd
        points.append(f"{x},{_height(at, top)}")
    line = "M" + " L".join([*points, f"{WIDTH},{_height(at, top)}"])
    area = f"{line} L{WIDTH},{HEIGHT} L0,{HEIGHT} Z"
    cap_y = _height(cap_nusd, top) if near and cap_nusd is not None else None
    return Curve(line, area, first, last, before, total, cap_y)


def _height(nusd: int, top: float) -> float:
    return round(HEIGHT * (1 - nusd / top), 1)
