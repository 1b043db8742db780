"""Commits are durable by the log; a thread brings them into the tables, many at a time.

Of many states of one thing in so many commits the tables see the last, and an index that a batch
would touch all over is touched once for thousands. Until then what is acknowledged stands in the
log and in memory: a read waits until the tables have it (`settle`), and an effect, which every
decision asks for, is found in memory (`fresh`).

What is stored can refuse a session or a conversation, so a batch with one goes into the tables at
once, behind all that was logged; so do the rare ones of a spending key and of a stop. Not here:
how the log lies on the disk.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from holdfast.backends.sql import batch
from holdfast.backends.sql.queries import EffectName
from holdfast.backends.sqlite.log import Log
from holdfast.backends.sqlite.threads import ran
from holdfast.backends.sqlite.writing import SqliteConnection
from holdfast.errors import Conflict, StoreUnavailable
from holdfast.model.budgets import AccountState
from holdfast.ports.store_rows import CommitRows, Row

ENOUGH_COMMITS = 1_000
ENOUGH_BYTES = 8 * 1024 * 1024
MOST_COMMITS = 8_000
MOST_BYTES = 64 * 1024 * 1024
"""More than that does not wait to be brought into the tables: the writer does."""

_LINGER_S = 0.5
_FILLED = "UPDATE log_filled SET number = $1"


class _Logged(msgspec.Struct, array_like=True):
    """A commit as a frame has it; rows as `CommitRows` has them."""

    journal: list[Row]
    accounts: list[AccountState]
    calls: list[tuple[str, str, bytes]]
    holds: list[tuple[str, Row | None]]
    runs: list[Row]
    effects: list[Row]
    approvals: list[Row]


class Home(msgspec.Struct, frozen=True, array_like=True):
    """Which database a batch is of: its schema, and what tells it from every other."""

    schema: int
    database: bytes


class _Batch(msgspec.Struct, array_like=True):
    home: Home
    commits: list[_Logged]


_ENCODER = msgspec.msgpack.Encoder()
_HOME = msgspec.msgpack.Decoder(tuple[Home, Any])
_BATCH = msgspec.msgpack.Decoder(_Batch)


def logged(home: Home, commits: Sequence[CommitRows]) -> bytes:
    """A batch as a frame's payload."""
    return _ENCODER.encode(_Batch(home, [_logged(commit) for commit in commits]))


def _logged(rows: CommitRows) -> _Logged:
    return _Logged(
        rows.journal,
        list(rows.accounts.values()),
        [(*key, raw) for key, raw in rows.calls.items()],
        list(rows.holds.items()),
        list(rows.runs.values()),
        list(rows.effects.values()),
        list(rows.approvals.values()),
    )


def unlogged(payload: bytes) -> list[CommitRows]:
    """The commits of a frame's payload."""
    return [_unlogged(commit) for commit in _BATCH.decode(payload).commits]


def check_home(payload: bytes, home: Home) -> None:
    """Errors: StoreUnavailable for a frame of another database, or of another schema."""
    found = _HOME.decode(payload)[0]
    if found.database != home.database:
        raise StoreUnavailable("the log beside the database is another database's")
    if found.schema != home.schema:
        raise StoreUnavailable(
            f"the log beside the database was left by a holdfast of schema {found.schema}, and this"
            f" one has schema {home.schema}: start that one once more, and stop it",
            schema=found.schema,
            known=home.schema,
        )


def _unlogged(commit: _Logged) -> CommitRows:
    rows = CommitRows()
    rows.journal = [tuple(row) for row in commit.journal]
    rows.accounts = {account.key: account for account in commit.accounts}
    rows.calls = {(session, call_id): raw for session, call_id, raw in commit.calls}
    rows.holds = {name: tuple(row) if row else None for name, row in commit.holds}
    rows.runs = {row[0]: tuple(row) for row in commit.runs}
    rows.effects = {(row[0], row[1]): tuple(row) for row in commit.effects}
    rows.approvals = {row[0]: tuple(row) for row in commit.approvals}
    return rows


async def fill(connection: SqliteConnection, commits: Sequence[CommitRows], number: int) -> None:
    """Bring commits into the tables, and that these have all up to frame `number`."""
    async with connection.transaction():
        await connection.write(*batch.merged(commits))
        await connection.execute(_FILLED, (number,))


