"""`GET /healthz`: the one answer that needs no token."""

from fastapi import APIRouter

from holdfast.apps.control.deps import Deps
from holdfast.apps.control.health import service
from holdfast.apps.control.health.schemas import Health
from holdfast.apps.control.wire import refusals

router = APIRouter(tags=["health"])


@router.get("/healthz", responses={413: refusals()[413]})
async def healthz(deps: Deps) -> Health:
    """Whether the server answers, and its policy process with it."""
    return await service.health(deps)
