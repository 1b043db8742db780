"""What no request brings about: lives that run out or soon do, set clocks, memory given back.

`tick` is called about once a second by whoever runs the server (`apps/server/tasks`), `look` each
`LOOK_S`.
"""

import msgspec

from holdfast.core.sessions import DAY_NS
from holdfast.model import bodies
from holdfast.model.sessions import Session, SessionState
from holdfast.ports.clock import WallClock
from holdfast.ports.store import SessionFilter, Store
from holdfast.runtime.journal import Journal
from holdfast.runtime.live import LiveSession
from holdfast.runtime.sessions import Sessions

_NS = 1_000_000_000
_KEPT_S = 600
_PAGE = 1_000
LOOK_S = 600.0
"""How often `look` is due."""
_FINAL = (SessionState.STOPPED, SessionState.KILLED, SessionState.EXPIRED, SessionState.ENDED)


class Upkeep:
    """Ends sessions at their wall clock, tells of it before, notes set clocks, forgets the past."""

    def __init__(
        self, sessions: Sessions, journal: Journal, clock: WallClock, store: Store
    ) -> None:
        self._sessions = sessions
        self._store = store
        self._journal = journal
        self._clock = clock
        self._noted_ns = 0

    def tick(self) -> None:
        """Do what is due. Never raises for a single session's sake; queues, waits for nothing."""
        now_ns = self._clock.now_ns()
        for live in self._sessions.in_memory():
            self._sessions.lapse(live)
            session = live.session
            if _tells(session, now_ns):
                self._tell(live)
            idle = now_ns - session.state_changed_at_ns > _KEPT_S * _NS
            if session.state in _FINAL and idle and not live.streams:
                self._sessions.forget(live)
        self._note_clock()
        self._journal.tell_refusals()

    async def look(self) -> None:
        """Bring into memory what is paused in the store and due: to be told of, or over.

        Errors: StoreUnavailable.
        """
        before: tuple[int, str] | None = None
        while True:
            where = SessionFilter(states=(SessionState.PAUSED,), before=before, limit=_PAGE)
            page = await self._store.sessions(where)
            now_ns = self._clock.now_ns()
            for session in page:
                if _tells(session, now_ns) or now_ns >= session.expires_at_ns:
                    await self._sessions.get(session.session_id)
            if len(page) < _PAGE:
                return
            before = page[-1].opened_at_ns, page[-1].session_id

    def _tell(self, live: LiveSession) -> None:
        """Somebody is told once that a paused session ends soon."""
        live.session = msgspec.structs.replace(live.session, told_ending=True)
        body = bodies.SessionEnding(
            reason=live.session.state_reason, until_ns=live.session.expires_at_ns
        )
        self._journal.queue([self._journal.record(body, live.who)], [live.session])

    def _note_clock(self) -> None:
        """Record a wall clock that was set: ours goes on by itself, and people should know."""
        jumped_ns = self._clock.jumped_ns()
        if abs(jumped_ns - self._noted_ns) > 2 * _NS:
            self._noted_ns = jumped_ns
            record = self._journal.record(bodies.ClockJumped(off_by_ns=jumped_ns), None)
            self._journal.queue([record])


def _tells(session: Session, now_ns: int) -> bool:
    """Whether a paused session is so near its end that somebody is to hear of it."""
    if session.state is not SessionState.PAUSED or session.told_ending:
        return False
    return 0 < session.expires_at_ns - now_ns <= DAY_NS
