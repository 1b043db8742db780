"""Render the shapes of journal records into `docs/reference/records.md`.

Run as `python -m scripts.render_records`; what stands below the mark is made here, never by hand.
"""

import inspect
import typing
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, get_args, get_origin

import msgspec

from holdfast.model.bodies import BODIES, VARIANTS, VERSION, Body, ours
from holdfast.model.events import Kind, Record

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "records.md"
MARK = "<!-- made by scripts/render_records.py from the code; do not edit below -->\n"


def page() -> str:
    """All that stands below the mark."""
    nested: dict[str, type[msgspec.Struct]] = {}
    kinds = [line for kind in Kind for line in _kind(kind, nested)]
    parts = [line for name in sorted(nested) for line in _part(nested[name], nested)]
    top = [f"\nVersion {VERSION} of the shapes.", "", "## Every record", ""]
    return "\n".join([*top, *_told(Record), *kinds, "", "## Parts", *parts, ""])


def _kind(kind: Kind, nested: dict[str, type[msgspec.Struct]]) -> Iterator[str]:
    yield from ("", f"## `{kind.value}`", "")
    yield from _told(BODIES[kind])
    yield ""
    yield from _rows(BODIES[kind], nested)
    for variant in (one for one, of in VARIANTS.items() if of is kind):
        names = ", ".join(f"`{field.encode_name}`" for field in msgspec.structs.fields(variant))
        yield from ("", f"{inspect.cleandoc(variant.__doc__ or '')} It holds {names}.")


def _part(part: type[msgspec.Struct], nested: dict[str, type[msgspec.Struct]]) -> Iterator[str]:
    yield from ("", f"### `{part.__name__}`", "")
    yield from _told(part)
    yield ""
    yield from _rows(part, nested)


def _told(shape: type) -> list[str]:
    """What its docstring says, and that of the shape that it shares with other kinds."""
    shared = [one for one in shape.__mro__[1:-1] if one not in (Body, msgspec.Struct)]
    told = [inspect.cleandoc(one.__doc__ or "") for one in (shape, *shared)]
    return "\n\n".join(told).split("\n")


def _rows(shape: type[msgspec.Struct], nested: dict[str, type[msgspec.Struct]]) -> Iterator[str]:
    spared = ours(shape) if issubclass(shape, Body) else frozenset()
    omits = shape.__struct_config__.omit_defaults
    hints = typing.get_type_hints(shape)
    for field in msgspec.structs.fields(shape):
        kind = _spelt(hints[field.name], nested)
        always = "" if field.required or not omits else ", where it says something"
        said = ", never scrubbed" if field.encode_name in spared else ""
        yield f"- `{field.encode_name}`: {kind}{always}{said}"


def _spelt(kind: Any, nested: dict[str, type[msgspec.Struct]]) -> str:
    """A type in words of JSON; a struct is named, and told of once."""
    if get_origin(kind) is Annotated:
        return _spelt(get_args(kind)[0], nested)
    if isinstance(kind, UnionType):
        return " or ".join(_spelt(one, nested) for one in get_args(kind))
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (tuple, list):
        return f"list of {_spelt(inner[0], nested)}"
    if origin is dict:
        return f"object of {_spelt(inner[1], nested)}"
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if kind.__name__ not in nested:
            nested[kind.__name__] = kind
            for hint in typing.get_type_hints(kind).values():
                _spelt(hint, nested)
        return f"`{kind.__name__}`"
    plain = {str: "text", int: "number", float: "number", bool: "true or false", NoneType: "null"}
    return plain.get(kind, "text" if isinstance(kind, type) and issubclass(kind, str) else "JSON")


if __name__ == "__main__":
    head, mark, _ = PAGE.read_text().partition(MARK)
    PAGE.write_text(head + (mark or MARK) + page())
