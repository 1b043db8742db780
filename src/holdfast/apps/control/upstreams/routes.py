"""`GET /v1/upstreams`: which keys are in use, and which are left alone."""

from fastapi import APIRouter

from holdfast.apps.control.deps import ControlDeps, Deps
from holdfast.apps.control.upstreams.schemas import KeyView, UpstreamList, UpstreamView
from holdfast.apps.control.wire import refusals
from holdfast.runtime.doors import Door
from holdfast.runtime.providers import Provider

router = APIRouter(prefix="/v1/upstreams", tags=["upstreams"], responses=refusals())


@router.get("")
async def list_upstreams(deps: Deps) -> UpstreamList:
    """Every upstream with the state of its breakers."""
    shown = [_upstream(deps, name, provider) for name, provider in deps.upstreams.items()]
    return UpstreamList(upstreams=shown)


def _upstream(deps: ControlDeps, name: str, provider: Provider) -> UpstreamView:
    now_ns = deps.clock.now_ns()
    settings = deps.config.upstreams.get(name)
    return UpstreamView(
        upstream=name,
        vendor=str(settings.vendor) if settings is not None else "",
        keys=[_key(door, now_ns) for door in provider.doors],
        fallbacks=[f"{f.upstream}/{f.model}".rstrip("/") for f in provider.fallbacks],
    )


def _key(door: Door, now_ns: int) -> KeyView:
    return KeyView(
        key=door.name,
        state=door.state,
        failures=door.failures,
        retry_in_s=round(door.wait_ns(now_ns) / 1e9, 3),
    )
