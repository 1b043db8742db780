"""Permits under which a tool may act on anything: each has to say which resources it is about.

A tool acts where its contract says `commit` or `destroy`, or nothing. What its `resource` template
can name is then to be bounded by every permit that covers it. What bounds is a list of shapes, so
that a condition nobody thought of counts as none:

- the resource, its `arn` or an argument of the template equals what is given, or is one of a set
  that is given: literals, and attributes of the task, the tenant and the principal;
- a pattern over one of them leaves something out that the template can name;
- the permit is not about this tool: another `context.tool`, a milder `context.effect`.

`&&` needs one side that bounds, `||` both; `!` and `unless` turn that round. `@unbounded("why")`
says that it has to be so. Not here: what Cedar's types refuse, and comparisons with what can never
be (`impossible`).
"""

import itertools
import string
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from holdfast.backends.cedar.impossible import Pattern, enumerated
from holdfast.backends.cedar.schema import groups_of
from holdfast.backends.cedar.sources import Rule
from holdfast.core.resources import template_variables
from holdfast.model.tools import Contract, Effect

CODE = "unbounded_resource"
_ACTS = (Effect.COMMIT, Effect.DESTROY)
_EFFECTS = tuple(Effect)
_CONTEXT, _PRINCIPAL, _RESOURCE = ({"Var": name} for name in ("context", "principal", "resource"))
# A value that no shorter pattern than "anything" fits, whatever single sign it asks for.
_ANY_VALUE = "~" + string.ascii_letters + string.digits + "-._~:/@ ~"
_MAX_FILLS = 256
_SHOWN = 4


