"""The server's end of one reader: a job handed over, its answer taken, the process ended.

Not here: when a reader is started, and whose turn it is (`host`).
"""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Mapping

from holdfast.backends.reader_host.files import NUMBER_BYTES, HeldFile
from holdfast.ports.sandbox import Pipes, Program, Sandbox

_END_S = 2.0


class Ended(Exception):
    """The process went away, or had to be ended, before it answered; one sentence says why."""


class Line:
    """One process, which has at most one job."""

    def __init__(self, process: asyncio.subprocess.Process, ours: socket.socket) -> None:
        self.ended = False
        self.pid = process.pid
        self._process = process
        self._socket = ours
        self._number = 0
        self._answer: asyncio.Future[list[HeldFile]] | None = None
        self._most_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(ours.fileno(), self._readable)

    @classmethod
    async def start(
        cls, sandbox: Sandbox, environment: Mapping[str, str], most_bytes: int
    ) -> "Line":
        """A new process. Errors: OSError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            ours.setblocking(False)
            given = (str(theirs.fileno()), str(os.getpid()), str(most_bytes))
            module = ("-m", "holdfast.backends.reader_host.process")
            process = await sandbox.start(
                Program(
                    arguments=(sys.executable, *module, *given),
                    stdout=Pipes.NOTHING,
                    environment=environment,
                    handed=(theirs.fileno(),),
                )
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return cls(process, ours)

    def hand_over(
        self, job: HeldFile, body: HeldFile, most_bytes: int, timeout_s: float
    ) -> "asyncio.Future[list[HeldFile]]":
        """Begin a job: its answer, and a body of at most `most_bytes` that was written.

        The process is ended where none comes in time. Whoever awaits it may leave: the process is
        busy until the future is done. Errors: Ended, at once or when it is awaited.
        """
        self._number += 1
        answer: asyncio.Future[list[HeldFile]] = self._loop.create_future()
        self._answer, self._most_bytes = answer, most_bytes
        try:
            number = self._number.to_bytes(NUMBER_BYTES)
            socket.send_fds(self._socket, [number], [job.fd, body.fd])
        except OSError:
            self.end("ended before it could be asked")
            return answer
        self._deadline = self._loop.call_later(
            timeout_s, self.end, f"took longer than {timeout_s:g} s"
        )
        return answer

    def _readable(self) -> None:
        try:
            number, fds, _, _ = socket.recv_fds(self._socket, NUMBER_BYTES, 2)
        except BlockingIOError:
            return
        except OSError:
            self.end("ended")
            return
        try:
            given = [HeldFile.given(fd, self._most_bytes) for fd in fds]
        except (OSError, ValueError):
            given = []
        expected = number == self._number.to_bytes(NUMBER_BYTES) and self._answer is not None
        if not number:
            self.end("ended")
        elif not given or not expected:
            self.end("answered what is no answer")
        else:
            self._done(given)

    def _done(self, given: list[HeldFile]) -> None:
        answer, self._answer = self._answer, None
        if self._deadline is not None:
            self._deadline.cancel()
        if answer is not None and not answer.done():
            answer.set_result(given)

    def end(self, why: str) -> None:
        """Kill the process; whoever waits gets no answer. Idempotent."""
        if self.ended:
            return
        self.ended = True
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        answer, self._answer = self._answer, None
        if self._deadline is not None:
            self._deadline.cancel()
        if answer is not None and not answer.done():
            answer.set_exception(Ended(why))

    async def gone(self) -> None:
        """Wait until a process that was ended has left, which a kill brings about in no time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await self._process.wait()
