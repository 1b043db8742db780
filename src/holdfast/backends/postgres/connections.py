"""Connections with settings that were read back, and Postgres' errors in the house's words.

A password is part of an address here, so no address ever stands in an error. Not here: what is
asked over a connection.
"""

from typing import TYPE_CHECKING

import asyncpg

from holdfast.errors import ConfigInvalid, StoreUnavailable
from holdfast.ports.store_urls import store_url_fault

if TYPE_CHECKING:
    from typing import TypeAlias

    from asyncpg.pool import PoolConnectionProxy

    RawConnection: TypeAlias = (
        asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    )
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    RawConnection, Pool = asyncpg.Connection, asyncpg.Pool

SCHEMA = "holdfast"
"""The schema that holds every table: the database may have others of its owner's."""

CONNECT_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 30.0
"""How long a statement may take before it counts as failed."""

_SETTINGS = {
    "application_name": "holdfast",
    "search_path": SCHEMA,
    "timezone": "UTC",
    # A commit is on the disk when it returns, whatever the server's default is.
    "synchronous_commit": "on",
    # A client that vanished gives its lock away within half a minute.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "idle_in_transaction_session_timeout": "60000",
}

_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (asyncpg.TooManyConnectionsError, "it has no connection left"),
    (asyncpg.DiskFullError, "its disk is full"),
    (asyncpg.OutOfMemoryError, "it ran out of memory"),
    (asyncpg.ReadOnlySQLTransactionError, "it is read-only: is this a standby?"),
    (asyncpg.InvalidPasswordError, "it did not take the password"),
    (asyncpg.InvalidAuthorizationSpecificationError, "it does not let this role in"),
    (asyncpg.InvalidCatalogNameError, "there is no such database"),
    (asyncpg.InsufficientPrivilegeError, "the role may not do that"),
    (asyncpg.CannotConnectNowError, "it is starting up or shutting down"),
    (asyncpg.AdminShutdownError, "it was shut down"),
    (asyncpg.CrashShutdownError, "it crashed"),
    (asyncpg.QueryCanceledError, "it took too long"),
    (asyncpg.PostgresConnectionError, "the connection broke"),
    (asyncpg.InterfaceError, "the connection broke"),
    (TimeoutError, "it took too long to answer"),
    (ConnectionError, "it cannot be reached"),
    (OSError, "it cannot be reached"),
)

FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
"""What a connection raises when something is wrong outside of this process."""


def unavailable(error: BaseException) -> StoreUnavailable:
    """The typed refusal for an error of Postgres; its kind stays in the message."""
    name = type(error).__name__
    if not isinstance(error, FAULTS):
        return StoreUnavailable(f"the database failed ({name}: {error})")
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return StoreUnavailable(f"postgres: {reason} ({name})")
    return StoreUnavailable(f"postgres failed ({name})")


async def connect(url: str) -> RawConnection:
    """One connection, settings in place. Errors: ConfigInvalid, StoreUnavailable."""
    fault = store_url_fault(url)
    if fault:
        raise ConfigInvalid(fault)
    try:
        return await asyncpg.connect(
            url,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=COMMAND_TIMEOUT_S,
            server_settings=_SETTINGS,
        )
    except ValueError as error:
        raise ConfigInvalid("the store's url cannot be used") from error
    except FAULTS as error:
        raise unavailable(error) from None


class _Reader(asyncpg.Connection):
    """One that is given back as it was: it cannot write, and no read changes its settings.

    What a pool does otherwise to have it clean again is another round trip for each read.
    """

    def get_reset_query(self) -> str:
        """Nothing."""
        return ""


async def open_readers(url: str, most: int) -> Pool:
    """Connections that cannot write; the first opens now, others when they are needed."""
    settings = _SETTINGS | {"default_transaction_read_only": "on"}
    try:
        return await asyncpg.create_pool(
            url,
            connection_class=_Reader,
            min_size=1,
            max_size=most,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=COMMAND_TIMEOUT_S,
            server_settings=settings,
        )
    except FAULTS as error:
        raise unavailable(error) from None


async def check_durable(connection: RawConnection) -> None:
    """Errors: StoreUnavailable when this Postgres would forget what it acknowledged."""
    for name, wanted in (
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("server_encoding", "UTF8"),
    ):
        got = await connection.fetchval(f"SHOW {name}")
        if got != wanted:
            raise StoreUnavailable(f"postgres runs with {name}={got}; a store needs {wanted}")
