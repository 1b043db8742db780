"""Holds a tool to an organisation's standard: its contract, and what an MCP server says of it.

Each rule sees one thing, names what it saw and says what to do; `RuleLevels` gives its level.
What makes a contract unusable is refused earlier (`core/contracts`). Not here: who lists which
tools, and what runs them.
"""

import functools
import re
from collections.abc import Iterable, Sequence

from holdfast.core.contract_lint import MIN_SENTENCE_CHARS, labelled, lint
from holdfast.core.contracts import definition_digest
from holdfast.core.risk.commands import named_commands
from holdfast.core.schemas import Schema, SchemaFault, compile_schema
from holdfast.core.tool_schemas import (
    differences,
    open_objects,
    unbounded,
    undescribed,
    untyped,
)
from holdfast.core.tool_wording import (
    MOST_TEXT_CHARS,
    hidden_characters,
    steering_phrase,
    texts_of,
)
from holdfast.errors import ConfigInvalid
from holdfast.model.tool_standard import Definition, Level, Shortfall, ToolStandard
from holdfast.model.tools import ArgumentRole, Contract, Effect, Idempotency

_MOST_NAMED = 6
_MOST_DIFFERENCES = 8
_MAY_BE_SHORT = "Side effects"
_CHANGING_VERBS = re.compile(
    r"add|approve|archive|book|buy|cancel|charge|close|commit|create|delete|deploy|destroy|disable"
    r"|drop|edit|enable|execute|grant|insert|install|merge|move|pay|post|publish|purge|push|put"
    r"|refund|reject|remove|rename|replace|reset|restart|revoke|run|schedule|send|set|ship|start"
    r"|stop|submit|terminate|transfer|trigger|truncate|unsubscribe|update|upload|wipe|wire|write"
)
_BY_CODE = {
    "description": "effect",
    "errors": "errors",
    "roles": "roles",
    "shell": "roles",
    "resource": "roles",
    "idempotency": "idempotency",
    "risk_reason": "risk_reason",
}
_FIXES = {
    "effect": "say after `Side effects:` what it changes, or declare another effect",
    "errors": "name each case under `errors`, with a sentence that says when it happens",
    "roles": "declare under `roles` which argument decides who, what or how much",
    "idempotency": "say what a second try does: idempotent, keyed, probe or once",
    "risk_reason": "say in `risk_reason` why it is that dangerous",
}
_Faults = list[tuple[str, str, str]]


def judged(
    contract: Contract, standard: ToolStandard, *, named_by_us: bool = True
) -> tuple[Shortfall, ...]:
    """Every way in which a contract falls short, rules that are off left out.

    `named_by_us`: its name is the organisation's choice, not a vendor's.
    """
    definition = Definition(
        name=contract.name if named_by_us else "",
        description=contract.description,
        input_schema=contract.input_schema,
        output_schema=contract.output_schema,
    )
    amounts = frozenset(n for n, role in contract.roles.items() if role is ArgumentRole.MUCH)
    faults = [
        *_wording(definition, standard),
        *_decision(contract),
        *_limits(contract, standard),
        *_schemas(definition, amounts),
    ]
    return _shortfalls(contract.name, faults, standard, of_server=False)


def judged_definition(
    tool: str, definition: Definition, standard: ToolStandard
) -> tuple[Shortfall, ...]:
    """What a server says of a tool, held to the same standard; `tool` is the name on the wire."""
    faults = [*_wording(definition, standard), *_schemas(definition, frozenset())]
    return _shortfalls(tool, faults, standard, of_server=True)


