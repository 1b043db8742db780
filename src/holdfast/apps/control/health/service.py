"""Whether the server and its policy process answer."""

from holdfast.apps.control.deps import ControlDeps
from holdfast.errors import PolicyUnavailable
from holdfast.model.views.server import Health


async def health(deps: ControlDeps) -> Health:
    """Never refuses: that the policy process or the store is down is part of the answer."""
    policy = "ok"
    try:
        await deps.policy.version()
    except PolicyUnavailable:
        policy = "unavailable"
    store = "failed" if deps.house.store.failure else "ok"
    relays = deps.relays() if deps.relays is not None else None
    served = relays is None or relays.here >= relays.wanted
    return Health(
        status="ok" if served and policy == "ok" and store == "ok" else "degraded",
        version=deps.version,
        policy=policy,
        store=store,
        gateway="" if relays is None else f"{relays.here} of {relays.wanted}",
    )
