"""Connections with settings that were read back, and SQLite's errors in the house's words.

Not here: what is asked over them.
"""

import errno
from pathlib import Path

import apsw

from holdfast.errors import StoreUnavailable
from holdfast.model.retention import Compacted

BUSY_TIMEOUT_MS = 5_000
"""How long a statement waits for another process's lock before it counts as failed."""

INCREMENTAL = 2
"""The `auto_vacuum` of a file that can give free pages back a few at a time."""

_WRITER: dict[str, int | str] = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: a commit is on the disk when it returns
    "fullfsync": 1,  # the same promise on macOS, where fsync alone does not make it
    "trusted_schema": 0,
    "cell_size_check": 1,
    "cache_size": -32_768,
    # A page that many commits change is copied back once for all of them. The log grows to 16 MB.
    "wal_autocheckpoint": 4_000,
}
# What undoes one statement stays in memory. Not for migrations: they may sort more than fits there.
_SERVING: dict[str, int | str] = {"temp_store": 2}
_READER: dict[str, int | str] = {
    "query_only": 1,
    "trusted_schema": 0,
    "cell_size_check": 1,
    "cache_size": -4_096,
}

_REASONS: tuple[tuple[type[apsw.Error], str], ...] = (
    (apsw.FullError, "the disk is full"),
    (apsw.ReadOnlyError, "the database is read-only"),
    (apsw.PermissionsError, "access to the database is not permitted"),
    (apsw.BusyError, "the database is locked by another process"),
    (apsw.LockedError, "the database is locked by another process"),
    (apsw.NotADBError, "the file is not a database"),
    (apsw.CorruptError, "the database is damaged"),
    (apsw.CantOpenError, "the database cannot be opened"),
    (apsw.IOError, "the disk refused to read or write"),
    (apsw.NoMemError, "memory ran out"),
)


def unavailable(error: BaseException) -> StoreUnavailable:
    """The typed refusal for an error of SQLite; the cause stays in the message."""
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return StoreUnavailable(f"{reason} ({error})")
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else "the disk refused to read or write"
        return StoreUnavailable(f"{reason} ({error})")
    return StoreUnavailable(f"the database failed ({type(error).__name__}: {error})")


def open_bare(path: Path) -> apsw.Connection:
    """A connection for writing, before any setting: looking at the file changes nothing.

    Not even closing it again does, where a server that was killed left a log beside the file.
    """
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    return connection


def make_writer(connection: apsw.Connection) -> None:
    """Durable settings. Errors: StoreUnavailable when SQLite did not take one of them."""
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
    _apply(connection, _WRITER)


def make_new(connection: apsw.Connection) -> None:
    """Settings that only an empty file takes. Errors: StoreUnavailable."""
    _apply(connection, {"auto_vacuum": INCREMENTAL})


def open_for_trial(path: Path) -> apsw.Connection:
    """A connection that cannot write to the database, only to tables of its own in memory."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    _apply(connection, {"trusted_schema": 0, "cell_size_check": 1, "temp_store": 2})
    return connection


def make_serving(connection: apsw.Connection) -> None:
    """Settings of the writer once its schema stands. Errors: StoreUnavailable, as above."""
    _apply(connection, _SERVING)


def open_reader(path: Path) -> apsw.Connection:
    """A connection that cannot write."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    _apply(connection, _READER)
    return connection


def compact(connection: apsw.Connection, at_most_bytes: int) -> Compacted:
    """Give free pages at the file's end back. A file made without that keeps them for new rows."""
    page_bytes = int(connection.pragma("page_size"))
    before = int(connection.pragma("freelist_count"))
    pages = min(before, at_most_bytes // page_bytes)
    if pages > 0 and int(connection.pragma("auto_vacuum")) == INCREMENTAL:
        connection.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()
    after = int(connection.pragma("freelist_count"))
    return Compacted(freed_bytes=(before - after) * page_bytes, free_bytes=after * page_bytes)


def _apply(connection: apsw.Connection, settings: dict[str, int | str]) -> None:
    for name, wanted in settings.items():
        connection.pragma(name, wanted)
        # A PRAGMA that SQLite does not take is no error to it: only reading back tells.
        got = connection.pragma(name)
        if got != wanted:
            raise StoreUnavailable(f"sqlite did not take {name}={wanted}, it stays {got}")
