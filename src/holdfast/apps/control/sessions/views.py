"""A session as people see it, from memory where it lives there, else from the store.

A list never loads a session into memory: what it needs is counted from the journal. Not here:
changing anything.
"""

from collections.abc import AsyncIterator, Iterable

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.sessions.schemas import SessionView, WhichSessions
from holdfast.core.calls import PERMITTED
from holdfast.core.context import ContextUse
from holdfast.errors import NotFound
from holdfast.model.budgets import AccountKey, Dimension, Scope, Window
from holdfast.model.events import Kind, Record
from holdfast.model.sessions import Session
from holdfast.model.sessions import SessionState as S
from holdfast.model.tools import CallRecord
from holdfast.ports.store import RecordFilter, SessionFilter
from holdfast.runtime.budgets import owners
from holdfast.runtime.live import LiveSession

_TAINTING = (
    Kind.SESSION_OPENED,
    Kind.SESSION_CONTINUED,
    Kind.TOOL_RESULT_ADMITTED,
    Kind.SESSION_COLLECTED,
)
_TURNS = (Kind.MODEL_CALL_SETTLED, Kind.MODEL_CALL_REFUSED)
_MAX_SCANNED = 2000
_PAGE = 1000
_MAY_HAVE_EXPIRED = frozenset({S.ACTIVE, S.PAUSED})


def of_live(deps: ControlDeps, live: LiveSession) -> SessionView:
    """A session that is in memory."""
    key, ledger = _purse(live.session), deps.budgets.ledger
    account = ledger.account(key, deps.clock.now_ns()) if ledger.knows(key) else None
    shown = _view(
        deps,
        live.session,
        cost_nusd=live.cost_nusd if account is None else account.settled,
        turn=live.turn,
        tool_calls=_permitted(live.session.session_id, live.calls.values()),
        streams=len(live.streams),
        tainted=live.vouched.tainted,
        children=live.children,
    )
    return _with(shown, live.context, live.residue.spent)


async def of_session(deps: ControlDeps, session: Session) -> SessionView:
    """A session as stored; what is in memory is newer and goes first."""
    live = deps.sessions.loaded(session.session_id)
    if live is not None:
        return of_live(deps, live)
    turn = cost_nusd = 0
    tainted, context, carried = False, ContextUse(), 0
    children: list[str] = []
    for session_id in filter(None, (session.parent, session.session_id)):
        mine = session_id == session.session_id
        kinds = (*_TAINTING, Kind.QUERY_SENT, *((*_TURNS, Kind.SESSION_DELEGATED) if mine else ()))
        async for record in records_of(deps, session.principal.tenant, session_id, kinds):
            turn, cost_nusd = max(turn, record.turn if mine else 0), cost_nusd + record.cost_nusd
            tainted = tainted or bool(record.body.get("taints"))
            if mine:
                context.recorded(record.body)
            if record.kind is Kind.QUERY_SENT:
                carried += int(record.body.get("bytes", 0))
            if record.kind is Kind.SESSION_DELEGATED:
                children.append(str(record.body.get("child", "")))
    for account in await deps.budgets.states([_purse(session)]):
        cost_nusd = account.settled
    shown = _view(
        deps,
        session,
        cost_nusd=cost_nusd,
        turn=turn,
        tool_calls=_permitted(session.session_id, await deps.store.calls(session.session_id)),
        streams=0,
        tainted=tainted,
        children=children,
    )
    return _with(shown, context, carried)


def _with(shown: SessionView, context: ContextUse, carried: int) -> SessionView:
    return shown.model_copy(update={"context_percent": context.percent, "query_bytes": carried})


async def records_of(
    deps: ControlDeps, tenant: str, session_id: str, kinds: tuple[Kind, ...]
) -> AsyncIterator[Record]:
    """A session's journal records of these kinds, in order, page by page."""
    after_seq = 0
    while True:
        where = RecordFilter(
            tenant=tenant, session=session_id, kinds=kinds, after_seq=after_seq, limit=_PAGE
        )
        page = await deps.store.records(where)
        for record in page:
            yield record
        if len(page) < _PAGE:
            return
        after_seq = page[-1].seq


async def show(deps: ControlDeps, session_id: str) -> SessionView:
    """One session. Errors: NotFound."""
    live = deps.sessions.loaded(session_id)
    if live is not None:
        return of_live(deps, live)
    session = await deps.store.session(session_id)
    if session is None:
        raise NotFound(f"no session `{session_id[:64]}`")
    return await of_session(deps, session)


async def listed(deps: ControlDeps, which: WhichSessions) -> list[SessionView]:
    """Sessions, newest first; none of a tenant other than the one asked for."""
    states: tuple[S, ...] = ()
    limit = which.limit
    if which.state is not None:
        # A session expires by the clock alone; its stored state follows when it is next used.
        expired = which.state is S.EXPIRED
        states = (S.EXPIRED, *_MAY_HAVE_EXPIRED) if expired else (which.state,)
        if which.state in (S.EXPIRED, *_MAY_HAVE_EXPIRED):
            limit = _MAX_SCANNED
    where = SessionFilter(
        tenant=which.tenant,
        project=which.project,
        user=which.user,
        states=states,
        limit=limit,
    )
    found = [
        session
        for session in await deps.store.sessions(where)
        if which.state in (None, _state(deps, session))
    ]
    return [await of_session(deps, session) for session in found[: which.limit]]


def _view(
    deps: ControlDeps,
    session: Session,
    *,
    cost_nusd: int,
    turn: int,
    tool_calls: int,
    streams: int,
    tainted: bool,
    children: list[str],
) -> SessionView:
    who, state = session.principal, _state(deps, session)
    late = state is not session.state
    return SessionView(
        session_id=session.session_id,
        tenant=who.tenant,
        project=who.project,
        user=who.user,
        agent=who.agent,
        task=who.task,
        trust=who.trust,
        roles=list(who.roles),
        state=state,
        state_reason="the session reached its wall clock" if late else session.state_reason,
        opened_at_ns=session.opened_at_ns,
        expires_at_ns=session.expires_at_ns,
        cost_nusd=cost_nusd,
        turn=turn,
        tool_calls=tool_calls,
        streams=streams,
        tainted=tainted,
        query_bytes_limit=session.loop.query_bytes,
        delegated_by=session.delegated_by,
        children=list(children),
        resources=list(session.resources),
        scopes=[{k: list(v) for k, v in scope.items()} for scope in session.scopes],
    )


def _state(deps: ControlDeps, session: Session) -> S:
    if session.state in _MAY_HAVE_EXPIRED and deps.clock.now_ns() >= session.expires_at_ns:
        return S.EXPIRED
    return session.state


def _purse(session: Session) -> AccountKey:
    """The account of what the session cost, calls whose outcome a crash took included."""
    owner = owners(session.principal)[Scope.SESSION]
    return AccountKey(Scope.SESSION, owner, Dimension.USD, Window.LIFE)


def _permitted(session_id: str, calls: Iterable[CallRecord]) -> int:
    return sum(1 for c in calls if c.session == session_id and c.state in PERMITTED)
