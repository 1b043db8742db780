"""Reserving against the ledger with durable holds, and waiting in line for room.

The ledger in memory decides at once; the hold is on disk before its caller acts. A call that
would fit but for other calls' holds waits its turn (first come, first served on the account that
refused it) until its deadline. Not here: the arithmetic (`core/budgets`), what a call costs.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from holdfast.core.budgets import Ledger, Settled, chain
from holdfast.model.budgets import (
    AccountKey,
    AccountState,
    Alert,
    Amounts,
    HoldState,
    Refused,
    Reserved,
    Scope,
)
from holdfast.model.decisions import Verdict
from holdfast.model.events import Kind, Record
from holdfast.model.principals import Principal
from holdfast.model.sessions import Session
from holdfast.ports.clock import Clock
from holdfast.ports.store import Change, HoldClosed
from holdfast.runtime.journal import Journal, noted

Plan = Callable[[], Amounts | Refused]
"""Says what to hold, given the ledger as it is now; asked again each time room opens."""


def owners(who: Principal) -> dict[Scope, str]:
    """Names of the accounts' owners, qualified by tenant so that no two tenants share one."""
    return {
        Scope.TASK: f"{who.tenant}/{who.task}",
        Scope.SESSION: f"{who.tenant}/{who.session}",
        Scope.USER: f"{who.tenant}/{who.user}",
        Scope.PROJECT: f"{who.tenant}/{who.project}",
        Scope.TENANT: who.tenant,
    }


