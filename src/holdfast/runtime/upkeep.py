"""What no request brings about: lives that run out, clocks that are set, memory given back.

`tick` is called about once a second by whoever runs the server (`apps/server/tasks`).
"""

from holdfast.core.sessions import Command
from holdfast.model import bodies
from holdfast.model.sessions import SessionState
from holdfast.ports.clock import WallClock
from holdfast.runtime.journal import Journal, noted
from holdfast.runtime.sessions import Sessions

_NS = 1_000_000_000
_KEPT_S = 600
_FINAL = (SessionState.STOPPED, SessionState.KILLED, SessionState.EXPIRED, SessionState.ENDED)


class Upkeep:
    """Ends sessions at their wall clock, notes a set clock, tells counts, forgets what is over."""

    def __init__(self, sessions: Sessions, journal: Journal, clock: WallClock) -> None:
        self._sessions = sessions
        self._journal = journal
        self._clock = clock
        self._noted_ns = 0

    def tick(self) -> None:
        """Do what is due. Never raises for a single session's sake; queues, waits for nothing."""
        now_ns = self._clock.now_ns()
        for live in self._sessions.in_memory():
            session = live.session
            open_still = session.state in (SessionState.ACTIVE, SessionState.PAUSED)
            if open_still and now_ns >= session.expires_at_ns:
                text = "the session reached its wall clock"
                noted(self._sessions.change(live, Command.EXPIRE, text))
                live.cut_streams(f"credential_expired: {text}")
            idle = now_ns - session.state_changed_at_ns > _KEPT_S * _NS
            if session.state in _FINAL and idle and not live.streams:
                self._sessions.forget(live)
        self._note_clock()
        self._journal.tell_refusals()

    def _note_clock(self) -> None:
        """Record a wall clock that was set: ours goes on by itself, and people should know."""
        jumped_ns = self._clock.jumped_ns()
        if abs(jumped_ns - self._noted_ns) > 2 * _NS:
            self._noted_ns = jumped_ns
            record = self._journal.record(bodies.ClockJumped(off_by_ns=jumped_ns), None)
            self._journal.queue([record])
