"""`GET /healthz`: the one answer that needs no token."""

from holdfast.apps.control.deps import Deps
from holdfast.apps.control.health import service
from holdfast.apps.control.showing import Routes
from holdfast.apps.control.wire import refusals
from holdfast.model.views.server import Health

router = Routes(tags=["health"])


@router.get("/healthz", responses={413: refusals()[413]})
async def healthz(deps: Deps) -> Health:
    """Whether the server answers, and its policy process with it."""
    return await service.health(deps)
