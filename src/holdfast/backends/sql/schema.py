"""The schema's versions: what a database has, what this Holdfast knows, and the way up.

Migrations are numbered SQL files in the `migrations/` of a database's package, applied in one
transaction and never edited once released. There is no way down: an older Holdfast refuses a newer
database.
"""

import re
from functools import cache
from importlib import resources

import msgspec

from holdfast.backends.sql.database import Connection
from holdfast.errors import StoreUnavailable

_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_RECORD = "INSERT INTO migrations (version, name, applied_at_ns) VALUES ($1, $2, $3)"


class Migration(msgspec.Struct, frozen=True):
    """One step of the schema."""

    version: int
    name: str
    sql: str


@cache
def migrations(package: str) -> tuple[Migration, ...]:
    """Every step that this Holdfast knows for the database of a package, by rising version."""
    found = []
    for file in resources.files(package).joinpath("migrations").iterdir():
        match = _NAME.fullmatch(file.name)
        if match:
            sql = file.read_text(encoding="utf-8")
            found.append(Migration(int(match[1]), match[2], sql))
    return tuple(sorted(found, key=lambda migration: migration.version))


async def known_version(connection: Connection, package: str) -> int:
    """The version of a schema that has a table of migrations; changes nothing.

    Errors: StoreUnavailable when it is newer than this Holdfast.
    """
    sql = "SELECT coalesce(max(version), 0) FROM migrations"
    ((version,),) = await connection.fetch(sql)
    known = migrations(package)[-1].version
    if version > known:
        raise StoreUnavailable(
            f"the database has schema {version} and this holdfast knows schemas up to {known}: "
            "run the newer holdfast",
            schema=version,
            known=known,
        )
    return int(version)


async def migrate(
    connection: Connection, package: str, version: int, *, begin: str, now_ns: int
) -> None:
    """Bring the schema from `version` to the newest, wholly or not at all.

    `begin` makes an empty database one of Holdfast's, with a table of migrations.
    """
    due = [migration for migration in migrations(package) if migration.version > version]
    if not due:
        return
    async with connection.transaction():
        if version == 0:
            await connection.execute(begin)
        for migration in due:
            await connection.execute(migration.sql)
            await connection.execute(_RECORD, (migration.version, migration.name, now_ns))
