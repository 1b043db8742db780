"""Reads over connections that cannot write; each sees every commit acknowledged before it.

Not here: SQL.
"""

import asyncio
from typing import TypeVar

import msgspec

from holdfast.backends.postgres.connections import FAULTS, Pool, unavailable
from holdfast.backends.postgres.dialect import escaped, unescaped
from holdfast.backends.postgres.tasks import started
from holdfast.backends.sql.database import Query
from holdfast.errors import StoreUnavailable

MAX_READERS = 4
_ACQUIRE_S = 10.0

T = TypeVar("T")


class PostgresReaders:
    """A few connections that are asked in turn."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._closed = False

    async def read(self, query: Query[T]) -> T:
        """Run one query. Errors: StoreUnavailable."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        try:
            async with self._pool.acquire(timeout=_ACQUIRE_S) as connection:
                rows = await connection.fetch(query.sql, *map(escaped, query.values))
            return query.read(map(unescaped, rows))
        except FAULTS as error:
            raise unavailable(error) from error
        except (KeyError, ValueError, msgspec.MsgspecError) as error:
            raise StoreUnavailable(
                f"the database holds a row that this holdfast cannot read ({error})"
            ) from error

    def start(self, query: Query[T]) -> asyncio.Future[T]:
        """`read`, for a caller that does not wait. Errors: StoreUnavailable, there."""
        return started(self.read(query), "holdfast-store-reader")

    def cut(self) -> None:
        """Let go of every connection at once; idempotent."""
        self._closed = True
        self._pool.terminate()

    async def close(self) -> None:
        """Finish the reads that run and close; what does not end soon is cut."""
        if self._closed:
            return
        self._closed = True
        try:
            async with asyncio.timeout(_ACQUIRE_S):
                await self._pool.close()
        except FAULTS:
            self._pool.terminate()
