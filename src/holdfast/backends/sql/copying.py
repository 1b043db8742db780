"""A whole store out of and into a database, table by table, for moving it. Not here: what is moved.

Whoever copies owns the store meanwhile, as a server would.
"""

from collections.abc import AsyncIterator, Sequence

from holdfast.backends.sql.database import Connection, columns_sql
from holdfast.ports.store_rows import Row
from holdfast.ports.store_tables import KEYS, TABLES

_PAGE_ROWS = 500


class SqlCopy:
    """One transaction over an owned store; a database adds how it is begun and let go."""

    def __init__(self, connection: Connection, store_id: str) -> None:
        self.store_id = store_id
        self._connection = connection
        self._transaction = connection.transaction()

    async def empty(self) -> bool:
        """Whether no table holds a row."""
        parts = " UNION ALL ".join(f"SELECT 1 FROM {table}" for table in TABLES)  # noqa: S608
        return not await self._connection.fetch(f"{parts} LIMIT 1")

    async def rows(self, table: str) -> AsyncIterator[Sequence[Row]]:
        """Every row by rising key, a page at a time."""
        key = ", ".join(f'"{name}"' for name in KEYS[table])
        places = ", ".join(f"${n}" for n in range(1, len(KEYS[table]) + 1))
        at = [n for n, (name, _) in enumerate(TABLES[table]) if name in KEYS[table]]
        head = f"SELECT {columns_sql(table)} FROM {table}"  # noqa: S608 -- constants only
        tail = f"ORDER BY {key} LIMIT {_PAGE_ROWS}"
        page = await self._connection.fetch(f"{head} {tail}")
        while page:
            yield page
            last = tuple(page[-1][n] for n in at)
            sql = f"{head} WHERE ({key}) > ({places}) {tail}"
            page = await self._connection.fetch(sql, last)

    async def add(self, table: str, rows: Sequence[Row]) -> None:
        """Put rows into a table."""
        await self._connection.write({table: rows})

    async def keep(self) -> None:
        """Make what was added durable."""
        await self._transaction.commit()
