"""`PostgresStore`: the Store port on one database of a Postgres server.

One Holdfast server owns the store: it holds an advisory lock on the connection that writes, so
that whoever loses the connection can write nothing any more, and another may begin. Not here:
what is asked and written.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from holdfast.backends.postgres import connections
from holdfast.backends.postgres.owning import Owned, owning
from holdfast.backends.postgres.readers import MAX_READERS, PostgresReaders
from holdfast.backends.postgres.tasks import started
from holdfast.backends.postgres.writing import PostgresConnection
from holdfast.backends.sql.batch import Tables
from holdfast.backends.sql.bells import LoopBell
from holdfast.backends.sql.database import Connection
from holdfast.backends.sql.store import SqlStore
from holdfast.backends.sql.writer import Writer
from holdfast.model.retention import Compacted
from holdfast.ports.clock import Clock

T = TypeVar("T")


class PostgresStore(SqlStore):
    """Durable storage in one database; made by `open`, and used in the loop that opened it."""

    def __init__(self, url: str, owned: Owned, readers: PostgresReaders) -> None:
        self._url = url
        self._connection, self._store_id = owned
        self._readers = readers
        writer = Writer(Tables(self._connection), LoopBell())
        super().__init__(writer, readers, self._connection.dialect)
        self._connection.raw.add_termination_listener(writer.lost)
        self._writing = started(writer.run(), "holdfast-store-writer")
        self._closed = False

    @classmethod
    async def open(cls, url: str, *, clock: Clock) -> "PostgresStore":
        """Own the database at `url`, brought to the newest schema.

        Errors: ConfigInvalid for an address that cannot be used; Conflict when another server
        owns it; StoreUnavailable when it cannot be reached or written, would forget what it
        acknowledged, is not Holdfast's, or is newer than this Holdfast.
        """
        async with owning(url, clock) as owned:
            await owned.connection.count()
            readers = PostgresReaders(await connections.open_readers(url, MAX_READERS))
            return cls(url, owned, readers)

    @property
    def store_id(self) -> str:
        """Tells this store from every other, whatever address it is reached at."""
        return self._store_id

    async def _tried(self, work: Callable[[Connection], Coroutine[Any, Any, T]]) -> T:
        """The readers' own connections cannot write even beside the tables."""
        raw = await connections.connect(self._url)
        try:
            return await work(PostgresConnection(raw))
        except connections.FAULTS as error:
            raise connections.unavailable(error) from error
        finally:
            await raw.close()

    async def compact(self, at_most_bytes: int) -> Compacted:
        """Nothing: Postgres gives space back by itself, to new rows first."""
        await self.commit()
        return Compacted()

    async def close(self) -> None:
        """Finish queued commits, close, and give the store free; idempotent."""
        self._writer.stop()
        await asyncio.wait([self._writing])
        if self._closed:
            return
        self._closed = True
        raw = self._connection.raw
        if self.failure:
            # What is broken has nothing to say goodbye to, and must not hold its owner up.
            self._readers.cut()
            raw.terminate()
            return
        await self._readers.close()
        try:
            await raw.close(timeout=connections.CONNECT_TIMEOUT_S)
        except connections.FAULTS:
            raw.terminate()
