"""The Store port on Postgres. The package's door is `PostgresStore`."""

from holdfast.backends.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
