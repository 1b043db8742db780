"""Contracts: what the book refuses, what fits, what hostile schemas and arguments can do."""

import msgspec
import pytest

from holdfast.core.builtin_tools import BUILTIN_TOOLS
from holdfast.core.contract_lint import lint
from holdfast.core.contracts import ContractBook, definition_digest, resource_of
from holdfast.core.envelopes import ENVELOPE_SCHEMA, check_envelope, to_wire
from holdfast.core.schemas import MAX_SCHEMA_BYTES, SchemaFault, compile_schema
from holdfast.errors import ConfigInvalid
from holdfast.model.envelopes import Envelope, EnvelopeError
from holdfast.model.findings import Violation
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import ArgumentRole, Contract, Effect, Idempotency

REFUND = Contract(
    name="mcp__shop__refund",
    description=(
        "What: pays an order's amount back to its card.\n"
        "When: the customer is entitled to the money.\n"
        "Side effects: moves money; cannot be undone."
    ),
    effect=Effect.COMMIT,
    risk=RiskLevel.HIGH,
    risk_reason="moves money",
    input_schema={
        "type": "object",
        "properties": {
            "order_id": {"type": "string"},
            "amount": {"type": "number", "exclusiveMinimum": 0},
            "note": {"type": "object", "properties": {"text": {"type": "string"}}},
        },
        "required": ["order_id", "amount"],
    },
    output_schema={
        "type": "object",
        "properties": {"refund_id": {"type": "string"}},
        "required": ["refund_id"],
    },
    roles={"order_id": ArgumentRole.WHO, "amount": ArgumentRole.MUCH},
    resource="arn:shop:order/{order_id}",
    errors={"already_refunded": "the order was paid back before"},
)
BOOK = ContractBook([REFUND])
GOOD = {"order_id": "A-1", "amount": 5}


def altered(**changes) -> Contract:
    return msgspec.structs.replace(REFUND, **changes)


def schema_of(properties, **more):
    return {"type": "object", "properties": properties, **more}


def bare(schema) -> Contract:
    return altered(input_schema=schema, roles={}, resource="")


def test_a_registered_contract_is_found_by_its_exact_name():
    assert BOOK.get("mcp__shop__refund") is REFUND
    assert BOOK.get("mcp__shop__Refund") is None
    assert len(BOOK) == 1
    assert "mcp__shop__refund" in BOOK


def test_a_block_tool_is_never_registered():
    with pytest.raises(
        ConfigInvalid, match="`drop_database` cannot be registered: its risk is BLOCK"
    ):
        ContractBook([REFUND, altered(name="drop_database", risk=RiskLevel.BLOCK)])


@pytest.mark.parametrize(
    ("contract", "words"),
    [
        (REFUND, "declared twice"),
        (altered(name="a b"), "a name is"),
        (altered(name=""), "a name is"),
        (altered(name="x\n"), "a name is"),
        (altered(name="n", timeout_s=0), "positive"),
        (bare({"type": "array"}), "arguments are an object"),
        (bare({"type": 5}), "input: the schema does not compile"),
        (altered(name="n", output_schema={"type": 5}), "output: the schema"),
        (altered(name="n", resource="arn:{nope}"), "does not declare `nope`"),
        (altered(name="n", resource="arn:{order_id"), "unpaired braces"),
        (altered(name="n", roles={"who": ArgumentRole.WHO}), "does not declare `who`"),
        (altered(name="n", shell="cmd"), "does not declare `cmd`"),
        (altered(name="n", destinations=("{order_id",)), "unpaired braces"),
        (altered(name="n", destinations=("https://shop/",)), "names no argument"),
        (altered(name="n", destinations=("{nope}@shop",)), "`nope` of a destination has no role"),
        (altered(name="n", destinations=("{note}@shop",), roles={"note": ArgumentRole.PAYLOAD}),
         "`note` of a destination has no role"),
        (altered(name="n", destinations=("{order_id}",) * 21), "more than 20 destinations"),
    ],
)  # fmt: skip
def test_what_could_not_be_held_is_refused_at_load(contract, words):
    with pytest.raises(ConfigInvalid, match=words) as refused:
        ContractBook([REFUND, contract])
    assert refused.value.fields["tool"] == contract.name