def compared(
    tool: str, contract: Contract | None, definition: Definition, standard: ToolStandard
) -> tuple[Shortfall, ...]:
    """What a server says of a tool, beside the contract declared for it (None: there is none)."""
    if contract is None:
        text = "the server offers a tool that no contract declares"
        fix = f"declare `{tool}` under `tools`, or let the server not offer it"
        return _shortfalls(tool, [("undeclared", text, fix)], standard, of_server=True)
    faults: _Faults = []
    apart = differences(contract.input_schema, definition.input_schema)
    if apart:
        fix = "read the server's new schema, then declare it, or pin the server's version"
        faults.append(("schema_differs", "; ".join(apart[:_MOST_DIFFERENCES]), fix))
    if _said(contract.description) != _said(definition.description):
        text = "the server describes it in other words than the contract"
        fix = "an agent of the SDK reads the server's words: read them, and make the two agree"
        faults.append(("description_differs", text, fix))
    hints = definition.annotations
    acts = hints.get("readOnlyHint") is False or hints.get("destructiveHint") is True
    if contract.effect is Effect.READ and acts and hints.get("readOnlyHint") is not True:
        text = "the contract says that it reads, the server that it changes something"
        faults.append(("effect_differs", text, "declare what it does to the world as `effect`"))
    pinned = contract.definition_digest
    if pinned and pinned != digest_of_definition(tool, definition):
        text = "the server's definition is not the one that the contract was written for"
        fix = "read what changed, then pin the new one with `definition_digest`"
        faults.append(("pin", text, fix))
    return _shortfalls(tool, faults, standard, of_server=True)


def digest_of_definition(tool: str, definition: Definition) -> str:
    """The digest that `definition_digest` pins; empty for a definition that is not JSON."""
    found = definition_digest(
        tool, definition.description, definition.input_schema, definition.annotations
    )
    return found if isinstance(found, str) else ""


def server_fault(server: str, text: str, standard: ToolStandard) -> tuple[Shortfall, ...]:
    """A server that could not be asked to the end."""
    fix = "start its command by hand and see what it says"
    return _shortfalls(f"mcp__{server}", [("server", text, fix)], standard, of_server=True)


def absent(tool: str, server: str, standard: ToolStandard) -> tuple[Shortfall, ...]:
    """A contract for a tool that its server does not offer."""
    text = f"the server `{server}` offers no such tool"
    return _shortfalls(
        tool, [("missing", text, "remove the contract, or mend its name")], standard, of_server=True
    )


def without_probe(tool: str, standard: ToolStandard) -> tuple[Shortfall, ...]:
    """A contract of class `probe` with nothing to probe with."""
    fix = "give its implementation a `probe` or `probe_url`, or declare another class"
    fault = ("probe", "nothing can say whether an earlier try took", fix)
    return _shortfalls(tool, [fault], standard, of_server=False)


def _shortfalls(
    tool: str, faults: Sequence[tuple[str, str, str]], standard: ToolStandard, *, of_server: bool
) -> tuple[Shortfall, ...]:
    source = "server" if of_server else "contract"
    return tuple(
        Shortfall(tool=tool, rule=rule, level=level, text=text, fix=fix, source=source)
        for rule, text, fix in faults
        if (level := standard.level(rule, of_server=of_server)) is not Level.OFF
    )


def _wording(definition: Definition, standard: ToolStandard) -> _Faults:
    faults: _Faults = []
    # Of `mcp__shop__refund`, the part after the server is the tool's own name.
    own = (
        definition.name.split("__", 2)[-1]
        if definition.name.startswith("mcp__")
        else definition.name
    )
    if own and _pattern(standard.name_pattern).check(own):
        text = "the name is not in the organisation's style"
        faults.append(("name", text, f"rename it to match {standard.name_pattern}"))
    said = labelled(definition.description, standard.required_sentences)
    for label in standard.required_sentences:
        least = 1 if label == _MAY_BE_SHORT else MIN_SENTENCE_CHARS
        sentence = said.get(label, "")
        if not sentence:
            more = f" and at least {least} characters" if least > 1 else ""
            faults.append(
                ("description", f"the description lacks `{label}:`", f"add `{label}:`{more}")
            )
        elif len(sentence) < least:
            text = f"`{label}:` of the description is short: {len(sentence)} characters"
            faults.append(("description", text, f"say it in at least {least}"))
    size = len(definition.description.encode("utf-8", "surrogatepass"))
    if size > standard.max_description_bytes:
        text = f"the description has {size} bytes, and each model call carries it"
        fix = f"cut it to {standard.max_description_bytes}"
        faults.append(("description_length", text, fix))
    return faults + _poison(definition)


