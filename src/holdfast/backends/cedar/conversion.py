"""JSON values into Cedar values, by the declared type and never by what they look like.

That is what keeps `{"__entity": …}` in an argument text. Whatever does not fit its type exactly
is refused in words; nothing is rounded, cut or guessed.
"""

import decimal
import math
from typing import Any

import rfc8785

from holdfast.backends.cedar.shapes import Record, Scalar, SetOf, Shape

_MAX_LONG, _MIN_LONG = 2**63 - 1, -(2**63)
_MAX_EXACT_FLOAT = 2**53
_DECIMAL_PLACES = 4
_MAX_DIGITS = 40
_MAX_JSON_DEPTH = 64
_MAX_UNDECLARED = 1000


class Refused(Exception):
    """The question cannot be put to Cedar; the message says which value and why."""


def record(value: dict[str, Any], shape: Record, where: str, undeclared: list[str]) -> Any:
    """The declared properties as a Cedar record; names of the others are added to `undeclared`.

    Errors: Refused.
    """
    out: dict[str, Any] = {}
    for name, item in value.items():
        field = shape.fields.get(name)
        if field is not None:
            out[name] = _converted(item, field.shape, f"{where}.{name}", undeclared)
        elif len(undeclared) < _MAX_UNDECLARED:
            undeclared.append(f"{where}.{name}".partition(".")[2])
        else:
            raise Refused(f"more than {_MAX_UNDECLARED} arguments are not declared")
    for name, field in shape.fields.items():
        if field.required and name not in out:
            raise Refused(f"{where}.{name} is required and missing")
    return out


def _converted(value: Any, shape: Shape, where: str, undeclared: list[str]) -> Any:
    if isinstance(shape, Record):
        if not isinstance(value, dict):
            raise Refused(f"{where} is declared an object and is not one")
        return record(value, shape, where, undeclared)
    if isinstance(shape, SetOf):
        if not isinstance(value, list | tuple):
            raise Refused(f"{where} is declared an array and is not one")
        return [_scalar(item, shape.element, f"{where}[{i}]") for i, item in enumerate(value)]
    return _scalar(value, shape, where)


def _scalar(value: Any, shape: Scalar, where: str) -> Any:
    match shape.kind:
        case "string":
            if isinstance(value, str):
                return value
        case "boolean":
            if isinstance(value, bool):
                return value
        case "integer":
            return _long(value, where)
        case "number":
            return _decimal(value, where)
        case _:
            return _canonical(value, where)
    raise Refused(f"{where} is declared a {shape.kind} and is not one")


def _long(value: Any, where: str) -> int:
    if isinstance(value, float) and value.is_integer() and abs(value) <= _MAX_EXACT_FLOAT:
        value = int(value)  # JSON Schema counts 5.0 as an integer
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused(f"{where} is declared an integer and is not one")
    if not _MIN_LONG <= value <= _MAX_LONG:
        raise Refused(f"{where} does not fit 64 bits")
    return value


def _decimal(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Refused(f"{where} is declared a number and is not one")
    if isinstance(value, int):
        if abs(value) > _MAX_LONG:
            raise Refused(f"{where} does not fit a decimal")
        exact = decimal.Decimal(value)
    elif not math.isfinite(value):
        raise Refused(f"{where} is not a finite number")
    else:
        exact = decimal.Decimal(repr(value))
    scaled = exact.scaleb(_DECIMAL_PLACES, decimal.Context(prec=_MAX_DIGITS, Emax=9999, Emin=-9999))
    if scaled != scaled.to_integral_value():
        raise Refused(f"{where} has more than {_DECIMAL_PLACES} decimal places")
    units = int(scaled)
    if not _MIN_LONG <= units <= _MAX_LONG:
        raise Refused(f"{where} does not fit a decimal")
    whole, part = divmod(abs(units), 10**_DECIMAL_PLACES)
    text = f"{'-' if units < 0 else ''}{whole}.{part:04d}"
    return {"__extn": {"fn": "decimal", "arg": text}}


def _canonical(value: Any, where: str) -> str:
    _bounded(value, where)
    try:
        return rfc8785.dumps(value).decode()
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, TypeError) as fault:
        raise Refused(f"{where} has no canonical JSON: {fault}") from None


def _bounded(value: Any, where: str) -> None:
    """Refuse nesting that would exhaust the stack of whoever walks it next."""
    level: list[Any] = [value]
    for _ in range(_MAX_JSON_DEPTH):
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                deeper += item.values()
            elif isinstance(item, list | tuple):
                deeper += item
        if not deeper:
            return
        level = deeper
    raise Refused(f"{where} is nested deeper than {_MAX_JSON_DEPTH} levels")
