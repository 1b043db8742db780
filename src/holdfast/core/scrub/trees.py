"""Secrets in a JSON value: every string is cleaned, and what a field's name tells is hidden.

A name and its value may be a field, an entry of `name` and `value`, a pair, or an option of a
command and what follows it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from holdfast.core.scrub.names import Says, can_be, says
from holdfast.core.scrub.values import stands_for_one

_MAX_DEPTH = 64
_HIDDEN = "<secret:field>"
_SHORT = 40
_NAME_MOST = 120
_HEADERS = ("authorization", "cookie", "set-cookie")
_NAMING = ("name", "key", "header", "Name", "Key")
_VALUES = ("value", "Value", "val")
# The private members of a JSON Web Key (RFC 7518, 6).
_JWK = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))
# What a schema says of a field: there is no value in it.
_SCHEMA = frozenset(
    (
        *("type", "description", "title", "format", "$ref", "minLength", "maxLength", "pattern"),
        *("nullable", "required", "items", "anyOf", "oneOf", "allOf", "writeOnly"),
    )
)

Clean = Callable[[str], str]


def walk(value: Any, clean: Clean, depth: int = 0) -> Any:
    """`value` with every string cleaned and every named secret hidden; of new lists and dicts."""
    if isinstance(value, str):
        return clean(value)
    if depth > _MAX_DEPTH:
        return "<too deep to scrub>"
    if isinstance(value, dict):
        return _fields(value, clean, depth + 1)
    if isinstance(value, list | tuple):
        hidden = _hidden_items(value)
        return [
            _HIDDEN if at in hidden else walk(inner, clean, depth + 1)
            for at, inner in enumerate(value)
        ]
    return value


def _fields(value: Mapping[Any, Any], clean: Clean, depth: int) -> dict[Any, Any]:
    web_key = "kty" in value
    found = {
        clean(key) if isinstance(key, str) else key: (
            _HIDDEN
            if isinstance(key, str) and (_hides(key, inner) or (web_key and key in _JWK))
            else walk(inner, clean, depth)
        )
        for key, inner in value.items()
    }
    told = next((key for key in _VALUES if key in value), None)
    if told is not None:
        name = next((value[key] for key in _NAMING if isinstance(value.get(key), str)), "")
        if name and _hides(name, value[told]):
            found[told] = _HIDDEN
    return found


def _hides(name: str, value: object) -> bool:
    """Whether what stands under a name may be its secret: nothing, flags and references are not."""
    how = _of_name(name) if len(name) <= _SHORT else _how(name)
    if how is Says.NOTHING or value is None or isinstance(value, bool) or value in ("", [], {}):
        return False
    if isinstance(value, str):
        if how is Says.SURELY:
            return value == _HIDDEN or not _refers(value)
        return can_be(value, how, sure=True)
    return how is Says.SURELY and not (isinstance(value, dict) and value.keys() <= _SCHEMA)


def _refers(value: str) -> bool:
    return value[:1] in "$<{%" and stands_for_one(value)


def _how(name: str) -> Says:
    lower = name[-_NAME_MOST:].lower()
    if lower.endswith(_HEADERS) or lower == "token":
        return Says.SURELY
    return says(name[-_NAME_MOST:])


_of_name = lru_cache(4096)(_how)


def _hidden_items(items: Sequence[Any]) -> frozenset[int]:
    """Which items are the value of the item before them."""
    pair = len(items) == 2
    return frozenset(
        at
        for at, item in enumerate(items[1:], 1)
        if isinstance(item, str)
        and isinstance(items[at - 1], str)
        and (items[at - 1][:1] == "-" or (pair and _mixed(item)))
        and _hides(items[at - 1].lstrip("-"), item)
    )


def _mixed(value: str) -> bool:
    return " " in value or can_be(value, Says.KEY, sure=True)
