"""How strict a tool's schemas are, and how a server's schema differs from the contract's.

Paths are names as a reader says them: `lines[].sku`. Not here: whether a value fits
(`core/schemas`), levels (`core/tool_standard`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

_TYPING = frozenset(
    {"type", "enum", "const", "$ref", "anyOf", "oneOf", "allOf", "properties", "items"}
)
_COMBINED = ("anyOf", "oneOf", "allOf")
_BOUNDED_FORMATS = frozenset({"date", "time", "date-time", "uuid", "ipv4", "ipv6"})
_MOST_DEPTH = 40
_MOST_NODES = 20_000
_UPPER = ("maxLength", "maxItems", "maxProperties", "maximum", "exclusiveMaximum")
_LOWER = ("minLength", "minItems", "minProperties", "minimum", "exclusiveMinimum")
_SAME = ("const", "pattern", "format", "multipleOf")


def nodes(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every schema inside of `schema` with its path, itself first with an empty one."""
    level: list[tuple[str, Any]] = [("", schema)]
    seen = 0
    for _ in range(_MOST_DEPTH):
        below: list[tuple[str, Any]] = []
        for path, node in level:
            seen += 1
            if seen > _MOST_NODES:
                return
            yield path, node
            if isinstance(node, dict):
                below.extend(_inside(path, node))
        level = below
        if not level:
            return


