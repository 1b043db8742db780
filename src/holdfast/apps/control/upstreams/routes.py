"""`GET /v1/upstreams`: which keys are in use, and which are left alone."""

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.operations import Operations
from holdfast.model.views.server import UpstreamKey, UpstreamList, UpstreamStatus
from holdfast.runtime.doors import Door
from holdfast.runtime.providers import Provider

operations = Operations("/v1/upstreams", "upstreams")


@operations.get("")
async def list_upstreams(deps: ControlDeps) -> UpstreamList:
    """Every upstream with the state of its breakers."""
    known = deps.house.calls.providers
    return UpstreamList(tuple(_upstream(deps, *one) for one in known.items()))


def _upstream(deps: ControlDeps, name: str, provider: Provider) -> UpstreamStatus:
    now_ns = deps.house.clock.now_ns()
    settings = deps.config.upstreams.get(name)
    return UpstreamStatus(
        upstream=name,
        vendor=str(settings.vendor) if settings is not None else "",
        keys=tuple(_key(door, now_ns) for door in provider.doors),
        fallbacks=tuple(f"{f.upstream}/{f.model}".rstrip("/") for f in provider.fallbacks),
    )


def _key(door: Door, now_ns: int) -> UpstreamKey:
    return UpstreamKey(
        key=door.name,
        state=door.state,
        failures=door.failures,
        retry_in_s=round(door.wait_ns(now_ns) / 1e9, 3),
    )
