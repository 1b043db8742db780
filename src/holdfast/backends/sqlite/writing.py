"""The connection that writes to the file.

SQLite gives Python's lock away at every statement and gets it back only after up to 5 ms when the
event loop is busy, so rows go in many at a time: the number of statements of a batch grows with
the logarithm of its rows. Not here: threads, settings.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from types import TracebackType
from typing import Any

import apsw

from holdfast.backends.sql.batch import again_sql
from holdfast.backends.sql.database import columns_sql
from holdfast.backends.sqlite import connections
from holdfast.backends.sqlite.dialect import SqliteDialect, numbered
from holdfast.errors import StoreUnavailable
from holdfast.ports.store_rows import Row

_ROWS = (256, 64, 16, 4, 1)
"""How many rows a statement takes; falling."""


class SqliteConnection:
    """A connection as a store needs it; no coroutine of it ever waits."""

    dialect = SqliteDialect()
    taken = apsw.ConstraintError

    def __init__(self, raw: apsw.Connection) -> None:
        self.raw = raw

    def unavailable(self, error: BaseException) -> StoreUnavailable:
        """As of a connection."""
        return connections.unavailable(error)

    def transaction(self) -> "SqliteTransaction":
        """As of a connection."""
        return SqliteTransaction(self.raw)

    async def fetch(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """As of a connection."""
        return self.raw.execute(numbered(sql), values).fetchall()

    async def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        """As of a connection."""
        # Without values there are no places, and what looks like one is a path into JSON.
        self.raw.execute(numbered(sql) if values else sql, values).fetchall()
        return self.raw.changes()

    async def write(self, rows: Mapping[str, Sequence[Row]], closed: Sequence[str] = ()) -> None:
        """As of a connection."""
        async with self.transaction():
            for table, some in rows.items():
                for part in _parts(some):
                    sql = _insert_sql(table, len(part[0]), len(part))
                    self.raw.execute(sql, tuple(chain.from_iterable(part)))
            for ids in _parts(closed):
                self.raw.execute(_closed_sql(len(ids)), ids)


class SqliteTransaction:
    """The whole of one; or, inside another one, a part of it."""

    def __init__(self, raw: apsw.Connection) -> None:
        self._raw = raw
        self._part = False

    async def start(self) -> None:
        """As of a transaction."""
        self._part = self._raw.in_transaction
        self._raw.execute("SAVEPOINT part" if self._part else "BEGIN IMMEDIATE")

    async def commit(self) -> None:
        """As of a transaction."""
        self._raw.execute("RELEASE part" if self._part else "COMMIT")

    async def rollback(self) -> None:
        """As of a transaction."""
        # After some errors SQLite has rolled back by itself.
        if self._raw.in_transaction:
            undo = "ROLLBACK TO part; RELEASE part" if self._part else "ROLLBACK"
            self._raw.execute(undo).fetchall()

    async def __aenter__(self) -> None:
        await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            await self.rollback()
            return
        try:
            await self.commit()
        except BaseException:
            await self.rollback()
            raise


def _parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """In their order, each of one of a few lengths, so that few statements serve any number."""
    start = 0
    for size in _ROWS if items else ():
        while len(items) - start >= size:
            yield items[start : start + size]
            start += size


@cache
def _insert_sql(table: str, columns: int, rows: int) -> str:
    # A row that cannot be written ends the whole batch anyway. Saying so spares SQLite the copy of
    # each page that it keeps to undo one statement alone, which is dearer than the rows.
    head = "INSERT OR ROLLBACK INTO" if table == "journal" else "INSERT INTO"
    row = "(" + ", ".join("?" * columns) + ")"
    names = columns_sql(table, columns)
    return f"{head} {table} ({names}) VALUES {', '.join([row] * rows)}{again_sql(table)}"


@cache
def _closed_sql(ids: int) -> str:
    return f"DELETE FROM holds WHERE hold_id IN ({', '.join('?' * ids)})"  # noqa: S608 -- places
