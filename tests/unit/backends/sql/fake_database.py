"""A database in memory, as the shared parts of a store see one: it suspends, refuses, fails."""

import asyncio
import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from holdfast.errors import StoreUnavailable
from holdfast.model.events import Record
from holdfast.ports.store import Change
from holdfast.ports.store_rows import CommitRows, Row, commit_rows
from holdfast.ports.store_tables import KEYS, TABLES
from holdfast.testing.conformance.store import a_record

_TOKEN = [name for name, _ in TABLES["sessions"]].index("token_digest")


class Taken(Exception):
    """A token is another session's."""


class FakeDatabase:
    """Rows by table and key. `suspends` says how often each write gives the loop away."""

    taken = Taken
    dialect: Any = None

    def __init__(self, suspends: Iterable[int] = ()) -> None:
        self.tables: dict[str, dict[Row, Row]] = {table: {} for table in TABLES}
        self.writes = 0
        self.writing = False
        self.executed: list[tuple[str, Sequence[Any]]] = []
        self.changes = 1
        self.before_write: Callable[[], None] = lambda: None
        self._suspends = iter(suspends)

    def unavailable(self, error: BaseException) -> StoreUnavailable:
        return StoreUnavailable(f"the fake failed ({error})")

    def transaction(self) -> "FakeTransaction":
        return FakeTransaction(self)

    async def fetch(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return []

    async def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        self.executed.append((sql, values))
        return self.changes

    async def write(self, rows: Mapping[str, Sequence[Row]], closed: Sequence[str] = ()) -> None:
        assert not self.writing, "two writes at once"
        self.writing = True
        try:
            for _ in range(next(self._suspends, 0)):
                await asyncio.sleep(0)
            self.before_write()
            async with self.transaction():
                self._put(rows, closed)
            self.writes += 1
        finally:
            self.writing = False

    def _put(self, rows: Mapping[str, Sequence[Row]], closed: Sequence[str]) -> None:
        for table, some in rows.items():
            names = [name for name, _ in TABLES[table]]
            for row in some:
                key = (len(self.tables[table]),)
                if table != "journal":
                    named = dict(zip(names[len(names) - len(row) :], row, strict=True))
                    key = tuple(named[name] for name in KEYS[table])
                if table == "sessions" and self._taken(key, row[_TOKEN]):
                    raise Taken
                self.tables[table][key] = row
        for hold_id in closed:
            self.tables["holds"].pop((hold_id,), None)

    def _taken(self, key: Row, token: str) -> bool:
        others = (row for name, row in self.tables["sessions"].items() if name != key)
        return bool(token) and any(row[_TOKEN] == token for row in others)

    def journal(self) -> list[int]:
        """Times of what is kept, in its order."""
        return [row[0] for row in self.tables["journal"].values()]


class FakeTransaction:
    """Undone by putting back what there was."""

    def __init__(self, database: FakeDatabase) -> None:
        self._database = database

    async def start(self) -> None:
        self._before = copy.deepcopy(self._database.tables)

    async def commit(self) -> None:
        pass

    async def rollback(self) -> None:
        self._database.tables = self._before

    async def __aenter__(self) -> None:
        await self.start()

    async def __aexit__(self, *raised: object) -> None:
        if raised[1] is not None:
            await self.rollback()


def rows_of(*at_ns: int, changes: Sequence[Change] = ()) -> CommitRows:
    """A commit of records of these times, and of states."""
    records: list[Record] = [a_record(each) for each in at_ns]
    return commit_rows(records, changes)
