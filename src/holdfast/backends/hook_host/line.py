"""The server's end of one hook host: questions written, answers read, the process ended.

Not here: when a host is started, and which agent's it is (`hosts`).
"""

import asyncio
import contextlib
import os
import signal
from typing import NamedTuple, cast

import msgspec

from holdfast.backends.hook_host.survivors import end_all
from holdfast.backends.hook_host.wire import MOST_ANSWER_BYTES, Ask, Said
from holdfast.model.hooks import HookAnswer, HookInput, HookPoint
from holdfast.ports.hooks import HookFault

_END_S = 2.0


class Ended(Exception):
    """The process went away before it answered."""


class _Open(NamedTuple):
    """A question without an answer so far, and the timer of its deadline."""

    answer: asyncio.Future[Said]
    late: asyncio.TimerHandle


class Line(asyncio.SubprocessProtocol):
    """One process and the questions that are open with it."""

    def __init__(self, mark: str = "") -> None:
        self.ended = False
        self._mark = mark
        self._swept: asyncio.Future[None] | None = None
        self.loaded: set[str] = set()
        self._transport: asyncio.SubprocessTransport | None = None
        self._open: dict[int, _Open] = {}
        self._serial = 0
        self._unread = bytearray()
        self._exited = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The process runs."""
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Bytes of answers; what no host writes ends the process."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._unread += line
            whole, self._unread = bytes(self._unread), bytearray()
            try:
                said = msgspec.json.decode(whole, type=Said)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                self.end()
                return
            answered = self._open.pop(said.id, None)
            if answered is not None:
                answered.late.cancel()
                if not answered.answer.done():
                    answered.answer.set_result(said)
        self._unread += rest
        if len(self._unread) > 2 * MOST_ANSWER_BYTES:
            self.end()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """It closed an end, or died."""
        self.end()

    def process_exited(self) -> None:
        """It died."""
        self._exited.set()
        self.end()

    async def gone(self) -> None:
        """Wait until a process that was ended has left, with all that it started."""
        if self._transport is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_S):
                    if self._swept is not None:
                        await asyncio.shield(self._swept)
                    await self._exited.wait()

    async def ask(
        self, target: str, given: HookInput | None, timeout_s: float
    ) -> HookAnswer | None:
        """One hook's answer; the process is ended where none comes in time.

        Its deadline holds also where nobody waits for it any more: what hangs would have whoever
        asks next wait behind it, and be refused for it.
        Errors: HookFault; Ended where the process went away for another reason.
        """
        self._serial += 1
        asked = Ask(id=self._serial, target=target, given=given)
        raw = await _spelled(asked)
        if self.ended or self._transport is None:
            raise Ended
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Said] = loop.create_future()
        late = loop.call_later(timeout_s, self._late, asked.id, timeout_s)
        self._open[asked.id] = _Open(answer, late)
        pipe = self._transport.get_pipe_transport(0)
        cast("asyncio.WriteTransport", pipe).write(raw + b"\n")
        said = await answer
        if said.fault:
            raise HookFault(said.fault)
        return said.answer

    def _late(self, question: int, timeout_s: float) -> None:
        """Code that hangs cannot be taken out of its process: the whole process goes."""
        hung = self._open.pop(question, None)
        if hung is not None and not hung.answer.done():
            hung.answer.set_exception(HookFault(f"did not answer within {timeout_s:g} s"))
        self.end()

    def end(self) -> None:
        """Kill the process and all that it started; whoever waits gets no answer. Idempotent."""
        if self.ended or self._transport is None:
            return
        self.ended = True
        host, transport = self._transport.get_pid(), self._transport
        with contextlib.suppress(ProcessLookupError, PermissionError):
            # It starts and answers nothing more, and still holds what it started together.
            os.killpg(host, signal.SIGSTOP)
        # The look at all processes is not for the loop that kills.
        self._swept = asyncio.get_running_loop().run_in_executor(None, end_all, host, self._mark)
        self._swept.add_done_callback(lambda _: transport.close())
        for one in self._open.values():
            one.late.cancel()
            if not one.answer.done():
                one.answer.set_exception(Ended())
        self._open.clear()


async def _spelled(asked: Ask) -> bytes:
    """The question as bytes. Errors: HookFault for what JSON cannot say."""
    try:
        if asked.given is None or asked.given.point is HookPoint.PRE_TOOL:
            return msgspec.json.encode(asked)
        # A result may be large: not on the loop that kills.
        return await asyncio.to_thread(msgspec.json.encode, asked)
    except (TypeError, ValueError, RecursionError) as error:
        raise HookFault("could not be asked: what it sees has no json form") from error
