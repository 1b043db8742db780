"""A whole store out of and into Postgres, table by table, for moving it. Not here: what is moved.

Whoever copies owns the store meanwhile, as a server would.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from holdfast.backends.postgres import connections
from holdfast.backends.postgres.batch import columns_sql, escaped, unescaped
from holdfast.backends.postgres.owning import Owned, owning
from holdfast.ports.clock import Clock
from holdfast.ports.store_rows import Row
from holdfast.ports.store_tables import KEYS, TABLES, TEXT

_PAGE_ROWS = 500


class PostgresCopy:
    """One transaction over an owned store; made by `open`."""

    def __init__(self, owned: Owned) -> None:
        self._connection, self.store_id = owned
        self._transaction = self._connection.transaction(isolation="repeatable_read")

    @classmethod
    async def open(cls, url: str, *, clock: Clock) -> "PostgresCopy":
        """Errors: as of `PostgresStore.open`."""
        async with owning(url, clock) as owned:
            found = cls(owned)
            await found._transaction.start()
        return found

    async def empty(self) -> bool:
        """Whether no table holds a row."""
        for table in TABLES:
            if await self._connection.fetchval(f"SELECT EXISTS (SELECT 1 FROM {table})"):  # noqa: S608
                return False
        return True

    async def rows(self, table: str) -> AsyncIterator[Sequence[Row]]:
        """Every row by rising key, a page at a time."""
        key = ", ".join(f'"{name}"' for name in KEYS[table])
        sql = f"SELECT {columns_sql(table)} FROM {table} ORDER BY {key}"  # noqa: S608 -- constants
        cursor = await self._connection.cursor(sql)
        texts = [n for n, (_, kind) in enumerate(TABLES[table]) if kind is TEXT]
        while page := await cursor.fetch(_PAGE_ROWS):
            yield [_read(row, texts) for row in page]

    async def add(self, table: str, rows: Sequence[Row]) -> None:
        """Put rows into a table."""
        texts = [n for n, (_, kind) in enumerate(TABLES[table]) if kind is TEXT]
        await self._connection.copy_records_to_table(
            table,
            schema_name=connections.SCHEMA,
            columns=[name for name, _ in TABLES[table]],
            records=[_written(row, texts) for row in rows],
        )

    async def keep(self) -> None:
        """Make what was added durable."""
        await self._transaction.commit()

    async def close(self) -> None:
        """Let go; what was not kept is as if it had not been."""
        self._connection.terminate()


def _read(row: Any, texts: Sequence[int]) -> Row:
    values = list(row)
    for place in texts:
        values[place] = unescaped(values[place])
    return tuple(values)


def _written(row: Row, texts: Sequence[int]) -> Row:
    values = list(row)
    for place in texts:
        values[place] = escaped(values[place])
    return tuple(values)
