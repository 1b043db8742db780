"""Sessions as they stand now, from memory where they live there, else from the store.

A list never loads a session into memory: what it needs is counted from the journal. Not here:
changing anything.
"""

from collections.abc import AsyncIterator, Iterable, Mapping

import msgspec

from holdfast.core.calls import PERMITTED
from holdfast.core.context import ContextUse
from holdfast.core.sessions import GOING_ON, lapsed_reason
from holdfast.core.stops import told
from holdfast.errors import NotFound
from holdfast.model import bodies
from holdfast.model.budgets import AccountKey, Dimension, Scope, Window
from holdfast.model.events import Kind, Record
from holdfast.model.sessions import Session
from holdfast.model.sessions import SessionState as S
from holdfast.model.tools import CallRecord
from holdfast.model.views.sessions import SessionView
from holdfast.ports.clock import Clock
from holdfast.ports.store import RecordFilter, SessionFilter, Store
from holdfast.runtime.budgets import Budgets, owners
from holdfast.runtime.live import LiveSession
from holdfast.runtime.sessions import Sessions

_TAINTING: Mapping[
    Kind,
    type[
        bodies.SessionOpened
        | bodies.SessionContinued
        | bodies.ToolResultAdmitted
        | bodies.SessionCollected
    ],
] = {
    Kind.SESSION_OPENED: bodies.SessionOpened,
    Kind.SESSION_CONTINUED: bodies.SessionContinued,
    Kind.TOOL_RESULT_ADMITTED: bodies.ToolResultAdmitted,
    Kind.SESSION_COLLECTED: bodies.SessionCollected,
}
# Of its own, and of the session that it continues.
_COUNTED = (*_TAINTING, Kind.QUERY_SENT)
_TURNS = (Kind.MODEL_CALL_SETTLED, Kind.MODEL_CALL_REFUSED)
_MAX_SCANNED = 2000
_PAGE = 1000
_MAY_HAVE_EXPIRED = frozenset({S.ACTIVE, S.PAUSED})


