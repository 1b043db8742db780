"""The one way to a store for writing: a connection that owns it, durable, at the newest schema.

Not here: what is written.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from holdfast.backends.postgres import connections, schema
from holdfast.backends.postgres.connections import RawConnection
from holdfast.backends.postgres.writing import PostgresConnection
from holdfast.errors import Conflict
from holdfast.ports.clock import Clock

_LOCK = 0x484F4C44
"""`HOLD`: the first key of the advisory lock; the second is of the schema's name."""

_LOCK_PATIENCE_S = 5.0
_LOCK_POLL_S = 0.05


class Owned(NamedTuple):
    """The connection that owns the store, and what tells this store from every other."""

    connection: PostgresConnection
    store_id: str


@asynccontextmanager
async def owning(url: str, clock: Clock) -> AsyncIterator[Owned]:
    """Own the store at `url`; it is let go again only where the block fails.

    Errors: ConfigInvalid for an address that cannot be used; Conflict when another server owns
    it; StoreUnavailable when it cannot be reached or written, would forget what it acknowledged,
    is not Holdfast's, or is newer than this Holdfast, and for an error of Postgres in the block.
    """
    raw = await connections.connect(url)
    try:
        await connections.check_durable(raw)
        await _own(raw)
        connection = PostgresConnection(raw)
        version = await schema.version_of(connection)
        await schema.migrate(connection, version=version, now_ns=clock.now_ns())
        store_id = await raw.fetchval("SELECT store_id FROM identity")
        yield Owned(connection, str(store_id))
    except connections.FAULTS as error:
        raw.terminate()
        raise connections.unavailable(error) from None
    except BaseException:
        raw.terminate()
        raise


async def _own(raw: RawConnection) -> None:
    """Errors: Conflict when another server owns the store.

    A server that was killed a moment ago has its lock until Postgres noticed.
    """
    clock = asyncio.get_running_loop()
    until = clock.time() + _LOCK_PATIENCE_S
    while True:
        taken = await raw.fetchval(
            "SELECT pg_try_advisory_lock($1, hashtext($2))", _LOCK, connections.SCHEMA
        )
        if taken:
            return
        if clock.time() >= until:
            raise Conflict("another server owns this store; one serves it at a time")
        await asyncio.sleep(_LOCK_POLL_S)
