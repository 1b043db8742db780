"""The schema of a file: what it has, and the way up. Not here: versions (`sql/schema`)."""

from functools import partial

from holdfast.backends.sql import schema
from holdfast.backends.sqlite.writing import SqliteConnection
from holdfast.errors import StoreUnavailable

APPLICATION_ID = 0x484F4C44
"""`HOLD` in the header of the file: the database is Holdfast's."""

BEGIN = f"""
PRAGMA application_id = {APPLICATION_ID};
CREATE TABLE migrations (
  version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at_ns INTEGER NOT NULL
) STRICT
"""

PACKAGE = "holdfast.backends.sqlite"


async def version_of(connection: SqliteConnection) -> int:
    """The schema's version, 0 for an empty file; changes nothing.

    Errors: StoreUnavailable when the database is not Holdfast's or newer than this Holdfast.
    """
    tables = {name for (name,) in await connection.fetch("SELECT name FROM sqlite_schema")}
    if not tables:
        return 0
    if connection.raw.pragma("application_id") != APPLICATION_ID or "migrations" not in tables:
        raise StoreUnavailable("the database is not one of holdfast's")
    return await schema.known_version(connection, PACKAGE)


migrate = partial(schema.migrate, package=PACKAGE, begin=BEGIN)
