"""The scalars of an argument that somebody chose. Not here: whether they are vouched for."""

from collections.abc import Iterator, Mapping


def chosen(schema: object, value: object) -> Iterator[object]:
    """Every scalar of a JSON value, but constants and keys that its schema names."""
    declared = schema if isinstance(schema, Mapping) else {}
    if isinstance(value, Mapping):
        named = declared.get("properties", {})
        for name, inner in value.items():
            if name not in named:
                yield name
            yield from chosen(named.get(name), inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from chosen(declared.get("items"), inner)
    elif "const" not in declared or declared["const"] != value:
        yield value
