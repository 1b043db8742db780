"""One value, one spelling: canonical JSON (RFC 8785), its digest, and a strict reader of JSON.

What is approved, permitted and journalled is compared by digest, so a value that has two
readings, or none, must never get one: it becomes `Unrepresentable` or `Unreadable`, each with a
one-sentence reason that quotes no part of the value.

Not here: what is signed (`core/permits`), what is accepted (`core/contracts`).
"""

import hashlib
import json
import math
from typing import Any, NoReturn, cast

import msgspec
import rfc8785

MAX_DEPTH = 100
MAX_CANONICAL_BYTES = 1_000_000
MAX_VALUES = 200_000
"""Values in one JSON text: each costs a hundred times its bytes, in memory and in time."""
MANY_VALUES = f"the json holds more than {MAX_VALUES} values"
_MAX_SAFE_INTEGER = 2**53 - 1
_FIRST_EXPONENT = 1e21
_PREFIX = "sha256:"

_sorted_encoder = msgspec.json.Encoder(order="sorted")
_encoder = msgspec.json.Encoder()


class Unrepresentable(msgspec.Struct, frozen=True):
    """The value has no canonical JSON form; `reason` is one lower-case sentence."""

    reason: str


class Unreadable(msgspec.Struct, frozen=True):
    """The bytes are not JSON with exactly one reading; `reason` is one lower-case sentence."""

    reason: str


def canonical(value: object) -> bytes | Unrepresentable:
    """The RFC 8785 bytes of a JSON value (dict, list, tuple, str, int, float, bool, None).

    Refused: NaN and infinities, whole numbers beyond ±(2^53 - 1) that are spelt as integers,
    lone surrogates, keys that are not strings, other types, more than `MAX_DEPTH` nested
    containers, more than `MAX_CANONICAL_BYTES` of output.
    """
    survey = _Survey()
    fault = survey.run(value)
    if fault is not None:
        return fault
    try:
        # For values without floats and with ASCII keys both libraries write the same bytes (a
        # property test holds them to it), and msgspec is a hundred times faster.
        encoded = (
            _sorted_encoder.encode(value) if survey.plain else rfc8785.dumps(cast("Any", value))
        )
    except ValueError:
        return Unrepresentable("the value has no canonical json form")
    if len(encoded) > MAX_CANONICAL_BYTES:
        return _too_large()
    return encoded


def unrepresentable(value: object) -> Unrepresentable | None:
    """Why `value` has no canonical form, without spelling it (the exact size is not known)."""
    return _Survey().run(value)


def digest(value: object) -> str | Unrepresentable:
    """`sha256:<64 hex digits>` of the canonical bytes of `value`."""
    encoded = canonical(value)
    if isinstance(encoded, Unrepresentable):
        return encoded
    return digest_bytes(encoded)


def digest_bytes(encoded: bytes) -> str:
    """`sha256:<64 hex digits>` of bytes that are canonical already."""
    return _PREFIX + hashlib.sha256(encoded).hexdigest()


def parse_json(body: bytes, *, max_depth: int = MAX_DEPTH) -> object | Unreadable:
    """Read JSON that has exactly one reading.

    Refused: a key twice in one object at any depth, NaN and Infinity, numbers out of range,
    lone surrogates, a byte order mark, invalid UTF-8, more than `max_depth` nested containers,
    more than `MAX_VALUES` values. The caller bounds the size.
    """
    if _has_more_values(body, MAX_VALUES):
        return Unreadable(MANY_VALUES)
    value = _read_fast(body)
    if value is _NOT_COMPACT:
        value = _read_exact(body)
    if isinstance(value, Unreadable):
        return value
    if body.count(b"[") + body.count(b"{") > max_depth and _deeper_than(value, max_depth):
        return Unreadable(f"the json nests deeper than {max_depth} levels")
    return value


def _has_more_values(body: bytes, most: int) -> bool:
    """Whether there are more than `most` values, known before any of them is made.

    Every value but the first stands behind a comma or an opening bracket outside of strings.
    Each step is one pass in C over what the step before left.
    """
    if _openings(body) <= most:
        return False
    # Without pairs of backslashes, then escaped quotes, a quote always opens or closes a string.
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if plain.count(b'"') > 4 * most:
        return True
    return _openings(b"".join(plain.split(b'"')[::2])) > most


def _openings(text: bytes) -> int:
    return text.count(b",") + text.count(b"[") + text.count(b"{")


_NOT_COMPACT = object()


