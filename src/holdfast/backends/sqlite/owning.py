"""The one way to a database's file for writing: owned, its owner's alone, at the newest schema.

Not here: what is written.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import apsw

from holdfast.backends.sqlite import connections, files, schema
from holdfast.ports.clock import Clock


class Owned(NamedTuple):
    """A connection for writing, the file's real path, and the lock that makes it ours."""

    connection: apsw.Connection
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
    connection: apsw.Connection | None = None
    try:
        files.make_private(real)
        connection = connections.open_bare(real)
        version = schema.version_of(connection)
        if version == 0:
            connections.make_new(connection)
        connections.make_writer(connection)
        schema.migrate(connection, version, clock.now_ns())
        yield Owned(connection, real, ownership)
    except BaseException as error:
        if connection is not None:
            connection.close(True)
        ownership.release()
        if isinstance(error, apsw.Error | OSError):
            refusal = connections.unavailable(error)
            refusal.fields["path"] = str(real)
            raise refusal from error
        raise
