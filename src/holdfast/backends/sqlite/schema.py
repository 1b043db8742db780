"""The schema's versions: what a database has, what this Holdfast knows, and the way up.

Migrations are numbered SQL files in `migrations/`, applied in one transaction and never edited
once released. There is no way down: an older Holdfast refuses a newer database.
"""

import re
from functools import cache
from importlib import resources

import apsw
import msgspec

from holdfast.errors import StoreUnavailable

APPLICATION_ID = 0x484F4C44
"""`HOLD` in the header of the file: the database is Holdfast's."""

_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_RECORD = "INSERT INTO migrations (version, name, applied_at_ns) VALUES (?, ?, ?)"
_TABLE = """CREATE TABLE IF NOT EXISTS migrations (
  version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at_ns INTEGER NOT NULL
) STRICT"""


class Migration(msgspec.Struct, frozen=True):
    """One step of the schema."""

    version: int
    name: str
    sql: str


@cache
def migrations() -> tuple[Migration, ...]:
    """Every step that this Holdfast knows, by rising version."""
    found = []
    for file in resources.files("holdfast.backends.sqlite").joinpath("migrations").iterdir():
        match = _NAME.fullmatch(file.name)
        if match:
            sql = file.read_text(encoding="utf-8")
            found.append(Migration(int(match[1]), match[2], sql))
    return tuple(sorted(found, key=lambda migration: migration.version))


def version_of(connection: apsw.Connection) -> int:
    """The schema's version, 0 for an empty file; changes nothing.

    Errors: StoreUnavailable when the database is not Holdfast's or newer than this Holdfast.
    """
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    if not tables:
        return 0
    if connection.pragma("application_id") != APPLICATION_ID or "migrations" not in tables:
        raise StoreUnavailable("the database is not one of holdfast's")
    version = int(connection.execute("SELECT coalesce(max(version), 0) FROM migrations").get)
    known = migrations()[-1].version
    if version > known:
        raise StoreUnavailable(
            f"the database has schema {version} and this holdfast knows schemas up to {known}: "
            "run the newer holdfast",
            schema=version,
            known=known,
        )
    return version


def migrate(connection: apsw.Connection, version: int, now_ns: int) -> None:
    """Bring the schema from `version` to the newest, wholly or not at all."""
    due = [migration for migration in migrations() if migration.version > version]
    if not due:
        return
    connection.execute("BEGIN IMMEDIATE").fetchall()
    try:
        connection.pragma("application_id", APPLICATION_ID)
        connection.execute(_TABLE).fetchall()
        for migration in due:
            connection.execute(migration.sql).fetchall()
            connection.execute(_RECORD, (migration.version, migration.name, now_ns)).fetchall()
        connection.execute("COMMIT").fetchall()
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK").fetchall()
        raise
