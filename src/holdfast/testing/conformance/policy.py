"""What every Policy must do, as a suite that a backend's tests inherit.

    class TestMyPolicy(PolicyConformance):
        async def open_policy(self) -> Policy: ...
        async def without_engine(self) -> Policy: ...

`open_policy` answers by the rules below, given as Cedar, as Python and with their contracts;
`without_engine` is one whose engine cannot be reached. Not here: what only one engine has (near
misses, reloading, files).
"""

import abc
import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from holdfast.errors import PolicyUnavailable
from holdfast.model.decisions import PolicyAnswer, PolicyRequest, Verdict
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Contract, Effect
from holdfast.ports.policy import Policy
from holdfast.testing.memory_policy import MemoryRule, forbid, permit

SUITE_CEDAR = """
@id("refund-small")
permit (principal in Role::"support", action == Action::"refund", resource)
when {
  context.task has max_refund && context.input.amount <= context.task.max_refund &&
  context.task has currency && context.input.currency == context.task.currency
};

@id("lookup-any")
permit (principal, action == Action::"lookup", resource);

@id("admin-all")
permit (principal in Role::"admin", action, resource);

@id("tainted-commit")
forbid (principal, action in [Action::"effect:commit", Action::"effect:destroy"], resource)
when { context.tainted };

@id("large-asks") @ask("more than 100")
forbid (principal, action == Action::"refund", resource)
when { context.input.amount > 100 };
"""

SUITE_TASK_ATTRIBUTES = {"max_refund": "long", "currency": "string"}


def _contract(name: str, effect: Effect, properties: dict[str, Any]) -> Contract:
    return Contract(
        name=name,
        description=f"{name} of the suite",
        effect=effect,
        risk=RiskLevel.LOW,
        risk_reason="part of a test",
        input_schema={
            "type": "object",
            "properties": properties,
            "required": list(properties),
        },
    )


SUITE_CONTRACTS = (
    _contract(
        "refund", Effect.COMMIT, {"amount": {"type": "integer"}, "currency": {"type": "string"}}
    ),
    _contract("lookup", Effect.READ, {"order": {"type": "string"}}),
    _contract("drop", Effect.DESTROY, {}),
)


def _may_refund(request: PolicyRequest) -> bool:
    task, given = request.task, request.input
    return (
        request.action == "refund"
        and "support" in request.roles
        and "max_refund" in task
        and given["amount"] <= task["max_refund"]
        and "currency" in task
        and given["currency"] == task["currency"]
    )


SUITE_RULES: tuple[MemoryRule, ...] = (
    permit("refund-small", _may_refund),
    permit("lookup-any", lambda r: r.action == "lookup"),
    permit("admin-all", lambda r: "admin" in r.roles),
    forbid("tainted-commit", lambda r: r.effect in ("commit", "destroy") and r.tainted),
    forbid(
        "large-asks",
        lambda r: r.action == "refund" and r.input["amount"] > 100,
        ask="more than 100",
    ),
)


def a_request(**fields: Any) -> PolicyRequest:
    """A refund of 20 EUR by a supporter whose task allows 50 EUR, changed by `fields`."""
    standing: dict[str, Any] = {
        "tenant": "acme",
        "project": "desk",
        "user": "ann",
        "agent": "bot",
        "session": "ses_1",
        "roles": ("support",),
        "trust": "semi_autonomous",
        "action": "refund",
        "resource": "arn:shop:order/7",
        "input": {"amount": 20, "currency": "EUR"},
        "task_id": "tsk_1",
        "task": {"max_refund": 50, "currency": "EUR"},
        "tenant_attributes": {},
        "resource_tags": {},
        "risk": "LOW",
        "effect": "commit",
        "tainted": False,
        "at_ns": 1,
    }
    return PolicyRequest(**standing | fields)


