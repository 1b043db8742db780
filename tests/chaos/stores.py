"""Real databases whose process forgets everything at a commit: what is on the disk stays.

A crash lets go of the store between two commits; the next process opens what is there. Not here:
tearing a commit itself, which is the databases' own promise and is tested by kill -9.
"""

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import asyncpg

from holdfast.backends.postgres import PostgresStore
from holdfast.backends.sqlite import SqliteStore
from holdfast.backends.sqlite.log import SUFFIXES
from holdfast.backends.system.clock import SystemClock
from holdfast.errors import StoreUnavailable
from holdfast.model.events import Record
from holdfast.ports.store import Change, Store
from holdfast.testing.memory_store import MemoryStore


class Mortal:
    """A store that stops at a commit of one's choice; every other word is the store's own."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self._left = -1

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def fail_commits(self, *, after: int) -> None:
        """Let `after` more commits become durable, and none behind them."""
        self._left = after

    def commit(
        self, records: Sequence[Record] = (), changes: Sequence[Change] = ()
    ) -> asyncio.Future[None]:
        """As of the store, until it stops."""
        if self._left == 0:
            refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            refused.set_exception(StoreUnavailable("the process crashed"))
            return refused
        self._left -= self._left > 0
        done: asyncio.Future[None] = self.store.commit(records, changes)
        return done


class Disk(Protocol):
    """Where a trial's stores lie."""

    async def opened(self) -> Any:
        """A store over nothing."""
        ...

    async def crashed(self, store: Any) -> Any:
        """A new process's store over what the old one made durable."""
        ...


class Memory:
    """The store in memory."""

    async def opened(self) -> Any:
        """Errors: none."""
        return MemoryStore()

    async def crashed(self, store: Any) -> Any:
        """Errors: none."""
        return store.crashed()


class SqliteDisk:
    """A new file for each trial."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    async def opened(self) -> Any:
        """Errors: StoreUnavailable."""
        self._count += 1
        return await self._open()

    @property
    def _path(self) -> Path:
        return self._folder / f"{self._count}.db"

    async def _open(self) -> Mortal:
        store: Store = SqliteStore.open(self._path, clock=SystemClock())
        return Mortal(store)

    async def crashed(self, store: Any) -> Any:
        """The files go on as they stand, the logs last. Errors: StoreUnavailable."""
        left = self._path
        self._count += 1
        for suffix in ("", "-wal", *SUFFIXES):
            file = left.with_name(left.name + suffix)
            if file.exists():
                shutil.copy(file, self._path.with_name(self._path.name + suffix))
        await store.close()
        return await self._open()


class PostgresDisk:
    """One database, emptied for each trial."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def opened(self) -> Any:
        """Errors: StoreUnavailable."""
        connection = await asyncpg.connect(self._url)
        await connection.execute("DROP SCHEMA IF EXISTS holdfast CASCADE")
        await connection.close()
        return await self._open()

    async def _open(self) -> Mortal:
        return Mortal(await PostgresStore.open(self._url, clock=SystemClock()))

    async def crashed(self, store: Any) -> Any:
        """The connection is cut, as it is when a process is gone. Errors: StoreUnavailable."""
        store._connection.raw.terminate()
        store._readers.cut()
        await store.close()
        return await self._open()
