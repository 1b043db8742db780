"""Every session that goes on, at a glance: filtered, sorted, counted, mostly out of memory.

What is in memory is looked at there. Of the others, which nobody moves without loading them, the
store is asked once in `_STALE_NS`. Not here: all that one session says (`runtime/views/sessions`),
the waiting for changes (`changes`).
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

from holdfast.core.sessions import GOING_ON
from holdfast.model.budgets import AccountState
from holdfast.model.events import Kind, Record
from holdfast.model.sessions import Session, SessionState
from holdfast.model.views import fleet as views
from holdfast.ports.clock import Clock
from holdfast.ports.store import SessionFilter, Store
from holdfast.runtime.budgets import Budgets
from holdfast.runtime.sessions import Sessions
from holdfast.runtime.views.sessions import SessionViews, purse_of

OVER = tuple(state for state in SessionState if state not in GOING_ON)
_STALE_NS = 5_000_000_000
_GOING_ON_MOST = 20_000
_OVER_MOST = 1_000
_REMEMBERED_MOST = 20_000
_QUIET = frozenset(
    {
        *(Kind.PROMPT_CONFIRMED, Kind.ADMIN_ACTED, Kind.HOOK_RAN, Kind.BUDGET_DECIDED),
        *(Kind.MODEL_CALL_COUNTED, Kind.EVIDENCE_MISSING, Kind.TOOL_RESULT_ADMITTED),
        *(Kind.BUDGET_CHANGED, Kind.RUN_ANSWERED, Kind.RUN_NOTED, Kind.CONVERSATION_LOADED),
    }
)
"""Kinds that are no action of a session, or said by another."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which sessions, in which order. `words` are looked for in what a session is called by.

    A word `agent:desk` is looked for in that field alone.
    """

    tenant: str = ""
    project: str = ""
    user: str = ""
    agent: str = ""
    states: tuple[SessionState, ...] = ()
    words: tuple[str, ...] = ()
    sort: str = "opened"
    falling: bool = True
    skip: int = 0
    limit: int = 100


class _One(NamedTuple):
    """What a session is sorted by."""

    session: Session
    state: SessionState
    spent_nusd: int
    cap_nusd: int | None
    turn: int
    context: int
    last_ns: int


_KEYS: dict[str, Callable[[_One], object]] = {
    "opened": lambda one: one.session.opened_at_ns,
    "spent": lambda one: one.spent_nusd,
    "used": lambda one: one.spent_nusd / one.cap_nusd if one.cap_nusd else 0.0,
    "turns": lambda one: one.turn,
    "context": lambda one: one.context,
    "last": lambda one: one.last_ns,
    "agent": lambda one: one.session.principal.agent.lower(),
    "user": lambda one: one.session.principal.user.lower(),
    "task": lambda one: one.session.principal.task.lower(),
    "state": lambda one: one.state.value,
}
SORTS = tuple(_KEYS)


class Fleet:
    """Looks at all sessions; a tap, to know what each did last."""

    def __init__(
        self, sessions: Sessions, shown: SessionViews, budgets: Budgets, store: Store, clock: Clock
    ) -> None:
        self._sessions = sessions
        self._shown = shown
        self._budgets = budgets
        self._store = store
        self._clock = clock
        self._last: dict[str, views.LastAction] = {}
        self._stored: dict[str, Session] = {}
        self._spent: dict[str, AccountState] = {}
        self._looked_ns = -_STALE_NS
        self._cut_short = False
        self._names: dict[str, str] = {}

    def saw(self, records: Sequence[Record]) -> None:
        """Remember what each session did last; what is longest unheard of is forgotten."""
        for record in records:
            if record.session and record.kind not in _QUIET:
                self._last.pop(record.session, None)
                self._last[record.session] = views.LastAction(
                    kind=record.kind,
                    at_ns=record.at_ns,
                    tool=record.tool,
                    verdict=record.verdict,
                )
        while len(self._last) > _REMEMBERED_MOST:
            del self._last[next(iter(self._last))]

    def recalled(self, records: Sequence[Record], over: Collection[str]) -> None:
        """What came back into memory was seen before, or stands in the store."""

    async def listed(self, asked: Asked) -> views.Fleet:
        """Those that match. Errors: StoreUnavailable."""
        wanted = asked.states or tuple(GOING_ON)
        found = [one for one in await self._all(asked, wanted) if self._matches(one, asked)]
        by_state: dict[SessionState, int] = {}
        for one in found:
            by_state[one.state] = by_state.get(one.state, 0) + 1
        found = [one for one in found if one.state in wanted]
        # Of equals the newest first, whichever way the others go.
        found.sort(key=lambda one: (one.session.opened_at_ns, one.session.session_id), reverse=True)
        if asked.sort != "opened" or not asked.falling:
            found.sort(key=_KEYS[asked.sort], reverse=asked.falling)  # type: ignore[arg-type]
        page = found[asked.skip : asked.skip + asked.limit]
        return views.Fleet(
            rows=tuple([await self._row(one) for one in page]),
            matches=len(found),
            cost_nusd=sum(one.spent_nusd for one in found),
            by_state=by_state,
            cut_short=self._cut_short,
        )

    async def _row(self, one: _One) -> views.FleetRow:
        session = await self._shown.of_session(one.session)
        last = self._last.get(session.session_id) or await self._read_last(one.session)
        return views.FleetRow(session=session, cap_nusd=one.cap_nusd, last=last)

    async def _read_last(self, session: Session) -> views.LastAction | None:
        """Of before this process: read once, and remembered."""
        kinds = tuple(kind for kind in Kind if kind not in _QUIET)
        async for record in self._shown.records(session, kinds):
            self.saw((record,))
        return self._last.get(session.session_id)

    async def _all(self, asked: Asked, wanted: Collection[SessionState]) -> list[_One]:
        """Sessions that go on, and those of the others that are asked for."""
        live = list(self._sessions.in_memory())
        now_ns, ledger = self._clock.now_ns(), self._budgets.ledger
        found = []
        for one in live:
            purse = purse_of(one.session)
            state = ledger.account(purse, now_ns) if ledger.knows(purse) else None
            spent = one.cost_nusd if state is None else state.settled
            cap = None if state is None else state.limit
            last = self._last.get(one.session.session_id)
            last_ns = one.session.opened_at_ns if last is None else last.at_ns
            shown = self._shown.state_of(one.session)
            context = one.context.percent
            found.append(_One(one.session, shown, spent, cap, one.turn, context, last_ns))
        known = {one.session.session_id for one in found}
        await self._look(now_ns)
        found += self._kept(s for s in self._stored.values() if s.session_id not in known)
        if past := tuple(state for state in wanted if state in OVER):
            found += self._kept(
                s for s in await self._past(asked, past) if s.session_id not in known
            )
        return found

    def _kept(self, sessions: Iterable[Session]) -> Iterable[_One]:
        for session in sessions:
            account = self._spent.get(session.session_id)
            spent = account.settled if account is not None else 0
            cap = account.limit if account is not None else None
            last = self._last.get(session.session_id)
            last_ns = session.opened_at_ns if last is None else last.at_ns
            yield _One(session, self._shown.state_of(session), spent, cap, 0, 0, last_ns)

    async def _look(self, now_ns: int) -> None:
        """Ask the store for those that go on and are not in memory, once in a while."""
        if now_ns - self._looked_ns < _STALE_NS:
            return
        self._looked_ns = now_ns
        where = SessionFilter(states=tuple(GOING_ON), limit=_GOING_ON_MOST)
        stored = await self._store.sessions(where)
        self._cut_short = len(stored) == _GOING_ON_MOST
        in_memory = {one.session.session_id for one in self._sessions.in_memory()}
        self._stored = {s.session_id: s for s in stored if s.session_id not in in_memory}
        self._names = {name: self._names[name] for name in self._names if name in in_memory}
        self._spent = {name: spent for name, spent in self._spent.items() if name in self._stored}
        await self._read_spent(s for s in self._stored.values() if s.session_id not in self._spent)

    async def _past(self, asked: Asked, states: tuple[SessionState, ...]) -> Sequence[Session]:
        where = SessionFilter(
            tenant=asked.tenant,
            project=asked.project,
            user=asked.user,
            states=states,
            limit=_OVER_MOST,
        )
        found = await self._store.sessions(where)
        await self._read_spent(found)
        return found

    async def _read_spent(self, sessions: Iterable[Session]) -> None:
        by_key = {purse_of(session): session.session_id for session in sessions}
        for state in await self._budgets.states(list(by_key)) if by_key else ():
            self._spent[by_key[state.key]] = state

    def _matches(self, one: _One, asked: Asked) -> bool:
        who = one.session.principal
        given = (
            (asked.tenant, who.tenant),
            (asked.project, who.project),
            (asked.user, who.user),
            (asked.agent, who.agent),
        )
        if any(wanted and wanted != has for wanted, has in given):
            return False
        return not asked.words or self._named(one.session, asked.words)

    def _named(self, session: Session, words: tuple[str, ...]) -> bool:
        names = self._names.get(session.session_id)
        if names is None:
            who = session.principal
            said = {"id": session.session_id, "agent": who.agent, "user": who.user}
            said |= {"task": who.task, "project": who.project, "tenant": who.tenant}
            names = "\n".join(f"{field}:{value}" for field, value in said.items()).casefold()
            self._names[session.session_id] = names
        return all(_in(names, word.casefold()) for word in words)


def _in(names: str, word: str) -> bool:
    field, colon, rest = word.partition(":")
    if colon and f"\n{field}:" in f"\n{names}":
        line = next(one for one in names.split("\n") if one.startswith(f"{field}:"))
        return rest in line[len(field) + 1 :]
    return any(word in line.partition(":")[2] for line in names.split("\n"))
