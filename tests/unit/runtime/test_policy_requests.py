"""What policy is asked about a call: all that is known of it, and the worst of what is not."""

from types import SimpleNamespace
from typing import Any, cast

from holdfast.core.risk.registry import Risk
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Contract, Effect
from holdfast.runtime.live import LiveSession
from holdfast.runtime.policy_requests import policy_request

WHO = {
    "tenant": "acme", "project": "support", "user": "ann", "agent": "desk", "session": "ses_1",
    "roles": ("support",), "trust": "supervised", "task": "task_1",
}  # fmt: skip
SESSION = {"task_attributes": {"order": "ORD-1"}, "tenant_attributes": {"plan": "gold"}}
ASKER = cast(
    "LiveSession",
    SimpleNamespace(who=SimpleNamespace(**WHO), session=SimpleNamespace(**SESSION)),
)
REFUND = Contract(
    name="refund",
    description="pays back",
    effect=Effect.WRITE,
    risk=RiskLevel.MEDIUM,
    risk_reason="moves money",
    input_schema={"type": "object"},
    tags={"domain": "money"},
)


def asked(**given: Any):
    return policy_request(ASKER, "refund", {"cents": 5}, tainted=True, at_ns=7, **given)


def test_policy_is_asked_as_the_session_with_all_that_is_known_of_the_call():
    risk = Risk(RiskLevel.LOW, ())
    request = asked(contract=REFUND, resource="order:ORD-1", risk=risk)
    seen = {name: getattr(request, name) for name in WHO if name != "task"}
    assert seen == {name: value for name, value in WHO.items() if name != "task"}
    assert (request.task_id, request.task) == ("task_1", {"order": "ORD-1"})
    assert request.tenant_attributes == {"plan": "gold"}
    assert (request.action, request.input, request.at_ns) == ("refund", {"cents": 5}, 7)
    assert (request.resource, request.resource_tags) == ("order:ORD-1", {"domain": "money"})
    assert (request.risk, request.effect, request.tainted) == ("LOW", Effect.WRITE, True)


def test_what_is_not_known_of_a_tool_is_taken_at_its_worst():
    request = asked()
    assert (request.resource, request.resource_tags) == ("tool:refund", {})
    assert (request.risk, request.effect) == ("HIGH", Effect.COMMIT)
