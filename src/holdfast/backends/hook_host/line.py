"""The server's end of one keeper: questions written, answers read, its hosts ended.

Not here: when a host is started, and which agent's it is (`hosts`).
"""

import asyncio
import contextlib
import signal
from typing import NamedTuple, cast

from holdfast.backends.hook_host.survivors import end_kept
from holdfast.backends.hook_host.wire import MOST_ANSWER_BYTES, Ask, Lines, Said, line
from holdfast.model.hooks import HookAnswer, HookInput, HookPoint
from holdfast.ports.hooks import HookFault

_START_S = 10.0
_END_S = 2.0


class Ended(Exception):
    """The process went away before it answered."""


class _Open(NamedTuple):
    """A question without an answer so far, and the timer of its deadline."""

    answer: asyncio.Future[Said]
    late: asyncio.TimerHandle


class Line(asyncio.SubprocessProtocol):
    """One keeper, and the questions that are open with its host."""

    def __init__(self, mark: str = "") -> None:
        self.loaded: set[str] = set()
        self._mark = mark
        self._transport: asyncio.SubprocessTransport
        self._host = 0
        self._told = asyncio.Event()
        self._overdue: asyncio.TimerHandle | None = None
        self._open: dict[int, _Open] = {}
        self._serial = 0
        self._said = Lines(Said)
        self._exited = asyncio.Event()
        self._gone = asyncio.Event()
        self._closing: asyncio.Task[None] | None = None

    @property
    def closed(self) -> bool:
        """Whether no host will begin any more."""
        return self._closing is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The keeper runs."""
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self._expect(_START_S)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Bytes of answers."""
        for said in self._said.read(data):
            if said.began:
                self._begin(said.began)
            elif answered := self._open.pop(said.id, None):
                answered.late.cancel()
                if not answered.answer.done():
                    answered.answer.set_result(said)
        if self._said.unread > 2 * MOST_ANSWER_BYTES:
            self.close()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """It closed an end, or died."""
        self.close()

    def process_exited(self) -> None:
        """It died."""
        self._exited.set()
        self.close()

    async def ready(self) -> None:
        """Wait until a host can be asked, with nothing left of the one before it. Errors: Ended."""
        await self._told.wait()
        if self.closed:
            raise Ended

    async def ask(
        self, target: str, given: HookInput | None, timeout_s: float
    ) -> HookAnswer | None:
        """One hook's answer; the host is ended where none comes in time.

        Its deadline holds also where nobody waits for it any more: what hangs would have whoever
        asks next wait behind it, and be refused for it.
        Errors: HookFault; Ended where the process went away for another reason.
        """
        self._serial += 1
        asked = Ask(host=self._host, id=self._serial, target=target, given=given)
        raw = await _spelled(asked)
        if not asked.host or asked.host != self._host:
            raise Ended
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Said] = loop.create_future()
        late = loop.call_later(timeout_s, self._late, asked.id, timeout_s)
        self._open[asked.id] = _Open(answer, late)
        pipe = self._transport.get_pipe_transport(0)
        cast("asyncio.WriteTransport", pipe).write(raw)
        said = await answer
        if said.fault:
            raise HookFault(said.fault)
        return said.answer

    def _late(self, question: int, timeout_s: float) -> None:
        """Code that hangs cannot be taken out of its process: the whole process goes."""
        hung = self._open.pop(question, None)
        if hung is not None and not hung.answer.done():
            hung.answer.set_exception(HookFault(f"did not answer within {timeout_s:g} s"))
        self._lose_host()
        if not self.closed:
            self._signal(signal.SIGTERM)
            self._expect(_END_S)

    def _begin(self, host: int) -> None:
        self._lose_host()
        if not self.closed:
            self._host = host
            self._told.set()

    def _lose_host(self) -> None:
        """Whoever waits for the host of now gets no answer."""
        self._host = 0
        self._told.clear()
        self.loaded.clear()
        if self._overdue is not None:
            self._overdue.cancel()
        for one in self._open.values():
            one.late.cancel()
            if not one.answer.done():
                one.answer.set_exception(Ended())
        self._open.clear()

    def _expect(self, within_s: float) -> None:
        """A keeper that does not say in time that a host begins is ended by us."""
        self._overdue = asyncio.get_running_loop().call_later(within_s, self.close)

    def close(self) -> None:
        """End the keeper and all that its hooks started. Idempotent."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())
            self._lose_host()
            self._told.set()

    async def gone(self) -> None:
        """Close it, and wait until nothing of it is left."""
        self.close()
        await self._gone.wait()

    async def _close(self) -> None:
        """By the keeper, whose exit proves it; by us where it does not come to that."""
        try:
            if pipe := self._transport.get_pipe_transport(0):
                cast("asyncio.WriteTransport", pipe).abort()
            # A hook may have halted it.
            self._signal(signal.SIGCONT)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_S):
                    await self._exited.wait()
            if self._transport.get_returncode() != 0:
                # The look at all processes is not for the loop that kills.
                await asyncio.to_thread(end_kept, self._transport.get_pid(), self._mark)
        finally:
            self._transport.close()
            self._gone.set()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._transport.send_signal(number)


async def _spelled(asked: Ask) -> bytes:
    """The question as bytes. Errors: HookFault for what JSON cannot say."""
    try:
        if asked.given is None or asked.given.point is HookPoint.PRE_TOOL:
            return line(asked)
        # A result may be large: not on the loop that kills.
        return await asyncio.to_thread(line, asked)
    except (TypeError, ValueError, RecursionError) as error:
        raise HookFault("could not be asked: what it sees has no json form") from error
