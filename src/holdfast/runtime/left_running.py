"""Sessions whose commands may still write in a folder, though no call of theirs is under way.

A process that a tool left behind goes on writing what it was told: after its call has reported,
after its session has ended, and while the server starts again. So whoever left one is remembered by
the journal, until its session is over and nothing of it is seen to live on this machine. What was
left by own code writes what is its user's own; what was left by a call that read others' text may
write that.

Not here: which commands leave something (`core/sources`), how processes are found (record 0008).
"""

import msgspec

from holdfast.core.place import meet
from holdfast.model import bodies
from holdfast.model.events import Record
from holdfast.model.sessions import Session, SessionState
from holdfast.ports.clock import Clock
from holdfast.ports.processes import Processes
from holdfast.ports.store import Store
from holdfast.runtime.journal import Journal
from holdfast.runtime.live import LiveSession
from holdfast.runtime.sessions import Sessions

_GO_ON = (SessionState.ACTIVE, SessionState.PAUSED)

Whose = tuple[str, str]
"""A tenant and one of its users."""


class _Left(msgspec.Struct, frozen=True):
    """Where a session left something running; `heard` where that may write a stranger's text."""

    folder: str
    whose: Whose
    heard: bool


class LeftRunning:
    """What sessions left running, by session; nothing is forgotten that may still live."""

    def __init__(
        self, sessions: Sessions, journal: Journal, store: Store, processes: Processes, clock: Clock
    ) -> None:
        self._sessions = sessions
        self._journal = journal
        self._store = store
        self._processes = processes
        self._clock = clock
        self._left: dict[str, _Left] = {}

    def taken_in(self, record: Record) -> None:
        """What a server before this one knew."""
        body = bodies.FilesUnsettled.of(record)
        heard = body.heard is not False
        self._keep(body.session, _Left(body.folder, (body.tenant, body.user), heard))

    def left(self, live: LiveSession, *, heard: bool) -> list[Record]:
        """A call that may leave something running was allowed; the record, where that is news."""
        who, session = live.who, live.session
        left = _Left(session.folder, (who.tenant, who.user), heard)
        if not self._keep(session.session_id, left):
            return []
        ours = bodies.FilesUnsettled(
            tenant=who.tenant,
            user=who.user,
            heard=heard,
            session=session.session_id,
            folder=session.folder,
        )
        # Of the server: a start finds them without reading all else.
        return [self._journal.record_of_ours(ours, None)]

    async def may_write(self, live: LiveSession) -> bool:
        """Whether something may live that writes in this session's folder what is not its own."""
        whose = (live.who.tenant, live.who.user)
        for session_id, left in tuple(self._left.items()):
            if session_id == live.session.session_id or not meet(left.folder, live.session.folder):
                continue
            if (left.heard or left.whose != whose) and await self._lives(session_id):
                return True
        return False

    async def _lives(self, session_id: str) -> bool:
        loaded = self._sessions.loaded(session_id)
        session = loaded.session if loaded is not None else await self._store.session(session_id)
        if session is not None and self.goes_on(session):
            return True
        if await self._processes.seen(session_id):
            return True
        self._left.pop(session_id, None)
        return False

    def goes_on(self, session: Session) -> bool:
        """Whether it is not over, by its state and its wall clock."""
        return session.state in _GO_ON and self._clock.now_ns() < session.expires_at_ns

    def _keep(self, session_id: str, left: _Left) -> bool:
        known = self._left.get(session_id)
        if known is not None and (known.heard or not left.heard):
            return False
        self._left[session_id] = left
        return True
