"""Every key of `tool_standard`. See `layout`."""

from collections.abc import Mapping
from typing import Any

from holdfast.compose.config.shapes import (
    Choice,
    Field,
    Flag,
    ListOf,
    MapOf,
    Reading,
    Real,
    Record,
    Text,
    Whole,
)
from holdfast.core.schemas import SchemaFault, compile_schema
from holdfast.model.tool_standard import RULES, Level, RuleLevels, ToolStandard

_MEANINGS = {
    "name": "the name matches `name_pattern`",
    "description": "the description has each of `required_sentences`",
    "description_length": "it is no longer than `max_description_bytes`",
    "hidden_text": "no character in any of its texts is invisible",
    "instructions": "no text of it tells the model what to do, as far as known phrases show",
    "effect": "a tool that changes something says what after `Side effects:`",
    "effect_of_name": "a tool that reads is not named after a change (`delete_…`)",
    "roles": "a tool that commits, destroys or sends says which argument decides",
    "idempotency": "its class fits its effect",
    "probe": "a tool of class `probe` has something to probe with",
    "errors": "a tool that changes something names its error cases",
    "risk_reason": "the risk has a reason",
    "limits": "time-out and size of a result are within `max_timeout_s` and `max_output_bytes`",
    "schema": "its schemas compile",
    "input_closed": "the arguments, and each object in them, take no undeclared properties",
    "input_types": "each argument, and each part of one, has a type",
    "input_bounds": "texts, lists and amounts have a maximum",
    "input_descriptions": "each argument has a description",
    "output_schema": "an output schema says what comes back",
    "server": "a server answers, in time and in bounds",
    "undeclared": "each tool that a server offers has a contract",
    "missing": "each contract of a server's tool names one that it offers",
    "schema_differs": "what fits the contract fits the server; the contract may be stricter",
    "description_differs": "a server describes a tool as the contract does",
    "effect_differs": "a server does not say that a reading tool changes something",
    "pin": "where `definition_digest` pins a definition, it is still the server's",
}

RULE_LEVELS = Record(
    build=RuleLevels,
    fields={rule: Field(Choice(Level), _MEANINGS[rule]) for rule in RULES},
)

_RULE = Text(pattern=f"^({'|'.join(RULES)})$", says="one of the rules")
_LABEL = Text(
    pattern=r"^[A-Z][A-Za-z0-9 ]{0,39}$",
    says="at most 40 letters, digits and blanks, a capital first",
)


def _pattern_compiles(values: Mapping[str, Any], reading: Reading, path: str) -> None:
    pattern = values.get("name_pattern")
    if pattern is None:
        return
    compiled = compile_schema({"pattern": f"^(?:{pattern})$"}, strict=False)
    if isinstance(compiled, SchemaFault):
        reading.problem_at(f"{path}.name_pattern", "this is no regular expression of linear time")


TOOL_STANDARD = Record(
    build=ToolStandard,
    fields={
        "enforce": Field(
            Flag(),
            "settings with a tool that breaks any rule of `error` do not load; else `description`",
        ),
        "rules": Field(RULE_LEVELS, "the level of each rule: `error`, `warn` or `off`"),
        "server_rules": Field(
            MapOf(value=Choice(Level), key=_RULE), "levels for what MCP servers say, where others"
        ),
        "name_pattern": Field(
            Text(max_chars=512), "regular expression for names, without `mcp__<server>__`"
        ),
        "required_sentences": Field(ListOf(item=_LABEL, most=20), "labels in every description"),
        "max_description_bytes": Field(Whole(least=64, most=65_536), "longest description"),
        "max_timeout_s": Field(Real(least=0.001, most=86_400), "longest time-out of a tool"),
        "max_output_bytes": Field(Whole(least=1, most=2**30), "largest result of a tool"),
    },
    checks=(_pattern_compiles,),
)