@pytest.mark.parametrize(
    ("arguments", "path", "rule"),
    [
        ({"amount": 5}, "", "required"),
        ({**GOOD, "admin": True}, "", "additionalProperties"),
        ({**GOOD, "amount": "5"}, "/amount", "type"),
        ({**GOOD, "amount": 0}, "/amount", "exclusiveMinimum"),
        ({**GOOD, "note": {"text": 1}}, "/note/text", "type"),
        ({**GOOD, "order_id": ""}, "/order_id", "resource"),
        ({**GOOD, "amount": float("nan")}, "", "json"),
        ({**GOOD, "order_id": "\ud800"}, "", "json"),
        ({**GOOD, "note": {1: 2}}, "", "json"),
        ([], "", "type"),
        (None, "", "type"),
    ],
)
def test_arguments_that_break_the_contract_are_named(arguments, path, rule):
    found = BOOK.check_input("mcp__shop__refund", arguments)
    assert (path, rule) in {(v.path, v.rule) for v in found}


def test_fitting_arguments_and_outputs_fit():
    assert BOOK.check_input("mcp__shop__refund", GOOD) == ()
    assert BOOK.check_output("mcp__shop__refund", {"refund_id": "r", "more": 1}) == ()
    assert [v.rule for v in BOOK.check_output("mcp__shop__refund", {})] == ["required"]


def test_a_tool_without_a_contract_fits_nothing():
    assert [v.rule for v in BOOK.check_input("Nope", {})] == ["unknown_tool"]
    assert [v.rule for v in BOOK.check_output("Nope", {})] == ["unknown_tool"]


def test_messages_quote_the_schema_and_never_the_value():
    secret = "sk-ant-secret"
    book = ContractBook(
        [
            bare(
                schema_of(
                    {
                        "a": {"type": "integer"},
                        "b": {"enum": ["x"]},
                        "c": {"const": 1},
                        "d": {"pattern": "^x$", "type": "string"},
                        "e": {"format": "email", "type": "string"},
                        "f": {"maxLength": 3, "type": "string"},
                        "g": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                        "h": {"not": {"type": "string"}},
                        "i": {"contains": {"const": 1}},
                    }
                )
            )
        ]
    )
    found = book.check_input(REFUND.name, {**dict.fromkeys("abcdefgh", secret), "i": [secret]})
    assert {v.path for v in found} == {f"/{letter}" for letter in "abcdefghi"}
    assert secret not in str(found)
    assert all(len(v.text) <= 200 for v in found)


def test_messages_are_bounded_in_number_and_length():
    found = BOOK.check_input(REFUND.name, {**GOOD, "x" * 5000 + "\n": 1})
    assert all(len(v.text) <= 200 and v.text.isprintable() for v in found)
    many = ContractBook([bare(schema_of({"a": {"items": {"type": "integer"}}}))])
    assert len(many.check_input(REFUND.name, {"a": ["x"] * 5000})) == 10


def test_pointers_escape_slashes_and_tildes():
    book = ContractBook([bare(schema_of({"a/b~": {"type": "integer"}}))])
    assert book.check_input(REFUND.name, {"a/b~": "x"})[0].path == "/a~1b~0"


def test_the_top_is_strict_unless_the_schema_says_otherwise():
    open_book = ContractBook([bare(schema_of({}, additionalProperties=True))])
    assert open_book.check_input(REFUND.name, {"x": 1}) == ()
    assert ContractBook([bare(schema_of({}))]).check_input(REFUND.name, {"x": 1})
    assert ContractBook([bare({})]).check_input(REFUND.name, {"x": 1})


def test_a_composed_top_is_strict_over_all_its_parts():
    composed = schema_of({"a": {}}, allOf=[{"properties": {"b": {"type": "integer"}}}])
    book = ContractBook([bare(composed)])
    assert book.check_input(REFUND.name, {"a": 1, "b": 2}) == ()
    assert [v.rule for v in book.check_input(REFUND.name, {"c": 1})] == ["unevaluatedProperties"]
    old = {"$schema": "http://json-schema.org/draft-07/schema#", **composed}
    assert isinstance(compile_schema(old, strict=True), SchemaFault)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "file:///etc/passwd"},
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"properties": {"a": {"$ref": "https://example.com/a.json"}}},
        {"$id": "file:///etc/", "$ref": "passwd"},
        {"$schema": "http://127.0.0.1:9/meta"},
        {"$schema": 5},
        {"$ref": "#/$defs/nowhere"},
        {"pattern": "(?=a)b"},
        {"pattern": "(a)\\1"},
        {"pattern": "(a{1000}){1000}"},
        {"description": "x" * MAX_SCHEMA_BYTES},
        {"const": float("inf")},
    ],
)
def test_hostile_schemas_do_not_compile(schema):
    refused = compile_schema(schema, strict=False)
    assert isinstance(refused, SchemaFault)
    assert refused.reason == refused.reason.strip()
    assert "\n" not in refused.reason


