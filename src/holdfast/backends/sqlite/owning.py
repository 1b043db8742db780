"""The one way to a database's file for writing: owned, its owner's alone, at the newest schema.

Not here: what is written.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import apsw

from holdfast.backends.sqlite import connections, files, schema
from holdfast.backends.sqlite.recovery import Left
from holdfast.backends.sqlite.threads import ran
from holdfast.backends.sqlite.writing import SqliteConnection
from holdfast.ports.clock import Clock


class Owned(NamedTuple):
    """A connection for writing, the file's real path, and the lock that makes it ours."""

    connection: SqliteConnection
    path: Path
    ownership: files.Ownership


@contextmanager
def owning(path: Path, clock: Clock) -> Iterator[Owned]:
    """Own the file at `path`, made where missing; it is let go again only where the block fails.

    Errors: Conflict when another server owns it; StoreUnavailable when it cannot be read or
    written, is damaged, is not Holdfast's, or is newer than this Holdfast, and for an error of
    SQLite in the block.
    """
    real = files.prepare(path)
    ownership = files.Ownership.take(real)
    raw: apsw.Connection | None = None
    try:
        files.make_private(real)
        raw = connections.open_bare(real)
        connection = SqliteConnection(raw)
        version = ran(schema.version_of(connection))
        left = Left(real)
        ran(left.look(connection))
        if version == 0:
            connections.make_new(raw)
        connections.make_writer(raw)
        ran(schema.migrate(connection, version=version, now_ns=clock.now_ns()))
        ran(left.bring_in(connection))
        yield Owned(connection, real, ownership)
    except BaseException as error:
        if raw is not None:
            raw.close(True)
        ownership.release()
        if isinstance(error, apsw.Error | OSError):
            refusal = connections.unavailable(error)
            refusal.fields["path"] = str(real)
            raise refusal from error
        raise
