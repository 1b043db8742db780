"""Reserving against the ledger with durable holds, and waiting in line for room.

The ledger in memory decides at once; the hold is on disk before its caller acts. A call that
would fit but for other calls' holds waits its turn until its deadline: first come, first served on
the account that refused it, so that no smaller call passes a large one. Accounts that nobody uses
are in the store alone; they are read again before anything is done with them. Not here: the
arithmetic (`core/budgets`), the line itself (`runtime/waiting`), what a call costs.
"""

import asyncio
import itertools
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

from holdfast.core.budgets import Ledger, Settled, chain
from holdfast.model import bodies
from holdfast.model.budgets import (
    AccountKey,
    AccountState,
    Alert,
    Amounts,
    Dimension,
    HoldState,
    Refused,
    Reserved,
    Scope,
    Window,
)
from holdfast.model.decisions import Verdict
from holdfast.model.events import Record
from holdfast.model.principals import Principal
from holdfast.model.sessions import Session
from holdfast.ports.clock import Clock
from holdfast.ports.store import Change, HoldClosed, Store
from holdfast.runtime.journal import Journal, noted
from holdfast.runtime.waiting import NotYet, Waiting

Plan = Callable[[], Amounts | Refused]
"""Says what to hold, given the ledger as it is now; asked again each time room opens."""
Spared = Callable[[], Collection[Dimension]]
"""Dimensions that stop nothing though they are spent; asked only where some account is."""


def owners(who: Principal) -> dict[Scope, str]:
    """Names of the accounts' owners, qualified by tenant so that no two tenants share one.

    Whom no key let in draws on no account of one.
    """
    return {
        **({Scope.KEY: f"{who.tenant}/{who.key}"} if who.key else {}),
        Scope.TASK: f"{who.tenant}/{who.task}",
        Scope.SESSION: f"{who.tenant}/{who.session}",
        Scope.USER: f"{who.tenant}/{who.user}",
        Scope.PROJECT: f"{who.tenant}/{who.project}",
        Scope.TENANT: who.tenant,
    }


def accounts_of(scope: Scope, owner: str) -> list[AccountKey]:
    """Every account that an owner can have, in the order of keys."""
    return sorted(AccountKey(scope, owner, d, w) for d in Dimension for w in Window)


async def last_ledger(store: Store) -> Ledger:
    """The ledger as the last process left it: every open hold, and the accounts under them.

    The other accounts are read when somebody uses them. Errors: StoreUnavailable.
    """
    holds = await store.holds()
    keys = list(dict.fromkeys(key for hold in holds for key in hold.keys))
    return Ledger(await store.accounts(keys), holds, absent=keys)


_INNER = (Scope.TASK, Scope.SESSION)
_PLACE = ("tenant", "project", "user", "session", "task")
_NO_TURN = 0
"""A ticket before all others: whoever cannot wait would be refused for good behind them."""


class _Wanted(NamedTuple):
    """A hold that somebody wants, in the order of tickets."""

    hold_id: str
    session: Session
    keys: Sequence[AccountKey]
    plan: Plan
    purpose: str
    spared: Spared = tuple
    ticket: int = _NO_TURN


_Answer = tuple[Reserved | Refused, Amounts]


class _AtHand:
    """One use of accounts. Entered for each call, so no generator, which costs thrice as much."""

    __slots__ = ("_budgets", "_keys", "_new")

    def __init__(self, budgets: "Budgets", keys: Sequence[AccountKey], new: str) -> None:
        self._budgets = budgets
        self._keys = keys
        self._new = new

    async def __aenter__(self) -> None:
        missing = self._budgets.use(self._keys, new=self._new)
        if missing:
            try:
                await self._budgets.recall(missing)
            except BaseException:
                self._budgets.leave(self._keys)
                raise

    async def __aexit__(self, *_: object) -> None:
        self._budgets.leave(self._keys)


