"""The one task that writes: takes all that is queued, commits it at once, answers every caller.

Group commit needs no delay: while one batch is on its way to the disk, the next one gathers.

Fail-stop: when a batch does not become durable, memory is ahead of the disk, and no later commit
can be trusted to rest on what it assumed. From then on the writer refuses everything, until the
process starts again from what the database holds. A batch refused here may still turn up then (a
connection can break after the commit); one that was acknowledged always does. The connection also
holds the store's lock, so that a server which lost it can write nothing any more.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from holdfast.backends.postgres import batch
from holdfast.backends.postgres.connections import FAULTS, Connection, unavailable
from holdfast.backends.postgres.tasks import started
from holdfast.errors import HoldfastError, StoreUnavailable
from holdfast.ports.store_rows import CommitRows

MAX_BATCH_COMMITS = 1024
MAX_BATCH_BYTES = 8 * 1024 * 1024
MAX_QUEUED_COMMITS = 100_000
MAX_QUEUED_BYTES = 256 * 1024 * 1024

_FLOOR_BYTES = 64
"""What an empty commit counts, so that a queue of nothing is bounded too."""

Job = Callable[[Connection], Coroutine[Any, Any, Any]]
"""Work of its own on the writing connection, in one transaction that it begins and ends."""

_Queued = tuple[CommitRows, "asyncio.Future[Any]", Job | None]


class Writer:
    """Owns the writing connection; belongs to the event loop that made it."""

    def __init__(self, connection: Connection, counters: batch.Counters) -> None:
        self._connection = connection
        self._counters = counters
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Queued] = deque()
        self._queued_bytes = 0
        self._refusal = ""
        self._stopping = False
        self._due = asyncio.Event()
        connection.add_termination_listener(self._lost)
        self._task = started(self._run(), "holdfast-store-writer")

    @property
    def failure(self) -> str:
        """Why nothing more is written, empty while all is well."""
        return self._refusal

    def put(self, rows: CommitRows) -> asyncio.Future[None]:
        """Queue one commit behind those before it; never blocks.

        Errors: the future raises StoreUnavailable or Conflict. A caller that stops waiting does
        not take its commit back.
        """
        return self._put(rows)

    def act(self, job: Job) -> asyncio.Future[Any]:
        """Queue work behind the commits before it; its result is the future's.

        Errors: the future raises StoreUnavailable. No memory rests on what a job does, so one that
        fails stops nothing but itself, unless the connection broke.
        """
        return self._put(CommitRows(), job)

    def _put(self, rows: CommitRows, job: Job | None = None) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self._loop.create_future()
        refusal = self._enqueue(rows, future, job)
        if refusal:
            future.set_exception(StoreUnavailable(refusal))
        return future

    def _enqueue(self, rows: CommitRows, future: "asyncio.Future[Any]", job: Job | None) -> str:
        size = rows.size_bytes + _FLOOR_BYTES
        if self._refusal:
            return self._refusal
        if self._stopping:
            return "the store is closed"
        if len(self._queue) >= MAX_QUEUED_COMMITS:
            return f"{MAX_QUEUED_COMMITS} commits are waiting for the database already"
        if self._queued_bytes + size > MAX_QUEUED_BYTES:
            return f"{MAX_QUEUED_BYTES} bytes are waiting for the database already"
        self._queued_bytes += size
        self._queue.append((rows, future, job))
        self._due.set()
        return ""

    async def stop(self) -> None:
        """Take nothing more, and wait until all that is queued is answered; idempotent."""
        self._stopping = True
        self._due.set()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            while self._queue:
                rows, future, job = self._queue[0]
                if job is None:
                    await self._finish(self._taken())
                else:
                    self._queue.popleft()
                    self._queued_bytes -= rows.size_bytes + _FLOOR_BYTES
                    await self._do(job, future)
            if self._stopping:
                return

    def _taken(self) -> list[_Queued]:
        taken: list[_Queued] = []
        size = 0
        while self._queue and len(taken) < MAX_BATCH_COMMITS and size < MAX_BATCH_BYTES:
            if self._queue[0][2] is not None:
                break
            queued = self._queue.popleft()
            size += queued[0].size_bytes
            taken.append(queued)
        self._queued_bytes -= size + _FLOOR_BYTES * len(taken)
        return taken

    async def _finish(self, taken: Sequence[_Queued]) -> None:
        answers: Sequence[HoldfastError | None]
        try:
            if self._refusal:
                raise StoreUnavailable(self._refusal)
            rows = [queued[0] for queued in taken]
            answers = await batch.write(self._connection, rows, self._counters)
        except Exception as error:  # noqa: BLE001 -- whatever it was, the batch is not durable
            reason = self._fail(error)
            answers = [StoreUnavailable(reason) for _ in taken]
        for (_, future, _), answer in zip(taken, answers, strict=True):
            _settle(future, answer, None)

    async def _do(self, job: Job, future: "asyncio.Future[Any]") -> None:
        """A job alone, between two batches."""
        try:
            if self._refusal:
                raise StoreUnavailable(self._refusal)
            result = await job(self._connection)
        except HoldfastError as refused:
            _settle(future, refused, None)
        except Exception as fault:  # noqa: BLE001 -- whoever asked is told, the task goes on
            _settle(future, unavailable(fault), None)
        else:
            _settle(future, None, result)

    def _lost(self, _connection: object) -> None:
        """The connection ended by itself, and the store's lock with it."""
        if not self._stopping:
            self._fail(ConnectionError("the connection ended"))

    def _fail(self, error: Exception) -> str:
        if not self._refusal:
            if isinstance(error, FAULTS):
                cause = unavailable(error).message
            else:
                cause = f"the database failed ({type(error).__name__}: {error})"
            self._refusal = f"a commit did not become durable: {cause}; restart to go on"
        return self._refusal


def _settle(future: "asyncio.Future[Any]", error: HoldfastError | None, result: object) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
