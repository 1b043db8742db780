"""The grammar of a settings file as values: each shape reads a node and describes itself.

One definition serves three readers: the loader (`read`), editors (`schema`) and people
(`expects`, the words of a message). Which keys exist stands in `layout`; defaults stand in the
structs of `model` that a `Record` builds.
"""

import enum
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from holdfast.compose.config.nodes import Node, NodeKind
from holdfast.compose.config.problems import (
    SHOWN_PROBLEMS,
    Problem,
    key_path,
    quoted,
    suggestion,
)
from holdfast.model.money import parse_usd

MAX_WHOLE = 10**15
MAX_USD = 10**9
MAX_TEXT_CHARS = 100_000
USD_PATTERN = r"^\$?[0-9][0-9_,]{0,20}(\.[0-9]{1,9})?$"


class Invalid(enum.Enum):
    """What a shape answers when it has reported a problem instead of reading a value."""

    INVALID = "invalid"


INVALID: Final = Invalid.INVALID


class Reference(msgspec.Struct, frozen=True):
    """A name that must be declared elsewhere; checked when everything is read."""

    kind: str
    name: str
    node: Node
    path: str


class Reading:
    """One pass over one file: problems, names declared, names used, and where each key stands.

    `files` maps the names of agents that stand in files of their own to those files.
    """

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file = file
        self.problems = problems
        self.names: dict[str, set[str]] = {}
        self.references: list[Reference] = []
        self.places: dict[str, Node] = {}
        self.files: dict[str, str] = {}

    def problem(self, node: Node, path: str, text: str) -> Invalid:
        """Report a fault at a node."""
        self.problems.append(Problem(self.file, node.line, node.column, path, text))
        return INVALID

    def problem_at(self, path: str, text: str) -> None:
        """Report a fault at a key path, or at the nearest key above it that stands in the file."""
        above = path
        while above not in self.places and above:
            above = above[: max(above.rfind("."), above.rfind("["), 0)]
        node = self.places.get(above) or Node(kind=NodeKind.NULL, line=1, column=1)
        self.problem(node, path, text)

    def check_references(self, builtin: Mapping[str, frozenset[str]]) -> None:
        """Report every reference whose name is declared neither here nor in `builtin`."""
        for used in self.references:
            declared = self.names.get(used.kind, set())
            if used.name in declared or used.name in builtin.get(used.kind, ()):
                continue
            # Looking for near names is dear; past what is shown nobody would read the hint.
            known = declared | builtin.get(used.kind, frozenset())
            shown = len(self.problems) < SHOWN_PROBLEMS
            hint = suggestion(used.name, known) if shown else ""
            self.problem(used.node, used.path, f"no {used.kind} {quoted(used.name)}{hint}")


class Shape(Protocol):
    """Something a value of the file can be."""

    def read(self, node: Node, reading: Reading, path: str) -> Any:
        """The value, or INVALID after a problem was reported."""
        ...

    def schema(self) -> dict[str, Any]:
        """JSON Schema of what `read` accepts."""
        ...


@runtime_checkable
class NamedShape(Shape, Protocol):
    """A shape that wants to know the key it stands under."""

    def read_named(self, node: Node, reading: Reading, path: str, name: str) -> Any:
        """As `read`."""
        ...


def mismatch(node: Node, reading: Reading, path: str, expects: str) -> Invalid:
    """Report a value of the wrong kind."""
    return reading.problem(node, path, f"expected {expects}, found {node.shown()}")


