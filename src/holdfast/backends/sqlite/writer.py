"""The one thread that writes: takes all that is queued, commits it at once, answers every caller.

Group commit needs no delay: while one batch is on its way to the disk, the next one gathers.

Fail-stop: when a batch does not become durable, memory is ahead of the disk, and no later commit
can be trusted to rest on what it assumed. From then on the writer refuses everything, until the
process starts again from what the disk holds. A batch refused here may still turn up after a
restart (a disk can fail after it wrote); one that was acknowledged always does.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

import apsw

from holdfast.backends.sqlite import batch, connections
from holdfast.errors import HoldfastError, StoreUnavailable
from holdfast.ports.store_rows import CommitRows

MAX_BATCH_COMMITS = 512
MAX_BATCH_BYTES = 8 * 1024 * 1024
MAX_QUEUED_COMMITS = 100_000
MAX_QUEUED_BYTES = 256 * 1024 * 1024

_FLOOR_BYTES = 64
"""What an empty commit counts, so that a queue of nothing is bounded too."""


Job = Callable[[apsw.Connection], Any]
"""Work of its own on the writing connection, in one transaction that it begins and ends."""


class _Queued:
    __slots__ = ("future", "job", "loop", "rows")

    def __init__(self, rows: CommitRows, job: Job | None = None) -> None:
        self.rows = rows
        self.job = job
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()


_Answers = list[tuple[asyncio.Future[Any], HoldfastError | None, Any]]


class Writer:
    """Owns the writing connection from `start` until its thread has ended."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._queue: SimpleQueue[_Queued | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._queued_commits = 0
        self._queued_bytes = 0
        self._refusal = ""
        self._stopping = False
        # Taken already, and to be done alone.
        self._next: _Queued | None = None
        # A daemon: an interpreter that exits without `close` must not hang on it. What was not
        # acknowledged may be lost then, as in a crash.
        self._thread = threading.Thread(target=self._run, name="holdfast-store-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    @property
    def failure(self) -> str:
        """Why nothing more is written, empty while all is well."""
        return self._refusal

    def put(self, rows: CommitRows) -> asyncio.Future[None]:
        """Queue one commit behind those before it; never blocks.

        Errors: the future raises StoreUnavailable or Conflict. A caller that stops waiting does
        not take its commit back.
        """
        return self._put(_Queued(rows))

    def act(self, job: Job) -> asyncio.Future[Any]:
        """Queue work behind the commits before it; its result is the future's.

        Errors: the future raises StoreUnavailable. No memory rests on what a job does, so one that
        fails stops nothing but itself.
        """
        return self._put(_Queued(CommitRows(), job))

    def _put(self, queued: _Queued) -> asyncio.Future[Any]:
        refusal = self._enqueue(queued)
        if refusal:
            queued.future.set_exception(StoreUnavailable(refusal))
        return queued.future

    def _enqueue(self, queued: _Queued) -> str:
        size = queued.rows.size_bytes + _FLOOR_BYTES
        with self._lock:
            if self._refusal:
                return self._refusal
            if self._stopping:
                return "the store is closed"
            if self._queued_commits >= MAX_QUEUED_COMMITS:
                return f"{MAX_QUEUED_COMMITS} commits are waiting for the disk already"
            if self._queued_bytes + size > MAX_QUEUED_BYTES:
                return f"{MAX_QUEUED_BYTES} bytes are waiting for the disk already"
            self._queued_commits += 1
            self._queued_bytes += size
            self._queue.put(queued)
        return ""

    def stop(self) -> None:
        """Take nothing more; what is queued is still written. Does not wait; idempotent."""
        with self._lock:
            if not self._stopping:
                self._stopping = True
                self._queue.put(None)

    def join(self) -> None:
        """Wait until the last commit is answered. Blocks: not for the event loop."""
        self._thread.join()

    def _run(self) -> None:
        while True:
            taken, last = self._take()
            if taken and taken[0].job is not None:
                self._do(taken[0], taken[0].job)
            elif taken:
                self._finish(taken)
            if last:
                return

    def _take(self) -> tuple[list[_Queued], bool]:
        first, self._next = self._next or self._queue.get(), None
        if first is None:
            return [], True
        taken = [first]
        size = first.rows.size_bytes
        last = False
        while first.job is None and len(taken) < MAX_BATCH_COMMITS and size < MAX_BATCH_BYTES:
            try:
                queued = self._queue.get_nowait()
            except Empty:
                break
            if queued is None:
                last = True
                break
            if queued.job is not None:
                self._next = queued
                break
            taken.append(queued)
            size += queued.rows.size_bytes
        with self._lock:
            self._queued_commits -= len(taken)
            self._queued_bytes -= size + _FLOOR_BYTES * len(taken)
        return taken, last

    def _finish(self, taken: Sequence[_Queued]) -> None:
        answers: list[HoldfastError | None]
        try:
            if self._refusal:
                raise StoreUnavailable(self._refusal)
            answers = list(batch.write(self._connection, [queued.rows for queued in taken]))
        except Exception as error:  # noqa: BLE001 -- whatever it was, the batch is not durable
            reason = self._fail(error)
            answers = [StoreUnavailable(reason) for _ in taken]
        _answer((queued, answer, None) for queued, answer in zip(taken, answers, strict=True))

    def _do(self, queued: _Queued, job: Job) -> None:
        """A job alone, between two batches."""
        result: Any = None
        error: HoldfastError | None = None
        try:
            if self._refusal:
                raise StoreUnavailable(self._refusal)
            result = job(self._connection)
        except HoldfastError as refused:
            error = refused
        except Exception as fault:  # noqa: BLE001 -- whoever asked is told, the thread goes on
            error = connections.unavailable(fault)
        _answer([(queued, error, result)])

    def _fail(self, error: Exception) -> str:
        with self._lock:
            if not self._refusal:
                cause = connections.unavailable(error).message
                self._refusal = f"a commit did not become durable: {cause}; restart to go on"
            return self._refusal


def _answer(answers: Iterable[tuple[_Queued, HoldfastError | None, Any]]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, _Answers] = {}
    for queued, error, result in answers:
        by_loop.setdefault(queued.loop, []).append((queued.future, error, result))
    for loop, answered in by_loop.items():
        # A loop that was closed has nobody left who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve, answered)


def _resolve(answered: _Answers) -> None:
    for future, error, result in answered:
        if future.done():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
