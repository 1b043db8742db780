"""Whatever a server lists, the lint answers with findings."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.tool_standard import compared, judged_definition
from holdfast.core.tool_wording import hidden_characters
from holdfast.model.risk import RiskLevel
from holdfast.model.tool_standard import RULES, Definition, ToolStandard
from holdfast.model.tools import Contract, Effect

WORDS = st.sampled_from(
    [
        "type",
        "properties",
        "items",
        "required",
        "enum",
        "const",
        "$ref",
        "anyOf",
        "allOf",
        "additionalProperties",
        "maxLength",
        "minimum",
        "maximum",
        "format",
        "pattern",
        "description",
        "$defs",
        "a",
        "b",
        "string",
        "object",
        "array",
        "integer",
        "#/$defs/a",
        "#/properties/a",
        "#",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text()
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(), inner, max_size=5)
    ),
    max_leaves=25,
)
SCHEMAS = st.dictionaries(WORDS, JSON, max_size=6)
CONTRACT = Contract(
    name="mcp__s__t", description="", effect=Effect.READ, risk=RiskLevel.LOW, risk_reason="r",
    input_schema={"type": "object"},
)  # fmt: skip


@given(ours=SCHEMAS, theirs=SCHEMAS, output=st.none() | SCHEMAS, text=st.text(), hints=SCHEMAS)
def test_any_definition_is_judged_and_compared(ours, theirs, output, text, hints):
    listed = Definition(
        name="t", description=text, input_schema=theirs, output_schema=output, annotations=hints
    )
    contract = msgspec.structs.replace(CONTRACT, input_schema=ours)
    standard = ToolStandard()
    found = judged_definition("mcp__s__t", listed, standard)
    found += compared("mcp__s__t", contract, listed, standard)
    assert {one.rule for one in found} <= set(RULES)
    assert all(one.text and one.fix for one in found)


@given(schema=SCHEMAS)
def test_a_schema_does_not_differ_from_itself(schema):
    listed = Definition(name="t", input_schema=schema)
    contract = msgspec.structs.replace(CONTRACT, input_schema=schema)
    found = compared("mcp__s__t", contract, listed, ToolStandard())
    assert "schema_differs" not in {one.rule for one in found}


@given(text=st.text(alphabet=st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"])))
def test_no_ascii_that_shows_is_called_hidden(text):
    assert hidden_characters(text) == ()
