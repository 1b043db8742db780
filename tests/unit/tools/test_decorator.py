"""Tools as typed functions: what is registered, what is refused, what the server is told."""

import json
import subprocess
import sys
from typing import Annotated, Any, Literal

import msgspec
import pytest

from holdfast.compose.config import parse_config
from holdfast.errors import ConfigInvalid, InvalidRequest
from holdfast.tools import (
    ArgumentRole,
    Effect,
    Idempotency,
    Meta,
    RiskLevel,
    ToolContext,
    tool,
)
from holdfast.tools.describe import Description, described


class Receipt(msgspec.Struct):
    order: str
    cents: int


GOOD: dict[str, Any] = {
    "what": "pays money back for one order of the shop.",
    "when": "the order's own record justifies the amount.",
    "side_effects": "money leaves the shop.",
    "effect": Effect.COMMIT,
    "idempotency": Idempotency.KEYED,
    "risk": RiskLevel.MEDIUM,
    "risk_reason": "moves money",
    "roles": {"order": ArgumentRole.WHAT},
    "errors": {"no_order": "there is no such order"},
}


def refund(
    order: str, cents: int, context: ToolContext, currency: Literal["EUR", "USD"] = "EUR"
) -> Receipt:
    """Pay back."""
    return Receipt(order, cents)