def _poison(definition: Definition) -> _Faults:
    faults: dict[tuple[str, str], tuple[str, str, str]] = {}
    for where, text in texts_of(definition):
        hidden = hidden_characters(text)
        if hidden:
            seen = f"{where} holds characters that do not show: {', '.join(hidden[:_MOST_NAMED])}"
            fix = "remove them: what a person reviews must be what a model reads"
            faults.setdefault(("hidden_text", where), ("hidden_text", seen, fix))
        phrase = steering_phrase(text)
        unread = len(text) > MOST_TEXT_CHARS
        if phrase or unread:
            seen = f'{where} instructs the model: "{phrase}"'
            seen = seen if phrase else f"{where} is longer than can be looked through"
            fix = "say what the tool does, not what the model is to do"
            faults.setdefault(("instructions", where), ("instructions", seen, fix))
    return list(faults.values())


def _decision(contract: Contract) -> _Faults:
    faults: _Faults = []
    for finding in lint(contract):
        rule = _BY_CODE[finding.code.partition(".")[0]]
        # Which sentences a description needs is the organisation's to say, not the house's.
        if rule != "effect" or "has side effects" in finding.text:
            faults.append((rule, finding.text, _FIXES[rule]))
    for name in named_commands(contract):
        text = f"`{name}` is called like a shell command, and the contract does not say that it is"
        fix = "name it under `shell`, so that all of it is judged, or give it the role `payload`"
        faults.append(("roles", text, fix))
    own = contract.name.split("__")[-1]
    verb = own.replace("-", "_").partition("_")[0].lower()
    if contract.effect is Effect.READ and _CHANGING_VERBS.fullmatch(verb):
        text = f"its effect is read, and its name says `{verb}`"
        faults.append(("effect_of_name", text, "declare what it changes as `effect`, or rename it"))
    if contract.effect is Effect.READ and contract.idempotency is Idempotency.ONCE:
        text = "a tool that reads may be tried again, and its class says that it may not"
        faults.append(("idempotency", text, "declare `idempotency: pure`"))
    return faults


def _limits(contract: Contract, standard: ToolStandard) -> _Faults:
    faults: _Faults = []
    if contract.timeout_s > standard.max_timeout_s:
        text = f"a call may take {contract.timeout_s:g} s"
        faults.append(("limits", text, f"set `timeout_s` to {standard.max_timeout_s:g} or less"))
    if contract.max_output_bytes > standard.max_output_bytes:
        text = f"a result may have {contract.max_output_bytes} bytes"
        fix = f"set `max_output_bytes` to {standard.max_output_bytes} or less"
        faults.append(("limits", text, fix))
    return faults


def _schemas(definition: Definition, amounts: frozenset[str]) -> _Faults:
    faults: _Faults = []
    for which, schema in (("input", definition.input_schema), ("output", definition.output_schema)):
        compiled = compile_schema(schema, strict=False) if schema is not None else None
        if isinstance(compiled, SchemaFault):
            fix = "mend it: without it nothing can be checked"
            faults.append(("schema", f"the {which} schema cannot be used: {compiled.reason}", fix))
    if definition.output_schema is None:
        text = "nothing says what it returns"
        faults.append(("output_schema", text, "declare an output schema, or a return type"))
    if any(rule == "schema" for rule, _, _ in faults):
        return faults
    schema = definition.input_schema
    looks = (
        ("input_closed", open_objects(schema), "undeclared properties fit into",
         "say `additionalProperties: false`"),
        ("input_types", untyped(schema), "any value would do for", "give each a type"),
        ("input_bounds", unbounded(schema, amounts), "there is no bound on",
         "give texts `maxLength`, lists `maxItems`, amounts `maximum`"),
        ("input_descriptions", undescribed(schema), "nothing describes",
         "give each argument a `description`"),
    )  # fmt: skip
    faults += [(rule, f"{text} {_named(found)}", fix) for rule, found, text, fix in looks if found]
    return faults


def _named(paths: Iterable[str]) -> str:
    found = [path if path == "the arguments" else f"`{path[:80]}`" for path in paths]
    more = len(found) - _MOST_NAMED
    return ", ".join(found[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _said(description: str) -> str:
    return " ".join(description.split())


@functools.cache
def _pattern(pattern: str) -> Schema:
    compiled = compile_schema({"type": "string", "pattern": f"^(?:{pattern})$"}, strict=False)
    if isinstance(compiled, SchemaFault):
        # `compose/config` refuses such a pattern; a standard made by hand ends here.
        raise ConfigInvalid(f"tool_standard.name_pattern: {compiled.reason}")
    return compiled
