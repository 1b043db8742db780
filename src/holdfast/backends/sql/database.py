"""What a database brings to its store: a dialect, a connection that writes, and readers.

SQL is written with numbered places (`$1`) and quoted columns, which every database here has a word
for. A coroutine of a connection waits for a database that is elsewhere; over a file none of them
ever waits. Not here: any database.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from holdfast.errors import Conflict, StoreUnavailable
from holdfast.ports.store import RecordFilter
from holdfast.ports.store_rows import CommitRows, Row
from holdfast.ports.store_tables import TABLES

T = TypeVar("T")


class Query(NamedTuple, Generic[T]):
    """One statement that reads, its values, and what its rows mean.

    `lags`: whoever asks knows of what was acknowledged and is not in the tables yet.
    """

    sql: str
    values: Sequence[Any]
    read: Callable[[Iterable[Row]], T]
    lags: bool = False


class Dialect(Protocol):
    """Where the SQL of one database differs from another's."""

    @property
    def schema(self) -> str:
        """Where the tables are, for telling them from temporary ones of the same name."""
        ...

    @property
    def analyze(self) -> str:
        """What makes temporary tables known to the planner; empty where nothing has to."""
        ...

    @property
    def settled(self) -> str:
        """The journal as a table to read from, by what of it settled money."""
        ...

    @property
    def model(self) -> str:
        """The model that the body of a settled model call names, as text or nothing."""
        ...

    def journal(self, where: RecordFilter) -> str:
        """The journal as a table to read from, by the way in that is short for this filter."""
        ...

    def among(
        self, columns: Sequence[str], names: Sequence[Sequence[str]], first: int
    ) -> tuple[str, list[Any]]:
        """That the columns hold one of these names, and its values, numbered from `first`."""
        ...


class Transaction(Protocol):
    """All of it or nothing, seeing one instant; inside another one, a part that can be undone."""

    async def start(self) -> None:
        """Begin."""
        ...

    async def commit(self) -> None:
        """Make it durable; inside another one, keep it."""
        ...

    async def rollback(self) -> None:
        """As if it had not been."""
        ...

    async def __aenter__(self) -> object: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> object: ...


Job = Callable[["Connection"], Coroutine[Any, Any, Any]]
"""Work of its own on the writing connection, in one transaction that it begins and ends."""


class Target(Protocol):
    """What a writer writes to, one thing at a time."""

    def unavailable(self, error: BaseException) -> StoreUnavailable:
        """As of a connection."""
        ...

    async def write(self, commits: Sequence[CommitRows]) -> Sequence[Conflict | None]:
        """Make all commits durable in their order, or none; as `batch.write`."""
        ...

    async def act(self, job: Job) -> Any:
        """A job, behind all commits before it. Errors: those of the job."""
        ...


class Connection(Protocol):
    """A connection that writes. Errors: the driver's own, which `unavailable` translates."""

    @property
    def dialect(self) -> Dialect:
        """The dialect of its SQL."""
        ...

    @property
    def taken(self) -> type[Exception]:
        """What is raised when a row would take what is another's by a unique index."""
        ...

    def unavailable(self, error: BaseException) -> StoreUnavailable:
        """The typed refusal for whatever error; the cause stays in the message."""
        ...

    def transaction(self) -> Transaction:
        """To be started, or entered."""
        ...

    async def fetch(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Every row of a statement."""
        ...

    async def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        """How many rows a statement changed. Without values it may be several statements."""
        ...

    async def write(self, rows: Mapping[str, Sequence[Row]], closed: Sequence[str] = ()) -> None:
        """Rows of each table, all or none: new ones, or in place of those of the same key.

        Rows hold every column of `TABLES`; journal records and calls may come without their
        number, the first column, and get the next one. `closed` are the ids of holds to delete.
        """
        ...


class Readers(Protocol):
    """Connections that cannot write; each read sees every commit acknowledged before it."""

    async def read(self, query: Query[T]) -> T:
        """Run one query. Errors: StoreUnavailable."""
        ...

    def start(self, query: Query[T]) -> asyncio.Future[T]:
        """`read`, for a caller that does not wait. Errors: StoreUnavailable, here or there."""
        ...


def columns_sql(table: str, most: int = 99) -> str:
    """The last so many columns of a table, quoted (one of them is a word of SQL)."""
    return ", ".join(f'"{name}"' for name, _ in TABLES[table][-most:])