def test_a_function_becomes_a_contract_with_strict_schemas():
    made = tool(**GOOD)(refund)
    contract = made.contract
    assert contract.name == "refund"
    assert contract.description.startswith("What: pays money back")
    schema = contract.input_schema
    assert set(schema["properties"]) == {"order", "cents", "currency"}
    assert sorted(schema["required"]) == ["cents", "order"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["currency"]["enum"] == ["EUR", "USD"]
    assert contract.output_schema is not None
    assert set(contract.output_schema["properties"]) == {"order", "cents"}


def test_what_stands_beside_a_type_is_in_the_schema_and_holds():
    def pay(
        order: Annotated[str, Meta(max_length=5, description="the order")],
    ) -> Annotated[int, Meta(le=9)]:
        return len(order)

    made = tool(**{**GOOD, "idempotency": Idempotency.ONCE})(pay)
    assert made.contract.input_schema["properties"]["order"] == {
        "type": "string",
        "maxLength": 5,
        "description": "the order",
    }
    assert made.contract.output_schema == {"type": "integer", "maximum": 9}
    assert made.run({"order": "12345"}, ToolContext()) == 5
    with pytest.raises(InvalidRequest):
        made.run({"order": "123456"}, ToolContext())


def test_a_missing_class_is_one_gap_and_not_two():
    with pytest.raises(ConfigInvalid) as refused:
        tool(**{**GOOD, "idempotency": None})(refund)
    assert refused.value.message.endswith(
        "is not registered: a tool that changes something says its idempotency class"
    )


def test_a_module_that_does_not_load_is_the_only_fault_told(tmp_path):
    (tmp_path / "broken.py").write_text("1 / 0\n")
    text = "version: 1\ntool_modules: [broken]\nagents: {a: {model: m, tools: [its_tool]}}\n"
    with pytest.raises(ConfigInvalid) as refused:
        parse_config(text.encode(), tmp_path / "holdfast.yaml")
    assert len(refused.value.message.splitlines()) == 1
    assert "ZeroDivisionError" in refused.value.message


def test_a_registered_function_is_still_a_function():
    made = tool(**GOOD)(refund)
    assert made("o1", 5, ToolContext()) == Receipt("o1", 5)


def test_json_arguments_are_typed_and_the_context_is_filled_in():
    seen = []

    def keyed(order: str, context: ToolContext) -> None:
        seen.append((order, context.key))

    made = tool(**GOOD)(keyed)
    made.run({"order": "o1"}, ToolContext(key="k"))
    assert seen == [("o1", "k")]
    for bad in ({}, {"order": 1}, {"order": "o", "more": 1}, {"order": "o", "context": {}}):
        with pytest.raises(InvalidRequest):
            made.run(bad, ToolContext())


@pytest.mark.parametrize(
    ("change", "gap"),
    [
        ({"what": "pays"}, "`What:`"),
        ({"when": ""}, "`When:`"),
        ({"side_effects": "none"}, "has side effects"),
        ({"idempotency": None}, "idempotency class"),
        ({"idempotency": Idempotency.PROBE}, "brings its probe"),
        ({"idempotency": Idempotency.PURE}, "only a reading tool can be pure"),
        ({"roles": {}}, "gives the role of"),
        ({"roles": {"nobody": ArgumentRole.WHO}}, "does not declare"),
        ({"errors": {}}, "declares its errors"),
        ({"risk_reason": " "}, "needs a reason"),
        ({"resource": "arn:{nothing}"}, "`nothing`"),
    ],
)
def test_a_tool_that_says_too_little_is_not_registered(change, gap):
    with pytest.raises(ConfigInvalid) as refused:
        tool(**GOOD | change)(refund)
    assert gap in refused.value.message
    assert "`refund`" in refused.value.message


def test_a_tool_that_must_never_run_is_not_registered():
    with pytest.raises(ConfigInvalid):
        tool(**GOOD | {"risk": RiskLevel.BLOCK})(refund)


def test_every_gap_is_named_at_once():
    with pytest.raises(ConfigInvalid) as refused:
        tool(**GOOD | {"errors": {}, "roles": {}, "risk_reason": ""})(refund)
    assert refused.value.message.count(";") == 2


def untyped(order, cents: int): ...


def spread(*orders: str): ...


@pytest.mark.parametrize("function", [untyped, spread])
def test_arguments_without_a_type_or_a_name_are_refused(function):
    with pytest.raises(ConfigInvalid):
        tool(**GOOD)(function)


MODULE = """
print("modules may print")
from holdfast.tools import *

@tool(what="looks one order up in the books.", when="before anything is done with it.",
      side_effects="none.", effect=Effect.READ, risk=RiskLevel.LOW, risk_reason="reads")
def look(order: str) -> dict:
    return {}
"""


def test_the_server_learns_of_tools_without_importing_them(tmp_path):
    (tmp_path / "mods.py").write_text(MODULE)
    text = """
version: 1
tool_modules: [mods]
agents: {clerk: {model: claude-haiku-4-5, tools: [look]}}
"""
    config = parse_config(text.encode(), tmp_path / "holdfast.yaml")
    assert config.tools["look"].effect is Effect.READ
    assert config.implementations["look"].python == "mods:look"
    assert "mods" not in sys.modules


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nothing_of_the_kind", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "SystemExit"),
        (MODULE.replace('"reads"', '""'), "needs a reason"),
        ("def (", "SyntaxError"),
    ],
)
def test_a_module_that_does_not_load_is_named_with_file_and_line(tmp_path, text, said):
    (tmp_path / "mods.py").write_text(text)
    with pytest.raises(ConfigInvalid) as refused:
        parse_config(b"version: 1\ntool_modules: [mods]\n", tmp_path / "holdfast.yaml")
    assert said in refused.value.message
    assert "holdfast.yaml:2:" in refused.value.message


def test_a_description_is_json_whatever_the_module_prints(tmp_path):
    (tmp_path / "mods.py").write_text(MODULE)
    done = subprocess.run(
        [sys.executable, "-m", "holdfast.tools.describe", str(tmp_path), "mods"],
        capture_output=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert [one["target"] for one in found["tools"]] == ["mods:look"]
    assert b"modules may print" in done.stderr


def test_what_is_not_there_is_a_fault_and_no_exception():
    assert described(["nothing_of_the_kind"]).fault.startswith("`nothing_of_the_kind` cannot")
    assert described([]) == Description()


def test_a_keyed_tool_that_is_told_no_key_is_not_registered():
    def pay(order: str) -> None:
        """Takes no context."""

    with pytest.raises(ConfigInvalid, match="takes a ToolContext"):
        tool(**GOOD)(pay)
    tool(**{**GOOD, "idempotency": Idempotency.IDEMPOTENT})(pay)
