"""Kill: one verb, several levers, a receipt that times each.

The refusal comes first, in memory, where it holds at once; the journal record is durable before
the kill is acknowledged. Then streams are cut, and the session's processes ended. A lever that
fails does not keep the others from being pulled, and the receipt says which failed. Sessions
below the killed one end with it, each with its processes.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from holdfast.core.sessions import Command, after
from holdfast.errors import StoreUnavailable
from holdfast.model import bodies
from holdfast.model.sessions import SessionState
from holdfast.model.views.kills import ChildKilled, KillLever, KillReceipt
from holdfast.ports.processes import Processes
from holdfast.runtime.journal import Journal
from holdfast.runtime.live import End, LiveSession
from holdfast.runtime.sessions import Sessions

# A cut that is not confirmed in this time is enforced: who carries the stream is ended.
CONFIRM_S = 0.3
_LOOK_S = 0.005


class Killer:
    """Ends sessions."""

    def __init__(self, sessions: Sessions, journal: Journal, processes: Processes) -> None:
        self._sessions = sessions
        self._journal = journal
        self._processes = processes

    async def kill(self, live: LiveSession, reason: str, *, by: str) -> KillReceipt:
        """Kill one session and all below it; idempotent. No other session is touched."""
        start = time.perf_counter()
        levers: list[KillLever] = []

        async def pull(name: str, act: Callable[[], Awaitable[str]]) -> None:
            try:
                detail, ok = await act(), True
            except Exception as error:  # noqa: BLE001 -- whatever fails, the next is pulled
                detail, ok = str(error) or type(error).__name__, False
            ms = (time.perf_counter() - start) * 1000
            levers.append(KillLever(lever=name, ms=round(ms, 3), ok=ok, detail=detail))

        already = live.session.state is SessionState.KILLED
        kill = _Kill(live, reason, by, self._sessions, self._processes)
        await pull("refuse", kill.refuse)
        await pull("streams", kill.streams)
        await pull("journal", kill.journal)
        await pull("processes", kill.processes)
        if live.children:
            await pull("children", kill.below)
        if kill.unconfirmed:
            await pull("confirm", kill.confirm)
        receipt = KillReceipt(
            session_id=live.session.session_id,
            state=live.session.state,
            already=already,
            levers=tuple(levers),
            total_ms=round((time.perf_counter() - start) * 1000, 3),
            children=tuple(kill.children),
            taken_along=tuple(sorted(kill.taken_along)),
        )
        body = bodies.KillReceipt(
            session_id=receipt.session_id,
            state=receipt.state,
            already=receipt.already,
            levers=receipt.levers,
            total_ms=receipt.total_ms,
            children=receipt.children,
            taken_along=receipt.taken_along,
            reason=reason,
            by=by,
        )
        written = self._journal.commit([self._journal.record(body, live.who)])
        # A journal that fails has its lever in the receipt; the levers were pulled all the same.
        with contextlib.suppress(StoreUnavailable):
            await written
        return receipt


class _Kill:
    """One kill: its levers, each pulled by itself."""

    def __init__(
        self, live: LiveSession, reason: str, by: str, sessions: Sessions, processes: Processes
    ) -> None:
        self._live = live
        self._reason = reason
        self._by = by
        self._sessions = sessions
        self._ending = processes
        self._durable: asyncio.Future[None] | None = None
        self._cut: dict[str, int] = {}
        self.children: list[ChildKilled] = []
        self.taken_along: set[str] = set()

    async def refuse(self) -> str:
        """Refuse from now on, in memory; the record is queued."""
        if after(self._live.session.state, Command.KILL) is not None:
            told = self._sessions.change(self._live, Command.KILL, self._reason, by=self._by)
            self._durable = told
        return "model calls, permits and the session's token are refused"

    async def streams(self) -> str:
        """Cut what streams to it and to all below it."""
        text = f"session_stopped: killed: {self._reason}"
        for one in self._sessions.below(self._live):
            self._cut[one.session.session_id] = one.cut_streams(text)
        return f"{self._live.cut_streams(text)} streams cut"

    async def journal(self) -> str:
        """Wait until the refusal is durable. Errors: StoreUnavailable."""
        if self._durable is not None:
            await self._durable
        return "durable"

    async def processes(self) -> str:
        """End its processes. Errors: OSError for those that survive."""
        report = await self._ending.stop(self._live.session.session_id)
        if report.survivors:
            raise OSError(f"{report.survivors} of {report.found} processes survived")
        left = f"; {report.unproved}" if report.found and report.unproved else ""
        return f"{report.found} processes ended, found by {report.how}{left}"

    async def below(self) -> str:
        """Every session below, and those that memory had let go: their processes may still run."""
        done = self._sessions.below(self._live)
        self.children += [await self._child(one) for one in done]
        for one in await self._sessions.descendants(self._live):
            if one in done:
                continue
            if after(one.session.state, Command.KILL) is not None:
                text = f"the session above it is killed: {self._reason}"
                await self._sessions.change(one, Command.KILL, text, by=self._by)
            self.children.append(await self._child(one))
        if failed := sum(1 for child in self.children if not child.ok):
            raise OSError(f"{failed} of {len(self.children)} sessions below are not all ended")
        return f"{len(self.children)} sessions below ended"

    @property
    def unconfirmed(self) -> int:
        """Streams in relays that have not said that they are over.

        A stream of this process needs no word: what is cut here shows nothing more.
        """
        return sum(len(one.unconfirmed) for one in self._killed())

    async def confirm(self) -> str:
        """Wait for every cut to have taken effect; end who carries a stream and does not say so."""
        # Counted in turns, not seconds: where the server stood still, relays are heard first.
        for _ in range(round(CONFIRM_S / _LOOK_S)):
            if not self.unconfirmed:
                break
            await asyncio.sleep(_LOOK_S)
        # Ended from outside, a relay's connections are reset by the system: nothing more to hear.
        ended = self._end_carriers()
        told = (
            f"; {ended} relays did not confirm in {CONFIRM_S:g} s and were ended" if ended else ""
        )
        return f"every stream is confirmed to be over{told}"

    def _end_carriers(self) -> int:
        ended = 0
        while enders := self._enders():
            along = set(enders[0]())
            ended += 1
            self.taken_along |= along - {one.session.session_id for one in self._killed()}
        return ended

    def _enders(self) -> list[End]:
        return [end for one in self._killed() for end in one.unconfirmed.values()]

    def _killed(self) -> list[LiveSession]:
        return [self._live, *self._sessions.below(self._live)]

    async def _child(self, one: LiveSession) -> ChildKilled:
        found, fault = 0, ""
        try:
            report = await self._ending.stop(one.session.session_id)
            found = report.found
            if report.survivors:
                fault = f"{report.survivors} of {report.found} processes survived"
        except Exception as error:  # noqa: BLE001 -- whatever fails, the others are ended
            fault = str(error) or type(error).__name__
        state = one.session.state
        return ChildKilled(
            session_id=one.session.session_id,
            agent=one.who.agent,
            state=state,
            streams=self._cut.get(one.session.session_id, 0),
            processes=found,
            ok=not fault and state is SessionState.KILLED,
            detail=fault,
        )
