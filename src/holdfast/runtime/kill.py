"""Kill: one verb, several levers, a receipt that times each; of one session or of many at once.

The refusal comes first, in memory, where it holds at once, for every session that is to end before
anything is awaited; the journal record is durable before the kill is acknowledged. Then streams are
cut, and the sessions' processes ended, all of them by the same looks at the machine. A lever that
fails does not keep the others from being pulled, and the receipt says which failed. Sessions below
a killed one end with it, each with its processes.

Not here: which sessions a part of the fleet has (`stopping`).
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import msgspec

from holdfast.core.sessions import Command, after
from holdfast.errors import StoreUnavailable
from holdfast.model import bodies
from holdfast.model.sessions import SessionState
from holdfast.model.views.kills import ChildKilled, KillLever, KillReceipt
from holdfast.ports.processes import Processes, StopReport
from holdfast.runtime.journal import Journal
from holdfast.runtime.live import End, LiveSession
from holdfast.runtime.sessions import Sessions

# A cut that is not confirmed in this time is enforced: who carries the stream is ended.
CONFIRM_S = 0.3
_LOOK_S = 0.005
_NONE = StopReport(how="none", found=0, survivors=0)


class Killer:
    """Ends sessions."""

    def __init__(self, sessions: Sessions, journal: Journal, processes: Processes) -> None:
        self._sessions = sessions
        self._journal = journal
        self._processes = processes

    async def kill(self, live: LiveSession, reason: str, *, by: str) -> KillReceipt:
        """Kill one session and all below it; idempotent. No other session is touched."""
        (receipt,) = await self.kill_all([live], reason, by=by)
        return receipt

    async def kill_all(
        self, lives: Sequence[LiveSession], reason: str, *, by: str, stop: str = ""
    ) -> list[KillReceipt]:
        """Kill these, none of which is below another, with all below them: a receipt of each.

        `stop` is the stop that they fall under.
        """
        kills = [_Kill(live, reason, by, stop, self._sessions) for live in lives]
        for kill in kills:
            kill.pull("refuse", kill.refuse)
        for kill in kills:
            kill.pull("streams", kill.streams)
        for kill in kills:
            # Their records are one batch: whoever waits for the first waits for all.
            await kill.pull_later("journal", kill.journal())
        await asyncio.gather(*(kill.find_below() for kill in kills if kill.live.children))
        ended = await self._ended([name for kill in kills for name in kill.names()])
        for kill in kills:
            kill.pull("processes", partial(kill.processes, ended))
            if kill.live.children:
                kill.pull("children", partial(kill.children_ended, ended))
        unconfirmed = [kill for kill in kills if kill.unconfirmed]
        await asyncio.gather(*(k.pull_later("confirm", k.confirm()) for k in unconfirmed))
        receipts = [kill.receipt() for kill in kills]
        await self._told(kills, receipts)
        return receipts

    async def _ended(self, session_ids: Sequence[str]) -> "_Ended":
        """End the processes of all these; where that fails, of each by itself."""
        try:
            return dict(await self._processes.stop(session_ids))
        except Exception as error:  # noqa: BLE001 -- the receipt says it
            if len(session_ids) == 1:
                return {session_ids[0]: error}
        found: dict[str, StopReport | Exception] = {}
        for name in session_ids:
            found |= await self._ended([name])
        return found

    async def _told(self, kills: Sequence["_Kill"], receipts: Sequence[KillReceipt]) -> None:
        records = []
        for kill, receipt in zip(kills, receipts, strict=True):
            body = bodies.KillReceipt(
                **msgspec.structs.asdict(receipt), reason=kill.reason, by=kill.by, stop=kill.stop
            )
            records.append(self._journal.record(body, kill.live.who))
        # A journal that fails has its lever in the receipt; the levers were pulled all the same.
        with contextlib.suppress(StoreUnavailable):
            await self._journal.commit(records)


_Ended = Mapping[str, StopReport | Exception]
"""What became of the processes of each session, or why nobody knows."""


class _Kill:
    """One kill: its levers, each pulled by itself."""

    def __init__(
        self, live: LiveSession, reason: str, by: str, stop: str, sessions: Sessions
    ) -> None:
        self.live = live
        self.reason = reason
        self.by = by
        self.stop = stop
        self._sessions = sessions
        self._start_s = time.perf_counter()
        self._already = live.session.state is SessionState.KILLED
        self._levers: list[KillLever] = []
        self._durable: list[asyncio.Future[None]] = []
        self._cut: dict[str, int] = {}
        self._below: list[LiveSession] = []
        self._fault = ""
        self._children: list[ChildKilled] = []
        self._taken_along: set[str] = set()

    def pull(self, name: str, act: Callable[[], str]) -> None:
        """Pull a lever that takes effect at once."""
        try:
            detail, ok = act(), True
        except Exception as error:  # noqa: BLE001 -- whatever fails, the next is pulled
            detail, ok = str(error) or type(error).__name__, False
        self._pulled(name, detail, ok=ok)

    async def pull_later(self, name: str, act: Awaitable[str]) -> None:
        """Pull a lever that has to be waited for."""
        try:
            detail, ok = await act, True
        except Exception as error:  # noqa: BLE001 -- whatever fails, the next is pulled
            detail, ok = str(error) or type(error).__name__, False
        self._pulled(name, detail, ok=ok)

    def _pulled(self, name: str, detail: str, *, ok: bool) -> None:
        self._levers.append(KillLever(lever=name, ms=self._ms(), ok=ok, detail=detail))

    def _ms(self) -> float:
        return round((time.perf_counter() - self._start_s) * 1000, 3)

    def receipt(self) -> KillReceipt:
        """What was done, by now."""
        return KillReceipt(
            session_id=self.live.session.session_id,
            state=self.live.session.state,
            already=self._already,
            levers=tuple(self._levers),
            total_ms=self._ms(),
            children=tuple(self._children),
            taken_along=tuple(sorted(self._taken_along)),
        )

    def refuse(self) -> str:
        """Refuse from now on, in memory; the record is queued."""
        self._change(self.live, self.reason)
        return "model calls, permits and the session's token are refused"

    def _change(self, live: LiveSession, reason: str) -> None:
        if after(live.session, Command.KILL) is not None:
            told = self._sessions.change(live, Command.KILL, reason, by=self.by, stop=self.stop)
            self._durable.append(told)

    def streams(self) -> str:
        """Cut what streams to it and to all below it."""
        text = f"session_stopped: killed: {self.reason}"
        for one in self._sessions.below(self.live):
            self._cut[one.session.session_id] = one.cut_streams(text)
        return f"{self.live.cut_streams(text)} streams cut"

    async def journal(self) -> str:
        """Wait until the refusal is durable. Errors: StoreUnavailable."""
        for told in self._durable:
            await told
        return "durable"

    async def find_below(self) -> None:
        """Every session below, those that memory had let go as well: their processes may run."""
        self._below = self._sessions.below(self.live)
        try:
            known = len(self._durable)
            for one in await self._sessions.descendants(self.live):
                if one not in self._below:
                    self._change(one, f"the session above it is killed: {self.reason}")
                    self._below.append(one)
            await asyncio.gather(*self._durable[known:])
        except Exception as error:  # noqa: BLE001 -- the others are ended, and the receipt says it
            self._fault = str(error) or type(error).__name__

    def names(self) -> list[str]:
        """Ids of it and of all below it."""
        return [one.session.session_id for one in (self.live, *self._below)]

    def processes(self, ended: _Ended) -> str:
        """What became of its processes. Errors: OSError for those that survive."""
        report, fault = _report(ended, self.live)
        if fault:
            raise OSError(fault)
        left = f"; {report.unproved}" if report.found and report.unproved else ""
        return f"{report.found} processes ended, found by {report.how}{left}"

    def children_ended(self, ended: _Ended) -> str:
        """What became of all below it. Errors: OSError for those that did not end."""
        self._children += [self._child(one, ended) for one in self._below]
        failed = sum(1 for child in self._children if not child.ok)
        if failed or self._fault:
            text = f"{failed} of {len(self._children)} sessions below are not all ended"
            raise OSError("; ".join(filter(None, (text, self._fault))))
        return f"{len(self._children)} sessions below ended"

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
            self._taken_along |= along - {one.session.session_id for one in self._killed()}
        return ended

    def _enders(self) -> list[End]:
        return [end for one in self._killed() for end in one.unconfirmed.values()]

    def _killed(self) -> list[LiveSession]:
        return [self.live, *self._sessions.below(self.live)]

    def _child(self, one: LiveSession, ended: _Ended) -> ChildKilled:
        report, fault = _report(ended, one)
        state = one.session.state
        return ChildKilled(
            session_id=one.session.session_id,
            agent=one.who.agent,
            state=state,
            streams=self._cut.get(one.session.session_id, 0),
            processes=report.found,
            ok=not fault and state is SessionState.KILLED,
            detail=fault,
        )


def _report(ended: _Ended, live: LiveSession) -> tuple[StopReport, str]:
    """What became of a session's processes, and what is wrong with that."""
    report = ended[live.session.session_id]
    if isinstance(report, Exception):
        return _NONE, str(report) or type(report).__name__
    left = report.survivors
    return report, f"{left} of {report.found} processes survived" if left else ""
