"""Cedar's JSON expressions as the text a person would write, with no parenthesis to spare.

Only for messages: nothing rendered here is parsed again.
"""

import json
from typing import Any

_MAX_VALUE = 80
_MAX_TEXT = 300
_BINDING = {
    "||": 1, "&&": 2, "==": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "in": 3,
    "+": 4, "-": 4, "*": 5,
}  # fmt: skip
_METHODS = frozenset({
    "contains", "containsAll", "containsAny", "hasTag", "getTag",
})  # fmt: skip
_TIGHTEST, _RELATION, _LOOSEST = 9, 3, 0


def rendered(node: Any) -> str:
    """The expression in one line, at most a few hundred characters."""
    text = _text(node, _LOOSEST)
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"


def scope(variable: str, constraint: dict[str, Any]) -> str:
    """`principal in Role::"support"`."""
    if constraint["op"] == "is":
        inner = constraint.get("in")
        within = f" in {entity(inner['entity'])}" if inner else ""
        return f"{variable} is {constraint['entity_type']}{within}"
    return f"{variable} {constraint['op']} {entity(constraint['entity'])}"


def entity(uid: dict[str, Any]) -> str:
    """`Role::"support"`, with every unprintable character escaped."""
    return f"{uid['type']}::{json.dumps(uid['id'])}"


def literal(value: Any) -> str:
    """A value as a message shows it: escaped to ASCII, decimals bare, cut when long."""
    if isinstance(value, dict) and "__extn" in value:
        return str(value["__extn"]["arg"])
    text = json.dumps(value, default=str)
    return text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 3] + "..."


def paths(node: Any) -> list[tuple[str, ...]]:
    """Attribute chains from a variable, longest only: `("context", "input", "amount")`."""
    if isinstance(node, list):
        return [path for item in node for path in paths(item)]
    if not isinstance(node, dict):
        return []
    chain = _chain(node)
    if chain is not None:
        return [chain] if len(chain) > 1 else []
    if "has" in node:
        inner = node["has"]
        chain = _chain(inner["left"])
        if chain is not None and isinstance(inner["attr"], str):
            return [(*chain, inner["attr"])]
    return [path for item in node.values() for path in paths(item)]


def _chain(node: Any) -> tuple[str, ...] | None:
    if not isinstance(node, dict):
        return None
    if "Var" in node:
        return (node["Var"],)
    inner = node.get(".")
    if isinstance(inner, dict):
        outer = _chain(inner["left"])
        return None if outer is None else (*outer, inner["attr"])
    return None


def _text(node: Any, outer: int) -> str:
    if not isinstance(node, dict) or len(node) != 1:
        return json.dumps(node)
    ((kind, inner),) = node.items()
    if kind in _BINDING:
        return _wrapped(_infix(kind, inner), _BINDING[kind], outer)
    if kind in _METHODS:
        return f"{_text(inner['left'], _TIGHTEST)}.{kind}({_text(inner['right'], _LOOSEST)})"
    if kind in ("has", "like", "is"):
        return _wrapped(_relation(kind, inner), _RELATION, outer)
    return _other(kind, inner, outer)


def _infix(operator: str, inner: dict[str, Any]) -> str:
    own = _BINDING[operator]
    chained = operator in ("&&", "||", "+", "-", "*")
    left = _text(inner["left"], own if chained else own + 1)
    return f"{left} {operator} {_text(inner['right'], own + 1)}"


def _relation(kind: str, inner: dict[str, Any]) -> str:
    left = _text(inner["left"], _RELATION + 1)
    if kind == "has":
        attr = inner["attr"]
        return f"{left} has {attr if isinstance(attr, str) else '.'.join(attr)}"
    if kind == "is":
        within = f" in {_text(inner['in'], _RELATION + 1)}" if "in" in inner else ""
        return f"{left} is {inner['entity_type']}{within}"
    pattern = "".join(
        part["Literal"].replace("*", "\\*") if isinstance(part, dict) else "*"
        for part in inner["pattern"]
    )
    return f"{left} like {json.dumps(pattern)}"


def _other(kind: str, inner: Any, outer: int) -> str:
    match kind:
        case "Var":
            return str(inner)
        case "Value":
            if isinstance(inner, dict) and "__entity" in inner:
                return entity(inner["__entity"])
            return literal(inner)
        case ".":
            return f"{_text(inner['left'], _TIGHTEST)}.{inner['attr']}"
        case "!" | "neg":
            sign = "!" if kind == "!" else "-"
            return _wrapped(sign + _text(inner["arg"], _TIGHTEST), 6, outer)
        case "isEmpty":
            return f"{_text(inner['arg'], _TIGHTEST)}.isEmpty()"
        case "Set":
            return f"[{', '.join(_text(item, _LOOSEST) for item in inner)}]"
        case "if-then-else":
            parts = (_text(inner[part], _LOOSEST) for part in ("if", "then", "else"))
            return _wrapped("if {} then {} else {}".format(*parts), 0, outer)
        case _ if isinstance(inner, list) and inner:
            return _call(kind, inner)
        case _:
            return json.dumps({kind: inner})


def _call(name: str, arguments: list[Any]) -> str:
    """Constructors read `decimal("1.0")`, everything else of an extension is a method."""
    if name in ("decimal", "ip", "datetime", "duration"):
        return f"{name}({', '.join(_text(item, _LOOSEST) for item in arguments)})"
    rest = ", ".join(_text(item, _LOOSEST) for item in arguments[1:])
    return f"{_text(arguments[0], _TIGHTEST)}.{name}({rest})"


def _wrapped(text: str, own: int, outer: int) -> str:
    return f"({text})" if own < outer else text
