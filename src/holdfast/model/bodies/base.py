"""What every journal body has in common: it is written whole, and read from any version.

A field without a default is always written. One with a default is written where it says something
else, and a record without it reads as that default. Not here: the table of kinds (`bodies`).
"""

import contextlib
import functools
from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Self, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from holdfast.model.events import Record

OURS = msgspec.Meta(extra={"ours": True})
"""Marks a field that is not scrubbed: nothing from a client, a model or a tool can stand in it, or
it has to be found again to the letter, as a path of a file has."""

# A half of a surrogate pair, where another value than a text is wanted, is no validation error.
_ODD = (msgspec.ValidationError, UnicodeEncodeError)
_S = TypeVar("_S", bound=msgspec.Struct)
_ZEROS: tuple[Any, ...] = (None, "", 0, False, (), {})


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of one kind of record.

    A record keeps its body as JSON, as it was written; this is how it is read. So what a newer
    version added is lost nowhere, and read by nobody here.
    """

    @classmethod
    def of(cls, record: Record) -> Self:
        """A record's body; an odd or missing field costs a blank and no error."""
        return cls.read(record.body)

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Self:
        """As `of`, of JSON that stands in no record yet."""
        try:
            return msgspec.convert(raw, cls)
        except _ODD:
            return _fitting(cls, raw)

    @classmethod
    def misfit(cls, raw: Mapping[str, Any]) -> str:
        """The first field that stands in this JSON and does not fit, as it is written; else empty.

        What another process says is asked for this before it is written down: of what is read
        back, an odd value only costs a blank.
        """
        for field in msgspec.structs.fields(cls):
            if field.encode_name in raw and not _fits(field.type, raw[field.encode_name]):
                return field.encode_name
        return ""

    def told(self) -> dict[str, Any]:
        """As JSON, without what is at its default."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


@functools.cache
def ours(body: type[Body]) -> frozenset[str]:
    """The names, as they are written, of fields that are not scrubbed."""
    hints = get_type_hints(body, include_extras=True)
    return frozenset(
        field.encode_name
        for field in msgspec.structs.fields(body)
        if get_origin(hints[field.name]) is Annotated and OURS in get_args(hints[field.name])
    )


def _fitting(shape: type[_S], raw: Mapping[str, Any]) -> _S:
    """What of this JSON fits the shape. Errors: ValidationError where a field needs a value."""
    found = {}
    for field in msgspec.structs.fields(shape):
        try:
            found[field.name] = _fit(field.type, raw[field.encode_name])
        except KeyError:
            found[field.name] = _blank(field)
        except _ODD:
            # A yes or no that is said oddly is read by its truth, whatever its default is.
            is_flag = _plain(field.type) in (bool, bool | None)
            found[field.name] = bool(raw[field.encode_name]) if is_flag else _blank(field)
    return shape(**found)


def _fits(kind: Any, given: Any) -> bool:
    try:
        msgspec.convert(given, kind)
    except _ODD:
        return False
    return True


def _fit(kind: Any, given: Any) -> Any:
    """The value as that type; of a list that does not fit, the items that do."""
    try:
        return msgspec.convert(given, kind)
    except _ODD:
        plain = _plain(kind)
        for one in get_args(plain) if get_origin(plain) in (Union, UnionType) else (plain,):
            made_of = get_origin(one) or one
            if made_of in (tuple, list) and isinstance(given, list | tuple):
                return made_of(_items(get_args(one)[0], given))
            shaped = isinstance(made_of, type) and issubclass(made_of, msgspec.Struct)
            if shaped and isinstance(given, Mapping):
                return _fitting(made_of, given)
        raise


def _plain(kind: Any) -> Any:
    """A type without what is said of it beside."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _items(kind: Any, given: Iterable[Any]) -> Iterator[Any]:
    for one in given:
        with contextlib.suppress(*_ODD):
            yield _fit(kind, one)


def _blank(field: msgspec.structs.FieldInfo) -> Any:
    """What stands for a missing or odd value. Errors: ValidationError where nothing can."""
    if not field.required:
        made = field.default_factory
        return field.default if made is msgspec.NODEFAULT else made()
    for zero in _ZEROS:
        with contextlib.suppress(msgspec.ValidationError):
            return msgspec.convert(zero, field.type)
    raise msgspec.ValidationError(f"`{field.name}` has no value that says nothing")
