"""What an operator admits beyond the table, each with a price or a bound of its own."""

import enum
from collections.abc import Iterable

import msgspec


class Sort(enum.StrEnum):
    """What kind of thing is admitted."""

    FIELD = "field"
    BLOCK = "block"
    TOOL = "tool"
    HEADER = "header"
    BETA = "beta"


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `gateway.admit`.

    `name` is a dotted path without indices for a field (`messages.content.novel`), else a name as
    the wire spells it. `dropped`: taken out before it is sent on. `nusd` is the price of each call
    of a tool, else of each thing of the name; `calls` and `tokens` (of input that bytes do not
    show, for a tool those of one result) bound it. `at` are the only places where a block may
    stand: a path without indices (`messages.content`, `system`), or the kind that holds it with its
    field (`tool_result.content`). `fields` are the only texts and numbers that may stand in it, by
    their names: of a block, or of an object that a field holds.
    """

    sort: Sort
    name: str
    dropped: bool = False
    nusd: int = 0
    calls: int = 1
    tokens: int = 0
    at: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()


class Admitted:
    """The lines of `gateway.admit`, found by what they admit; immutable."""

    def __init__(self, lines: Iterable[Admission] = ()) -> None:
        self._lines = {(line.sort, line.name): line for line in lines}

    @property
    def lines(self) -> tuple[Admission, ...]:
        """Every line."""
        return tuple(self._lines.values())

    def find(self, sort: Sort, name: str) -> Admission | None:
        """The line that admits it; None where there is none."""
        return self._lines.get((sort, name))

    def block(self, name: str, *places: str) -> Admission | None:
        """The line that admits a block at one of these names of the place where it stands."""
        line = self.find(Sort.BLOCK, name)
        return line if line is not None and set(places) & set(line.at) else None

    def named(self, sort: Sort) -> tuple[str, ...]:
        """Everything of one sort that is admitted."""
        return tuple(name for kind, name in self._lines if kind is sort)


NOTHING = Admitted()
