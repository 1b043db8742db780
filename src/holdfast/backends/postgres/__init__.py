"""The Store port on Postgres: `PostgresStore` to serve from, `PostgresCopy` to move one."""

from holdfast.backends.postgres.copying import PostgresCopy
from holdfast.backends.postgres.store import PostgresStore

__all__ = ["PostgresCopy", "PostgresStore"]
