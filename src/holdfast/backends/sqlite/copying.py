"""A whole store out of and into a file, table by table, for moving it. Not here: what is moved.

Whoever copies owns the file meanwhile, as a server would. It blocks: not for a server's loop.
"""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import apsw

from holdfast.backends.sqlite import connections, files, schema
from holdfast.ports.clock import Clock
from holdfast.ports.store_rows import Row
from holdfast.ports.store_tables import KEYS, TABLES

_PAGE_ROWS = 500


class SqliteCopy:
    """One transaction over an owned file; made by `open`."""

    def __init__(self, connection: apsw.Connection, ownership: files.Ownership) -> None:
        self._connection = connection
        self._ownership = ownership
        self.store_id = "sqlite"

    @classmethod
    async def open(cls, path: Path, *, clock: Clock) -> "SqliteCopy":
        """Errors: as of `SqliteStore.open`."""
        real = files.prepare(path)
        ownership = files.Ownership.take(real)
        connection: apsw.Connection | None = None
        try:
            files.make_private(real)
            connection = connections.open_bare(real)
            version = schema.version_of(connection)
            if version == 0:
                connections.make_new(connection)
            connections.make_writer(connection)
            schema.migrate(connection, version, clock.now_ns())
            connection.execute("BEGIN IMMEDIATE")
        except BaseException as error:
            if connection is not None:
                connection.close(True)
            ownership.release()
            if isinstance(error, apsw.Error | OSError):
                raise connections.unavailable(error) from error
            raise
        return cls(connection, ownership)

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
