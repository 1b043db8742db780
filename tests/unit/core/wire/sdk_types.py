"""What the pinned `anthropic` package types as a request, walked beside the table.

Every `TypedDict` and every block of an answer that a client may send back is followed from the
request down; what the table does not have at that very place is a silence, spelt as a path.
"""

import collections.abc
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pydantic
import typing_extensions
from anthropic.types import AnthropicBetaParam
from anthropic.types import message_count_tokens_params as count
from anthropic.types import message_create_params as create
from anthropic.types.beta import message_count_tokens_params as beta_count
from anthropic.types.beta import message_create_params as beta_create

from holdfast.core.wire.shapes import Kind, Shape
from holdfast.core.wire.table import KINDS

ROOTS = (
    create.MessageCreateParamsNonStreaming,
    create.MessageCreateParamsStreaming,
    beta_create.MessageCreateParamsNonStreaming,
    beta_create.MessageCreateParamsStreaming,
    count.MessageCountTokensParams,
    beta_count.MessageCountTokensParams,
)
_WRAPPERS = (
    typing.Annotated,
    typing.Required,
    typing.NotRequired,
    typing_extensions.Required,
    typing_extensions.NotRequired,
)
_OF_ANSWERS = ("anthropic-ratelimit",)
_NO_HEADERS = frozenset({"x"})
_LISTS = (list, tuple, collections.abc.Iterable, collections.abc.Sequence)


def is_object(kind: Any) -> bool:
    """Whether a type is a dict or a model of the package with named fields."""
    return typing_extensions.is_typeddict(kind) or (
        isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)
    )


def hints(kind: Any) -> dict[str, Any]:
    """The fields of an object as the wire names them."""
    if typing_extensions.is_typeddict(kind):
        return typing_extensions.get_type_hints(kind, include_extras=True)
    return {f.alias or name: f.annotation for name, f in kind.model_fields.items()}


def alternatives(kind: Any) -> Iterator[Any]:
    """A type's members, with unions, wrappers and `Optional` taken off."""
    origin = typing.get_origin(kind)
    if origin in _WRAPPERS:
        yield from alternatives(typing.get_args(kind)[0])
    elif origin is typing.Union or str(origin) == "<class 'types.UnionType'>":
        for one in typing.get_args(kind):
            yield from alternatives(one)
    elif kind is not type(None):
        yield kind


def literals(kind: Any) -> tuple[Any, ...]:
    """The words of a literal type."""
    is_literal = typing.get_origin(kind) in (typing.Literal, typing_extensions.Literal)
    return typing.get_args(kind) if is_literal else ()


def silences(roots: tuple[Any, ...] = ROOTS) -> set[str]:
    """Every place of the package's request types that the table says nothing about."""
    found: set[str] = set()
    seen: set[tuple[Any, str]] = set()
    todo = [(root, KINDS["request"], "") for root in roots]
    while todo:
        typed, kind, path = todo.pop()
        if (typed, kind.name) in seen:
            continue
        seen.add((typed, kind.name))
        for name, hint in hints(typed).items():
            where = f"{path}.{name}" if path else name
            if name == kind.tag and kind.types:
                continue
            field = kind.fields.get(name)
            if field is None:
                found.add(where)
            elif field.use != "refused":
                todo.extend(_below(hint, field.shape, where, found))
    return found


def _below(hint: Any, shape: Shape, where: str, found: set[str]) -> Iterator[tuple[Any, Kind, str]]:
    for one in alternatives(hint):
        origin = typing.get_origin(one)
        if "any" in shape.scalars:
            continue
        if is_object(one):
            yield from _kinds(one, shape, where, found)
        elif words := literals(one):
            open_text = "text" in shape.scalars or "flag" in shape.scalars
            found.update(f"{where}={w}" for w in words if not open_text and w not in shape.words)
        elif origin in _LISTS or str(origin).endswith("Sequence"):
            if shape.items is None:
                found.add(f"{where}[]")
            else:
                yield from _below(typing.get_args(one)[0], shape.items, f"{where}[]", found)
        elif origin is dict:
            if shape.values is None:
                found.add(where + "{}")
            else:
                yield from _below(typing.get_args(one)[1], shape.values, where, found)
        elif (word := {str: "text", bool: "flag", int: "whole", float: "number"}.get(one)) and (
            word not in shape.scalars and not shape.words
        ):
            found.add(f"{where}:{word}")


def _kinds(
    typed: Any, shape: Shape, where: str, found: set[str]
) -> Iterator[tuple[Any, Kind, str]]:
    """The kinds that the values of an object's tag lead to at this place."""
    if shape.values is not None and not shape.kinds:
        if "any" not in shape.values.scalars:
            for hint in hints(typed).values():
                yield from _below(hint, shape.values, where, found)
        return
    kinds = [KINDS[name] for name in shape.kinds]
    tag = kinds[0].tag if kinds else "type"
    given = hints(typed).get(tag)
    words = [w for one in alternatives(given) for w in literals(one)] if given else []
    by_tag = {word: kind for kind in kinds for word in kind.types}
    untagged = next((kind for kind in kinds if not kind.types), None)
    if untagged is not None and not words:
        yield typed, untagged, where
    elif not words:
        found.add(f"{where} ({typed.__name__})")
    for word in words:
        if word in by_tag:
            yield typed, by_tag[word], f"{where}<{word}>"
        else:
            found.add(f"{where}<{word}>")


def betas() -> set[str]:
    """Every beta that the package names."""
    return {w for one in alternatives(AnthropicBetaParam) for w in literals(one)}


def header_names() -> set[str]:
    """Every header that the package's own source sets on a request, in lower case."""
    package = Path(anthropic.__file__).parent
    source = "\n".join(path.read_text() for path in package.rglob("*.py"))
    named = re.findall(r'"((?:anthropic|x)-[a-z-]+)"', source.lower())
    return {name for name in named if not name.startswith(_OF_ANSWERS) and name not in _NO_HEADERS}
