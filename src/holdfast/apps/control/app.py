"""The control API as one ASGI app. Docs pages are left out: they load scripts from elsewhere."""

from typing import Any

import msgspec
from fastapi import Depends, FastAPI, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPBearer

from holdfast.apps.control import errors
from holdfast.apps.control.acts import classified
from holdfast.apps.control.audit.routes import router as audit
from holdfast.apps.control.auth import Gate
from holdfast.apps.control.budgets.routes import router as budgets
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.files.routes import router as files
from holdfast.apps.control.gc.routes import router as gc
from holdfast.apps.control.health.routes import router as health
from holdfast.apps.control.operators.routes import router as operators
from holdfast.apps.control.policy.routes import router as policy
from holdfast.apps.control.runs.routes import router as runs
from holdfast.apps.control.sessions.routes import router as sessions
from holdfast.apps.control.showing import schemas_of
from holdfast.apps.control.upstreams.routes import router as upstreams

_BEHIND_A_TOKEN = (sessions, runs, budgets, audit, policy, upstreams, operators, gc, files)
ROUTERS = (health, *_BEHIND_A_TOKEN)
# Declared for the document only; `auth.Gate` is what checks.
_TOKEN = [
    Security(HTTPBearer(auto_error=False, description="the admin's or an operator's token")),
    Security(APIKeyHeader(name="x-api-key", auto_error=False)),
]


class ControlApp(FastAPI):
    """FastAPI, whose document says what the answers are: faults of validation are 400 here.

    Anybody may read it, so it is spelt once.
    """

    def setup(self) -> None:
        """Routes of our own beside those that are included."""
        spelt: list[bytes] = []

        async def document(_: Request) -> Response:
            if not spelt:
                spelt.append(msgspec.json.encode(self.openapi()))
            return Response(spelt[0], media_type="application/json")

        self.add_route("/openapi.json", document, include_in_schema=False)

    def openapi(self) -> dict[str, Any]:
        """The document of `/openapi.json`."""
        if self.openapi_schema is None:
            document = super().openapi()
            for path in document.get("paths", {}).values():
                for verb in path.values():
                    verb.get("responses", {}).pop("422", None)
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            schemas.update(schemas_of(route for router in ROUTERS for route in router.routes))
        return self.openapi_schema or {}


def create_control_app(deps: ControlDeps) -> ControlApp:
    """The app over its parts; nothing is started and nothing is sent."""
    app = ControlApp(
        title="Holdfast control API",
        version=deps.version,
        docs_url=None,
        openapi_url=None,
        redoc_url=None,
        redirect_slashes=False,
        servers=[{"url": deps.base_url}],
        generate_unique_id_function=_operation,
    )
    app.state.deps = deps
    app.add_middleware(Gate)
    errors.install(app)
    app.include_router(health)
    for router in _BEHIND_A_TOKEN:
        app.include_router(router, dependencies=[*_TOKEN, Depends(classified)])
    return app


def _operation(route: APIRoute) -> str:
    return route.name
