"""The operators' API as one ASGI app: its operations, each at its path, behind one gate.

`/openapi.json` is its document, `/docs` the same for people. Not here: the doors of agents and
workers (`guard`, `work`).
"""

from collections.abc import Sequence

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.apps.control import beside, errors, openapi
from holdfast.apps.control.acts import classified
from holdfast.apps.control.alerts.routes import operations as alerts
from holdfast.apps.control.answering import shown
from holdfast.apps.control.approvals.routes import operations as approvals
from holdfast.apps.control.audit.routes import operations as audit
from holdfast.apps.control.auth import Gate
from holdfast.apps.control.budgets.routes import operations as budgets
from holdfast.apps.control.clock.routes import operations as clock
from holdfast.apps.control.conversations import routes as conversations
from holdfast.apps.control.costs.routes import operations as costs
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.files.routes import operations as files
from holdfast.apps.control.fleet.routes import operations as fleet
from holdfast.apps.control.gc.routes import operations as gc
from holdfast.apps.control.guard import delegation
from holdfast.apps.control.guard import routes as guard
from holdfast.apps.control.guard import runs as guarded_runs
from holdfast.apps.control.health.routes import operations as health
from holdfast.apps.control.keys.routes import operations as keys
from holdfast.apps.control.openapi import Described, Token
from holdfast.apps.control.operations import Operation, arguments
from holdfast.apps.control.operators.routes import operations as operators
from holdfast.apps.control.page import CONTENT_SECURITY, page_of
from holdfast.apps.control.policy.routes import operations as policy
from holdfast.apps.control.reach import held_within
from holdfast.apps.control.reading import whole_body
from holdfast.apps.control.runs.routes import operations as runs
from holdfast.apps.control.sessions.routes import operations as sessions
from holdfast.apps.control.sign_ins.identity import operations as identities
from holdfast.apps.control.sign_ins.routes import operations as sign_ins
from holdfast.apps.control.stops.routes import operations as stops
from holdfast.apps.control.upstreams.routes import operations as upstreams
from holdfast.apps.control.work import routes as work

MAX_BODY_BYTES = 1024 * 1024
MAX_STRANGERS_BYTES = 16 * 1024
DOCUMENT = "/openapi.json"
PAGE = "/docs"

ALL: tuple[Operation, ...] = tuple(
    one
    for noun in (
        health,
        sessions,
        stops,
        fleet,
        runs,
        approvals,
        budgets,
        costs,
        audit,
        policy,
        upstreams,
        alerts,
        operators,
        keys,
        sign_ins,
        identities,
        gc,
        clock,
        files,
    )
    for one in noun.all
)


DOORS: tuple[Described, ...] = (
    *guard.VERBS,
    *delegation.VERBS,
    *guarded_runs.VERBS,
    *conversations.VERBS,
    *work.VERBS,
    *beside.VERBS,
)
"""What agents and workers ask, at doors of their own: here only to be told of."""


def create_control_app(deps: ControlDeps) -> Starlette:
    """The app over its parts; nothing is started and nothing is sent."""
    by_path: dict[str, dict[str, Operation]] = {}
    for one in ALL:
        by_path.setdefault(one.path, {})[one.method] = one
    routes = [_route(path, methods) for path, methods in by_path.items()]
    app = Starlette(routes=[*routes, *_told([*ALL, *DOORS])], middleware=[Middleware(Gate)])
    app.router.redirect_slashes = False
    app.state.deps = deps
    errors.install(app)
    return app


def _route(path: str, operations: dict[str, Operation]) -> Route:
    async def serve(request: Request) -> Response:
        return await _done(operations[request.method], request)

    route = Route(path, serve, methods=sorted(operations))
    # In this order `Allow` names them, and no verb that nobody wrote.
    route.methods = dict.fromkeys(sorted(operations))  # type: ignore[assignment]
    return route


async def _done(one: Operation, request: Request) -> Response:
    """One request, answered. Errors: HoldfastError of any kind."""
    deps: ControlDeps = request.app.state.deps
    known = one.token is Token.OPERATOR
    by: str = request.state.operator if known else ""
    try:
        # All requests share the room that there is for bodies: of a stranger little is kept, and
        # nothing where nothing is asked for.
        of_strangers = MAX_STRANGERS_BYTES if one.body is not None else 0
        body = await whole_body(request, MAX_BODY_BYTES if known else of_strangers)
    except ClientDisconnect:
        return Response(status_code=400, headers=errors.UNSTORED)
    if known:
        await classified(one.name, deps, by)
    given = arguments(one, request, body, deps, by)
    return shown(await one.does(**(await held_within(one.name, given, deps, by))))


def _told(described: Sequence[Described]) -> list[Route]:
    """The document, for programs and for people. Anybody may read it, so it is spelt once."""
    spelt: dict[str, bytes] = {}

    def once(request: Request) -> dict[str, bytes]:
        if not spelt:
            deps: ControlDeps = request.app.state.deps
            document = openapi.document(
                described, title="Holdfast control API", version=deps.version, url=deps.base_url
            )
            spelt[DOCUMENT] = msgspec.json.encode(document)
            spelt[PAGE] = page_of(document).encode()
        return spelt

    async def document(request: Request) -> Response:
        told = once(request)[DOCUMENT]
        return Response(told, media_type="application/json", headers=errors.UNSTORED)

    async def page(request: Request) -> Response:
        headers = errors.UNSTORED | {"content-security-policy": CONTENT_SECURITY}
        return Response(once(request)[PAGE], media_type="text/html", headers=headers)

    return [Route(DOCUMENT, document), Route(PAGE, page)]
