"""What a session in memory knows of what was before: its own past, that of those it continues.

Not here: when a session is read back (`runtime/sessions`), what a record means to one
(`runtime/replay`).
"""

from collections.abc import AsyncIterator

from holdfast.core.calls import AT_SERVER
from holdfast.core.sessions import GOING_ON
from holdfast.errors import NotFound
from holdfast.model.effects import EffectState
from holdfast.model.events import Kind, Record
from holdfast.model.sessions import Session
from holdfast.ports.store import ApprovalFilter, RecordFilter, Store
from holdfast.runtime.journal import Journal
from holdfast.runtime.lineage import found_by, line_of
from holdfast.runtime.live import LiveSession
from holdfast.runtime.replay import (
    BELIEVED,
    RELOADED,
    calls_over,
    is_open,
    judge,
    replay,
    trust_attributes,
)

_PAGE = 1000


class Inherited:
    """What sessions know from the store."""

    def __init__(self, store: Store, journal: Journal) -> None:
        self._store = store
        self._journal = journal

    async def into(self, live: LiveSession) -> None:
        """Calls, taint and trusted text of this session and of all that it continues."""
        own = live.session.session_id
        for session in await line_of(self._store, live.session):
            session_id = session.session_id
            if session.delegated_by:
                await self._as_child(live, session)
            for earlier in await found_by(self._store, session):
                for call in await self._store.calls(earlier):
                    if call.call_id not in live.calls:
                        live.found_calls.add(call.call_id)
                        live.calls[call.call_id] = call
            for call in await self._store.calls(session_id):
                live.calls[call.call_id] = call
                if call.state in AT_SERVER:
                    # When it came is not kept; from the start is the stricter reading.
                    live.vouched.taint(call.tool)
            if session_id == own:
                await self._own(live, own)
            await self._replay(live, session)

    async def _replay(self, live: LiveSession, session: Session) -> None:
        """Fold in the records of this session, or of one that it continues."""
        own, begun = session.session_id == live.session.session_id, list[Record]()
        async for record in self._records(session, RELOADED):
            replay(live, record, own=own)
            if own and is_open(live, record):
                begun.append(record)
        if session.state in GOING_ON:
            self._journal.recalled(begun, calls_over(live))

    async def _own(self, live: LiveSession, own: str) -> None:
        """Its open effects, and what people were asked about its calls."""
        for entry in await self._store.effects(own):
            if entry.state in (EffectState.INTENDED, EffectState.UNKNOWN):
                live.effects[entry.call_id] = entry
        before: tuple[int, str] | None = None
        while True:
            where = ApprovalFilter(session=own, before=before, limit=_PAGE)
            page = await self._store.approvals(where)
            for one in page:
                # Newest first: what was asked before about the same call is over.
                live.approvals.setdefault((one.tool, one.digest), one)
            if len(page) < _PAGE:
                return
            before = (page[-1].asked_at_ns, page[-1].approval_id)

    async def _as_child(self, live: LiveSession, child: Session) -> None:
        """What the session that started `child` held trusted and untrusted at that moment."""
        parent = await self._store.session(child.delegated_by)
        if parent is None:
            raise NotFound("the session that started this one is gone")
        for session in await line_of(self._store, parent):
            if session.delegated_by:
                await self._as_child(live, session)
            until_ns = child.opened_at_ns + 1
            async for record in self._records(session, BELIEVED, until_ns=until_ns):
                judge(live, record)
        trust_attributes(live, parent)

    async def _records(
        self, session: Session, kinds: tuple[Kind, ...], *, until_ns: int = 2**63 - 1
    ) -> AsyncIterator[Record]:
        """A session's records of these kinds, in order."""
        after_seq = 0
        while True:
            where = RecordFilter(
                tenant=session.principal.tenant,
                session=session.session_id,
                kinds=kinds,
                until_ns=until_ns,
                after_seq=after_seq,
                limit=_PAGE,
            )
            page = await self._store.records(where)
            for record in page:
                yield record
            if len(page) < _PAGE:
                return
            after_seq = page[-1].seq
