"""The words of the table: what a field may hold, and what the gateway does about it.

The table itself is plain data (`request`, `blocks`, `tools`): a field is one line of text, which
is compiled here into what the reader walks by. A line reads `use:shape`; without a use the field
is inert. Shapes: `text flag whole number any`, the name of a kind or of a union, `[x]` a list,
`{x}` a map with free keys, `=a,b` only these words, and `x|y` for alternatives. A text that the
provider follows is `url`, `file` or `connector`, and stands only in what is granted or refused;
one that looks like it and is only shown to the model is a `label`.
"""

import enum
from collections.abc import Iterator, Mapping

import msgspec


class Use(enum.StrEnum):
    """What the gateway does about a field, block, tool, header or beta."""

    INERT = "inert"
    PRICED = "priced"
    GRANTED = "granted"
    BOUNDED = "bounded"
    EVIDENCE = "evidence"
    DROPPED = "dropped"
    REFUSED = "refused"


SCALARS: Mapping[str, tuple[type, ...]] = {
    "text": (str,),
    "flag": (bool,),
    "whole": (int,),
    "number": (int, float),
    "any": (str, bool, int, float, dict, list),
}


FOLLOWED = frozenset({"url", "file", "connector"})
LABEL = "label"


class Shape(msgspec.Struct, frozen=True):
    """What one value may be: scalars, words, an object of named kinds, a list, a map.

    `names`: what a text names, of `FOLLOWED` or `LABEL`.
    """

    scalars: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    kinds: tuple[str, ...] = ()
    items: "Shape | None" = None
    values: "Shape | None" = None
    names: frozenset[str] = frozenset()

    def follows(self) -> frozenset[str]:
        """What the provider follows somewhere in a value of this shape, objects apart."""
        found = self.names & FOLLOWED
        for below in (self.items, self.values):
            found |= below.follows() if below is not None else frozenset()
        return found


class Field(msgspec.Struct, frozen=True):
    """One field of a kind of object."""

    shape: Shape
    use: Use = Use.INERT


class Kind(msgspec.Struct, frozen=True):
    """A kind of object: the values of its `tag` that name it (none: its place does), its fields.

    `untyped`: it is also what stands there without the tag.
    """

    name: str
    types: tuple[str, ...]
    fields: Mapping[str, Field]
    use: Use = Use.INERT
    untyped: bool = False
    tag: str = "type"


class Row(msgspec.Struct, frozen=True):
    """A kind as the table writes it; `fields` map a name to its line."""

    types: str
    fields: Mapping[str, str]
    use: Use = Use.INERT
    untyped: bool = False
    tag: str = "type"


def row(types: str = "", /, use: Use = Use.INERT, **fields: str) -> Row:
    """A kind of object; `types` are words with spaces between."""
    return Row(types, fields, use)


def compiled(rows: Mapping[str, Row], unions: Mapping[str, str]) -> dict[str, Kind]:
    """The table as the reader wants it.

    Errors: KeyError where a name is of nothing; ValueError where what is inert names something that
    the provider follows.
    """
    kinds = {
        name: Kind(
            name,
            tuple(one.types.split()),
            {field: _field(line, rows, unions) for field, line in one.fields.items()},
            one.use,
            one.untyped,
            one.tag,
        )
        for name, one in rows.items()
    }
    for kind in kinds.values():
        for name, field in kind.fields.items():
            if field.shape.follows() and not {kind.use, field.use} & _ASKED_FOR:
                raise ValueError(f"`{kind.name}.{name}` reaches outside, and nobody is asked")
    return kinds


_ASKED_FOR = frozenset({Use.GRANTED, Use.REFUSED})


def _field(line: str, rows: Mapping[str, Row], unions: Mapping[str, str]) -> Field:
    use, found, shape = line.rpartition(":")
    return Field(shape_of(shape, rows, unions), Use(use) if found else Use.INERT)


def shape_of(line: str, rows: Mapping[str, Row], unions: Mapping[str, str]) -> Shape:
    """One shape from its line."""
    scalars, words, kinds, names = set(), set(), list[str](), set()
    items = values = None
    for part in _alternatives(line):
        if part.startswith("["):
            items = shape_of(part[1:-1], rows, unions)
        elif part.startswith("{"):
            values = shape_of(part[1:-1], rows, unions)
        elif part.startswith("="):
            words.update(part[1:].split(","))
        elif part in SCALARS:
            scalars.add(part)
        elif part in FOLLOWED or part == LABEL:
            scalars.add("text")
            names.add(part)
        elif part in unions:
            kinds.extend(unions[part].split())
        else:
            kinds.append(part)
    unknown = [name for name in kinds if name not in rows]
    if unknown:
        raise KeyError(unknown[0])
    texts = frozenset(names)
    return Shape(frozenset(scalars), frozenset(words), tuple(kinds), items, values, texts)


def _alternatives(line: str) -> Iterator[str]:
    depth, start = 0, 0
    for at, sign in enumerate(line):
        depth += (sign in "[{") - (sign in "]}")
        if sign == "|" and depth == 0:
            yield line[start:at]
            start = at + 1
    yield line[start:]
