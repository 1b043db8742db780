"""`/v1/records`, `/v1/audit/ask`, `/v1/audit/server`: the journal, filtered or asked."""

from typing import Annotated

from fastapi import Query

from holdfast.apps.control.audit import asking, service
from holdfast.apps.control.audit.schemas import AskJournal, WhichOfServer, WhichRecords
from holdfast.apps.control.deps import Deps
from holdfast.apps.control.showing import Routes
from holdfast.apps.control.wire import refusals
from holdfast.model.views.audit import AuditAnswer, RecordList, ServerRecords

router = Routes(tags=["journal"], responses=refusals())


@router.get("/v1/records")
async def list_records(which: Annotated[WhichRecords, Query()], deps: Deps) -> RecordList:
    """Journal records of one tenant, in order."""
    return RecordList(*await service.records(deps, which))


@router.get("/v1/audit/ask")
async def ask_audit(question: Annotated[AskJournal, Query()], deps: Deps) -> AuditAnswer:
    """What was done for a user at a time that a person would say."""
    return await asking.ask(deps, question)


@router.get("/v1/audit/server")
async def list_server_records(
    which: Annotated[WhichOfServer, Query()], deps: Deps
) -> ServerRecords:
    """What the server did itself, of no tenant: starts, clock, upstreams, operators, retention."""
    return await asking.of_server(deps, which)
