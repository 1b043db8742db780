"""What policy is asked about one call of one session, at the guard or at the gateway."""

from typing import Any

from holdfast.core.risk.registry import Risk
from holdfast.model.decisions import PolicyRequest
from holdfast.model.tools import Contract, Effect
from holdfast.runtime.live import LiveSession


def policy_request(
    asker: LiveSession,
    tool: str,
    arguments: dict[str, Any],
    *,
    tainted: bool,
    at_ns: int,
    contract: Contract | None = None,
    resource: str = "",
    risk: Risk | None = None,
) -> PolicyRequest:
    """The call as `asker` would make it: the session itself, or one above it.

    What is not known of a tool is assumed at its worst: high risk, and an effect that commits.
    """
    session, who = asker.session, asker.who
    return PolicyRequest(
        tenant=who.tenant,
        project=who.project,
        user=who.user,
        agent=who.agent,
        session=who.session,
        roles=who.roles,
        trust=who.trust,
        action=tool,
        resource=resource or f"tool:{tool}",
        input=arguments,
        task_id=who.task,
        task=session.task_attributes,
        tenant_attributes=session.tenant_attributes,
        resource_tags=contract.tags if contract else {},
        risk=risk.level.name if risk else "HIGH",
        effect=contract.effect if contract else Effect.COMMIT,
        tainted=tainted,
        at_ns=at_ns,
    )
