"""Rules that compare with what can never be: they look as if they guarded something.

Cedar's types know that a risk is text, and not which texts there are. What a value can be follows
from the contracts: risk, effect, trust, arguments with an `enum`, and the resource of a tool that
names none. A comparison that holds for no call, or for every call, is a finding.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from holdfast.backends.cedar.inputs import UNKNOWN_TOOL
from holdfast.model.principals import TrustLevel
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Contract, Effect

CODE = "impossible_value"
_CONTEXT, _PRINCIPAL, _RESOURCE = ({"Var": name} for name in ("context", "principal", "resource"))
_RISKS = frozenset(level.name for level in RiskLevel)
_EFFECTS = frozenset(map(str, Effect))
_TRUSTS = frozenset(map(str, TrustLevel))
_SHOWN = 6


class Domain(NamedTuple):
    """What a value is called, and all that it can be."""

    name: str
    values: frozenset[str]


def impossible(
    conditions: Iterable[dict[str, Any]], tools: Iterable[str], contracts: Mapping[str, Contract]
) -> Iterable[str]:
    """A sentence for each comparison with what can never be.

    `tools` are those that the rule's action scope names, empty for a scope of groups or of all.
    """
    named = [contracts[tool] for tool in tools if tool in contracts]
    known = [] if UNKNOWN_TOOL in tools else named
    for node in conditions:
        for subject, text in _compared(node):
            domain = _domain(subject, known)
            if domain is not None and text not in domain.values:
                yield _sentence(domain, f'"{text}"')
        like = node.get("like")
        if isinstance(like, dict):
            domain = _domain(like["left"], known)
            if domain is not None and not any(map(Pattern(like["pattern"]).fits, domain.values)):
                yield _sentence(domain, "that pattern")


def _sentence(domain: Domain, what: str) -> str:
    values = sorted(domain.values)
    shown = ", ".join(f'"{value}"' for value in values[:_SHOWN])
    more = " …" if len(values) > _SHOWN else ""
    return f"{domain.name} is never {what}; it is {'one of ' if values[1:] else ''}{shown}{more}"


def _compared(node: dict[str, Any]) -> Iterable[tuple[Any, str]]:
    """Each value that is compared with a text, with the text."""
    for operator in ("==", "!="):
        sides = node.get(operator)
        if isinstance(sides, dict):
            pairs = ((sides["left"], sides["right"]), (sides["right"], sides["left"]))
            yield from ((one, other["Value"]) for one, other in pairs if _is_text(other))
    for operator in ("contains", "containsAny", "containsAll"):
        sides = node.get(operator)
        if isinstance(sides, dict) and isinstance(sides["left"], dict):
            listed = sides["left"].get("Set", ())
            yield from ((sides["right"], one["Value"]) for one in listed if _is_text(one))


def _is_text(node: Any) -> bool:
    return isinstance(node, dict) and isinstance(node.get("Value"), str)


def _domain(subject: Any, tools: list[Contract]) -> Domain | None:
    """All that a value can be, None where that is not known."""
    access = subject.get(".") if isinstance(subject, dict) else None
    if not isinstance(access, dict):
        return None
    of, name = access["left"], access["attr"]
    if of == _CONTEXT:
        return {
            "risk": Domain("context.risk", _RISKS),
            "effect": Domain("context.effect", _EFFECTS),
        }.get(name)
    if of == _PRINCIPAL and name == "trust":
        return Domain("principal.trust", _TRUSTS)
    if of == _RESOURCE and name == "arn":
        return _arns(tools)
    if of == {".": {"left": _CONTEXT, "attr": "input"}}:
        return _listed(name, tools)
    return None


def _arns(tools: list[Contract]) -> Domain | None:
    """The resources of tools that name none."""
    if not tools or any(tool.resource for tool in tools):
        return None
    names = " and ".join(f"`{tool.name}`" for tool in tools[:_SHOWN])
    values = frozenset(f"tool:{tool.name}" for tool in tools)
    return Domain(f"resource.arn of {names}, whose contract names no resource,", values)


def _listed(argument: str, tools: list[Contract]) -> Domain | None:
    """The values of an argument that every tool of the rule lists."""
    found: set[str] = set()
    for tool in tools:
        properties = tool.input_schema.get("properties")
        schema = properties.get(argument) if isinstance(properties, dict) else None
        values = enumerated(schema)
        if values is None:
            return None
        found |= values
    return Domain(f"context.input.{argument}", frozenset(found)) if found else None


def enumerated(schema: Any) -> set[str] | None:
    """The texts that a schema lists, None where it lists none or others than texts."""
    if not isinstance(schema, dict):
        return None
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        return None
    return set(values)


class Pattern:
    """A pattern of `like`, as it stands in Cedar's JSON form."""

    def __init__(self, parts: list[Any]) -> None:
        made = (re.escape(part["Literal"]) if isinstance(part, dict) else ".*" for part in parts)
        self._wanted = re.compile("".join(made), re.DOTALL)

    def fits(self, value: str) -> bool:
        """Whether all of a value is what the pattern says."""
        return self._wanted.fullmatch(value) is not None
