"""Contracts hold for any values: no crash, no leak, no widening of a resource."""

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.contracts import ContractBook, resource_of
from holdfast.model.findings import Violation
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Contract, Effect

CONTRACT = Contract(
    name="t",
    description="",
    effect=Effect.READ,
    risk=RiskLevel.LOW,
    risk_reason="",
    input_schema={
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}, "c": {"type": "integer"}},
        "required": ["a", "b"],
    },
    resource="x:{a}/{b}",
)
BOOK = ContractBook([CONTRACT])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(anything)
def test_any_arguments_get_an_answer_and_only_fitting_ones_pass(arguments):
    found = BOOK.check_input("t", arguments)
    if found == ():
        assert set(arguments) <= {"a", "b", "c"}
        assert isinstance(arguments["a"], str)
        assert isinstance(resource_of(CONTRACT, arguments), str)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=12, max_size=40), anything)
def test_no_message_repeats_a_value(secret, other):
    for value in ({"a": 1, "b": secret, "c": secret}, {"a": "x", "b": [secret, other]}):
        assert secret not in " ".join(violation.text for violation in BOOK.check_input("t", value))


words = st.text(min_size=1, max_size=20) | st.integers() | st.booleans()


@given(words, words, words, words)
def test_different_arguments_name_different_resources(a, b, c, d):
    one = resource_of(CONTRACT, {"a": a, "b": b})
    two = resource_of(CONTRACT, {"a": c, "b": d})
    if isinstance(one, Violation) or isinstance(two, Violation):
        return
    spelt = [(str(x).lower() if isinstance(x, bool) else str(x)) for x in (a, b, c, d)]
    assert (one == two) == (spelt[:2] == spelt[2:])
    assert one.startswith("x:")
    assert one.count("/") == 1
    assert not set(one) & set("*{}?# ")
