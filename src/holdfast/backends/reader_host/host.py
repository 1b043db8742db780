"""The reader of one process: started with its first large body, started again when it had to end.

One job at a time: large bodies wait for each other, and nobody else for them. Each job has so many
seconds and so much memory; a body that takes more is refused, and costs one process.
Not here: one process (`line`), what runs in it (`process`).
"""

import asyncio
from collections.abc import Mapping

import msgspec

from holdfast.backends.reader_host.files import HeldFile
from holdfast.backends.reader_host.line import Ended, Line
from holdfast.core.large import Answer, Job
from holdfast.errors import Unavailable
from holdfast.ports.readers import Held
from holdfast.ports.sandbox import Sandbox

MOST_BYTES = 1024**3
"""Address space of the process."""
JOB_S = 20.0
"""How long one body may take to read."""
WAITING_MOST = 256
"""Jobs that wait for their turn; further ones are refused."""
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "USER", "PYTHONPATH", "VIRTUAL_ENV")
_GREW_BYTES = 16 * 1024 * 1024
_PAUSE_S = 1.0
_decoder = msgspec.msgpack.Decoder(Answer)
_encode = msgspec.msgpack.Encoder().encode


class ReaderHost:
    """See `ports.readers.Readers`. `close` it in the loop that used it."""

    def __init__(
        self,
        environment: Mapping[str, str],
        sandbox: Sandbox,
        *,
        job_s: float = JOB_S,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._environment = {name: environment[name] for name in _KEPT if name in environment}
        self._sandbox = sandbox
        self._job_s = job_s
        self._most_bytes = most_bytes
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0
        self._line: Line | None = None
        self._not_before = 0.0
        self._closed = False

    @property
    def pid(self) -> int:
        """Process id of the reader; 0 where none runs."""
        return self._line.pid if self._line is not None and not self._line.ended else 0

    def hold(self) -> HeldFile:
        """A place for a body. Errors: Unavailable."""
        return HeldFile.new()

    async def ask(self, job: Job, body: Held) -> tuple[Answer, Held | None]:
        """Do one job. Errors: see the port."""
        if not isinstance(body, HeldFile):
            raise TypeError("a reader is given what it made itself")
        if self._waiting >= WAITING_MOST:
            text = "too many large requests wait to be read; try again in a moment"
            raise Unavailable(text, retry_after_s=1)
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        given = await self._begun(job, body)
        try:
            return _decoder.decode(given[0].view()), given[1] if len(given) > 1 else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
            if self._line is not None:
                self._line.end("answered what is no answer")
            raise _refused("answered what is no answer") from fault
        finally:
            given[0].close()

    async def _begun(self, job: Job, body: HeldFile) -> list[HeldFile]:
        """The turn is given back when the process is free again, whether or not we still wait."""
        spelled: HeldFile | None = None
        try:
            line = await self._ready()
            spelled = HeldFile.of(_encode(job))
            body.seal()
            most = body.size_bytes + spelled.size_bytes + _GREW_BYTES
            answer = line.hand_over(spelled, body, most, self._job_s)
        except BaseException:
            self._turn.release()
            raise
        finally:
            if spelled is not None:
                spelled.close()
        answer.add_done_callback(self._free)
        try:
            return await asyncio.shield(answer)
        except Ended as fault:
            raise _refused(str(fault)) from fault

    def _free(self, answer: "asyncio.Future[list[HeldFile]]") -> None:
        """Also where nobody waits any more, so that its fault has been looked at."""
        if not answer.cancelled():
            answer.exception()
        self._turn.release()

    async def _ready(self) -> Line:
        """The process, running. Errors: Unavailable."""
        loop = asyncio.get_running_loop()
        if self._line is not None and self._line.ended:
            await self._line.gone()
            self._line = None
        if self._line is None:
            if self._closed or loop.time() < self._not_before:
                raise _refused("cannot be started")
            try:
                self._line = await Line.start(self._sandbox, self._environment, self._most_bytes)
            except OSError as error:
                self._not_before = loop.time() + _PAUSE_S
                raise _refused("cannot be started") from error
        return self._line

    async def close(self) -> None:
        """End the process; idempotent."""
        self._closed = True
        if self._line is not None:
            self._line.end("is stopping")
            await self._line.gone()


def _refused(why: str) -> Unavailable:
    return Unavailable(
        f"the process that reads large requests {why}: nothing was forwarded; send it again, or"
        " less of it at once",
        retry_after_s=1,
    )
