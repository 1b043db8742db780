"""Kill: one verb, several levers, a receipt that times each.

The refusal comes first, in memory, where it holds at once; the journal record is durable before
the kill is acknowledged. Then streams are cut, and the session's processes ended. A lever that
fails does not keep the others from being pulled, and the receipt says which failed.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import msgspec

from holdfast.core.sessions import Command, after
from holdfast.errors import StoreUnavailable
from holdfast.model.events import Kind
from holdfast.model.sessions import SessionState
from holdfast.ports.processes import Processes
from holdfast.runtime.journal import Journal
from holdfast.runtime.live import LiveSession
from holdfast.runtime.sessions import Sessions


class Lever(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the kill pulled. `ms` is since the kill was asked for."""

    lever: str
    ms: float
    ok: bool
    detail: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What a kill did. `already`: the session was dead before; the levers were pulled again."""

    session_id: str
    state: SessionState
    already: bool
    levers: tuple[Lever, ...]
    total_ms: float


class Killer:
    """Ends sessions."""

    def __init__(self, sessions: Sessions, journal: Journal, processes: Processes) -> None:
        self._sessions = sessions
        self._journal = journal
        self._processes = processes

    async def kill(self, live: LiveSession, reason: str, *, by: str) -> Receipt:
        """Kill one session; idempotent. No other session is touched."""
        start = time.perf_counter()
        levers: list[Lever] = []

        async def pull(name: str, act: Callable[[], Awaitable[str]]) -> None:
            try:
                detail, ok = await act(), True
            except Exception as error:  # noqa: BLE001 -- whatever fails, the next is pulled
                detail, ok = str(error) or type(error).__name__, False
            ms = (time.perf_counter() - start) * 1000
            levers.append(Lever(lever=name, ms=round(ms, 3), ok=ok, detail=detail))

        already = live.session.state is SessionState.KILLED
        durable: list[asyncio.Future[None]] = []

        async def refuse() -> str:
            if after(live.session.state, Command.KILL) is not None:
                durable.append(self._sessions.change(live, Command.KILL, reason, by=by))
            return "model calls, permits and the session's token are refused"

        async def streams() -> str:
            return f"{live.cut_streams(f'session_stopped: killed: {reason}')} streams cut"

        async def processes() -> str:
            report = await self._processes.stop(live.session.session_id)
            if report.survivors:
                raise OSError(f"{report.survivors} of {report.found} processes survived")
            return f"{report.found} processes ended, found by {report.how}"

        async def journal() -> str:
            for written in durable:
                await written
            return "durable"

        await pull("refuse", refuse)
        await pull("streams", streams)
        await pull("journal", journal)
        await pull("processes", processes)
        receipt = Receipt(
            session_id=live.session.session_id,
            state=live.session.state,
            already=already,
            levers=tuple(levers),
            total_ms=round((time.perf_counter() - start) * 1000, 3),
        )
        body = msgspec.to_builtins(receipt) | {"reason": reason, "by": by}
        written = self._journal.commit([self._journal.record(Kind.KILL_RECEIPT, live.who, body)])
        # A journal that fails has its lever in the receipt; the levers were pulled all the same.
        with contextlib.suppress(StoreUnavailable):
            await written
        return receipt
