"""Render which promise holds at which door into `docs/reference/doors.md`.

Run as `python -m scripts.render_doors`; what stands below the mark is made here, never by hand. It
is made of two tables beside the scenarios in `tests/promises`: `applicable.yaml`, which was written
before any of them, and `open.yaml`, what was seen not to hold yet.
"""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
TABLES = ROOT / "tests" / "promises"
PAGE = ROOT / "docs" / "reference" / "doors.md"
MARK = "<!-- made by scripts/render_doors.py from tests/promises; do not edit below -->\n"
OWED: dict[str, Any] = yaml.safe_load((TABLES / "applicable.yaml").read_text("utf-8"))
OPEN: dict[str, dict[str, str]] = yaml.safe_load((TABLES / "open.yaml").read_text("utf-8")) or {}
DOORS: list[str] = OWED["doors"]
CAPABILITIES: dict[str, dict[str, Any]] = OWED["capabilities"]
TITLES = {
    "runs": "durable runs",
    "loop": "own loop",
    "sdk": "Agent SDK",
    "claude_code": "Claude Code",
    "relay": "relay",
}


def applies(capability: str, door: str) -> bool:
    """Whether the door owns the moment that the capability is about."""
    return door not in CAPABILITIES[capability].get("not", {})


def cell(capability: str, door: str) -> str:
    """`holds`, `n. a.` or `not yet`."""
    if not applies(capability, door):
        return "n. a."
    return "not yet" if door in OPEN.get(capability, {}) else "holds"


def counts() -> dict[str, int]:
    """How many cells there are of each kind."""
    found = {"holds": 0, "n. a.": 0, "not yet": 0}
    for capability in CAPABILITIES:
        for door in DOORS:
            found[cell(capability, door)] += 1
    return found


def below() -> str:
    """What stands below the mark: counts, the matrix, a sentence for each other cell."""
    found = counts()
    lines = [
        "",
        (
            f"{len(CAPABILITIES)} capabilities at {len(DOORS)} doors: {sum(found.values())} cells. "
            f"{found['holds']} hold, {found['n. a.']} are not applicable, "
            f"{found['not yet']} do not hold yet."
        ),
        "",
        f"| | capability | {' | '.join(TITLES[door] for door in DOORS)} |",
        f"|---|---|{'---|' * len(DOORS)}",
    ]
    for capability, said in CAPABILITIES.items():
        cells = " | ".join(cell(capability, door) for door in DOORS)
        lines.append(f"| {capability} | {said['what']} | {cells} |")
    lines += ["", "## Not applicable", "", "| | doors | why |", "|---|---|---|"]
    for capability, said in CAPABILITIES.items():
        lines += _grouped(capability, said.get("not", {}))
    lines += ["", "## Not yet", "", "| | doors | what was seen |", "|---|---|---|"]
    for capability in CAPABILITIES:
        lines += _grouped(capability, OPEN.get(capability, {}))
    return "\n".join([*lines, ""])


def _grouped(capability: str, sentences: dict[str, str]) -> list[str]:
    """A row for each sentence, with all the doors that it is true of."""
    doors: dict[str, list[str]] = {}
    for door, sentence in sentences.items():
        doors.setdefault(sentence, []).append(TITLES[door])
    return [f"| {capability} | {', '.join(at)} | {said} |" for said, at in doors.items()]


def main() -> None:
    """Write the page anew, below its mark."""
    head, _, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    PAGE.write_text(f"{head}{MARK}{below()}", encoding="utf-8")


if __name__ == "__main__":
    main()
