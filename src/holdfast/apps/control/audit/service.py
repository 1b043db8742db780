"""Reading the journal of one tenant."""

from holdfast.apps.control.audit.schemas import WhichRecords
from holdfast.apps.control.deps import ControlDeps
from holdfast.compose.config import Config
from holdfast.errors import InvalidRequest
from holdfast.model.events import Record
from holdfast.ports.store import RecordFilter


async def records(deps: ControlDeps, which: WhichRecords) -> list[Record]:
    """Records by rising `seq`.

    Errors: InvalidRequest where no tenant is named and there are several.
    """
    where = RecordFilter(
        tenant=tenant_of(deps.config, which.tenant),
        user=which.user,
        session=which.session,
        agent=which.agent,
        tool=which.tool,
        call_id=which.call_id,
        kinds=() if which.kind is None else (which.kind,),
        from_ns=which.from_ns,
        until_ns=which.until_ns,
        after_seq=which.after_seq,
        limit=which.limit,
    )
    return await deps.store.records(where)


def tenant_of(config: Config, named: str) -> str:
    """The tenant whose journal is read; one that the configuration dropped can still be read."""
    if named:
        return named
    if len(config.tenants) != 1:
        raise InvalidRequest(
            f"name a tenant: there are {len(config.tenants)}, and no read crosses them",
            field="tenant",
        )
    return next(iter(config.tenants))
