"""The connection that writes, and holds the store's lock.

A round trip costs more than the rows that it carries: all tables of a batch are written by one
statement of several parts, which Postgres commits by itself. Not here: settings, locks.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import asyncpg

from holdfast.backends.postgres import connections
from holdfast.backends.postgres.connections import SCHEMA, RawConnection
from holdfast.backends.postgres.dialect import PostgresDialect, escaped, keepable, texts, unescaped
from holdfast.backends.sql.batch import again_sql
from holdfast.backends.sql.database import Transaction, columns_sql
from holdfast.errors import StoreUnavailable
from holdfast.ports.store_rows import Row
from holdfast.ports.store_tables import TABLES, ColumnType

_TEXTS = {
    table: [n for n, (_, kind) in enumerate(columns) if kind is ColumnType.TEXT]
    for table, columns in TABLES.items()
}


class PostgresConnection:
    """A connection as a store needs it."""

    dialect = PostgresDialect()
    taken = asyncpg.UniqueViolationError

    def __init__(self, raw: RawConnection) -> None:
        self.raw = raw
        # The last numbers given away. One server writes, so that it can count by itself.
        self._last = {"journal": 0, "calls": 0}

    async def count(self) -> None:
        """Find the numbers to go on from."""
        for table in self._last:
            number = TABLES[table][0][0]
            sql = f"SELECT coalesce(max({number}), 0) FROM {table}"  # noqa: S608 -- constants
            ((self._last[table],),) = await self.fetch(sql)

    def unavailable(self, error: BaseException) -> StoreUnavailable:
        """As of a connection."""
        return connections.unavailable(error)

    def transaction(self) -> Transaction:
        """As of a connection."""
        return self.raw.transaction(isolation="repeatable_read")

    async def fetch(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """As of a connection."""
        return [unescaped(row) for row in await self.raw.fetch(sql, *map(escaped, values))]

    async def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        """As of a connection."""
        done = await self.raw.execute(sql, *map(escaped, values))
        # What Postgres says of it: `DELETE 3`, `INSERT 0 1`.
        changed = done.rpartition(" ")[2]
        return int(changed) if changed.isdecimal() else 0

    async def write(self, rows: Mapping[str, Sequence[Row]], closed: Sequence[str] = ()) -> None:
        """As of a connection."""
        tables = tuple(table for table, some in rows.items() if some)
        if not tables and not closed:
            return
        arrays: list[Sequence[Any]] = [self._array(table, rows[table]) for table in tables]
        if closed:
            arrays.append(texts(closed))
        await self.raw.execute(_write_sql(tables, closes=bool(closed)), *arrays)
        for table in self._last:
            self._last[table] += len(rows.get(table, ()))

    def _array(self, table: str, rows: Sequence[Row]) -> list[Row]:
        """Rows as columns can hold them, numbered where they have no number yet."""
        found = list(rows)
        if len(found[0]) < len(TABLES[table]):
            found = [(n, *row) for n, row in enumerate(found, self._last[table] + 1)]
        columns = tuple(zip(*found, strict=True))
        if not all(keepable("".join(columns[n])) for n in _TEXTS[table]):
            found = [tuple(map(escaped, row)) for row in found]
        return found


@cache
def _write_sql(tables: Sequence[str], *, closes: bool) -> str:
    """All tables in one statement; a parameter is an array of one table's rows.

    An array a column would be dearer on both sides, most of all for a batch of one commit.
    """
    parts = [
        f"INSERT INTO {table} ({columns_sql(table)})"  # noqa: S608 -- constants
        f" SELECT * FROM unnest(${n}::{SCHEMA}.{table}[]){again_sql(table)}"
        for n, table in enumerate(tables, 1)
    ]
    if closes:
        parts.append(f"DELETE FROM holds WHERE hold_id = ANY(${len(parts) + 1}::text[])")  # noqa: S608
    *before, last = parts
    if not before:
        return last
    return f"WITH {', '.join(f'part_{n} AS ({part})' for n, part in enumerate(before))} {last}"
