"""Whatever a tool returned or raised, as JSON that can be written.

What ran is recorded whatever it returned. So nothing here raises: what has no place in JSON is
replaced where it stands, what is too much is left out where it begins to be, and both are named.
Not here: what may be shown of it (`runtime/outcomes`), secrets (`core/scrub`).
"""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

# A byte can take six in JSON, and the server reads no more than 32 MiB.
OUTPUT_BYTES_MAX = 4 * 1024 * 1024
_DEPTH_MAX = 48
# So many values are read again by whoever takes the report (`core/canonical`), and no more.
_VALUES_MAX = 150_000
_TEXT_MAX = 2_000
_LEFT_OUT = "… (left out)"


class Written(msgspec.Struct, frozen=True):
    """A value that can be written as JSON; `replaced` names what is not as it was, if anything."""

    value: Any
    replaced: tuple[str, ...] = ()


def written(value: object, *, most_bytes: int = OUTPUT_BYTES_MAX) -> Written:
    """`value` as JSON, of about `most_bytes` at most; never raises, whatever the value does."""
    writer = _Writer(most_bytes)
    return Written(writer.take(value, 0), tuple(sorted(writer.replaced)))


def text_of(value: object, most: int = _TEXT_MAX) -> str:
    """`str(value)` in valid UTF-8, at most so long, also where asking for it raises."""
    try:
        text = str(value)
    except Exception as error:  # noqa: BLE001 -- a foreign class may do anything
        text = f"a {type(value).__name__} that cannot be shown ({type(error).__name__})"
    return _clean(text[:most])


def fault_of(error: BaseException, most: int = _TEXT_MAX) -> str:
    """`ValueError: …`, as `text_of`."""
    return _clean(f"{type(error).__name__}: {text_of(error, most)}"[:most])


def _clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


class _Writer:
    def __init__(self, most_bytes: int) -> None:
        self.replaced: set[str] = set()
        self._most_bytes = most_bytes
        self._left = most_bytes
        self._values = _VALUES_MAX
        self._within: set[int] = set()

    def take(self, value: object, depth: int) -> Any:
        self._values -= 1
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._text(str.__str__(value))
        if isinstance(value, int):
            return self._int(int(value))
        if isinstance(value, float):
            if math.isfinite(value):
                return float(value)
            self.replaced.add("numbers that json has no word for")
            return str(float(value))
        if isinstance(value, bytes | bytearray | memoryview):
            self.replaced.add("bytes")
            return self._text(bytes(value[: max(self._left, 0) + 1]).decode(errors="replace"))
        return self._nested(value, depth)

    def _int(self, value: int) -> int | str:
        if -(2**63) <= value < 2**64:
            return value
        self.replaced.add("numbers beyond 64 bits")
        return self._text(hex(value))

    def _text(self, text: str) -> str:
        most = max(self._left, 0)
        cut = len(text) > most
        text = text[:most]
        try:
            self._left -= len(text) if text.isascii() else len(text.encode())
        except UnicodeEncodeError:
            self.replaced.add("text that is no utf-8")
            text = _clean(text)
            self._left -= len(text.encode())
        if cut:
            self._left = min(self._left, 0)
            text += self._left_out()
        return text

    def _full(self) -> bool:
        return self._left <= 0 or self._values <= 0

    def _left_out(self) -> str:
        bound = f"{self._most_bytes} bytes" if self._left <= 0 else f"{_VALUES_MAX} values"
        self.replaced.add(f"what exceeds {bound}")
        return _LEFT_OUT

    def _nested(self, value: object, depth: int) -> Any:
        if depth >= _DEPTH_MAX or id(value) in self._within:
            self.replaced.add("nesting that is too deep, or without end")
            return _LEFT_OUT
        self._within.add(id(value))
        try:
            if isinstance(value, Mapping):
                return self._mapping(value, depth)
            if isinstance(value, list | tuple | set | frozenset):
                return self._items(value, depth)
            return self._foreign(value, depth)
        except Exception:  # noqa: BLE001 -- a foreign class may do anything
            self.replaced.add("values that are no json")
            return self._text(text_of(value))
        finally:
            self._within.discard(id(value))

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, inner in value.items():
            if self._full():
                out[self._left_out()] = None
                break
            if isinstance(key, str):
                shown = self._text(str.__str__(key))
            else:
                self.replaced.add("keys that are no text")
                shown = self._text(text_of(key))
            name = shown
            while name in out:
                name = f"{name} ({shown})" if len(name) < _TEXT_MAX else f"{len(out)} {shown}"
            out[name] = self.take(inner, depth + 1)
        return out

    def _items(self, value: Any, depth: int) -> list[Any]:
        out: list[Any] = []
        for inner in value:
            if self._full():
                out.append(self._left_out())
                break
            out.append(self.take(inner, depth + 1))
        return out

    def _foreign(self, value: object, depth: int) -> Any:
        """Structs, dataclasses, dates and the like as JSON has them; anything else as its text."""
        dump = getattr(value, "model_dump", None)
        plain = dump(mode="json") if callable(dump) else msgspec.to_builtins(value)
        if type(plain) is type(value):
            raise TypeError("it stays what it is")
        return self.take(plain, depth + 1)
