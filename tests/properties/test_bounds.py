"""A permit that `policy check` takes for bounded leaves something out, whoever asks and whatever else holds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.backends.cedar.bundle import assemble
from holdfast.backends.cedar.evaluation import decide
from holdfast.backends.cedar.inputs import PolicyInputs
from holdfast.backends.cedar.sources import Source
from holdfast.model.decisions import PolicyRequest, Verdict
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Contract, Effect

PAY = Contract(
    name="pay", description="d", effect=Effect.COMMIT, risk=RiskLevel.LOW, risk_reason="r",
    input_schema={
        "type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"],
    },
    resource="arn:desk:order/{order}",
)  # fmt: skip
INPUTS = PolicyInputs(version=1, contracts=(PAY,))
ORDERS = ("A", "A1", "B", "-eu", "A-eu", "nobody-thought-of-this", "~", "9")
ASKERS = ("desk", "A", "B")
ATOMS = st.sampled_from([
    "true", "false", "context.tainted", 'principal.agent == "desk"', 'principal.agent != "desk"',
    'resource.arn == "arn:desk:order/A"', 'resource.arn != "arn:desk:order/A"',
    'resource == Resource::"arn:desk:order/B"', 'resource.arn like "arn:desk:order/A*"',
    'resource.arn like "arn:desk:order/*"', 'resource.arn like "*-eu"', 'resource.arn like "*e*"',
    'context.input.order == "A"', "context.input.order == context.input.order",
    "context.input.order == principal.agent", "resource.arn == resource.arn",
    '["A", "B"].contains(context.input.order)', "[principal.agent].contains(context.input.order)",
    '[context.input.order].contains("A")', 'context.tool == "pay"', 'context.effect == "commit"',
    'context.effect != "read"', 'context.tool != "pay"',
])  # fmt: skip


def combined(inner):
    both = st.tuples(inner, inner)
    return st.one_of(
        inner.map(lambda one: f"!({one})"),
        both.map(lambda two: f"({two[0]}) && ({two[1]})"),
        both.map(lambda two: f"({two[0]}) || ({two[1]})"),
        st.tuples(inner, inner, inner).map(
            lambda three: f"(if {three[0]} then {three[1]} else {three[2]})"
        ),
    )


CONDITIONS = st.lists(
    st.tuples(st.sampled_from(["when", "unless"]), st.recursive(ATOMS, combined, max_leaves=6)),
    min_size=1,
    max_size=2,
)


def asked(agent: str, order: str, *, tainted: bool) -> PolicyRequest:
    return PolicyRequest(
        tenant="t", project="p", user="u", agent=agent, session="s", roles=(), trust="autonomous",
        action="pay", resource=f"arn:desk:order/{order.replace('~', '%7E')}", input={"order": order},
        task_id="k", task={}, tenant_attributes={}, resource_tags={}, risk="LOW",
        effect=Effect.COMMIT, tainted=tainted, at_ns=0,
    )  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(CONDITIONS)
def test_what_counts_as_bounded_leaves_some_order_out(conditions):
    said = " ".join(f"{kind} {{ {body} }}" for kind, body in conditions)
    text = f'@id("one") permit (principal, action == Action::"pay", resource) {said};'
    found = assemble(INPUTS, (Source("a.cedar", text.encode()),))
    if found.bundle is None:
        assert {one.code for one in found.findings} <= {
            "unbounded_resource",
            "wildcard_resource",
            "type",
        }
        return
    for agent in ASKERS:
        for tainted in (False, True):
            verdicts = {
                decide(found.bundle, asked(agent, order, tainted=tainted)).verdict
                for order in ORDERS
            }
            assert Verdict.DENY in verdicts, said
