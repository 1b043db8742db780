"""A whole store out of and into a file, table by table, for moving it. Not here: what is moved.

Whoever copies owns the file meanwhile, as a server would. It blocks: not for a server's loop.
"""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from holdfast.backends.sqlite.owning import Owned, owning
from holdfast.ports.clock import Clock
from holdfast.ports.store_rows import Row
from holdfast.ports.store_tables import KEYS, TABLES

_PAGE_ROWS = 500


class SqliteCopy:
    """One transaction over an owned file; made by `open`."""

    def __init__(self, owned: Owned) -> None:
        self._connection, _, self._ownership = owned
        self.store_id = "sqlite"

    @classmethod
    async def open(cls, path: Path, *, clock: Clock) -> "SqliteCopy":
        """Errors: as of `SqliteStore.open`."""
        with owning(path, clock) as owned:
            owned.connection.execute("BEGIN IMMEDIATE")
            return cls(owned)

    async def empty(self) -> bool:
        """Whether no table holds a row."""
        return not any(
            self._connection.execute(f"SELECT EXISTS (SELECT 1 FROM {table})").get  # noqa: S608
            for table in TABLES
        )

    async def rows(self, table: str) -> AsyncIterator[Sequence[Row]]:
        """Every row by rising key, a page at a time."""
        columns = ", ".join(name for name, _ in TABLES[table])
        found = self._connection.execute(
            f"SELECT {columns} FROM {table} ORDER BY {', '.join(KEYS[table])}"  # noqa: S608
        )
        page: list[Row] = []
        for row in found:
            page.append(row)
            if len(page) == _PAGE_ROWS:
                yield page
                page = []
        if page:
            yield page

    async def add(self, table: str, rows: Sequence[Row]) -> None:
        """Put rows into a table."""
        columns = ", ".join(name for name, _ in TABLES[table])
        places = ", ".join("?" * len(TABLES[table]))
        self._connection.executemany(
            f"INSERT INTO {table} ({columns}) VALUES ({places})",  # noqa: S608 -- constants
            rows,
        )

    async def keep(self) -> None:
        """Make what was added durable."""
        self._connection.execute("COMMIT")

    async def close(self) -> None:
        """Let go; what was not kept is as if it had not been."""
        self._connection.close(True)
        self._ownership.release()
