"""Read-only connections in a few threads of their own, so that no read blocks the event loop.

Each read is its own transaction, begun after it was asked for and once the tables have all that
was acknowledged before. Not here: SQL.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import apsw
import msgspec

from holdfast.backends.sql.database import Query
from holdfast.backends.sqlite import connections
from holdfast.backends.sqlite.dialect import numbered
from holdfast.errors import StoreUnavailable

_THREADS = 4

T = TypeVar("T")


class SqliteReaders:
    """A pool of readers over one database; a thread opens its connection at its first read."""

    def __init__(self, path: Path, settle: Callable[[], None]) -> None:
        """`settle` blocks until the tables have all that was acknowledged."""
        self._path = path
        self._settle = settle
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="holdfast-store-reader")
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._open: list[apsw.Connection] = []

    async def read(self, query: Query[T]) -> T:
        """Run one query. Errors: StoreUnavailable."""
        return await self.start(query)

    def start(self, query: Query[T]) -> asyncio.Future[T]:
        """`read`, for a caller that does not wait. Errors: StoreUnavailable, here or there."""
        try:
            return asyncio.get_running_loop().run_in_executor(self._pool, self._run, query)
        except RuntimeError:
            raise StoreUnavailable("the store is closed") from None

    def _run(self, query: Query[T]) -> T:
        if not query.lags:
            self._settle()
        try:
            return query.read(self._connection().execute(numbered(query.sql), query.values))
        except (apsw.Error, OSError) as error:
            raise connections.unavailable(error) from error
        except (KeyError, ValueError, msgspec.MsgspecError) as error:
            raise StoreUnavailable(
                f"the database holds a row that this holdfast cannot read ({error})"
            ) from error

    def _connection(self) -> apsw.Connection:
        connection: apsw.Connection | None = getattr(self._mine, "connection", None)
        if connection is None:
            connection = connections.open_reader(self._path)
            with self._lock:
                self._open.append(connection)
            self._mine.connection = connection
        return connection

    def close(self) -> None:
        """Finish the reads that run and close. Blocks: not for the event loop."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            while self._open:
                self._open.pop().close()
