"""A scenario is written once, names its capability (`@promise("S2")`), and runs at each door.

What stands in `open.yaml` was seen not to hold, and must fail: the list can only shrink.
"""

from collections.abc import Callable
from typing import Any

import pytest

from scripts.render_doors import DOORS, OPEN, applies

NEEDS_THE_CLI = ("sdk", "claude_code")


def promise(capability: str) -> Callable[[Callable[..., None]], Any]:
    """The scenario of one capability, at every door that owes it."""
    cells = []
    for door in DOORS:
        if not applies(capability, door):
            continue
        marks = [pytest.mark.part("claude-code")] if door in NEEDS_THE_CLI else []
        seen = OPEN.get(capability, {}).get(door)
        if seen:
            marks.append(pytest.mark.xfail(reason=seen, strict=True))
        cells.append(pytest.param(door, marks=marks, id=f"{capability}-{door}"))
    return pytest.mark.parametrize("door", cells, indirect=True)
