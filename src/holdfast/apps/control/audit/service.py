"""Reading the journal of one tenant."""

import msgspec

from holdfast.apps.control.audit.schemas import WhichRecords
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.paging import cursor_of, place_of
from holdfast.compose.config import Config
from holdfast.errors import InvalidRequest
from holdfast.model.events import Record
from holdfast.ports.store import RecordFilter, Store


async def records(deps: ControlDeps, which: WhichRecords) -> tuple[tuple[Record, ...], str]:
    """Records by rising `seq`, and the cursor behind them.

    Errors: InvalidRequest where no tenant is named and there are several, and for no cursor.
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
        latest=which.latest,
        limit=which.limit,
    )
    return await page_of(deps.house.store, where, which.cursor)


async def page_of(store: Store, where: RecordFilter, cursor: str) -> tuple[tuple[Record, ...], str]:
    """A page of the journal and the cursor behind it. Errors: InvalidRequest, StoreUnavailable."""
    place = place_of(cursor)
    where = msgspec.structs.replace(where, limit=where.limit + 1)
    if place is not None:
        bound = {"before_seq" if where.latest else "after_seq": place[0]}
        where = msgspec.structs.replace(where, **bound)
    found = await store.records(where)
    whole = len(found) < where.limit
    page = tuple(found if whole else found[1:] if where.latest else found[:-1])
    end = 0 if where.latest else -1
    return page, cursor_of(None if whole else (page[end].seq, ""))


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