def is_scalar(node: Node) -> bool:
    """Whether a node is one word of text, a number or a flag."""
    return node.kind not in (NodeKind.MAP, NodeKind.LIST, NodeKind.NULL)


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """A string; `says` puts the pattern into words. Numbers must be quoted to be text."""

    pattern: str = ""
    says: str = "text"
    max_chars: int = MAX_TEXT_CHARS
    reference: str = ""

    def read(self, node: Node, reading: Reading, path: str) -> Any:
        """A string."""
        if node.kind is not NodeKind.TEXT:
            return mismatch(node, reading, path, self.says)
        if not node.text.strip() or len(node.text) > self.max_chars or "\0" in node.text:
            return mismatch(node, reading, path, f"{self.says} of 1 to {self.max_chars} characters")
        if any("\ud800" <= c <= "\udfff" for c in node.text):
            return reading.problem(node, path, "half a character (a lone surrogate)")
        if self.pattern and not re.fullmatch(
            self.pattern.removeprefix("^").removesuffix("$"), node.text
        ):
            return mismatch(node, reading, path, self.says)
        if self.reference:
            reading.references.append(Reference(self.reference, node.text, node, path))
        return node.text

    def schema(self) -> dict[str, Any]:
        """A string with its pattern."""
        found: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": self.max_chars}
        return found | ({"pattern": self.pattern} if self.pattern else {})


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """A whole number; `2_000_000` is read as YAML people write it."""

    least: int = 0
    most: int = MAX_WHOLE

    def read(self, node: Node, reading: Reading, path: str) -> Any:
        """An int within bounds."""
        expects = f"a whole number from {self.least} to {self.most}"
        if node.kind is not NodeKind.WHOLE:
            return mismatch(node, reading, path, expects)
        value = int(node.text.rstrip("_").replace("_", ""))
        if not self.least <= value <= self.most:
            return mismatch(node, reading, path, expects)
        return value

    def schema(self) -> dict[str, Any]:
        """An integer with bounds."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


class Real(msgspec.Struct, frozen=True, kw_only=True):
    """A number, for durations in seconds."""

    least: float
    most: float

    def read(self, node: Node, reading: Reading, path: str) -> Any:
        """A float within bounds."""
        expects = f"a number from {self.least:g} to {self.most:g}"
        if node.kind not in (NodeKind.WHOLE, NodeKind.REAL):
            return mismatch(node, reading, path, expects)
        value = float(node.text.rstrip("_").replace("_", ""))
        if not self.least <= value <= self.most:
            return mismatch(node, reading, path, expects)
        return value

    def schema(self) -> dict[str, Any]:
        """A number with bounds."""
        return {"type": "number", "minimum": self.least, "maximum": self.most}


class Flag(msgspec.Struct, frozen=True):
    """`true` or `false`, and no other spelling."""

    def read(self, node: Node, reading: Reading, path: str) -> Any:
        """A bool."""
        if node.kind is not NodeKind.FLAG:
            return mismatch(node, reading, path, "`true` or `false`")
        return node.text.lower() == "true"

    def schema(self) -> dict[str, Any]:
        """A boolean."""
        return {"type": "boolean"}


class Usd(msgspec.Struct, frozen=True):
    """Dollars, read from the text of the scalar, never through a float; nano-dollars come out."""

    def read(self, node: Node, reading: Reading, path: str) -> Any:
        """An int of nano-dollars."""
        expects = "an amount of dollars such as `5.00`, at most nine decimals"
        if not is_scalar(node) or not re.fullmatch(USD_PATTERN[1:-1], node.text):
            return mismatch(node, reading, path, expects)
        nusd = parse_usd(node.text)
        if nusd > MAX_USD * 10**9:
            return mismatch(node, reading, path, f"at most {MAX_USD} dollars")
        return nusd

    def schema(self) -> dict[str, Any]:
        """A number, or text for those who distrust floats."""
        number = {"type": "number", "minimum": 0, "maximum": MAX_USD}
        return {"anyOf": [number, {"type": "string", "pattern": USD_PATTERN}]}


class Choice(msgspec.Struct, frozen=True):
    """One word of an enumeration; `by_name` reads an enum's upper-case names (`HIGH`)."""

    words: type[enum.Enum]
    by_name: bool = False

    def _known(self) -> dict[str, enum.Enum]:
        return {m.name if self.by_name else str(m.value): m for m in self.words}

    def read(self, node: Node, reading: Reading, path: str) -> Any:
        """A member of the enum."""
        known = self._known()
        if is_scalar(node) and node.text in known:
            return known[node.text]
        hint = suggestion(node.text, known)
        return reading.problem(node, path, f"{node.shown()} is not possible here{hint}")

    def schema(self) -> dict[str, Any]:
        """An enumeration."""
        return {"enum": list(self._known())}


