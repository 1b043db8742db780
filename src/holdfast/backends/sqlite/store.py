"""`SqliteStore`: the Store port on one SQLite file.

One server owns the file. One thread makes commits durable in the order of the calls, another brings
them into the tables, several read these. Opening is synchronous and happens before the server
serves. Not here: what is asked and written.
"""

import asyncio
import secrets
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import apsw

from holdfast.backends.sql.bells import ThreadBell
from holdfast.backends.sql.database import Connection
from holdfast.backends.sql.store import SqlStore
from holdfast.backends.sql.writer import Writer
from holdfast.backends.sqlite import connections
from holdfast.backends.sqlite.filling import Filling
from holdfast.backends.sqlite.log import Log, paths_beside
from holdfast.backends.sqlite.owning import Owned, owning
from holdfast.backends.sqlite.readers import SqliteReaders
from holdfast.backends.sqlite.recovery import standing
from holdfast.backends.sqlite.threads import ran
from holdfast.backends.sqlite.writing import SqliteConnection
from holdfast.model.retention import Compacted
from holdfast.ports.clock import Clock

T = TypeVar("T")


class SqliteStore(SqlStore):
    """Durable storage in one file; made by `open`."""

    def __init__(self, owned: Owned) -> None:
        self._connection, self._path, self._ownership = owned
        number, home = ran(standing(self._connection))
        log = Log(paths_beside(self._path), number, secrets.token_bytes)
        self._filling = Filling(self._connection, log, home)
        self._readers = SqliteReaders(self._path, self._filling.settle)
        writer = Writer(self._filling, ThreadBell())
        dialect, fresh = self._connection.dialect, self._filling.fresh
        super().__init__(writer, self._readers, dialect, fresh)
        # A daemon: an interpreter that exits without `close` must not hang on it. What was not
        # acknowledged may be lost then, as in a crash.
        self._thread = threading.Thread(
            target=lambda: ran(writer.run()), name="holdfast-store-writer", daemon=True
        )
        self._closing = threading.Lock()
        self._closed = False
        self._filling.start(writer.fail)
        self._thread.start()

    @classmethod
    def open(cls, path: Path | str, *, clock: Clock) -> "SqliteStore":
        """Own the database at `path`, made where missing and brought to the newest schema.

        A folder that is missing is made for its owner alone; the file is its owner's alone.
        Errors: Conflict when another server owns it; StoreUnavailable when it cannot be read or
        written, is damaged, is not Holdfast's, or is newer than this Holdfast.
        """
        with owning(Path(path), clock) as owned:
            connections.make_serving(owned.connection.raw)
            return cls(owned)

    async def _tried(self, work: Callable[[Connection], Coroutine[Any, Any, T]]) -> T:
        """The readers' own connections cannot write even beside the database."""
        return await asyncio.to_thread(self._on_trial, work)

    def _on_trial(self, work: Callable[[Connection], Coroutine[Any, Any, T]]) -> T:
        self._filling.settle()
        try:
            raw = connections.open_for_trial(self._path)
            try:
                return ran(work(SqliteConnection(raw)))
            finally:
                raw.close(True)
        except (apsw.Error, OSError) as error:
            raise connections.unavailable(error) from error

    async def compact(self, at_most_bytes: int) -> Compacted:
        """Give so many bytes of free pages back, as far as the file was made for it."""

        async def step(_: Connection) -> Compacted:
            return connections.compact(self._connection.raw, at_most_bytes)

        compacted: Compacted = await self._writer.act(step)
        return compacted

    async def close(self) -> None:
        """Finish queued commits, close, and give the file free; idempotent."""
        self._writer.stop()
        await asyncio.to_thread(self._finish)

    def _finish(self) -> None:
        with self._closing:
            if self._closed:
                return
            self._thread.join()
            self._filling.close()
            self._readers.close()
            try:
                # The last connection to close folds the log into the file.
                self._connection.raw.close()
            finally:
                self._closed = True
                self._ownership.release()