class Budgets:
    """The ledger with a journal behind it."""

    def __init__(self, ledger: Ledger, journal: Journal, clock: Clock, store: Store) -> None:
        self.ledger = ledger
        self._journal = journal
        self._clock = clock
        self._store = store
        self._line = Waiting[AccountKey, _Wanted, _Answer](self._serve, self._undo, apart=True)
        self._tickets = itertools.count(1)

    def use(self, keys: Iterable[AccountKey], *, new: str = "") -> list[AccountKey]:
        """Keep accounts in memory until `leave`; returns those that have to be recalled first.

        `new` is the id of a session that is being opened: what is named after it is in no store.
        """
        missing = self.ledger.use(keys)
        fresh = [k for k in missing if new and k.scope in _INNER and k.owner.endswith(f"/{new}")]
        if not fresh:
            return missing
        self.ledger.know(fresh, ())
        return [key for key in missing if not self.ledger.knows(key)]

    def leave(self, keys: Iterable[AccountKey]) -> None:
        """End one `use`: what nobody uses any more, and no hold is open on, leaves the memory."""
        self.ledger.leave(keys)

    def at_hand(
        self, keys: Sequence[AccountKey], *, new: str = ""
    ) -> AbstractAsyncContextManager[None]:
        """Use accounts, recalled from the store where they are not in memory.

        Errors: StoreUnavailable.
        """
        return _AtHand(self, keys, new)

    async def recall(self, missing: Sequence[AccountKey]) -> None:
        """Read accounts that are in use and not in memory. Errors: StoreUnavailable."""
        # Once this is durable, so is all that was ever said of them.
        await self._journal.commit(())
        self.ledger.know(missing, await self._store.accounts(missing))

    async def states(self, keys: Sequence[AccountKey]) -> list[AccountState]:
        """Those of the accounts that exist, as they stand. Errors: StoreUnavailable."""
        async with self.at_hand(keys):
            now_ns = self._clock.now_ns()
            found = [self.ledger.account(key, now_ns) for key in keys]
        return [state for state in found if state is not None]

    def open_chain(self, session: Session, keys: Iterable[AccountKey]) -> list[AccountState]:
        """Make the accounts of a session exist under its limits; returns their states.

        `keys` are its `chain`: each account is kept under the key that the session has. A child
        makes its own alone: what it shares stands as its ancestors found it.
        """
        known = {key: key for key in keys}
        mine, now_ns = owners(session.principal), self._clock.now_ns()
        return [
            self.ledger.open_account(
                known[AccountKey(x.scope, mine[x.scope], x.dimension, x.window)], x, now_ns
            )
            for x in session.limits
            if not session.delegated_by or x.scope is Scope.SESSION
        ]

    def chain(self, session: Session) -> tuple[AccountKey, ...]:
        """The account keys of a session, innermost first."""
        mine = owners(session.principal)
        return chain(session.limits, mine, ancestors=session.ancestor_accounts)

    async def reserve(
        self,
        hold_id: str,
        session: Session,
        keys: Sequence[AccountKey],
        plan: Plan,
        *,
        purpose: str,
        wait_s: float,
        spared: Spared = tuple,
        extra: Sequence[Record] = (),
    ) -> _Answer:
        """Hold what `plan` says, waiting up to `wait_s` for other calls' holds to settle.

        Nothing where an account is full, but in the dimensions that are `spared`. Returns once the
        hold, its `budget.decided` record and `extra` are durable. A refusal is recorded too.
        Errors: StoreUnavailable; the hold is then not to be relied on.
        """
        async with self.at_hand(keys):
            wanted = _Wanted(hold_id, session, keys, plan, purpose, spared)
            answer, amounts = await self._in_line(wanted, wait_s)
            try:
                decided = self._decided(answer, amounts, session, purpose, extra)
                await self._journal.commit(*decided)
            except BaseException:
                self._undo(wanted, (answer, amounts))
                raise
        return answer, amounts

    async def _in_line(self, wanted: _Wanted, wait_s: float) -> _Answer:
        """Hold what is wanted once it fits, or the refusal at the deadline."""
        if wait_s > 0:
            queued = wanted._replace(ticket=next(self._tickets))
            answer = self._serve(None, queued)
            if not isinstance(answer, NotYet):
                return answer
            try:
                return await self._line.stand(
                    answer.at, queued, timeout_s=wait_s, rank=(queued.ticket,)
                )
            except TimeoutError:
                pass
        # Without a turn: the last word is the ledger's own, with its numbers.
        return self._try(wanted)

    def _serve(self, _: AccountKey | None, wanted: _Wanted) -> _Answer | NotYet:
        answer, amounts = self._try(wanted)
        if isinstance(answer, Refused) and answer.fits_when_settled:
            return NotYet(at=answer.key)
        return answer, amounts

    def reserve_now(
        self,
        hold_id: str,
        session: Session,
        keys: Sequence[AccountKey],
        amounts: Amounts,
        *,
        purpose: str,
    ) -> tuple[Reserved | Refused, list[Record], list[Change]]:
        """Hold at once or not at all, without waiting in line; nothing where an account is full.

        The caller commits the records and changes together with what it decides on them, and acts
        on the hold only once that commit is durable.
        """
        wanted = _Wanted(hold_id, session, keys, lambda: amounts, purpose)
        answer, _ = self._try(wanted)
        records, changes = self._decided(answer, amounts, session, purpose, ())
        return answer, records, changes

    def full(self, keys: Sequence[AccountKey], *, spared: Spared = tuple) -> Refused | None:
        """The innermost account at hand that is at or past its limit, but for what is `spared`."""
        now_ns = self._clock.now_ns()
        full = self.ledger.full(keys, now_ns)
        return full and self.ledger.full(keys, now_ns, spared=spared())

    def _try(self, wanted: _Wanted) -> _Answer:
        """One gate for models and tools: what is spent in any dimension stops both."""
        full = self.full(wanted.keys, spared=wanted.spared)
        if full is not None:
            return full, {}
        planned = wanted.plan()
        if isinstance(planned, Refused):
            return planned, {}
        for key in wanted.keys if self._line else ():
            ahead = self._line.first(key)
            if ahead and ahead.ticket < wanted.ticket and planned.get(key.dimension, 0) > 0:
                # A stand-in: others came before on this account, and no one jumps the queue.
                return Refused(key, 0, 0, 0, 0, fits_when_settled=True), planned
        answer = self.ledger.reserve(
            wanted.hold_id,
            wanted.keys,
            planned,
            session=wanted.session.session_id,
            purpose=wanted.purpose,
            now_ns=self._clock.now_ns(),
        )
        return answer, planned

    def _undo(self, wanted: _Wanted, answered: _Answer) -> None:
        """The caller never learns of its hold, so nobody else could give it back."""
        if isinstance(answered[0], Reserved):
            self.settle_now(wanted.hold_id, {}, wanted.session.principal)

    def _decided(
        self,
        answer: Reserved | Refused,
        amounts: Amounts,
        session: Session,
        purpose: str,
        extra: Sequence[Record],
    ) -> tuple[list[Record], list[Change]]:
        who, changes = session.principal, list[Change]()
        told, records = dict(amounts), list(extra)
        if isinstance(answer, Reserved):
            verdict = Verdict.ALLOW
            body = bodies.BudgetDecided(purpose=purpose, amounts=told, hold_id=answer.hold_id)
            hold = self.ledger.hold(answer.hold_id)
            if hold is not None:
                changes.append(hold)
        else:
            verdict = Verdict.DENY
            body = bodies.BudgetDecided(
                purpose=purpose,
                amounts=told,
                account=str(answer.key),
                limit=answer.limit,
                settled=answer.settled,
                held=answer.held,
                wanted=answer.wanted,
            )
            if not answer.fits_when_settled:
                alerts = self.ledger.mark_full(answer.key, self._clock.now_ns())
                records += self._alert_records(alerts, who)
                changes += self.ledger.states([answer.key])
        records.append(self._journal.record_of_ours(body, who, verdict=verdict))
        return records, changes

    def extend(
        self, hold_id: str, more: Amounts
    ) -> tuple[Reserved | Refused, asyncio.Future[None]]:
        """Grow a hold now; await the second value before relying on it."""
        answer = self.ledger.extend(hold_id, more, self._clock.now_ns())
        hold = self.ledger.hold(hold_id)
        changes: list[Change] = [hold] if isinstance(answer, Reserved) and hold else []
        return answer, self._journal.commit((), changes)

    def settle(
        self,
        hold_id: str,
        actual: Amounts,
        who: Principal,
        records: Sequence[Record] = (),
        changes: Sequence[Change] = (),
    ) -> tuple[Settled, asyncio.Future[None]]:
        """Replace a hold by what was used, with the records that say so, in one commit."""
        hold = self.ledger.hold(hold_id)
        keys = hold.keys if hold is not None else ()
        settled = self.ledger.settle(hold_id, actual, self._clock.now_ns())
        self._line.pump(keys)
        written = [*records, *self._alert_records(settled.alerts, who)]
        written += [
            self._journal.record(bodies.BudgetOvershot(account=str(key)), who)
            for key in settled.overshot
        ]
        alerted = {alert.key for alert in settled.alerts}
        changed = [k for k in keys if actual.get(k.dimension, 0) or k in alerted]
        states = self.ledger.states(changed)
        durable = self._journal.commit(written, [*changes, HoldClosed(hold_id), *states])
        if not changed:
            return settled, durable
        spendings = self.ledger.spendings(changed)
        durable.add_done_callback(lambda done: self._kept(spendings, done))
        # A caller that stops waiting must not hide from us whether it became durable.
        return settled, asyncio.shield(durable)

    def _kept(self, spendings: dict[AccountKey, int], done: asyncio.Future[None]) -> None:
        """What was refused stays in memory: the sum there is the only true one."""
        if not done.cancelled() and done.exception() is None:
            self.ledger.kept(spendings)

    def affordable(self, hold_id: str, dimension: Dimension, amount: int) -> int:
        """`amount`, or as much of it as the hold and what is left of its chain cover.

        For what is only known afterwards and cannot be cut to the nano (time): the account is
        full then, and never beyond its limit.
        """
        hold = self.ledger.hold(hold_id)
        if hold is None:
            return amount
        now_ns = self._clock.now_ns()
        left = self.ledger.room(hold.keys, dimension, now_ns, held_counts=True)
        if left is None:
            return amount
        return min(amount, hold.amounts.get(dimension, 0) + max(left, 0))

    def settle_now(
        self, hold_id: str, actual: Amounts, who: Principal, records: Sequence[Record] = ()
    ) -> None:
        """`settle`, for callers that cannot wait (a task that is being cancelled)."""
        _, durable = self.settle(hold_id, actual, who, records)
        noted(durable)

    def set_limit(
        self,
        key: AccountKey,
        amount: int | None,
        record: Record,
        also: tuple[Record, Change] | None = None,
    ) -> tuple[AccountState, asyncio.Future[None]]:
        """Change a cap by hand; `record` says so, and whose it is; `also` is in the same commit."""
        now_ns = self._clock.now_ns()
        self.ledger.set_limit(key, amount, now_ns)
        place = {name: getattr(record, name) for name in _PLACE}
        told = self._alert_records(self.ledger.due(key, now_ns), None, **place)
        [state] = self.ledger.states([key])
        records, changes = ([also[0]], [also[1]]) if also else ([], [])
        durable = self._journal.commit([record, *told, *records], [state, *changes])
        self._line.pump((key,))
        return state, durable

    def settle_orphans(self, held: Sequence[HoldState], who: Callable[[str], Principal]) -> None:
        """After a crash: what was in flight may have been used, so its holds count as used."""
        for hold in held:
            lost = bodies.ModelCallLost if hold.purpose == "model" else bodies.ToolCallLost
            body = lost(hold_id=hold.hold_id, purpose=hold.purpose, outcome="unknown")
            cost_nusd = hold.amounts.get(Dimension.USD, 0)
            record = self._journal.record(body, who(hold.session), cost_nusd=cost_nusd)
            self.settle_now(hold.hold_id, hold.amounts, who(hold.session), [record])

    def _alert_records(
        self, alerts: Sequence[Alert], who: Principal | None, **place: str
    ) -> list[Record]:
        return [
            self._journal.record(
                bodies.BudgetAlert(
                    account=str(alert.key),
                    percent=alert.percent,
                    limit=alert.limit,
                    settled=alert.settled,
                ),
                who,
                **place,
            )
            for alert in alerts
        ]
