"""The schema's versions: what a database has, what this Holdfast knows, and the way up.

Migrations are numbered SQL files in `migrations/`, applied in one transaction and never edited
once released. There is no way down: an older Holdfast refuses a newer database.
"""

import re
from functools import cache
from importlib import resources

import msgspec

from holdfast.backends.postgres.connections import SCHEMA, Connection
from holdfast.errors import StoreUnavailable

_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_TABLE = """CREATE TABLE migrations (
  version integer PRIMARY KEY, name text NOT NULL, applied_at_ns bigint NOT NULL
)"""


class Migration(msgspec.Struct, frozen=True):
    """One step of the schema."""

    version: int
    name: str
    sql: str


@cache
def migrations() -> tuple[Migration, ...]:
    """Every step that this Holdfast knows, by rising version."""
    found = []
    for file in resources.files("holdfast.backends.postgres").joinpath("migrations").iterdir():
        match = _NAME.fullmatch(file.name)
        if match:
            sql = file.read_text(encoding="utf-8")
            found.append(Migration(int(match[1]), match[2], sql))
    return tuple(sorted(found, key=lambda migration: migration.version))


async def version_of(connection: Connection) -> int:
    """The schema's version, 0 where there is none; changes nothing.

    Errors: StoreUnavailable when the schema is not Holdfast's or newer than this Holdfast.
    """
    tables = await connection.fetch(
        "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = $1", SCHEMA
    )
    if not tables:
        return 0
    if "migrations" not in {row[0] for row in tables}:
        raise StoreUnavailable(f"the schema `{SCHEMA}` of the database is not one of holdfast's")
    version = int(await connection.fetchval("SELECT coalesce(max(version), 0) FROM migrations"))
    known = migrations()[-1].version
    if version > known:
        raise StoreUnavailable(
            f"the database has schema {version} and this holdfast knows schemas up to {known}: "
            "run the newer holdfast",
            schema=version,
            known=known,
        )
    return version


async def migrate(connection: Connection, version: int, now_ns: int) -> None:
    """Bring the schema from `version` to the newest, wholly or not at all."""
    due = [migration for migration in migrations() if migration.version > version]
    if not due:
        return
    async with connection.transaction():
        if version == 0:
            await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            await connection.execute(_TABLE)
        for migration in due:
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO migrations (version, name, applied_at_ns) VALUES ($1, $2, $3)",
                migration.version,
                migration.name,
                now_ns,
            )
