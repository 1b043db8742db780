"""A spent cap asks to be raised: one question an account and window, whoever stopped at it.

Questions stand beside those about calls, in the same table. A yes comes with the new cap in one
commit, and then all that waits for the account goes on; what a crash broke off is finished when the
server is back. Not here: who may say yes (`apps/control/approvals/raising`), the cap itself
(`runtime/budgets`).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256

import msgspec

from holdfast.core.approvals import By, Move, moved
from holdfast.core.sessions import DAY_NS, PAUSED_DAYS, Command
from holdfast.errors import Conflict, NotFound
from holdfast.model import bodies
from holdfast.model.approvals import RAISE, Approval, ApprovalState
from holdfast.model.budgets import AccountKey, Refused, Scope, Window
from holdfast.model.decisions import Reason, Verdict
from holdfast.model.events import Record
from holdfast.model.runs import Run, RunState
from holdfast.model.sessions import Session, SessionState
from holdfast.ports.store import ApprovalFilter, RunFilter, SessionFilter, Store
from holdfast.runtime.exhaustion import no_room
from holdfast.runtime.live import LiveSession
from holdfast.runtime.runs import Runs
from holdfast.runtime.services import Services

_PAGE = 1000
_NS = 1_000_000_000
_INNER = (Scope.TASK, Scope.SESSION)


class Raises:
    """Every question about a cap, and what waits for its answer."""

    def __init__(self, services: Services, store: Store, runs: Runs) -> None:
        self._sessions = services.sessions
        self._budgets = services.budgets
        self._journal = services.journal
        self._clock = services.clock
        self._store = store
        self._runs = runs
        # Of two that stop at one account at once one asks, and of two answers one counts.
        self.one_at_a_time = asyncio.Lock()
        runs.stopped_at = self.stopped_at

    async def ask(self, live: LiveSession, refused: Refused) -> None:
        """Ask whoever may raise the account, unless that was asked; durable on return.

        Errors: StoreUnavailable.
        """
        asked = _drafted(live, refused, self._clock.now_ns())
        async with self.one_at_a_time:
            before = await self._store.approval(asked.approval_id)
            if before is not None and asked.asked_at_ns < before.expires_at_ns:
                return
            body = bodies.ApprovalAsked(
                approval_id=asked.approval_id,
                digest=asked.digest,
                definition="",
                policy_version="",
                resource=asked.resource,
                reasons=asked.reasons,
                arguments=asked.arguments,
                expires_at_ns=asked.expires_at_ns,
            )
            await self._journal.commit([self._record(asked, body)], [asked])

    async def stopped_at(self, live: LiveSession, refused: Refused) -> bool:
        """Ask, and whether the cap is higher by now. Errors: StoreUnavailable."""
        await self.ask(live, refused)
        return self.was_raised(refused)

    def was_raised(self, refused: Refused) -> bool:
        """Whether the account has more room by now than it was refused for."""
        if not self._budgets.ledger.knows(refused.key):
            return False  # Nobody acts on it any more.
        state = self._budgets.ledger.account(refused.key, self._clock.now_ns())
        return state is not None and (state.limit is None or state.limit > refused.limit)

    def answered(
        self, asked: Approval, *, approved: bool, by: str, note: str
    ) -> tuple[Record, Approval]:
        """What to commit of an answer. Errors: Conflict for a question that is over."""
        now_ns = self._clock.now_ns()
        if asked.state is not ApprovalState.PENDING or now_ns >= asked.expires_at_ns:
            raise Conflict("it no longer waits for an answer", state=asked.state)
        move = Move.APPROVE if approved else Move.DENY
        after = moved(asked, move, By.PERSON, at_ns=now_ns, answered_by=by, note=note)
        body = bodies.ApprovalAnswered(
            approval_id=asked.approval_id, approved=approved, by=by, note=note
        )
        return self._record(asked, body), after

    async def go_on(self, raised: Approval) -> int:
        """Let all that waits for the account go on, where it stopped; how many that were.

        Errors: StoreUnavailable; what is left goes on with `finish`.
        """
        account, by = str(account_of(raised)), raised.answered_by
        why = f"{raised.resource} was raised by {by}"
        # Whoever stopped a moment ago is in the store as well.
        await self._journal.commit(())
        found = 0
        async for session in self._paused(raised.tenant, account):
            with contextlib.suppress(NotFound, Conflict):
                live = await self._sessions.get(session.session_id)
                if live.session.parked_for == account:
                    await self._sessions.change(live, Command.RESUME, why, by=by)
                    found += 1
                    # One that a stop holds as well waits for that.
                    if live.session.state is SessionState.ACTIVE:
                        await self._runs.session_resumed(live)
        async for run in self._parked(raised.tenant, account):
            with contextlib.suppress(NotFound, Conflict):
                await self._runs.resume(run, why)
                found += 1
        at_ns = self._clock.now_ns()
        await self._journal.commit((), [moved(raised, Move.USE, By.GUARD, at_ns=at_ns)])
        return found

    async def finish(self) -> None:
        """Go on with what was raised and then broken off. Errors: StoreUnavailable."""
        before: tuple[int, str] | None = None
        while True:
            where = ApprovalFilter(states=(ApprovalState.APPROVED,), before=before, limit=_PAGE)
            page = await self._store.approvals(where)
            for one in page:
                if one.tool == RAISE:
                    await self.go_on(one)
            if len(page) < _PAGE:
                return
            before = page[-1].asked_at_ns, page[-1].approval_id

    async def _paused(self, tenant: str, account: str) -> AsyncIterator[Session]:
        before: tuple[int, str] | None = None
        while True:
            where = SessionFilter(
                tenant=tenant, states=(SessionState.PAUSED,), before=before, limit=_PAGE
            )
            page = await self._store.sessions(where)
            for one in page:
                if one.parked_for == account:
                    yield one
            if len(page) < _PAGE:
                return
            before = page[-1].opened_at_ns, page[-1].session_id

    async def _parked(self, tenant: str, account: str) -> AsyncIterator[Run]:
        before: tuple[int, str] | None = None
        while True:
            where = RunFilter(tenant=tenant, states=(RunState.PARKED,), before=before, limit=_PAGE)
            page = await self._store.runs(where)
            for one in page:
                if one.parked_for == account:
                    yield one
            if len(page) < _PAGE:
                return
            before = page[-1].submitted_at_ns, page[-1].run_id

    def _record(self, asked: Approval, body: bodies.Body) -> Record:
        names = ("tenant", "project", "user", "agent", "session", "task")
        place = {name: getattr(asked, name) for name in names}
        return self._journal.record(body, None, tool=RAISE, **place)


def account_of(asked: Approval) -> AccountKey:
    """The account that a question is about."""
    return msgspec.convert(
        {name: asked.arguments[name] for name in ("scope", "owner", "dimension", "window")},
        AccountKey,
    )


def _drafted(live: LiveSession, refused: Refused, now_ns: int) -> Approval:
    """The question, the same whoever stops there under this cap and in this window."""
    key, who = refused.key, live.who
    inner = key.scope in _INNER
    arguments = {
        "scope": key.scope,
        "owner": key.owner,
        "dimension": key.dimension,
        "window": key.window,
        "limit": refused.limit,
        "used": refused.settled,
        "needed": refused.settled + refused.held + refused.wanted,
    }
    told = sha256(msgspec.json.encode(arguments, order="sorted")).hexdigest()
    return Approval(
        approval_id=_id_of(key, refused.limit, now_ns),
        tenant=who.tenant,
        project=who.project if inner or key.scope is Scope.PROJECT else "",
        user=who.user if inner or key.scope is Scope.USER else "",
        agent=who.agent if inner else "",
        session=who.session if key.scope is Scope.SESSION else "",
        task=who.task if inner else "",
        call_id="",
        tool=RAISE,
        digest=f"sha256:{told}",
        definition="",
        policy_version="",
        risk="",
        resource=str(key),
        reasons=(
            Reason(
                stage="budget", verdict=Verdict.ASK, code="budget_exceeded", text=no_room(refused)
            ),
        ),
        arguments=arguments,
        state=ApprovalState.PENDING,
        asked_at_ns=now_ns,
        expires_at_ns=now_ns + PAUSED_DAYS * DAY_NS,
    )


def _id_of(key: AccountKey, limit: int, now_ns: int) -> str:
    """One id for one cap in one window: a no is asked about anew when the window is another."""
    day = f"{datetime.fromtimestamp(now_ns // _NS, UTC):%Y-%m-%d}"
    window = {Window.LIFE: "", Window.CALENDAR_MONTH: day[:7]}.get(key.window, day)
    return "apr_" + sha256(f"{key}|{limit}|{window}".encode()).hexdigest()[:26]