class Json(msgspec.Struct, frozen=True):
    """A mapping that is passed on as it stands (a JSON Schema, a server's definition)."""

    def read(self, node: Node, reading: Reading, path: str) -> Any:
        """A dict of JSON values."""
        if node.kind is not NodeKind.MAP:
            return mismatch(node, reading, path, "a mapping")
        return _json(node, reading, path)

    def schema(self) -> dict[str, Any]:
        """Any object."""
        return {"type": "object"}


def _json(node: Node, reading: Reading, path: str) -> Any:
    match node.kind:
        case NodeKind.MAP:
            return {k.text: _json(v, reading, key_path(path, k.text)) for k, v in node.entries}
        case NodeKind.LIST:
            return [_json(v, reading, f"{path}[{i}]") for i, v in enumerate(node.items)]
        case NodeKind.WHOLE:
            return int(node.text.rstrip("_").replace("_", ""))
        case NodeKind.REAL:
            value = float(node.text)
            if abs(value) == float("inf"):
                return mismatch(node, reading, path, "a number that fits 64 bits")
            return value
        case NodeKind.FLAG:
            return node.text.lower() == "true"
        case NodeKind.NULL:
            return None
        case _:
            if any("\ud800" <= c <= "\udfff" for c in node.text):
                return reading.problem(node, path, "half a character (a lone surrogate)")
            return node.text


class ListOf(msgspec.Struct, frozen=True, kw_only=True):
    """A list of hashable values without repeats; a tuple comes out."""

    item: Shape
    most: int = 10_000

    def read(self, node: Node, reading: Reading, path: str) -> Any:
        """A tuple of what `item` reads."""
        if node.kind is not NodeKind.LIST:
            return mismatch(node, reading, path, "a list")
        if len(node.items) > self.most:
            return reading.problem(node, path, f"at most {self.most} entries may stand here")
        found: dict[Any, None] = {}
        before = len(reading.problems)
        for index, item in enumerate(node.items):
            reading.places[f"{path}[{index}]"] = item
            value = self.item.read(item, reading, f"{path}[{index}]")
            if value is not INVALID and value in found:
                reading.problem(item, f"{path}[{index}]", f"{item.shown()} stands twice")
            found[value] = None
        return INVALID if len(reading.problems) > before else tuple(found)

    def schema(self) -> dict[str, Any]:
        """An array of unique items."""
        items = self.item.schema()
        return {"type": "array", "items": items, "uniqueItems": True, "maxItems": self.most}