def _inside(path: str, node: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    properties = node.get("properties")
    if isinstance(properties, dict):
        for name, value in properties.items():
            yield f"{path}.{name}" if path else name, value
    for word in ("$defs", "definitions"):
        shared = node.get(word)
        if isinstance(shared, dict):
            yield from shared.items()
    if "items" in node:
        yield f"{path}[]", node["items"]
    if isinstance(node.get("additionalProperties"), dict):
        yield f"{path}.*" if path else "*", node["additionalProperties"]
    for word in _COMBINED:
        parts = node.get(word)
        for part in parts if isinstance(parts, list) else ():
            yield path, part


def open_objects(schema: Mapping[str, Any]) -> list[str]:
    """Objects that take properties nobody declared; the outermost is `the arguments`."""
    found = []
    for path, node in nodes(schema):
        if not isinstance(node, dict):
            continue
        if path and "object" not in _types(node) and "properties" not in node:
            continue
        if path == "" and node is not schema:
            continue
        closed = node.get("additionalProperties", node.get("unevaluatedProperties"))
        typed_map = path != "" and isinstance(closed, dict) and bool(closed)
        if closed is not False and not typed_map:
            found.append(path or "the arguments")
    return found


def untyped(schema: Mapping[str, Any]) -> list[str]:
    """Values of which any would do."""
    found = []
    for path, node in nodes(schema):
        if path and (not isinstance(node, dict) or _TYPING.isdisjoint(node)):
            found.append(path)
        elif isinstance(node, dict) and "array" in _types(node) and "items" not in node:
            found.append(f"{path}[]")
    return found


def unbounded(schema: Mapping[str, Any], amounts: frozenset[str] = frozenset()) -> list[str]:
    """Texts and lists of any length, and arguments named in `amounts` without a maximum."""
    found = []
    for path, node in nodes(schema):
        if not isinstance(node, dict) or "enum" in node or "const" in node:
            continue
        if _is_unbounded(node, is_amount=path in amounts):
            found.append(path)
    return list(dict.fromkeys(path for path in found if path))


def _is_unbounded(node: Mapping[str, Any], *, is_amount: bool) -> bool:
    kinds = _types(node)
    if "string" in kinds and "maxLength" not in node:
        return node.get("format") not in _BOUNDED_FORMATS
    if "array" in kinds and "maxItems" not in node:
        return "prefixItems" not in node
    a_number = not kinds.isdisjoint({"integer", "number"})
    return is_amount and a_number and {"maximum", "exclusiveMaximum"}.isdisjoint(node)


def undescribed(schema: Mapping[str, Any]) -> list[str]:
    """Arguments without a sentence of their own."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return []
    return [
        name
        for name, node in properties.items()
        if not (isinstance(node, dict) and str(node.get("description", "")).strip())
    ]


def differences(contract: Mapping[str, Any], server: Mapping[str, Any]) -> list[str]:
    """Where a call that fits the contract need not fit the server, or an argument is one's alone.

    The contract may be stricter: it may close, bound and require more.
    """
    return list(dict.fromkeys(_Comparison(contract, server).found(contract, server, "", 0)))


class _Comparison:
    def __init__(self, contract: Mapping[str, Any], server: Mapping[str, Any]) -> None:
        self._roots = (contract, server)
        # References can make a small document an endless tree.
        self._left = _MOST_NODES

    def found(self, ours: Any, theirs: Any, path: str, depth: int) -> Iterator[str]:
        """What `theirs` takes at `path` that `ours` does not, a sentence each."""
        self._left -= 1
        if self._left < 0:
            yield "the schemas are too intricate to compare"
            return
        ours, theirs = _resolved(ours, self._roots[0]), _resolved(theirs, self._roots[1])
        if depth > _MOST_DEPTH or theirs in (True, {}) or ours == theirs:
            return
        where = f"`{path}`" if path else "the arguments"
        if not isinstance(ours, dict) or not isinstance(theirs, dict):
            yield f"{where} differ in kind"
            return
        yield from self._scalars(ours, theirs, where)
        yield from self._objects(ours, theirs, path, depth)
        if "items" in theirs:
            yield from self.found(ours.get("items", {}), theirs["items"], f"{path}[]", depth + 1)
        for word in _COMBINED:
            if word in theirs and ours.get(word) != theirs[word]:
                yield f"{where}: `{word}` is not the server's"

    def _scalars(self, ours: dict[str, Any], theirs: dict[str, Any], where: str) -> Iterator[str]:
        kinds, asked = _types(ours), _types(theirs)
        wider = asked | ({"integer"} if "number" in asked else set())
        if asked and not (kinds and kinds <= wider):
            yield f"{where} is {_words(kinds)}, for the server {_words(asked)}"
        if "enum" in theirs and not _within(ours, theirs["enum"]):
            yield f"{where} takes values that the server does not list"
        for word in _UPPER + _LOWER:
            if word in theirs and not _tighter(ours.get(word), theirs[word], word):
                yield f"{where}: the server says `{word}: {theirs[word]!r}`"[:200]
        for word in _SAME:
            if word in theirs and ours.get(word) != theirs[word] and "enum" not in ours:
                yield f"{where}: the server's `{word}` is another"

    def _objects(
        self, ours: dict[str, Any], theirs: dict[str, Any], path: str, depth: int
    ) -> Iterator[str]:
        mine, known = _properties(ours), _properties(theirs)
        below = f"{path}." if path else ""
        yield from (
            f"`{below}{n}` is not an argument of the server's" for n in mine if n not in known
        )
        yield from (f"`{below}{n}` is not in the contract" for n in known if n not in mine)
        needed, given = _required(theirs), _required(ours)
        yield from (
            f"`{below}{name}` is required by the server alone"
            for name in sorted(needed - given)
            if name in mine
        )
        for name in mine:
            if name in known:
                yield from self.found(mine[name], known[name], f"{below}{name}", depth + 1)


def _types(node: Mapping[str, Any]) -> set[str]:
    said = node.get("type")
    return (
        {str(one) for one in said}
        if isinstance(said, list)
        else {said}
        if isinstance(said, str)
        else set()
    )


def _properties(node: Mapping[str, Any]) -> dict[str, Any]:
    found = node.get("properties")
    return found if isinstance(found, dict) else {}


def _required(node: Mapping[str, Any]) -> set[str]:
    found = node.get("required")
    return {str(name) for name in found} if isinstance(found, list) else set()


def _within(ours: Mapping[str, Any], listed: Any) -> bool:
    values = ours["enum"] if "enum" in ours else [ours["const"]] if "const" in ours else None
    return (
        isinstance(values, list) and isinstance(listed, list) and all(v in listed for v in values)
    )


def _tighter(ours: Any, theirs: Any, word: str) -> bool:
    if not isinstance(ours, int | float) or not isinstance(theirs, int | float):
        return False
    return ours <= theirs if word in _UPPER else ours >= theirs


def _resolved(node: Any, root: Mapping[str, Any]) -> Any:
    """What a reference inside of the document stands for; the node itself where it is none."""
    for _ in range(_MOST_DEPTH):
        reference = node.get("$ref") if isinstance(node, dict) else None
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return node
        node = root
        for part in reference[2:].split("/"):
            node = (
                node.get(part.replace("~1", "/").replace("~0", "~"), {})
                if isinstance(node, dict)
                else {}
            )
    return {}


def _words(kinds: set[str]) -> str:
    return " or ".join(sorted(kinds)) or "of no type"
