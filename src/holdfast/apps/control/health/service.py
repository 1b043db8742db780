"""Whether the server and its policy process answer."""

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.health.schemas import Health
from holdfast.errors import PolicyUnavailable


async def health(deps: ControlDeps) -> Health:
    """Never refuses: that the policy process is down is part of the answer."""
    try:
        await deps.policy.version()
    except PolicyUnavailable:
        return Health(status="ok", version=deps.version, policy="unavailable")
    return Health(status="ok", version=deps.version, policy="ok")
