"""A run's result before it leaves: is it what was asked for?

A schema says what shape it has, rules say what the business holds. Both are declared with the
agent; a result that does not pass is an error that the model reads. Not here: what a judge is asked
(`core/judging`).
"""

import json
import re
from typing import Annotated, Any, Literal

import msgspec

from holdfast.core.canonical import Unreadable, parse_json
from holdfast.core.judging import JudgeSettings
from holdfast.core.schemas import SchemaFault, compile_schema

_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*?)\n```", re.DOTALL)


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that holds of a result; `field` is a dotted path into it, empty the whole."""

    field: str = ""
    min: float | None = None
    max: float | None = None
    one_of: list[Any] | None = None
    equals_field: str = ""
    matches: str = ""
    length: int | None = None
    says: str = ""


class OutputSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An agent's `output`, as JSON in the run's plan. Without a schema and rules any text passes.

    `attempts` is how often the model may try again after a result that did not pass. `judge` is
    asked once schema and rules hold.
    """

    schema: dict[str, Any] | None = None
    rules: list[Rule] = []
    attempts: Annotated[int, msgspec.Meta(ge=0, le=100)] = 2
    judge: JudgeSettings | None = None


class Checked(msgspec.Struct, frozen=True):
    """The result as a value (text where no schema was given), and what is wrong with it."""

    value: Any
    problems: tuple[str, ...] = ()


def settings_fault(settings: OutputSettings) -> str:
    """Why the settings cannot be held, empty when they can."""
    if settings.schema is not None:
        schema = compile_schema(settings.schema, strict=False)
        if isinstance(schema, SchemaFault):
            return f"schema: {schema.reason}"
    for rule in settings.rules:
        try:
            re.compile(rule.matches)
        except re.error:
            return f"rules: `{rule.matches[:100]}` is no pattern"
    return ""


def check_output(settings: OutputSettings, text: str) -> Checked:
    """Read and check a final text."""
    if settings.schema is None and not settings.rules:
        return Checked(text)
    value = _read(text)
    if isinstance(value, Unreadable):
        return Checked(None, (f"it is no json: {value.reason}",))
    problems: list[str] = []
    if settings.schema is not None:
        schema = compile_schema(settings.schema, strict=False)
        if isinstance(schema, SchemaFault):
            return Checked(None, (f"the agent's output schema does not hold: {schema.reason}",))
        problems += [f"{v.path or 'result'}: {v.text}" for v in schema.check(value)]
    if not problems:
        problems += [p for rule in settings.rules if (p := _broken(rule, value))]
    return Checked(value, tuple(problems))


def _read(text: str) -> object | Unreadable:
    """The JSON that the text is, or that its only fenced block holds."""
    whole = parse_json(text.strip().encode())
    if not isinstance(whole, Unreadable):
        return whole
    blocks = _FENCED.findall(text)
    return parse_json(blocks[0].encode()) if len(blocks) == 1 else whole


class _Missing:
    """No value stands at the path."""


_NOT_THERE = _Missing()


def _at(value: Any, path: str) -> Any:
    for name in filter(None, path.split(".")):
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return _NOT_THERE
    return value


def _broken(rule: Rule, whole: Any) -> str:
    """Why the rule does not hold of a result, empty when it does."""
    value, name = _at(whole, rule.field), rule.field or "result"
    if value is _NOT_THERE:
        return f"{name}: it is missing"
    kinds: tuple[tuple[bool, Literal["min", "max"]], ...] = (
        (rule.min is not None, "min"),
        (rule.max is not None, "max"),
    )
    for given, which in kinds:
        bound = getattr(rule, which)
        if not given:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{name}: it is no number"
        if (which == "min" and value < bound) or (which == "max" and value > bound):
            return rule.says or f"{name}: {which} is {bound:g}"
    if rule.one_of is not None and value not in rule.one_of:
        return rule.says or f"{name}: it is none of {json.dumps(rule.one_of)[:200]}"
    if rule.equals_field and value != _at(whole, rule.equals_field):
        return rule.says or f"{name}: it differs from {rule.equals_field}"
    if rule.matches and not (isinstance(value, str) and re.fullmatch(rule.matches, value)):
        return rule.says or f"{name}: it does not match `{rule.matches[:100]}`"
    sized = isinstance(value, str | list | dict)
    if rule.length is not None and not (sized and len(value) == rule.length):
        return rule.says or f"{name}: its length is not {rule.length}"
    return ""
