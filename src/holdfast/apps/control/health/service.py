"""Whether the server and its policy process answer."""

from typing import Literal

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.health.schemas import Health
from holdfast.errors import PolicyUnavailable


async def health(deps: ControlDeps) -> Health:
    """Never refuses: that the policy process or the store is down is part of the answer."""
    policy: Literal["ok", "unavailable"] = "ok"
    try:
        await deps.policy.version()
    except PolicyUnavailable:
        policy = "unavailable"
    store: Literal["ok", "failed"] = "failed" if deps.store.failure else "ok"
    whole = policy == "ok" and store == "ok"
    return Health(
        status="ok" if whole else "degraded", version=deps.version, policy=policy, store=store
    )