class SessionViews:
    """Shows sessions."""

    def __init__(self, sessions: Sessions, budgets: Budgets, store: Store, clock: Clock) -> None:
        self._sessions = sessions
        self._budgets = budgets
        self._store = store
        self._clock = clock

    def of_live(self, live: LiveSession) -> SessionView:
        """A session that is in memory."""
        key, ledger = purse_of(live.session), self._budgets.ledger
        account = ledger.account(key, self._clock.now_ns()) if ledger.knows(key) else None
        line = (live, *self._sessions.below(live))
        return msgspec.structs.replace(
            self._plain(live.session),
            cost_nusd=live.cost_nusd if account is None else account.settled,
            turn=live.turn,
            tool_calls=_permitted(live.session.session_id, live.calls.values()),
            streams=len(live.streams),
            reserved_nusd=sum(self._reserved(one) for one in line),
            estimated_nusd=sum(so_far() for one in line for so_far in one.paying.values()),
            tainted=live.vouched.tainted,
            children=tuple(live.children),
            context_percent=live.context.percent,
            query_bytes=live.residue.spent,
        )

    def _reserved(self, live: LiveSession) -> int:
        """What model calls of its own hold that are not settled yet."""
        holds = [self._budgets.ledger.hold(hold_id) for hold_id in live.paying]
        return sum(hold.amounts.get(Dimension.USD, 0) for hold in holds if hold is not None)

    def at_work(self, session_id: str) -> SessionView | None:
        """A session that is in memory, by its id; None where it is not."""
        live = self._sessions.loaded(session_id)
        return self.of_live(live) if live is not None else None

    async def of_session(self, session: Session) -> SessionView:
        """A session as stored; what is in memory is newer and goes first."""
        return self.at_work(session.session_id) or await self._stored(session)

    async def show(self, session_id: str) -> SessionView:
        """One session. Errors: NotFound, StoreUnavailable."""
        return await self.of_session(await self.session(session_id))

    async def session(self, session_id: str) -> Session:
        """A session as it is kept, without loading it. Errors: NotFound, StoreUnavailable."""
        live = self._sessions.loaded(session_id)
        session = live.session if live is not None else await self._store.session(session_id)
        if session is None:
            raise NotFound(f"no session `{session_id[:64]}`")
        return session

    async def listed(
        self, where: SessionFilter, state: S | None
    ) -> tuple[tuple[SessionView, ...], tuple[int, str] | None]:
        """Sessions that stand in `state`, any where None; and the place to go on before.

        Newest first, at most `where.limit`: fewer where many had to be looked at for them.
        """
        wider = msgspec.structs.replace(where, limit=where.limit + 1)
        if state is not None:
            # A session expires by the clock alone; its stored state follows when it is next used.
            states = (S.EXPIRED, *_MAY_HAVE_EXPIRED) if state is S.EXPIRED else (state,)
            scanned = _MAX_SCANNED if state in (S.EXPIRED, *_MAY_HAVE_EXPIRED) else wider.limit
            wider = msgspec.structs.replace(wider, states=states, limit=scanned)
        found = await self._store.sessions(wider)
        fitting = [one for one in found if state in (None, self.state_of(one))]
        shown, last = fitting[: where.limit], None
        if len(fitting) > where.limit:
            last = shown[-1]
        elif len(found) == wider.limit:
            last = found[-1]
        then = None if last is None else (last.opened_at_ns, last.session_id)
        return tuple([await self.of_session(one) for one in shown]), then

    async def records(
        self, session: Session, kinds: tuple[Kind, ...], session_id: str = ""
    ) -> AsyncIterator[Record]:
        """Its journal records of these kinds in order, or those of another one of its tenant."""
        where = RecordFilter(
            tenant=session.principal.tenant,
            session=session_id or session.session_id,
            kinds=kinds,
            limit=_PAGE,
        )
        while True:
            page = await self._store.records(where)
            for record in page:
                yield record
            if len(page) < _PAGE:
                return
            where = msgspec.structs.replace(where, after_seq=page[-1].seq)

    async def _stored(self, session: Session) -> SessionView:
        turn = cost_nusd = carried = 0
        tainted, context = False, ContextUse()
        children: list[str] = []
        for session_id in filter(None, (session.parent, session.session_id)):
            mine = session_id == session.session_id
            own = (*_TURNS, Kind.SESSION_DELEGATED) if mine else ()
            async for record in self.records(session, (*_COUNTED, *own), session_id):
                turn = max(turn, record.turn if mine else 0)
                cost_nusd += record.cost_nusd
                if (shape := _TAINTING.get(record.kind)) is not None:
                    tainted = tainted or bool(shape.of(record).taints)
                elif mine and record.kind is Kind.MODEL_CALL_SETTLED:
                    context.recorded(bodies.ModelCallSettled.of(record))
                elif record.kind is Kind.QUERY_SENT:
                    carried += bodies.QuerySent.of(record).bytes
                elif record.kind is Kind.SESSION_DELEGATED:
                    children.append(bodies.SessionDelegated.of(record).child)
        for account in await self._budgets.states([purse_of(session)]):
            cost_nusd = account.settled
        calls = await self._store.calls(session.session_id)
        return msgspec.structs.replace(
            self._plain(session),
            cost_nusd=cost_nusd,
            turn=turn,
            tool_calls=_permitted(session.session_id, calls),
            tainted=tainted,
            children=tuple(children),
            context_percent=context.percent,
            query_bytes=carried,
        )

    def _plain(self, session: Session) -> SessionView:
        """Who it is and where it stands, without what it used."""
        who, state = session.principal, self.state_of(session)
        late = state is not session.state
        stops = self._sessions.stops.of(who) if state in GOING_ON else ()
        reason = session.state_reason
        if late or session.by_stop:
            reason = lapsed_reason(session) if late else "; ".join(map(told, stops))
        return SessionView(
            session_id=session.session_id,
            tenant=who.tenant,
            project=who.project,
            user=who.user,
            agent=who.agent,
            task=who.task,
            trust=who.trust,
            roles=who.roles,
            state=state,
            state_reason=reason,
            stops=tuple(self._sessions.stops.why([one]) for one in stops),
            opened_at_ns=session.opened_at_ns,
            expires_at_ns=session.expires_at_ns,
            life_left_ns=session.life_left_ns,
            query_bytes_limit=session.loop.query_bytes,
            delegated_by=session.delegated_by,
            resources=session.resources,
            scopes=session.scopes,
            key=who.key,
        )

    def state_of(self, session: Session) -> S:
        """Where it stands: past its wall clock it is expired, whatever is written down."""
        if session.state in _MAY_HAVE_EXPIRED and self._clock.now_ns() >= session.expires_at_ns:
            return S.EXPIRED
        return session.state


def purse_of(session: Session) -> AccountKey:
    """The account of what the session cost, calls whose outcome a crash took included."""
    owner = owners(session.principal)[Scope.SESSION]
    return AccountKey(Scope.SESSION, owner, Dimension.USD, Window.LIFE)


def _permitted(session_id: str, calls: Iterable[CallRecord]) -> int:
    return sum(1 for c in calls if c.session == session_id and c.state in PERMITTED)
