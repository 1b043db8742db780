"""What a crash left in the log goes into the tables, before anything is asked of them.

Not here: what is in the log, and how it came there.
"""

from pathlib import Path

from holdfast.backends.sql import schema
from holdfast.backends.sqlite import filling, log
from holdfast.backends.sqlite.filling import Home
from holdfast.backends.sqlite.schema import PACKAGE
from holdfast.backends.sqlite.writing import SqliteConnection


class Left:
    """The log as it was found; looked at before the schema changes, brought in after it did."""

    def __init__(self, path: Path) -> None:
        self._paths = log.paths_beside(path)
        self._frames: list[log.Frame] = []

    async def look(self, connection: SqliteConnection) -> None:
        """Changes nothing. Errors: StoreUnavailable for a log that cannot be brought in."""
        sql = "SELECT 1 FROM sqlite_schema WHERE name = 'log_filled'"
        known = await connection.fetch(sql)
        number, home = await standing(connection) if known else (0, Home(0, b""))
        self._frames = log.frames_after(self._paths, number)
        for frame in self._frames:
            filling.check_home(frame.payload, home)

    async def bring_in(self, connection: SqliteConnection) -> None:
        """All of it or, with an error of SQLite, nothing; then the log is empty."""
        if self._frames:
            commits = [one for frame in self._frames for one in filling.unlogged(frame.payload)]
            await filling.fill(connection, commits, self._frames[-1].number)
        for path in self._paths:
            path.unlink(missing_ok=True)


async def standing(connection: SqliteConnection) -> tuple[int, Home]:
    """The last frame that the tables have, and whose log it is."""
    ((number, database),) = await connection.fetch("SELECT number, database FROM log_filled")
    return number, Home(schema.migrations(PACKAGE)[-1].version, database)