class Budgets:
    """The ledger with a journal behind it."""

    def __init__(self, ledger: Ledger, journal: Journal, clock: Clock) -> None:
        self.ledger = ledger
        self._journal = journal
        self._clock = clock
        self._lines: dict[AccountKey, deque[asyncio.Future[None]]] = {}

    def open_chain(self, session: Session) -> list[AccountState]:
        """Make the accounts of a session exist under its limits; returns their states."""
        mine, now_ns = owners(session.principal), self._clock.now_ns()
        return [
            self.ledger.open_account(
                AccountKey(x.scope, mine[x.scope], x.dimension, x.window), x, now_ns
            )
            for x in session.limits
        ]

    def chain(self, session: Session) -> tuple[AccountKey, ...]:
        """The account keys of a session, innermost first."""
        return chain(session.limits, owners(session.principal))

    async def reserve(
        self,
        hold_id: str,
        session: Session,
        keys: Sequence[AccountKey],
        plan: Plan,
        *,
        purpose: str,
        wait_s: float,
        extra: Sequence[Record] = (),
    ) -> tuple[Reserved | Refused, Amounts]:
        """Hold what `plan` says, waiting up to `wait_s` for other calls' holds to settle.

        Returns once the hold, its `budget.decided` record and `extra` are durable. A refusal is
        recorded too. Errors: StoreUnavailable; the hold is then not to be relied on.
        """
        deadline = asyncio.get_running_loop().time() + wait_s
        ahead = self._line_ahead(keys)
        try:
            while True:
                answer, amounts = self._try(hold_id, session, keys, plan, purpose, ahead)
                if isinstance(answer, Reserved) or not answer.fits_when_settled:
                    break
                if not await self._wait_in_line(answer.key, deadline, front=ahead is None):
                    break
                ahead = None
        finally:
            # Whoever stood behind may fit now, whether this one got in, gave up or was refused.
            self._wake(keys)
        try:
            await self._journal.commit(*self._decided(answer, amounts, session, purpose, extra))
        except BaseException:
            # Cancelled, or not durable: nobody will act on this hold.
            if isinstance(answer, Reserved):
                self.settle_now(hold_id, {}, session.principal)
            raise
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
        """Hold at once or not at all, without waiting in line.

        The caller commits the records and changes together with what it decides on them, and acts
        on the hold only once that commit is durable.
        """
        answer, planned = self._try(hold_id, session, keys, lambda: amounts, purpose, None)
        records, changes = self._decided(answer, planned, session, purpose, ())
        return answer, records, changes

    def _try(
        self,
        hold_id: str,
        session: Session,
        keys: Sequence[AccountKey],
        plan: Plan,
        purpose: str,
        ahead: Refused | None,
    ) -> tuple[Reserved | Refused, Amounts]:
        planned = plan()
        if isinstance(planned, Refused):
            return planned, {}
        if ahead is not None:
            return ahead, planned
        answer = self.ledger.reserve(
            hold_id,
            keys,
            planned,
            session=session.session_id,
            purpose=purpose,
            now_ns=self._clock.now_ns(),
        )
        return answer, planned

    def _line_ahead(self, keys: Sequence[AccountKey]) -> Refused | None:
        """A stand-in refusal when others already wait on this chain: no one jumps the queue."""
        for key in keys:
            if self._lines.get(key):
                return Refused(key, 0, 0, 0, 0, fits_when_settled=True)
        return None

    async def _wait_in_line(self, key: AccountKey, deadline: float, *, front: bool) -> bool:
        """Wait until the account may have room; False at the deadline."""
        loop = asyncio.get_running_loop()
        left_s = deadline - loop.time()
        if left_s <= 0:
            return False
        line = self._lines.setdefault(key, deque())
        turn: asyncio.Future[None] = loop.create_future()
        if front:
            line.appendleft(turn)
        else:
            line.append(turn)
        try:
            await asyncio.wait_for(turn, left_s)
        except TimeoutError:
            return False
        finally:
            if turn in line:
                line.remove(turn)
            if not line:
                self._lines.pop(key, None)
            if turn.cancelled() or not turn.done():
                self._wake((key,))
        return True

    def _wake(self, keys: Sequence[AccountKey]) -> None:
        """Let the first in line of each account try again; it wakes the next when it got in."""
        for key in keys:
            line = self._lines.get(key)
            while line:
                turn = line.popleft()
                if not turn.done():
                    turn.set_result(None)
                    break

    def _decided(
        self,
        answer: Reserved | Refused,
        amounts: Amounts,
        session: Session,
        purpose: str,
        extra: Sequence[Record],
    ) -> tuple[list[Record], list[Change]]:
        who, changes = session.principal, list[Change]()
        body: dict[str, object] = {"purpose": purpose, "amounts": dict(amounts)}
        records = list(extra)
        if isinstance(answer, Reserved):
            verdict = Verdict.ALLOW
            body["hold_id"] = answer.hold_id
            hold = self.ledger.hold(answer.hold_id)
            if hold is not None:
                changes.append(hold)
        else:
            verdict = Verdict.DENY
            body |= {
                "account": str(answer.key),
                "limit": answer.limit,
                "settled": answer.settled,
                "held": answer.held,
                "wanted": answer.wanted,
            }
            if not answer.fits_when_settled:
                alerts = self.ledger.mark_full(answer.key, self._clock.now_ns())
                records += self._alert_records(alerts, who)
                changes += self.ledger.states([answer.key])
        records.append(self._journal.record(Kind.BUDGET_DECIDED, who, body, verdict=verdict))
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
        written = [*records, *self._alert_records(settled.alerts, who)]
        written += [
            self._journal.record(Kind.BUDGET_OVERSHOT, who, {"account": str(key)})
            for key in settled.overshot
        ]
        kept: list[Change] = [*changes, HoldClosed(hold_id)]
        kept += self.ledger.states(k for k in keys if actual.get(k.dimension, 0))
        durable = self._journal.commit(written, kept)
        self._wake(keys)
        return settled, durable

    def settle_now(
        self, hold_id: str, actual: Amounts, who: Principal, records: Sequence[Record] = ()
    ) -> None:
        """`settle`, for callers that cannot wait (a task that is being cancelled)."""
        _, durable = self.settle(hold_id, actual, who, records)
        noted(durable)

    def set_limit(
        self, key: AccountKey, amount: int | None, record: Record
    ) -> tuple[AccountState, asyncio.Future[None]]:
        """Change a cap by hand."""
        state = self.ledger.set_limit(key, amount, self._clock.now_ns())
        durable = self._journal.commit([record], [state])
        self._wake((key,))
        return state, durable

    def settle_orphans(self, held: Sequence[HoldState], who: Callable[[str], Principal]) -> None:
        """After a crash: what was in flight may have been used, so its holds count as used."""
        for hold in held:
            body = {"hold_id": hold.hold_id, "purpose": hold.purpose, "outcome": "unknown"}
            kind = Kind.MODEL_CALL_SETTLED if hold.purpose == "model" else Kind.TOOL_CALL_FINISHED
            record = self._journal.record(kind, who(hold.session), body)
            self.settle_now(hold.hold_id, hold.amounts, who(hold.session), [record])

    def _alert_records(self, alerts: Sequence[Alert], who: Principal) -> list[Record]:
        return [
            self._journal.record(
                Kind.BUDGET_ALERT,
                who,
                {
                    "account": str(alert.key),
                    "percent": alert.percent,
                    "limit": alert.limit,
                    "settled": alert.settled,
                },
            )
            for alert in alerts
        ]
