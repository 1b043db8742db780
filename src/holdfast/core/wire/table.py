"""The table as the reader walks it: for every place, what may stand there."""

from collections.abc import Mapping

from holdfast.core.wire import blocks, request, tools
from holdfast.core.wire.grants import GRANTS
from holdfast.core.wire.shapes import Kind, Shape, Use, compiled

ROWS = {**request.ROWS, **blocks.ROWS, **tools.ROWS}
UNIONS = {**request.UNIONS, **blocks.UNIONS, **tools.UNIONS}
KINDS: Mapping[str, Kind] = compiled(ROWS, UNIONS)
"""Every kind of object by its name in the table."""

GRANTED: Mapping[str, tuple[str, ...]] = {
    name: GRANTS[name] for name, kind in KINDS.items() if kind.use is Use.GRANTED
}
"""For each kind that only a grant allows, the names that do; KeyError where one has none."""

TOOL_KINDS = frozenset(UNIONS["tool"].split())


BY_TYPE: Mapping[str, tuple[Kind, ...]] = {
    word: tuple(kind for kind in KINDS.values() if kind.tag == "type" and word in kind.types)
    for word in {word for kind in KINDS.values() for word in kind.types}
}
"""The kinds that one `type` may name, wherever they stand."""


def is_place(name: str) -> bool:
    """Whether a name says a place of the table: a path from the request down, or kind and field."""
    first, *rest = name.split(".")
    if first in KINDS and len(rest) == 1 and rest[0] in KINDS[first].fields:
        return True
    kinds = {"request"}
    for field in (first, *rest):
        held = [KINDS[kind].fields[field] for kind in kinds if field in KINDS[kind].fields]
        if not held:
            return False
        kinds = {kind for one in held for kind in _kinds_in(one.shape)}
    return True


def _kinds_in(shape: Shape) -> set[str]:
    found = set(shape.kinds)
    for below in (shape.items, shape.values):
        found |= _kinds_in(below) if below is not None else set()
    return found


class Place:
    """A shape made fast: what a value there may be, by its JSON type.

    `name` is the kind that holds it with its field. `by_tag` finds the kind of an object; None is
    a key where one needs no tag. `opaque` values are not looked into.
    """

    __slots__ = ("by_tag", "flag", "items", "name", "number", "opaque", "tag", "text", "values",
                 "whole", "words")  # fmt: skip

    def __init__(self, shape: Shape, name: str) -> None:
        self.name = name
        anything = "any" in shape.scalars
        self.opaque = anything
        self.text = anything or "text" in shape.scalars
        self.flag = anything or "flag" in shape.scalars
        self.number = anything or "number" in shape.scalars
        self.whole = self.number or "whole" in shape.scalars
        self.words = shape.words
        self.items = None if shape.items is None else Place(shape.items, name)
        self.values = None if shape.values is None else Place(shape.values, name)
        kinds = [KINDS[name] for name in shape.kinds]
        self.tag = kinds[0].tag if kinds else "type"
        self.by_tag: dict[str | None, Kind] = {}
        for kind in kinds:
            self.by_tag.update(dict.fromkeys(kind.types, kind))
            if kind.untyped or not kind.types:
                self.by_tag[None] = kind

    @property
    def holds_tools(self) -> bool:
        """Whether tool definitions stand here."""
        return "custom" in self.by_tag

    def expects(self) -> str:
        """What may stand here, in words."""
        if self.words and not self.text:
            return "one of " + ", ".join(f"`{word}`" for word in sorted(self.words))
        named = (
            (self.text, "a string"),
            (self.flag, "true or false"),
            (self.whole, "a number" if self.number else "a whole number"),
            (self.items is not None, "a list"),
            (bool(self.by_tag) or self.values is not None, "an object"),
        )
        return " or ".join(word for holds, word in named if holds)


PLACES: Mapping[str, Mapping[str, tuple[Place, Use]]] = {
    name: {
        field: (Place(one.shape, f"{name}.{field}"), one.use) for field, one in kind.fields.items()
    }
    for name, kind in KINDS.items()
}
"""For each kind its fields: the place, and what the gateway does about it."""