class Acting(NamedTuple):
    """A tool that acts: its contract, and what each variable of its resource can be."""

    contract: Contract
    values: dict[str, tuple[str, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """Resources that it can name; those of free variables stand for all others."""
        filled = itertools.product(*self.values.values())
        return tuple(
            _filled(self.contract.resource, dict(zip(self.values, each, strict=True)))
            for each in itertools.islice(filled, _MAX_FILLS)
        )


def unbounded(
    rule: Rule, covers: tuple[str, tuple[str, ...]], contracts: Mapping[str, Contract]
) -> Iterable[str]:
    """A sentence when a permit lets tools act on anything; `covers` is its action scope."""
    if rule.unbounded is not None:
        return
    tools = [tool for one in _covered(covers, contracts) if (tool := _acting(one)) is not None]
    free = [tool.contract for tool in tools if not _is_bounded(rule, tool)]
    if free:
        names = ", ".join(f"`{one.name}`" for one in free[:_SHOWN]) + (" …" if free[4:] else "")
        yield (
            f"nothing bounds what {names} may act on; compare resource.arn, or an argument of "
            f'"{free[0].resource}", with what is given, or say why not: @unbounded("…")'
        )


def _covered(
    covers: tuple[str, tuple[str, ...]], contracts: Mapping[str, Contract]
) -> Iterable[Contract]:
    operator, names = covers
    for contract in contracts.values():
        if operator == "All" or {contract.name, *groups_of(contract.effect)}.intersection(names):
            yield contract


def _acting(contract: Contract) -> Acting | None:
    """The tool where its resource is to be bounded: it acts, and a variable of it is free."""
    variables = template_variables(contract.resource) or ()
    listed = {name: _listed(contract, name) for name in variables}
    if contract.effect not in _ACTS or all(listed.values()):
        return None
    return Acting(contract, {name: values or (_ANY_VALUE,) for name, values in listed.items()})


def _listed(contract: Contract, variable: str) -> tuple[str, ...]:
    """The values that a contract lists for an argument, none where it is free."""
    schema = contract.input_schema.get("properties", {}).get(variable)
    if isinstance(schema, dict) and schema.get("type") == "boolean":
        return ("false", "true")
    return tuple(sorted(enumerated(schema) or ()))


def _filled(template: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", quote(value, safe=""))
    return template


def _is_bounded(rule: Rule, tool: Acting) -> bool:
    scope = rule.est["resource"]
    return (
        scope["op"] in ("==", "in")
        or "in" in scope
        or any(
            _bounds(one["body"], tool, holds=one["kind"] == "when")
            for one in rule.est["conditions"]
        )
    )


def _bounds(node: Any, tool: Acting, *, holds: bool) -> bool:
    """Whether an expression that `holds`, or does not, leaves out something the tool can name."""
    operator, body = next(iter(node.items()))
    match operator:
        case "Value":
            return isinstance(body, bool) and body is not holds
        case "!":
            return _bounds(body["arg"], tool, holds=not holds)
        case "&&" | "||":
            sides = (_bounds(body[side], tool, holds=holds) for side in ("left", "right"))
            return any(sides) if (operator == "&&") is holds else all(sides)
        case "if-then-else":
            return all(
                _bounds(body["if"], tool, holds=taken) or _bounds(body[way], tool, holds=holds)
                for way, taken in (("then", True), ("else", False))
            )
        case "==" | "!=":
            return _equals(body, tool, equal=(operator == "==") is holds)
        case "like":
            return holds and _pattern(body, tool)
        case "in":
            return holds and body["left"] == _RESOURCE and _is_given(body["right"])
        case "contains":
            return holds and _is_one_of(body["left"], body["right"], tool)
    return False


def _equals(sides: dict[str, Any], tool: Acting, *, equal: bool) -> bool:
    for one, other in ((sides["left"], sides["right"]), (sides["right"], sides["left"])):
        known = _known(one, tool)
        if known is not None and isinstance(other.get("Value"), str):
            return other["Value"] not in known if equal else known == {other["Value"]}
        if equal and _names(one, tool) and _is_given(other):
            return True
    return False


def _is_one_of(options: dict[str, Any], subject: dict[str, Any], tool: Acting) -> bool:
    known = _known(subject, tool)
    if known is not None:
        listed = options.get("Set", [{}])
        return all("Value" in one and one["Value"] not in known for one in listed)
    return _is_given(options) and _names(subject, tool)


def _pattern(like: dict[str, Any], tool: Acting) -> bool:
    fits = Pattern(like["pattern"]).fits
    if like["left"] == _attribute(_RESOURCE, "arn"):
        return not all(map(fits, tool.names))
    return any(
        like["left"] == _argument(name) and not all(map(fits, values))
        for name, values in tool.values.items()
    )


def _known(node: dict[str, Any], tool: Acting) -> frozenset[str] | None:
    """All that a value can be in calls of this tool, None where the call decides."""
    if node in (_attribute(_CONTEXT, "tool"), _attribute(_RESOURCE, "tool")):
        return frozenset({tool.contract.name})
    if node == _attribute(_CONTEXT, "effect"):
        return frozenset(_EFFECTS[_EFFECTS.index(tool.contract.effect) :])
    return None


def _names(node: dict[str, Any], tool: Acting) -> bool:
    """Whether it is the resource, or an argument that decides which one it is."""
    arguments = [
        _argument(name) for name, values in tool.values.items() if values[1:] or _free(values)
    ]
    return node in (_RESOURCE, _attribute(_RESOURCE, "arn"), *arguments)


def _free(values: tuple[str, ...]) -> bool:
    return values == (_ANY_VALUE,)


def _is_given(node: Any) -> bool:
    """Whether who asks can not choose it: a literal, or an attribute of task, tenant, principal."""
    if "Value" in node:
        return True
    if "Set" in node:
        return all(map(_is_given, node["Set"]))
    access = node.get(".", {"left": None})
    owners = (_PRINCIPAL, _attribute(_CONTEXT, "task"), _attribute(_CONTEXT, "tenant"))
    return access["left"] in owners


def _attribute(of: dict[str, Any], name: str) -> dict[str, Any]:
    return {".": {"left": of, "attr": name}}


def _argument(name: str) -> dict[str, Any]:
    return _attribute(_attribute(_CONTEXT, "input"), name)