class MapOf(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping from names to values of one shape; `declares` makes the names known to references.

    `also` lists keys that the pattern does not admit but that have a meaning here (`*`).
    """

    value: Shape
    key: Text
    declares: str = ""
    also: tuple[str, ...] = ()
    most: int = 20_000

    def read(self, node: Node, reading: Reading, path: str) -> Any:
        """A dict."""
        if node.kind is not NodeKind.MAP:
            return mismatch(node, reading, path, "a mapping")
        if len(node.entries) > self.most:
            return reading.problem(node, path, f"at most {self.most} entries may stand here")
        found: dict[str, Any] = {}
        named = self.value if isinstance(self.value, NamedShape) else None
        for key, value in node.entries:
            below = key_path(path, key.text)
            reading.places[below] = key
            if not self._key_fits(key, reading, below):
                found[key.text] = INVALID
                continue
            if self.declares:
                reading.names.setdefault(self.declares, set()).add(key.text)
            if named is not None:
                found[key.text] = named.read_named(value, reading, below, key.text)
            else:
                found[key.text] = self.value.read(value, reading, below)
        return INVALID if any(v is INVALID for v in found.values()) else found

    def _key_fits(self, key: Node, reading: Reading, path: str) -> bool:
        pattern = self.key.pattern.removeprefix("^").removesuffix("$")
        if key.text in self.also or re.fullmatch(pattern, key.text):
            return True
        reading.problem(key, path, f"the name {key.shown()} must be {self.key.says}")
        return False

    def schema(self) -> dict[str, Any]:
        """An object with patterned keys."""
        keys: dict[str, Any] = {"pattern": self.key.pattern}
        if self.also:
            keys = {"anyOf": [keys, {"enum": list(self.also)}]}
        value = self.value.schema()
        return {"type": "object", "propertyNames": keys, "additionalProperties": value}


class Field(msgspec.Struct, frozen=True):
    """One key of a record: its shape, one sentence, and the attribute it fills if named apart."""

    shape: Shape
    doc: str
    attribute: str = ""


@functools.cache
def _required_names(build: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(f.name for f in msgspec.structs.fields(build) if f.required)


Check = Callable[[Mapping[str, Any], Reading, str], None]
"""Looks across the fields of a record that could be read and reports problems."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping with known keys that becomes a struct; the struct's defaults are the defaults.

    `named`: the record's own key in the mapping around it fills the attribute `name`.
    """

    build: type[msgspec.Struct]
    fields: Mapping[str, Field]
    named: bool = False
    checks: Sequence[Check] = ()

    def _attribute(self, key: str) -> str:
        return self.fields[key].attribute or key

    def required(self) -> tuple[str, ...]:
        """Keys without a default."""
        needed = _required_names(self.build)
        return tuple(key for key in self.fields if self._attribute(key) in needed)

    def default(self, key: str) -> Any:
        """The default of a key as JSON; None where it is required or empty by nature."""
        by_name = {f.name: f for f in msgspec.structs.fields(self.build)}
        default = by_name[self._attribute(key)].default
        return None if default is msgspec.NODEFAULT else msgspec.to_builtins(default)

    def read(self, node: Node, reading: Reading, path: str) -> Any:
        """The struct."""
        return self.read_named(node, reading, path, "")

    def read_named(self, node: Node, reading: Reading, path: str, name: str) -> Any:
        """The struct, with the key it stood under."""
        if node.kind is not NodeKind.MAP:
            return mismatch(node, reading, path, "a mapping")
        before = len(reading.problems)
        values: dict[str, Any] = {}
        for key, value in node.entries:
            below = key_path(path, key.text)
            field = self.fields.get(key.text)
            if field is None:
                reading.problem(key, below, f"unknown key{suggestion(key.text, self.fields)}")
                continue
            reading.places[below] = key
            values[key.text] = field.shape.read(value, reading, below)
        for needed in self.required():
            if needed not in values:
                text = f"the key `{needed}` is missing: {self.fields[needed].doc}"
                reading.problem(node, path, text)
        sound = {word: value for word, value in values.items() if value is not INVALID}
        for check in self.checks:
            check(sound, reading, path)
        if len(reading.problems) > before or len(sound) < len(values):
            return INVALID
        named = {"name": name} if self.named else {}
        return self.build(**named, **{self._attribute(k): v for k, v in sound.items()})

    def schema(self) -> dict[str, Any]:
        """A closed object."""
        properties: dict[str, Any] = {}
        for key, field in self.fields.items():
            default = self.default(key)
            shown = {} if default in (None, {}, [], "") else {"default": default}
            properties[key] = field.shape.schema() | {"description": field.doc} | shown
        found: dict[str, Any] = {"type": "object", "properties": properties}
        if self.required():
            found["required"] = list(self.required())
        return found | {"additionalProperties": False}
