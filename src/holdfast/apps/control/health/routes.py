"""`GET /healthz`: the one answer that needs no token."""

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.health import service
from holdfast.apps.control.operations import Operations
from holdfast.model.views.server import Health

operations = Operations("", "health")


@operations.get("/healthz", 413)
async def healthz(deps: ControlDeps) -> Health:
    """Whether the server answers, and its policy process with it."""
    return await service.health(deps)