def _read_fast(body: bytes) -> object:
    """Decode and re-encode: equal bytes prove that no key stood twice.

    A decoded dict cannot hold a key twice, so its encoding cannot either; where the encoding is
    the body, the body does not. Anything else (spaces, escapes, exponents) is read exactly.
    """
    try:
        value = msgspec.json.decode(body)
        return value if _encoder.encode(value) == body else _NOT_COMPACT
    except (msgspec.MsgspecError, ValueError, RecursionError):
        # Refusals are worded in one place; the exact reader refuses all that msgspec refuses.
        return _NOT_COMPACT


class _RefusedError(ValueError):
    """Carries our own sentence out of the hooks of the standard reader."""


def _read_exact(body: bytes) -> object:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return Unreadable("the json is not valid utf-8")
    try:
        value: object = json.loads(
            text,
            object_pairs_hook=_unique_pairs,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
        if "\\u" in text:
            # Only an escape can bring a lone surrogate into text that was valid UTF-8.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except _RefusedError as refusal:
        return Unreadable(str(refusal))
    except RecursionError:
        return Unreadable("the json nests too deep to read")
    except UnicodeEncodeError:
        return Unreadable("a json string holds a lone surrogate")
    except json.JSONDecodeError as error:
        return Unreadable(f"the body is not json at character {error.pos}")
    except ValueError:
        return Unreadable("a json number is out of range")
    return value


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _RefusedError("a json object holds the same key twice")
    return found


def _refuse_constant(_: str) -> NoReturn:
    raise _RefusedError("json numbers are finite")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _RefusedError("a json number is out of range")
    return number


def _deeper_than(value: object, max_depth: int) -> bool:
    """Whether more than `max_depth` containers nest; level by level, so it cannot recurse."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(max_depth):
        if not level:
            return False
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return bool(level)


class _Survey:
    """One bounded pass over a value: types, ranges, depth, and a lower bound of its size.

    `plain` stays true when msgspec writes the canonical bytes: no float, and every key ASCII
    (RFC 8785 sorts keys by UTF-16 units, msgspec by code points).
    """

    def __init__(self) -> None:
        self.plain = True
        self.bytes_left = MAX_CANONICAL_BYTES

    def run(self, value: object) -> Unrepresentable | None:
        """The first reason that the value has no canonical form, or None."""
        level: list[Any] = [value]
        for depth in range(MAX_DEPTH + 1):
            below: list[Any] = []
            for item in level:
                if type(item) in _CONTAINERS:
                    if depth == MAX_DEPTH:
                        return Unrepresentable(f"the value nests deeper than {MAX_DEPTH} levels")
                    fault = self._open(item, below)
                else:
                    fault = self._scalar(item)
                if fault is not None:
                    return fault
                # `below` counts too: shared references could otherwise multiply it.
                if len(below) > self.bytes_left:
                    return _too_large()
            if not below:
                break
            level = below
        return None

    def _open(self, item: Any, below: list[Any]) -> Unrepresentable | None:
        self.bytes_left -= 2
        if type(item) is not dict:
            below.extend(item)
            return None
        for key in item:
            if type(key) is not str:
                return Unrepresentable("an object key is not a string")
            self.bytes_left -= len(key) + 3
            if not key.isascii():
                self.plain = False
                if _has_surrogate(key):
                    return Unrepresentable("a string holds a lone surrogate")
        below.extend(item.values())
        return None

    def _scalar(self, item: Any) -> Unrepresentable | None:
        kind = type(item)
        self.bytes_left -= 1
        if kind is str:
            self.bytes_left -= len(item)
            if not item.isascii() and _has_surrogate(item):
                return Unrepresentable("a string holds a lone surrogate")
        elif kind is int:
            if not -_MAX_SAFE_INTEGER <= item <= _MAX_SAFE_INTEGER:
                return Unrepresentable("an integer is outside ±(2^53 - 1)")
        elif kind is float:
            self.plain = False
            if not math.isfinite(item):
                return Unrepresentable("a number is not finite")
            if _MAX_SAFE_INTEGER < abs(item) < _FIRST_EXPONENT:
                # Spelt without an exponent, it would read back as an integer out of range.
                return Unrepresentable("an integer is outside ±(2^53 - 1)")
        elif item is not None and kind is not bool:
            return Unrepresentable(f"a value of type {kind.__name__} is not json")
        return None


def _has_surrogate(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


_CONTAINERS = frozenset({dict, list, tuple})


def _too_large() -> Unrepresentable:
    return Unrepresentable(f"the value is larger than {MAX_CANONICAL_BYTES} bytes")