class Filling:
    """Where a writer puts its commits; the writing connection is its own."""

    def __init__(self, connection: SqliteConnection, log: Log, home: Home) -> None:
        self.fresh: dict[EffectName, bytes] = {}
        self._connection = connection
        self._log = log
        self._home = home
        self._failed: Callable[[Exception], object] = lambda _: None
        self._due: list[CommitRows] = []
        self._due_bytes = 0
        # Last frames: acknowledged, handed to the tables, in the tables, and waited for by a read.
        self._logged = self._taken = self._filled = self._wanted = log.number
        self._fault: StoreUnavailable | None = None
        self._stopping = False
        # Of everything above.
        self._turn = threading.Condition()
        # A daemon: an interpreter that exits without `close` must not hang on it.
        self._thread = threading.Thread(target=self._run, name="holdfast-store-filler", daemon=True)

    def start(self, failed: Callable[[Exception], object]) -> None:
        """Begin; `failed` is told when the tables can take nothing more."""
        self._failed = failed
        self._thread.start()

    def unavailable(self, error: BaseException) -> StoreUnavailable:
        """As of a connection."""
        return self._connection.unavailable(error)

    async def write(self, commits: Sequence[CommitRows]) -> Sequence[Conflict | None]:
        """As `batch.write`, from one thread."""
        at_once = (one.sessions or one.conversations or one.keys or one.stops for one in commits)
        if any(at_once):
            self.settle()
            return await batch.write(self._connection, commits)
        due = [commit for commit in commits if not commit.empty]
        if due:
            number = self._log.append(logged(self._home, due), self._filled)
            self._add(due, number)
        return [None] * len(commits)

    async def act(self, job: Callable[[SqliteConnection], Any]) -> Any:
        """A job on the connection, from the thread that writes."""
        self.settle()
        return await job(self._connection)

    def settle(self) -> None:
        """Block until the tables have all that was acknowledged. Errors: StoreUnavailable."""
        target = self._logged
        if self._filled >= target:
            return
        with self._turn:
            self._wanted = max(self._wanted, target)
            self._turn.notify_all()
            self._turn.wait_for(lambda: self._filled >= target or self._fault)
            if self._fault is not None and self._filled < target:
                raise self._fault

    def close(self) -> None:
        """Bring in what is left, and let the log go. Nothing may be written meanwhile."""
        with self._turn:
            self._stopping = True
            self._turn.notify_all()
        self._thread.join()
        self._log.close(empty=self._filled == self._log.number)

    def _add(self, commits: Sequence[CommitRows], number: int) -> None:
        # Before anybody is told that it is durable, so that whoever was told finds it.
        for commit in commits:
            for name, row in commit.effects.items():
                self.fresh[name] = row[-1]
        with self._turn:
            self._due += commits
            self._due_bytes += sum(commit.size_bytes for commit in commits)
            idle, self._logged = self._logged == self._taken, number
            if idle or self._enough:
                self._turn.notify_all()
            self._turn.wait_for(lambda: not self._too_much or self._fault)

    @property
    def _enough(self) -> bool:
        return len(self._due) >= ENOUGH_COMMITS or self._due_bytes >= ENOUGH_BYTES

    @property
    def _too_much(self) -> bool:
        return len(self._due) > MOST_COMMITS or self._due_bytes > MOST_BYTES

    def _run(self) -> None:
        while taken := self._next():
            try:
                ran(fill(self._connection, taken, self._taken))
            except Exception as error:  # noqa: BLE001 -- whatever it was, the tables stay behind
                self._fail(error)
                return
            for commit in taken:
                for name, row in commit.effects.items():
                    if self.fresh.get(name) is row[-1]:
                        del self.fresh[name]
            with self._turn:
                self._filled = self._taken
                self._turn.notify_all()

    def _next(self) -> list[CommitRows]:
        """What is brought in together, once it is enough or wanted; nothing at the end."""
        with self._turn:
            self._turn.wait_for(lambda: self._due or self._stopping)
            self._turn.wait_for(
                lambda: self._enough or self._wanted > self._taken or self._stopping, _LINGER_S
            )
            taken, self._due, self._due_bytes = self._due, [], 0
            self._taken = self._logged
            return taken

    def _fail(self, error: Exception) -> None:
        self._failed(error)
        with self._turn:
            self._fault = self._connection.unavailable(error)
            self._turn.notify_all()
