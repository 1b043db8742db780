"""The console as one ASGI app: every page at its path, behind one guard.

Not here: where it is mounted and what its clients talk to (`apps/server`).
"""

import asyncio

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from holdfast.apps.console.approvals.views import ApprovalViews
from holdfast.apps.console.assets import static
from holdfast.apps.console.audit.views import AuditViews
from holdfast.apps.console.budgets.views import BudgetViews
from holdfast.apps.console.fleet.views import FleetViews
from holdfast.apps.console.guarding import Guarded
from holdfast.apps.console.health.views import HealthViews
from holdfast.apps.console.keys.views import KeyViews
from holdfast.apps.console.runs.views import RunViews
from holdfast.apps.console.sessions.views import SessionViews
from holdfast.apps.console.sign_in.views import SignInViews
from holdfast.apps.console.visits import Visits
from holdfast.client import Client
from holdfast.client.in_process import Application, InProcess


def create_console(
    control: Application, *, url: str, public_url: str, over: asyncio.Event
) -> Starlette:
    """The app over the operators' API, served at `url` and, where it is given, at `public_url`.

    `over` ends what streams to browsers.
    """
    way = InProcess(control)
    visits = Visits(lambda token: Client(url, token, way=way), url, public_url)
    routes = [
        Route("/", _home, methods=["GET"]),
        Route("/static/{digest}/{name}", static, methods=["GET"]),
        *SignInViews(visits).routes(),
        *FleetViews(visits, over).routes(),
        *SessionViews(visits, over).routes(),
        *ApprovalViews(visits, over).routes(),
        *BudgetViews(visits).routes(),
        *RunViews(visits).routes(),
        *AuditViews(visits).routes(),
        *KeyViews(visits).routes(),
        *HealthViews(visits).routes(),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guarded, urls=(url, public_url))],
        exception_handlers={Exception: _fault},
    )
    app.router.redirect_slashes = False
    return app


async def _home(_: Request) -> Response:
    return RedirectResponse("/console/fleet", 303)


async def _fault(_: Request, __: Exception) -> Response:
    return PlainTextResponse("a fault inside the server; its log says more\n", 500)
