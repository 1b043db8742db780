"""`/v1/records`, `/v1/audit/ask`, `/v1/audit/server`: the journal, filtered or asked."""

from holdfast.apps.control.audit import asking, service
from holdfast.apps.control.audit.schemas import AskJournal, WhichOfServer, WhichRecords
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.operations import Operations
from holdfast.model.views.audit import AuditAnswer, RecordList

operations = Operations("", "journal")


@operations.get("/v1/records")
async def list_records(which: WhichRecords, deps: ControlDeps) -> RecordList:
    """Journal records of one tenant, in order."""
    found, then = await service.records(deps, which)
    return RecordList(found, then, asking.sentences(found) if which.told else ())


@operations.get("/v1/audit/ask")
async def ask_audit(question: AskJournal, deps: ControlDeps) -> AuditAnswer:
    """What was done for a user at a time that a person would say."""
    return await asking.ask(deps, question)


@operations.get("/v1/audit/server")
async def list_server_records(which: WhichOfServer, deps: ControlDeps) -> RecordList:
    """What the server did itself, of no tenant: starts, clock, upstreams, operators, retention."""
    return await asking.of_server(deps, which)