def test_a_schema_nested_too_deep_does_not_compile():
    schema: dict = {"type": "integer"}
    for _ in range(60):
        schema = {"items": schema}
    assert isinstance(compile_schema(schema, strict=False), SchemaFault)


def test_a_catastrophic_pattern_answers_at_once():
    book = ContractBook([bare(schema_of({"a": {"type": "string", "pattern": "^(a+)+$"}}))])
    assert book.check_input(REFUND.name, {"a": "a" * 50_000 + "!"})[0].rule == "pattern"
    assert book.check_input(REFUND.name, {"a": "a" * 50_000}) == ()


def test_deep_and_recursive_arguments_are_refused_without_recursion():
    deep: object = 1
    for _ in range(50_000):
        deep = [deep]
    tree = {"type": "object", "properties": {"a": {"$ref": "#/$defs/t"}},
            "$defs": {"t": {"type": "array", "items": {"$ref": "#/$defs/t"}}}}  # fmt: skip
    book = ContractBook([bare(tree)])
    assert [v.rule for v in book.check_input(REFUND.name, {"a": deep})] == ["json"]
    while isinstance(deep, list):
        deep = deep.pop()


def test_a_resource_is_filled_with_encoded_arguments():
    assert resource_of(REFUND, GOOD) == "arn:shop:order/A-1"
    assert resource_of(altered(resource=""), GOOD) == "tool:mcp__shop__refund"


@pytest.mark.parametrize(
    ("value", "filled"),
    [
        ("../*", "..%2F%2A"),
        ("..", "%2E%2E"),
        ("{amount}", "%7Bamount%7D"),
        ("a b?c#d%2F", "a%20b%3Fc%23d%252F"),
        ("é\n", "%C3%A9%0A"),
        (7, "7"),
        (True, "true"),
    ],
)
def test_no_argument_can_widen_the_resource(value, filled):
    assert resource_of(REFUND, {"order_id": value}) == f"arn:shop:order/{filled}"


@pytest.mark.parametrize("value", [None, "", [], {}, 1.5, "\ud800", "x" * 3000])
def test_an_argument_that_cannot_name_a_resource_is_a_violation(value):
    assert isinstance(resource_of(REFUND, {"order_id": value}), Violation)


def test_a_digest_pins_every_part_of_a_definition():
    base = ("t", "does it", {"type": "object"}, {"readOnlyHint": True})
    pinned = definition_digest(*base)
    assert pinned == definition_digest("t", "does it", {"type": "object"}, {"readOnlyHint": True})
    others = {
        definition_digest("u", *base[1:]),
        definition_digest("t", "does it.", *base[2:]),
        definition_digest("t", "does it", {"type": "array"}, base[3]),
        definition_digest("t", "does it", base[2], {"readOnlyHint": False}),
        definition_digest("t", "does it", base[2]),
    }
    assert pinned not in others
    assert len(others) == 5


OK = Envelope(ok=True, tool=REFUND.name, call_id="c1", output={"refund_id": "r"}, duration_ms=12)
LATE = EnvelopeError(code="timeout", message="took too long")
NO = Envelope(ok=False, tool=REFUND.name, call_id="c1", error=LATE, duration_ms=12)


def test_one_envelope_holds_success_and_failure():
    assert check_envelope(OK) == check_envelope(NO) == ()
    assert set(to_wire(OK)) == set(to_wire(NO)) == set(ENVELOPE_SCHEMA["required"])
    assert BOOK.check_envelope(OK) == BOOK.check_envelope(NO) == ()
    assert check_envelope(msgspec.structs.replace(OK, output=None)) == ()


@pytest.mark.parametrize(
    "wire",
    [
        {**to_wire(OK), "ok": False},
        {**to_wire(OK), "error": to_wire(NO)["error"]},
        {**to_wire(NO), "ok": True},
        {**to_wire(NO), "output": 1},
        {**to_wire(NO), "error": {"code": "Bad Code", "message": "m", "retryable": False}},
        {**to_wire(OK), "duration_ms": -1},
        {**to_wire(OK), "more": 1},
        {k: v for k, v in to_wire(OK).items() if k != "call_id"},
        {},
        None,
    ],
)
def test_an_envelope_that_is_both_or_neither_is_refused(wire):
    assert check_envelope(wire)


