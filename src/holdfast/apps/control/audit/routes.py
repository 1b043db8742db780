"""`/v1/records`, `/v1/audit/ask`, `/v1/audit/server`: the journal, filtered or asked."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import Response

from holdfast.apps.control.audit import asking, service
from holdfast.apps.control.audit.schemas import (
    Answer,
    Question,
    RecordList,
    ServerRecords,
    WhichOfServer,
    WhichRecords,
)
from holdfast.apps.control.deps import Deps
from holdfast.apps.control.wire import refusals

router = APIRouter(tags=["journal"], responses=refusals())


@router.get("/v1/records", response_model=RecordList)
async def list_records(which: Annotated[WhichRecords, Query()], deps: Deps) -> Response:
    """Journal records of one tenant, in order."""
    return _json({"records": await service.records(deps, which)})


@router.get("/v1/audit/ask", response_model=Answer)
async def ask_audit(question: Annotated[Question, Query()], deps: Deps) -> Response:
    """What was done for a user at a time that a person would say."""
    return _json(await asking.ask(deps, question))


@router.get("/v1/audit/server", response_model=ServerRecords)
async def list_server_records(which: Annotated[WhichOfServer, Query()], deps: Deps) -> Response:
    """What the server did itself, of no tenant: starts, clock, upstreams, operators, retention."""
    return _json(await asking.of_server(deps, which))


def _json(body: object) -> Response:
    # Records are frozen and checked already: a thousand of them need no second validation.
    return Response(msgspec.json.encode(body), media_type="application/json")
