"""Writing to the terminal: one JSON object a line with `--json`, else plain words and tables.

What a model, a customer or a tool wrote is shown without control characters, so that it cannot
write to the terminal itself. What draws is loaded when something is drawn, which with `--json` is
never. Not here: what a record says (`lines`).
"""

import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from holdfast.model.budgets import Dimension
from holdfast.model.money import exact_usd
from holdfast.model.visible import visible

# What a terminal would act on or hide, where JSON leaves it as it is.
_UNSEEN = re.compile(
    "[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
_INDENT = "    "
_NS = 1_000_000_000
_PIPED_COLUMNS = 240


def plain(text: object, most: int = 2000) -> str:
    """One line of what can be seen, at most so long; how far it is set in stays."""
    given = str(text)
    set_in = len(given) - len(given.lstrip(" "))
    return " " * min(set_in, 40) + visible(given, most)


def say(text: str, *, style: str = "") -> None:
    """One or more lines for a person, on stdout; each is cleaned, and keeps its own columns.

    On a terminal what goes on below is set in, so that it cannot pass for a line of its own.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)
    for line in text.splitlines() or [""]:
        for row in _rows(
            visible(line, 20_000, spaced=True), console.width if sys.stdout.isatty() else 0
        ):
            console.print(Text(row, style=style), soft_wrap=True)


def _rows(line: str, columns: int) -> list[str]:
    """The line as a terminal of so many columns shows it; 0 for one that never wraps."""
    from rich.cells import cell_len, chop_cells

    if columns <= 2 * len(_INDENT) or cell_len(line) <= columns:
        return [line]
    first, *rest = chop_cells(line, columns)
    below = chop_cells("".join(rest), columns - len(_INDENT))
    return [first, *(_INDENT + row for row in below)]


def note(text: str, *, style: str = "") -> None:
    """One line on stderr about what is going on; stdout stays for the answer."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(Text(plain(text, 20_000), style=style), soft_wrap=True)


def emit(document: Any) -> None:
    """One JSON object on one line of stdout; nothing in it acts on a terminal."""
    spelled = msgspec.json.encode(document).decode()
    sys.stdout.write(_UNSEEN.sub(lambda m: f"\\u{ord(m[0]):04x}", spelled) + "\n")
    sys.stdout.flush()


def complain(sentence: str) -> None:
    """One sentence on stderr."""
    lines = [plain(line) for line in sentence.splitlines() if line.strip()]
    sys.stderr.write("holdfast: " + "\nholdfast: ".join(lines or ["it failed"]) + "\n")
    sys.stderr.flush()


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A table whose cells are cleaned; `empty` is said in place of one without rows."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        # The first column is what people copy: it stays on one line, however narrow the terminal.
        drawn.add_column(column, overflow="fold", no_wrap=number == 0)
    for row in rows:
        drawn.add_row(*(Text(plain(cell)) for cell in row))
    if drawn.row_count == 0:
        say(empty)
    else:
        # Ids must stay whole for whoever reads this through a pipe.
        width = None if sys.stdout.isatty() else _PIPED_COLUMNS
        Console(highlight=False, width=width).print(drawn)


def amount(dimension: Dimension, value: int | None) -> str:
    """A number of an account in its unit; money to the nano-dollar, without trailing noughts."""
    if value is None:
        return "unlimited"
    if dimension in (Dimension.USD, Dimension.USD_IN, Dimension.USD_OUT):
        return exact_usd(value)
    return f"{value:,}"


def clock(at_ns: int) -> str:
    """`2026-03-01 14:42:07` in UTC."""
    return f"{datetime.fromtimestamp(at_ns // _NS, UTC):%Y-%m-%d %H:%M:%S}"