def test_the_envelope_check_reaches_the_output():
    found = BOOK.check_envelope(msgspec.structs.replace(OK, output={"refund_id": 1}))
    assert [v.path for v in found] == ["/output/refund_id"]


def test_a_contract_that_meets_the_standard_has_no_findings():
    assert lint(REFUND) == ()


@pytest.mark.parametrize(
    ("contract", "code"),
    [
        (altered(description="Refunds an order for the customer."), "description.what"),
        (altered(description="What: pays back. When: later."), "description.when"),
        (altered(description=REFUND.description.split("Side")[0]), "description.side_effects"),
        (
            altered(description=REFUND.description.split("Side")[0] + "Side effects: None."),
            "description.side_effects",
        ),
        (altered(errors={}), "errors.missing"),
        (altered(errors={"gone": " "}), "errors.gone"),
        (altered(roles={}), "roles.missing"),
        (altered(roles={"note": ArgumentRole.PAYLOAD}), "roles.missing"),
        (altered(roles={**REFUND.roles, "x": ArgumentRole.WHO}), "roles.x"),
        (altered(resource="arn:{nope}"), "resource.nope"),
        (altered(resource="arn:}{"), "resource.braces"),
        (altered(shell="cmd"), "shell.unknown"),
        (altered(risk_reason=""), "risk_reason.missing"),
        (altered(idempotency=Idempotency.PURE), "idempotency.pure"),
    ],
)
def test_each_shortfall_of_the_standard_is_found(contract, code):
    assert code in {finding.code for finding in lint(contract)}


def test_a_reading_tool_may_have_no_side_effects_errors_or_roles():
    description = REFUND.description.split("Side")[0] + "Side effects: none."
    reading = altered(effect=Effect.READ, description=description, errors={}, roles={})
    assert lint(reading) == ()


def test_ten_thousand_tools_load_and_check():
    book = ContractBook(altered(name=f"tool_{n}") for n in range(10_000))
    assert len(book) == 10_000
    assert book.check_input("tool_9999", GOOD) == ()


def test_the_built_in_tools_register_and_meet_the_standard():
    book = ContractBook(BUILTIN_TOOLS)
    assert [finding for contract in book for finding in lint(contract)] == []


BUILTIN = ContractBook(BUILTIN_TOOLS)
# What the CLI bundled with claude-agent-sdk 0.2.186 sends with and without tool search.
SENT = [
    *(
        "Agent",
        "Bash",
        "CronCreate",
        "CronDelete",
        "CronList",
        "Edit",
        "EnterWorktree",
        "ExitWorktree",
    ),
    *(
        "ListAgents",
        "Monitor",
        "NotebookEdit",
        "Read",
        "ReportFindings",
        "ScheduleWakeup",
        "SendMessage",
        "Skill",
    ),
    *("TaskStop", "ToolSearch", "WebFetch", "WebSearch", "Workflow", "Write"),
]


@pytest.mark.parametrize("name", SENT)
def test_every_tool_that_the_harness_sends_has_a_contract(name):
    assert BUILTIN.get(name) is not None


@pytest.mark.parametrize(
    ("name", "arguments", "fits"),
    [
        ("Bash", {"command": "ls", "description": "list", "new_option": 1}, True),
        ("Bash", {"description": "list"}, False),
        ("Bash", {"command": ["ls"]}, False),
        ("Bash", {"command": ""}, False),
        ("Read", {"file_path": "/a", "limit": 3}, True),
        ("Read", {"file_path": 3}, False),
        ("Write", {"file_path": "/a", "content": ""}, True),
        ("Edit", {"file_path": "/a", "old_string": "x"}, False),
        ("WebFetch", {"prompt": "x"}, False),
        ("Agent", {"description": "d", "prompt": "p", "effort": "low"}, True),
    ],
)
def test_built_in_schemas_are_firm_on_what_decides_and_open_elsewhere(name, arguments, fits):
    assert (BUILTIN.check_input(name, arguments) == ()) is fits


def test_whatever_runs_a_shell_is_parsed_as_one():
    shells = {contract.name: contract.shell for contract in BUILTIN_TOOLS if contract.shell}
    assert shells == {"Bash": "command", "Monitor": "command"}


def test_what_brings_foreign_text_taints():
    for name in ("Read", "Glob", "Grep", "Bash", "WebFetch", "WebSearch", "Edit", "Agent", "Skill"):
        contract = BUILTIN.get(name)
        assert contract is not None
        assert not contract.first_party
