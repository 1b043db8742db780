"""The decorator: a function and its contract, checked against the house's standard at import.

Schemas come from the annotations. Not here: running (`tools/host`), telling the server
(`tools/describe`).
"""

import enum
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from holdfast.core.contract_lint import lint
from holdfast.core.contracts import ContractBook
from holdfast.errors import ConfigInvalid, InvalidRequest
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import ArgumentRole, Contract, Effect, EffectKey, Idempotency

Function = Callable[..., Any]


class ToolContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool may know of the call. `key` is the idempotency key, the same for every attempt.

    `attempt` counts from 1. A parameter annotated with this type is filled in, and is no argument.
    """

    key: str = ""
    attempt: int = 1
    call_id: str = ""
    session: str = ""


class ProbeAnswer(enum.StrEnum):
    """What a probe may say of an earlier attempt; anything else that it returns is CANNOT_TELL."""

    HAPPENED = "happened"
    NOTHING_HAPPENED = "nothing_happened"
    CANNOT_TELL = "cannot_tell"


class Happened(msgspec.Struct, frozen=True):
    """`ProbeAnswer.HAPPENED`, with what the first attempt would have returned."""

    output: Any = None


class Refused(Exception):
    """A declared error: the tool did nothing. `code` is one of the contract's `errors`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Tool:
    """A registered function: call it as before, or `run` it with JSON arguments."""

    def __init__(self, function: Function, contract: Contract, probe: Function | None) -> None:
        self.function = function
        self.contract = contract
        self.probe_function = probe
        self.__doc__ = function.__doc__
        self.__name__ = contract.name
        self.target = f"{function.__module__}:{function.__name__}"
        self._shape, self._context = _shape_of(function)

    @property
    def takes_context(self) -> bool:
        """Whether it is told its idempotency key."""
        return bool(self._context)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """The plain function, for tests and for other code."""
        return self.function(*arguments, **named)

    def run(self, arguments: Mapping[str, Any], context: ToolContext) -> Any:
        """Call with JSON arguments; the result may be awaitable. Errors: InvalidRequest."""
        return self.function(**self._typed(arguments, context))

    def probe(self, arguments: Mapping[str, Any], context: ToolContext) -> Any:
        """Ask whether an earlier attempt took; a `ProbeAnswer`, or `Happened` with its result."""
        if self.probe_function is None:
            raise InvalidRequest(f"the tool `{self.contract.name}` has no probe")
        return self.probe_function(**self._typed(arguments, context))

    def _typed(self, arguments: Mapping[str, Any], context: ToolContext) -> dict[str, Any]:
        try:
            typed = msgspec.convert(dict(arguments), self._shape)
        except msgspec.ValidationError as error:
            raise InvalidRequest(f"the arguments do not fit: {error}") from None
        given = {name: getattr(typed, name) for name in self._shape.__struct_fields__}
        return given | {self._context: context} if self._context else given


def tool(  # noqa: PLR0913 - a contract has many lines
    *,
    what: str,
    when: str,
    side_effects: str,
    effect: Effect,
    risk: RiskLevel,
    risk_reason: str,
    idempotency: Idempotency | None = None,
    roles: Mapping[str, ArgumentRole] | None = None,
    errors: Mapping[str, str] | None = None,
    resource: str = "",
    shell: str = "",
    first_party: bool = False,
    records: Mapping[str, ArgumentRole] | None = None,
    members: tuple[str, ...] = (),
    destinations: tuple[str, ...] = (),
    timeout_s: float = 60.0,
    max_output_bytes: int = 1_000_000,
    effect_key: EffectKey | None = None,
    key_arguments: tuple[str, ...] = (),
    tags: Mapping[str, str] | None = None,
    probe: Function | None = None,
    name: str = "",
) -> Callable[[Function], Tool]:
    """Register a function as a tool.

    Errors: ConfigInvalid with every way in which it falls short of the standard.
    """

    def registered(function: Function) -> Tool:
        named = name or function.__name__
        untold = Idempotency.PURE if effect is Effect.READ else Idempotency.ONCE
        shape, context = _shape_of(function)
        gaps = _gaps(effect, idempotency, probe, context)
        contract = Contract(
            name=named,
            description=f"What: {what} When: {when} Side effects: {side_effects}",
            effect=effect,
            risk=risk,
            risk_reason=risk_reason,
            input_schema=_schema_of(shape, closed=True),
            output_schema=_output_schema(function),
            roles=dict(roles or {}),
            idempotency=idempotency or untold,
            first_party=first_party,
            records=dict(records or {}),
            members=members,
            destinations=destinations,
            resource=resource,
            shell=shell,
            errors=dict(errors or {}),
            timeout_s=timeout_s,
            max_output_bytes=max_output_bytes,
            tags=dict(tags or {}),
            effect_key=effect_key,
            key_arguments=key_arguments,
        )
        gaps += [f.text for f in lint(contract)]
        if gaps:
            raise ConfigInvalid(f"tool `{named}` is not registered: {'; '.join(gaps)}", tool=named)
        ContractBook((contract,))
        return Tool(function, contract, probe)

    return registered


def _gaps(
    effect: Effect, idempotency: Idempotency | None, probe: Function | None, context: str
) -> list[str]:
    gaps = []
    if effect is not Effect.READ and idempotency is None:
        gaps.append("a tool that changes something says its idempotency class")
    if idempotency is Idempotency.PROBE and probe is None:
        gaps.append("a tool of class probe brings its probe")
    if idempotency is Idempotency.KEYED and not context:
        gaps.append("a tool of class keyed takes a ToolContext, whose key it gives its service")
    return gaps


def _shape_of(function: Function) -> tuple[type[msgspec.Struct], str]:
    """The arguments as a struct, and the name of the parameter that takes the context."""
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        raise ConfigInvalid(
            f"the annotations of `{function.__name__}` do not hold: {error}"
        ) from None
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    context = ""
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ConfigInvalid(
                f"`{function.__name__}` takes `*{parameter.name}`: name each argument"
            )
        if parameter.name not in hints:
            raise ConfigInvalid(f"`{function.__name__}`: `{parameter.name}` has no type")
        kind = hints[parameter.name]
        if kind is ToolContext:
            context = parameter.name
        elif parameter.default is parameter.empty:
            fields.append((parameter.name, kind))
        else:
            fields.append((parameter.name, kind, parameter.default))
    shape = msgspec.defstruct(
        "Arguments", fields, forbid_unknown_fields=True, kw_only=True, frozen=True
    )
    return shape, context


def _schema_of(kind: Any, *, closed: bool) -> dict[str, Any]:
    """The JSON Schema of a type; the outermost one stands inline, others under `$defs`."""
    try:
        schema = msgspec.json.schema(kind)
    except TypeError as error:
        raise ConfigInvalid(f"a type has no json schema: {error}") from None
    defs = dict(schema.get("$defs", {}))
    reference = schema.get("$ref", "")
    if reference.startswith("#/$defs/"):
        schema = dict(defs.pop(reference.removeprefix("#/$defs/")))
        schema.pop("title", None)
        if defs:
            schema["$defs"] = defs
    if closed:
        schema["additionalProperties"] = False
    return schema


def _output_schema(function: Function) -> dict[str, Any] | None:
    kind = typing.get_type_hints(function, include_extras=True).get("return", Any)
    if kind is Any:
        return None
    return _schema_of(type(None) if kind is None else kind, closed=False)