class PolicyConformance(abc.ABC):
    """The suite; each test opens a policy of its own."""

    @abc.abstractmethod
    async def open_policy(self) -> Policy:
        """A policy in force over the suite's rules."""

    @abc.abstractmethod
    async def without_engine(self) -> Policy:
        """A policy whose engine cannot be reached."""

    def run(self, body: Callable[[Policy], Awaitable[None]]) -> None:
        """Run `body` on a policy of its own."""

        async def whole() -> None:
            policy = await self.open_policy()
            try:
                await body(policy)
            finally:
                await policy.close()

        asyncio.run(whole())

    def answer(self, **fields: Any) -> PolicyAnswer:
        """The answer to one changed request."""
        answers: list[PolicyAnswer] = []

        async def ask(policy: Policy) -> None:
            answers.append(await policy.decide(a_request(**fields)))

        self.run(ask)
        return answers[0]

    def test_what_a_rule_permits_is_allowed_and_the_rule_is_named(self) -> None:
        """Allow."""
        answer = self.answer()
        assert answer.verdict is Verdict.ALLOW
        assert answer.rules == ("refund-small",)
        assert not answer.errors

    def test_what_no_rule_permits_is_denied_and_no_rule_is_named(self) -> None:
        """Default deny."""
        refused: tuple[dict[str, Any], ...] = (
            {"roles": ()},
            {"input": {"amount": 51, "currency": "EUR"}},
            {"input": {"amount": 20, "currency": "USD"}},
            {"task": {}},
        )
        for fields in refused:
            answer = self.answer(**fields)
            assert answer.verdict is Verdict.DENY, fields
            assert answer.rules == (), fields
            assert answer.text, fields

    def test_a_forbid_wins_over_every_permit(self) -> None:
        """Deny over allow."""
        answer = self.answer(roles=("support", "admin"), tainted=True)
        assert answer.verdict is Verdict.DENY
        assert answer.rules == ("tainted-commit",)

    def test_what_a_person_may_lift_is_asked_when_it_is_permitted_otherwise(self) -> None:
        """Ask."""
        answer = self.answer(
            input={"amount": 120, "currency": "EUR"}, task={"max_refund": 200, "currency": "EUR"}
        )
        assert answer.verdict is Verdict.ASK
        assert answer.rules == ("large-asks",)
        assert "more than 100" in answer.text

    def test_approval_is_not_asked_for_what_no_rule_permits(self) -> None:
        """An asking forbid alone grants nothing."""
        answer = self.answer(input={"amount": 120, "currency": "EUR"})
        assert answer.verdict is Verdict.DENY

    def test_approval_cannot_lift_a_firm_forbid(self) -> None:
        """Deny over ask."""
        answer = self.answer(
            input={"amount": 120, "currency": "EUR"}, roles=("admin",), tainted=True
        )
        assert answer.verdict is Verdict.DENY
        assert answer.rules == ("tainted-commit",)

    def test_arguments_that_do_not_fit_are_denied_with_errors(self) -> None:
        """Closed on errors, even for someone who may do everything."""
        for given in ({"currency": "EUR"}, {"amount": "20", "currency": "EUR"}, {}):
            answer = self.answer(roles=("admin",), input=given)
            assert answer.verdict is Verdict.DENY, given
            assert answer.errors, given

    def test_a_tool_that_nobody_declared_is_denied_to_whom_nothing_is_permitted(self) -> None:
        """Unknown tools get nothing by themselves."""
        assert self.answer(action="refunds").verdict is Verdict.DENY

    def test_every_answer_names_the_version_that_gave_it(self) -> None:
        """Provenance."""

        async def same(policy: Policy) -> None:
            version = await policy.version()
            assert version.startswith("sha256:")
            changes: tuple[dict[str, Any], ...] = (
                {},
                {"roles": ()},
                {"tainted": True},
                {"input": {}},
            )
            for fields in changes:
                answer = await policy.decide(a_request(**fields))
                assert answer.policy_version == version

        self.run(same)

    def test_many_questions_at_once_each_get_their_own_answer(self) -> None:
        """No mixing of replies."""

        async def many(policy: Policy) -> None:
            amounts = range(30, 70)
            answers = await asyncio.gather(
                *(
                    policy.decide(a_request(input={"amount": amount, "currency": "EUR"}))
                    for amount in amounts
                )
            )
            for amount, answer in zip(amounts, answers, strict=True):
                expected = Verdict.ALLOW if amount <= 50 else Verdict.DENY
                assert answer.verdict is expected, amount

        self.run(many)

    def test_without_its_engine_every_question_is_unavailable(self) -> None:
        """Fail closed, and say so."""

        async def asks() -> None:
            policy = await self.without_engine()
            for ask in (lambda: policy.decide(a_request()), policy.version):
                try:
                    await ask()
                except PolicyUnavailable:
                    continue
                raise AssertionError("a policy without its engine answered")
            await policy.close()

        asyncio.run(asks())

    def test_closing_twice_is_harmless(self) -> None:
        """Idempotent close."""

        async def close(policy: Policy) -> None:
            await policy.close()
            await policy.close()

        self.run(close)
