"""The one that writes: takes all that is queued, commits it at once, answers every caller.

Group commit needs no delay: while one batch is on its way to the disk, the next one gathers. What
is put down in one turn of an event loop is one batch, as long as it is small: the bell is rung at
the turn's end, or once enough wait for a flush to run beside the rest of the turn.

Fail-stop: when a batch does not become durable, memory is ahead of the disk, and no later commit
can be trusted to rest on what it assumed. From then on the writer refuses everything, until the
process starts again from what the database holds. A batch refused here may still turn up then (a
disk can fail after it wrote, a connection break after the commit); one that was acknowledged
always does. Not here: threads and tasks, one of which runs the writer.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from holdfast.backends.sql.bells import Bell
from holdfast.backends.sql.database import Job, Target
from holdfast.errors import HoldfastError, StoreUnavailable
from holdfast.ports.store_rows import CommitRows

MAX_BATCH_COMMITS = 512
MAX_BATCH_BYTES = 8 * 1024 * 1024
MAX_QUEUED_COMMITS = 100_000
MAX_QUEUED_BYTES = 256 * 1024 * 1024

_ENOUGH_COMMITS = 32
"""So many commits are not kept waiting for the end of the turn."""

_FLOOR_BYTES = 64
"""What an empty commit counts, so that a queue of nothing is bounded too."""


class _Queued:
    __slots__ = ("future", "job", "loop", "rows", "size")

    def __init__(self, rows: CommitRows, job: Job | None = None) -> None:
        self.rows = rows
        self.size = rows.size_bytes + _FLOOR_BYTES
        self.job = job
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()


_Answers = list[tuple[asyncio.Future[Any], HoldfastError | None, Any]]


class Writer:
    """Takes commits from any event loop, and owns what it writes to while it runs."""

    def __init__(self, target: Target, bell: Bell) -> None:
        self._target = target
        self._bell = bell
        self._queue: deque[_Queued] = deque()
        # Of what is queued, and of whether more may be.
        self._lock = threading.Lock()
        self._queued_bytes = 0
        self._refusal = ""
        self._stopping = False
        # Event loops that will ring when their turn ends.
        self._ringing: set[asyncio.AbstractEventLoop] = set()

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
        fails stops nothing but itself, unless the connection broke.
        """
        return self._put(_Queued(CommitRows(), job))

    def _put(self, queued: _Queued) -> asyncio.Future[Any]:
        with self._lock:
            refusal = self._refused(queued.size)
            if not refusal:
                self._queued_bytes += queued.size
                self._queue.append(queued)
                if len(self._queue) >= _ENOUGH_COMMITS:
                    self._bell.ring()
        if refusal:
            queued.future.set_exception(StoreUnavailable(refusal))
        elif queued.loop not in self._ringing:
            self._ringing.add(queued.loop)
            queued.loop.call_soon(self._ring, queued.loop)
        return queued.future

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._ringing.discard(loop)
        with self._lock:
            self._bell.ring()

    def _refused(self, size: int) -> str:
        if self._refusal:
            return self._refusal
        if self._stopping:
            return "the store is closed"
        if len(self._queue) >= MAX_QUEUED_COMMITS:
            return f"{MAX_QUEUED_COMMITS} commits are waiting to become durable already"
        if self._queued_bytes + size > MAX_QUEUED_BYTES:
            return f"{MAX_QUEUED_BYTES} bytes are waiting to become durable already"
        return ""

    def stop(self) -> None:
        """Take nothing more; what is queued is still written. Does not wait; idempotent."""
        with self._lock:
            self._stopping = True
            self._bell.ring()

    def lost(self, *_: object) -> None:
        """The connection ended by itself, and with it what made the store ours."""
        if not self._stopping:
            self.fail(ConnectionError("the connection ended"))

    async def run(self) -> None:
        """Write, until `stop` was called and everything that was queued before is answered."""
        while True:
            # Asked before the queue is: whatever was put before `stop` is seen in it below.
            stopping = self._stopping
            if self._queue:
                taken = self._taken()
                if taken[0].job is None:
                    await self._finish(taken)
                else:
                    await self._do(taken[0], taken[0].job)
            elif stopping:
                return
            else:
                await self._bell.rung()

    def _taken(self) -> list[_Queued]:
        """What comes next: a job alone, or commits up to the next job."""
        taken = [self._queue.popleft()]
        size = taken[0].size
        while self._queue and len(taken) < MAX_BATCH_COMMITS and size < MAX_BATCH_BYTES:
            if taken[0].job or self._queue[0].job:
                break
            taken.append(self._queue.popleft())
            size += taken[-1].size
        with self._lock:
            self._queued_bytes -= size
        return taken

    async def _finish(self, taken: Sequence[_Queued]) -> None:
        answers: Sequence[HoldfastError | None]
        try:
            if self._refusal:
                raise StoreUnavailable(self._refusal)
            answers = await self._target.write([queued.rows for queued in taken])
        except Exception as error:  # noqa: BLE001 -- whatever it was, the batch is not durable
            reason = self.fail(error)
            answers = [StoreUnavailable(reason) for _ in taken]
        self._answer((queued, answer, None) for queued, answer in zip(taken, answers, strict=True))

    async def _do(self, queued: _Queued, job: Job) -> None:
        """A job alone, between two batches."""
        result: Any = None
        error: HoldfastError | None = None
        try:
            if self._refusal:
                raise StoreUnavailable(self._refusal)
            result = await self._target.act(job)
        except HoldfastError as refused:
            error = refused
        except Exception as fault:  # noqa: BLE001 -- whoever asked is told, the writer goes on
            error = self._target.unavailable(fault)
        self._answer([(queued, error, result)])

    def fail(self, error: Exception) -> str:
        """Refuse everything from now on; why. From any thread."""
        with self._lock:
            if not self._refusal:
                cause = self._target.unavailable(error).message
                self._refusal = f"a commit did not become durable: {cause}; restart to go on"
            return self._refusal

    def _answer(self, answers: Iterable[tuple[_Queued, HoldfastError | None, Any]]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, _Answers] = {}
        for queued, error, result in answers:
            by_loop.setdefault(queued.loop, []).append((queued.future, error, result))
        for loop, answered in by_loop.items():
            if loop is self._bell.loop:
                _resolve(answered)
                continue
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
