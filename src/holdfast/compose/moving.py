"""A project's store from one place to another: every row, read back and compared before it counts.

Both places are owned meanwhile, so no server runs on either. Until the last step the old store is
the project's, whatever happens. Not here: SQL.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from holdfast.backends.sqlite.copying import SqliteCopy
from holdfast.backends.system.clock import SystemClock
from holdfast.compose.config.model import Config
from holdfast.compose.storage import (
    DATABASE,
    MARKER,
    SQLITE,
    Marker,
    last_store,
    postgres_backend,
    remember,
    store_url,
)
from holdfast.errors import Conflict, InvalidRequest, NotFound, StoreUnavailable
from holdfast.ports.store_rows import Row
from holdfast.ports.store_tables import TABLES
from holdfast.ports.store_urls import has_password, shown, store_url_fault

LEFT = f"{DATABASE}.moved"
"""What the file is called once its content lives elsewhere."""


class Copy(Protocol):
    """One transaction over a store that nobody else has meanwhile."""

    store_id: str

    async def empty(self) -> bool:
        """Whether there is nothing in it."""
        ...

    def rows(self, table: str) -> AsyncIterator[Sequence[Row]]:
        """Every row by rising key, a page at a time."""
        ...

    async def add(self, table: str, rows: Sequence[Row]) -> None:
        """Put rows into a table."""
        ...

    async def keep(self) -> None:
        """Make what was added durable."""
        ...

    async def close(self) -> None:
        """Let go; what was not kept is as if it had not been."""
        ...


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """What was moved: rows by table, and SHA-256 over all of them."""

    origin: str
    target: str
    rows: dict[str, int]
    digest: str


async def move_store(config: Config, environment: Mapping[str, str], to: str = "") -> Moved:
    """Move the project's store to where `to` says: an address, `sqlite`, or as configured.

    Errors: InvalidRequest, NotFound when there is no store to move, Conflict when a server has
    one of the two or the target is not empty, StoreUnavailable, ConfigInvalid. Then the old store
    is untouched, and still the project's.
    """
    state, clock = config.state_path, SystemClock()
    last = last_store(state)
    if last is None:
        raise NotFound("there is no store yet; start the server, and it makes one where configured")
    url = _target(config, environment, to)
    if not url and last.store_id == SQLITE:
        raise InvalidRequest("the store is this file already; say where it moves with `--to`")
    origin_url = "" if last.store_id == SQLITE else _origin(config, environment, last, to)
    origin = await _copy(state, origin_url, clock)
    try:
        if origin.store_id != last.store_id:
            raise Conflict(f"the store found there is not this project's, which was {last.where}")
        target = await _copy(state, url, clock)
        try:
            rows, digest = await _moved(origin, target)
        finally:
            await target.close()
        _point(state, target.store_id, url)
    finally:
        await origin.close()
    if url:
        _set_aside(state)
    return Moved(
        origin=last.where, target=shown(url) if url else DATABASE, rows=rows, digest=digest
    )


def _target(config: Config, environment: Mapping[str, str], to: str) -> str:
    if to == SQLITE:
        return ""
    if not to:
        return store_url(config, environment)
    fault = store_url_fault(to)
    if not fault and has_password(to):
        fault = "everybody on this machine can read a password here: name its variable in"
        fault += " `store.url_env` of holdfast.yaml, and leave `--to` out"
    if fault:
        raise InvalidRequest(f"--to: {fault}")
    return to


def _origin(config: Config, environment: Mapping[str, str], last: Marker, to: str) -> str:
    """The address of the Postgres that is left. Errors: InvalidRequest."""
    url = store_url(config, environment) if to else ""
    if not url:
        raise InvalidRequest(
            f"the store is {last.where}: leave it in `store` of holdfast.yaml, and say with `--to`"
            " where it moves"
        )
    return url


async def _copy(state: Path, url: str, clock: SystemClock) -> Copy:
    if not url:
        return await SqliteCopy.open(state / DATABASE, clock=clock)
    found: Copy = await postgres_backend().PostgresCopy.open(url, clock=clock)
    return found


async def _moved(origin: Copy, target: Copy) -> tuple[dict[str, int], str]:
    """Copy all tables and read them back. Errors: Conflict, StoreUnavailable."""
    fresh = await target.empty()
    sent, counts = hashlib.sha256(), {}
    for table in TABLES:
        counts[table] = 0
        async for page in origin.rows(table):
            if fresh:
                await target.add(table, page)
            counts[table] += len(page)
            _digest(sent, table, page)
    back = hashlib.sha256()
    for table in TABLES:
        async for page in target.rows(table):
            _digest(back, table, page)
    same = sent.digest() == back.digest()
    if fresh and not same:
        raise StoreUnavailable("what was read back is not what was written; nothing was moved")
    if not same:
        # The same rows are there when a move was cut off just before its last step.
        raise Conflict("the target holds other rows already; a store moves to an empty place only")
    await target.keep()
    return counts, sent.hexdigest()


def _digest(digest: "hashlib._Hash", table: str, page: Sequence[Row]) -> None:
    for row in page:
        digest.update(msgspec.msgpack.encode((table, *row)))


def _point(state: Path, store_id: str, url: str) -> None:
    """From here on the project is at the new place."""
    if url:
        remember(state, Marker(store_id=store_id, where=shown(url)))
    else:
        (state / MARKER).unlink()


def _set_aside(state: Path) -> None:
    """The old file keeps its content, under a name that no server opens."""
    for suffix in ("", "-wal", "-shm"):
        old = state / f"{DATABASE}{suffix}"
        if old.exists():
            old.rename(state / f"{LEFT}{suffix}")
