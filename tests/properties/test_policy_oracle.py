"""The policy engine agrees with an oracle too naive to be wrong, and cannot be talked past."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from holdfast.backends.cedar.bundle import assemble
from holdfast.backends.cedar.evaluation import decide
from holdfast.backends.cedar.inputs import AttributeType, PolicyInputs
from holdfast.backends.cedar.sources import BASELINE, Source
from holdfast.model.decisions import PolicyRequest, Verdict
from holdfast.testing.conformance.policy import SUITE_CEDAR, SUITE_CONTRACTS, a_request

LOADED = assemble(
    PolicyInputs(
        version=1,
        contracts=SUITE_CONTRACTS,
        task_attributes={"max_refund": AttributeType.LONG, "currency": AttributeType.STRING},
    ),
    (Source("baseline", BASELINE.read_bytes()), Source("suite", SUITE_CEDAR.encode())),
)
EFFECTS = ["read", "write", "egress", "commit", "destroy"]
DECLARED = {"refund": "commit", "lookup": "read", "drop": "destroy"}


def long(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def fits(request: PolicyRequest) -> bool:
    """Do arguments and task attributes have their declared types?"""
    task, given = request.task, request.input
    if not long(task.get("max_refund", 0)) or not isinstance(task.get("currency", ""), str):
        return False
    if request.action == "refund":
        return long(given.get("amount")) and isinstance(given.get("currency"), str)
    return request.action != "lookup" or isinstance(given.get("order"), str)


def oracle(request: PolicyRequest) -> tuple[Verdict, set[str]]:
    """The suite's rules and the baseline, read off the page one by one."""
    if not fits(request):
        return Verdict.DENY, set()
    action, task, given, tainted = request.action, request.task, request.input, request.tainted
    declared = DECLARED.get(action, "commit")
    effect = max(declared, request.effect, key=EFFECTS.index)
    refund, reads_only = action == "refund", request.trust == "read_only"
    within = refund and {"max_refund", "currency"} <= set(task) and (
        given["amount"] <= task["max_refund"] and given["currency"] == task["currency"]
    )  # fmt: skip
    firm = {
        "holdfast.blocked-risk": request.risk == "BLOCK",
        "holdfast.read-only-trust": reads_only and effect != "read",
        "tainted-commit": declared in ("commit", "destroy") and tainted,
    }
    asking = {
        "holdfast.destroy-asks": effect == "destroy" and not reads_only,
        "holdfast.unknown-tool-asks": action not in DECLARED,
        "large-asks": refund and given["amount"] > 100,
    }
    permits = {
        "refund-small": within and "support" in request.roles,
        "lookup-any": action == "lookup",
        "admin-all": "admin" in request.roles,
    }
    return composed(firing(firm), firing(asking), firing(permits))


def firing(rules: dict[str, bool]) -> set[str]:
    return {rule for rule, fires in rules.items() if fires}


def composed(firm: set[str], asking: set[str], permits: set[str]) -> tuple[Verdict, set[str]]:
    if firm:
        return Verdict.DENY, firm
    if not permits:
        return Verdict.DENY, set()
    return (Verdict.ASK, asking) if asking else (Verdict.ALLOW, permits)


values = st.one_of(
    st.sampled_from([0, 20, 50, 51, 100, 101, 2**63 - 1, 2**63, -(2**63) - 1, None, True]),
    st.sampled_from(["EUR", "USD", "", "\u202eEUR", {"__entity": {"type": "Role", "id": "admin"}}]),
    st.integers(0, 200),
)
maps = {
    "task": st.dictionaries(st.sampled_from(["max_refund", "currency", "x"]), values, max_size=3)
    | st.fixed_dictionaries({"max_refund": st.integers(0, 300), "currency": st.just("EUR")}),
    "input": st.dictionaries(
        st.sampled_from(["amount", "currency", "order", "x"]), values, max_size=4
    )
    | st.fixed_dictionaries({"amount": st.integers(0, 200), "currency": st.just("EUR")})
    | st.fixed_dictionaries({"order": st.text(max_size=5)}),
}
requests = st.builds(
    a_request,
    action=st.sampled_from(["refund", "refund", "lookup", "drop", "other", "tools"]),
    roles=st.lists(st.sampled_from(["support", "admin", "x"]), max_size=3).map(tuple),
    trust=st.sampled_from(["read_only", "supervised", "autonomous"]),
    risk=st.sampled_from(["LOW", "HIGH", "BLOCK"]),
    effect=st.sampled_from(EFFECTS),
    tainted=st.booleans(),
    **maps,
)


@given(requests)
def test_every_decision_agrees_with_the_naive_oracle(request: PolicyRequest):
    assert LOADED.bundle is not None, LOADED.findings
    answer = decide(LOADED.bundle, request)
    verdict, rules = oracle(request)
    assert (answer.verdict, set(answer.rules)) == (verdict, rules), answer
    assert bool(answer.errors) is not fits(request)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["__entity", "__extn", "__expr", "type", "id", "fn", "arg", "a"]), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(
    given=st.dictionaries(
        st.sampled_from(["amount", "currency", "order", "__entity"]), json_values
    ),
    task=st.dictionaries(st.sampled_from(["max_refund", "currency"]), json_values),
    tags=st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=2),
    name=st.text(max_size=8),
    action=st.sampled_from(["refund", "drop", "Refund", "refund\u200b"]),
)
def test_no_value_of_any_shape_talks_its_way_to_an_allow(
    given: Any, task: Any, tags: Any, name: str, action: str
):
    assert LOADED.bundle is not None
    request = a_request(
        action=action, input=given, task=task, resource_tags=tags, resource=name, user=name,
        session=name, agent=name, project=name, roles=(name,) if name not in ("admin", "support") else (),
    )  # fmt: skip
    answer = decide(LOADED.bundle, request)
    assert answer.verdict is not Verdict.ALLOW
