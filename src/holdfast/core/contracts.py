"""The contracts of all tools, compiled: who is known, what fits, what comes back.

The book refuses at load whatever could not be held later: a BLOCK tool, a name twice, a schema
that does not compile, a shell argument, role or resource variable that the schema lacks. Schemas
are proven at load and kept compiled only once used, so that 10,000 tools cost little memory.

Not here: style of contracts (`core/contract_lint`), risk of one call (`core/risk`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from holdfast.core.canonical import Unrepresentable
from holdfast.core.canonical import digest as digest_of
from holdfast.core.envelopes import check_envelope, to_wire
from holdfast.core.resources import resource_of, template_variables
from holdfast.core.schemas import Schema, SchemaFault, compile_schema
from holdfast.core.unwrapped import values_of
from holdfast.errors import ConfigInvalid
from holdfast.model.envelopes import Envelope
from holdfast.model.findings import Violation
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import ArgumentRole, Contract, Effect

__all__ = ["ContractBook", "definition_digest", "resource_of"]

_MOST_DESTINATIONS = 20
_PLACING = (ArgumentRole.WHO, ArgumentRole.WHAT, ArgumentRole.URL)
_NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,128}", re.ASCII)


class ContractBook:
    """Every registered contract by name; immutable once built, safe to share.

    Errors of construction: ConfigInvalid naming the tool and what is wrong with it.
    """

    def __init__(self, contracts: Iterable[Contract]) -> None:
        self._contracts: dict[str, Contract] = {}
        self._inputs: dict[str, Schema] = {}
        self._outputs: dict[str, Schema] = {}
        for contract in contracts:
            self._add(contract)

    def _add(self, contract: Contract) -> None:
        reason = _refusal(contract)
        if reason is None and contract.name in self._contracts:
            reason = "it is declared twice"
        if reason is not None:
            name = contract.name[:128]
            raise ConfigInvalid(f"tool `{name}` cannot be registered: {reason}", tool=name)
        self._contracts[contract.name] = contract

    def get(self, name: str) -> Contract | None:
        """The contract of that exact name, or None."""
        return self._contracts.get(name)

    def __contains__(self, name: object) -> bool:
        return name in self._contracts

    def __iter__(self) -> Iterator[Contract]:
        return iter(self._contracts.values())

    def __len__(self) -> int:
        return len(self._contracts)

    def check_input(self, name: str, arguments: object) -> tuple[Violation, ...]:
        """What keeps `arguments` from being a call of tool `name`; empty when they fit.

        Also refuses arguments that leave the contract's resource without a name.
        """
        contract = self._contracts.get(name)
        if contract is None:
            return _UNKNOWN_TOOL
        if not isinstance(arguments, dict):
            return (Violation("", "type", "must be object"),)
        schema = self._inputs.get(name)
        if schema is None:
            schema = self._inputs[name] = _compiled(contract.input_schema, strict=True)
        found = schema.check(arguments)
        if not found:
            resource = resource_of(contract, arguments)
            if isinstance(resource, Violation):
                return (resource,)
        return found

    def check_output(self, name: str, output: object) -> tuple[Violation, ...]:
        """What keeps `output` from being a result of tool `name`; without a schema, any JSON.

        Paths are relative to the output.
        """
        contract = self._contracts.get(name)
        if contract is None:
            return _UNKNOWN_TOOL
        schema = self._outputs.get(name)
        if schema is None:
            declared = contract.output_schema
            schema = _compiled({} if declared is None else declared, strict=False)
            self._outputs[name] = schema
        return schema.check(output)

    def check_result(self, name: str, output: object) -> tuple[Violation, ...]:
        """What keeps a result, however its door wraps it, from being one that `name` declares.

        Nothing where the tool declares no type. Paths are relative to the output.
        """
        contract = self._contracts.get(name)
        if contract is None or contract.output_schema is None:
            return ()
        found = [self.check_output(name, value) for value in values_of(output)]
        return () if () in found else found[0]

    def check_envelope(self, envelope: Envelope | dict[str, Any]) -> tuple[Violation, ...]:
        """Check the envelope's shape and, on success, its output against the contract.

        An error code is checked by shape only: the house adds its own (`tool_execution_failed`)
        to those that a contract declares.
        """
        wire = to_wire(envelope) if isinstance(envelope, Envelope) else envelope
        found = check_envelope(wire)
        if found or not wire["ok"]:
            return found
        return tuple(
            Violation(f"/output{violation.path}", violation.rule, violation.text)
            for violation in self.check_output(wire["tool"], wire["output"])
        )


_UNKNOWN_TOOL = (Violation("", "unknown_tool", "no contract is registered for this tool"),)


def definition_digest(
    name: str,
    description: str,
    schema: Mapping[str, Any],
    annotations: Mapping[str, Any] | None = None,
) -> str | Unrepresentable:
    """`sha256:…` over everything that tells a model what a tool is; pins a definition.

    Any change of wording, schema or annotation is another digest; key order is not.
    """
    return digest_of(
        {
            "name": name,
            "description": description,
            "input_schema": dict(schema),
            "annotations": dict(annotations or {}),
        }
    )


def _refusal(contract: Contract) -> str | None:
    """Why the contract could not be held, or None."""
    if not _NAME.fullmatch(contract.name):
        return "a name is 1 to 128 letters, digits and _ . : / -"
    if contract.risk is RiskLevel.BLOCK:
        return "its risk is BLOCK, and what must never run is never registered"
    if contract.timeout_s <= 0 or contract.max_output_bytes <= 0:
        return "its timeout and output limit must be positive"
    schema = compile_schema(contract.input_schema, strict=True)
    if isinstance(schema, SchemaFault):
        return f"input: {schema.reason}"
    if contract.input_schema.get("type", "object") != "object":
        return "input: arguments are an object"
    if contract.output_schema is not None:
        output = compile_schema(contract.output_schema, strict=False)
        if isinstance(output, SchemaFault):
            return f"output: {output.reason}"
    return _undeclared(contract)


def _undeclared(contract: Contract) -> str | None:
    if ArgumentRole.QUERY in contract.roles.values() and contract.effect is not Effect.EGRESS:
        return "a `query` goes to a search provider, so its effect is `egress`"
    properties = contract.input_schema.get("properties", {})
    variables = template_variables(contract.resource)
    if variables is None:
        return "its resource template has unpaired braces"
    for name in (*variables, *contract.roles, *([contract.shell] if contract.shell else ())):
        if name not in properties:
            return f"its input schema does not declare `{name[:64]}`"
    return _unjudged(contract)


def _unjudged(contract: Contract) -> str | None:
    """Why a destination that a call's arguments make could not be judged, or None."""
    if len(contract.destinations) > _MOST_DESTINATIONS:
        return f"it has more than {_MOST_DESTINATIONS} destinations"
    for template in contract.destinations:
        names = template_variables(template)
        if names is None:
            return "a template of its destinations has unpaired braces"
        if not names:
            return "a template of its destinations names no argument"
        for name in names:
            if contract.roles.get(name) not in _PLACING:
                return f"`{name[:64]}` of a destination has no role who, what or url"
    return None


def _compiled(schema: dict[str, Any], *, strict: bool) -> Schema:
    compiled = compile_schema(schema, strict=strict)
    if isinstance(compiled, SchemaFault):
        # It compiled at load; the dict was changed under us since.
        raise ConfigInvalid(f"a registered schema no longer compiles: {compiled.reason}")
    return compiled
