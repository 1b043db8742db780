"""The schema in a Postgres: what it has, and the way up. Not here: versions (`sql/schema`)."""

from functools import partial

from holdfast.backends.postgres.connections import SCHEMA
from holdfast.backends.postgres.writing import PostgresConnection
from holdfast.backends.sql import schema
from holdfast.errors import StoreUnavailable

BEGIN = f"""
CREATE SCHEMA IF NOT EXISTS {SCHEMA};
CREATE TABLE migrations (
  version integer PRIMARY KEY, name text NOT NULL, applied_at_ns bigint NOT NULL
)
"""

PACKAGE = "holdfast.backends.postgres"


async def version_of(connection: PostgresConnection) -> int:
    """The schema's version, 0 where there is none; changes nothing.

    Errors: StoreUnavailable when the schema is not Holdfast's or newer than this Holdfast.
    """
    tables = await connection.fetch(
        "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = $1", (SCHEMA,)
    )
    if not tables:
        return 0
    if ("migrations",) not in tables:
        raise StoreUnavailable(f"the schema `{SCHEMA}` of the database is not one of holdfast's")
    return await schema.known_version(connection, PACKAGE)


migrate = partial(schema.migrate, package=PACKAGE, begin=BEGIN)
