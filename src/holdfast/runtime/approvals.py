"""Questions to people: listed, shown, answered once.

An answer changes what memory holds of its session at once, so that a call that is decided in that
moment finds it; a run that waits is due again. Who may answer is checked before this
(`apps/control/approvers`). Not here: when a person is asked (`runtime/guard/asking`).
"""

import asyncio
import contextlib
from collections.abc import Collection
from typing import Any

import msgspec

from holdfast.core import approvals as rules
from holdfast.core import granting, reviewing
from holdfast.core.approvals import By, Move
from holdfast.core.sessions import GOING_ON
from holdfast.errors import ApproverRequired, Conflict, NotFound
from holdfast.model import bodies
from holdfast.model.approvals import Approval, ApprovalState, Delegation, Grant, GrantTerms, Yes
from holdfast.model.runs import Run
from holdfast.ports.store import ApprovalFilter, Store
from holdfast.runtime.dispatch import Dispatch
from holdfast.runtime.guard.asking import expired_body
from holdfast.runtime.journal import noted
from holdfast.runtime.live import LiveSession
from holdfast.runtime.services import Services

_NS = 1_000_000_000
_PAGE = 200
_MOST_LOOKED = 10_000
_MOST_WAITING = 16
"""Calls of one session that doors hold at a time; further ones are told at once to come back."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a person answers; `digest` is of the arguments that they were shown.

    `seats` are the voices that they have in it (`core/reviewing`): whoever lets them answer says
    so. Without any, a yes to what a rule of the operator's is about is refused. `grant`: the like
    may run as well.
    """

    approved: bool
    by: str
    digest: str
    note: str = ""
    seats: tuple[str, ...] = ()
    grant: GrantTerms | None = None


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """A voice that somebody leaves to another; `seats` as in `Said`."""

    by: str
    to: str
    seats: tuple[str, ...]


class Approvals:
    """Every approval of this server."""

    def __init__(self, services: Services, store: Store, dispatch: Dispatch) -> None:
        self._sessions = services.sessions
        self._journal = services.journal
        self._clock = services.clock
        self._store = store
        self._dispatch = dispatch
        # Doors that hold a call of a session until somebody answers.
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        # When somebody was first shown a question; gone with the process.
        self._looked: dict[tuple[str, str], int] = {}
        services.sessions.ended.append(self._ring)

    async def get(self, approval_id: str) -> Approval:
        """One as it stands now. Errors: NotFound."""
        kept = await self._store.approval(approval_id)
        if kept is None:
            raise NotFound(f"no approval `{approval_id[:64]}`")
        return self._now(kept)

    def looked(self, shown: Approval, by: str) -> None:
        """Somebody is shown it: from the first time on it counts how long they looked."""
        if shown.state is ApprovalState.PENDING:
            self._looked.setdefault((shown.approval_id, by), self._clock.now_ns())
            if len(self._looked) > _MOST_LOOKED:
                del self._looked[next(iter(self._looked))]

    async def listed(self, where: ApprovalFilter) -> list[Approval]:
        """Approvals, newest first, as they stand now."""
        return [self._now(one) for one in await self._store.approvals(where)]

    async def answer(self, approval_id: str, said: Said) -> Approval:
        """Say yes or no; durable on return. One no is a no, a yes may need others beside it.

        Errors: NotFound; Conflict for one that no longer waits, or is not about what was shown, or
        a second yes of one person; ApproverRequired for a yes of nobody whose voice it takes.
        """
        live = await self._sessions.get((await self.get(approval_id)).session)
        # No await from here to the change: memory has what stands now.
        self._sessions.lapse(live)
        asked = self._in(live, approval_id)
        self._check(live, asked, said)
        now_ns = self._clock.now_ns()
        first_ns = self._looked.pop((approval_id, said.by), now_ns)
        answered = _answered(asked, said, now_ns, (now_ns - first_ns) / _NS)
        body = bodies.ApprovalAnswered(
            approval_id=approval_id,
            approved=said.approved,
            by=said.by,
            note=said.note,
            missing=answered.missing if said.approved else 0,
        )
        if (grant := answered.grant) is not None:
            body = msgspec.structs.replace(
                body,
                granted_until_ns=answered.expires_at_ns,
                free=grant.any,
                most=grant.most,
            )
        await self._keep(live, answered, body)
        return answered

    async def revoke(self, approval_id: str, by: str, note: str = "") -> Approval:
        """End a grant; durable on return. Errors: NotFound; Conflict for what is none any more."""
        live = await self._sessions.get((await self.get(approval_id)).session)
        given = self._in(live, approval_id)
        self._check_waits(live, given, (ApprovalState.GRANTED,))
        after = rules.moved(given, Move.REVOKE, By.PERSON, at_ns=self._clock.now_ns())
        body = bodies.ApprovalRevoked(approval_id=approval_id, by=by, note=note)
        await self._keep(live, after, body)
        return after

    async def delegate(self, approval_id: str, handed: Handed) -> Approval:
        """Leave one's voice in a question to another; durable on return.

        Errors: NotFound; Conflict for one that no longer waits.
        """
        live = await self._sessions.get((await self.get(approval_id)).session)
        self._sessions.lapse(live)
        asked = self._in(live, approval_id)
        self._check_waits(live, asked, (ApprovalState.PENDING,))
        at_ns = self._clock.now_ns()
        one = Delegation(by=handed.by, to=handed.to, seats=handed.seats, at_ns=at_ns)
        news = {"delegated": (*asked.delegated, one)}
        after = rules.moved(asked, Move.DELEGATE, By.PERSON, at_ns=at_ns, **news)
        body = bodies.ApprovalDelegated(approval_id=approval_id, by=handed.by, to=handed.to)
        await self._keep(live, after, body)
        return after

    async def _keep(self, live: LiveSession, after: Approval, body: bodies.Body) -> None:
        """What a person did, in memory at once and durable on return; whoever waits hears it."""
        live.approvals[after.tool, after.digest] = after
        flat = {"call_id": after.call_id, "tool": after.tool}
        record = self._journal.record(body, live.who, **flat)
        due: list[Run] = []
        if after.state is not ApprovalState.PENDING:
            due = self._dispatch.hasten(after.session)
            self._ring(live)
        also = self._answers(live, after)
        await self._journal.commit([record], [after, *also, *due])

    def _answers(self, live: LiveSession, given: Approval) -> list[Approval]:
        """Questions that a grant answers with its own: they ask again, and find it."""
        found = [
            rules.moved(one, Move.WITHDRAW, By.SESSION, at_ns=given.changed_at_ns)
            for one in live.approvals.values()
            if one.state is ApprovalState.PENDING and granting.covers(given, one)
        ]
        live.approvals.update({(one.tool, one.digest): one for one in found})
        return found

    async def heard(self, live: LiveSession, approval_id: str, within_s: float) -> bool:
        """Wait for what becomes of a question; whether it is over, or its session is, in time."""
        waiting = self._waiting.setdefault(live.session.session_id, set())
        try:
            while live.standing in GOING_ON and (left_s := self.left_s(live, (approval_id,))):
                if within_s <= 0 or len(waiting) >= _MOST_WAITING:
                    return False
                loop = asyncio.get_running_loop()
                begun_s, bell = loop.time(), loop.create_future()
                waiting.add(bell)
                try:
                    await asyncio.wait((bell,), timeout=min(within_s, left_s))
                finally:
                    waiting.discard(bell)
                within_s -= loop.time() - begun_s
            return True
        finally:
            if not waiting:
                self._waiting.pop(live.session.session_id, None)

    def _ring(self, live: LiveSession) -> None:
        for bell in self._waiting.get(live.session.session_id, ()):
            if not bell.done():
                bell.set_result(None)

    def tick(self) -> None:
        """Write down what ran out, though nobody asks about its call again. Queues, waits not."""
        now_ns = self._clock.now_ns()
        for live in self._sessions.in_memory():
            for one in tuple(live.approvals.values()):
                if one.state in rules.OPEN and now_ns >= one.expires_at_ns:
                    self._run_out(live, one, now_ns)
                elif one.state is ApprovalState.PENDING:
                    self._escalate(live, one, now_ns)

    async def look(self) -> None:
        """Bring into memory what waits in the store: to be told of with time, or over.

        Errors: StoreUnavailable.
        """
        before: tuple[int, str] | None = None
        while True:
            where = ApprovalFilter(states=(ApprovalState.PENDING,), before=before, limit=_PAGE)
            page = await self._store.approvals(where)
            for one in page:
                with contextlib.suppress(NotFound):
                    await self._sessions.get(one.session)
            if len(page) < _PAGE:
                return
            before = (page[-1].asked_at_ns, page[-1].approval_id)

    def _run_out(self, live: LiveSession, one: Approval, now_ns: int) -> None:
        after = rules.run_out(one, at_ns=now_ns)
        live.approvals[one.tool, one.digest] = after
        self._ring(live)
        self._note(live, after, expired_body(one, after))

    def _escalate(self, live: LiveSession, one: Approval, now_ns: int) -> None:
        """Tell those to whom it comes with time; who may answer is asked by its age alone."""
        reached = reviewing.reached(one, now_ns)
        if len(reached) <= one.escalated:
            return
        for step in reached[one.escalated :]:
            after = rules.moved(one, Move.ESCALATE, By.CLOCK, at_ns=now_ns, escalated=len(reached))
            live.approvals[one.tool, one.digest] = after
            body = bodies.ApprovalEscalated(
                approval_id=one.approval_id, to=step.to, after_s=step.after_s
            )
            self._note(live, after, body)

    def _note(self, live: LiveSession, after: Approval, body: bodies.Body) -> None:
        record = self._journal.record(body, live.who, call_id=after.call_id, tool=after.tool)
        noted(self._journal.commit([record], [after]))

    def left_s(self, live: LiveSession, approval_ids: Collection[str]) -> float:
        """Seconds until the first of these is over by itself; 0 where one no longer waits."""
        now_ns = self._clock.now_ns()
        ends = [
            one.expires_at_ns
            for one in live.approvals.values()
            if one.approval_id in approval_ids and one.state is ApprovalState.PENDING
        ]
        if len(ends) < len(set(approval_ids)):
            return 0.0
        return max(min(ends) - now_ns, 0) / 1_000_000_000

    def _check(self, live: LiveSession, asked: Approval, said: Said) -> None:
        if said.digest != asked.digest:
            raise Conflict("the call that is asked about is another than what you were shown")
        may = (ApprovalState.PENDING, ApprovalState.APPROVED)
        self._check_waits(live, asked, (ApprovalState.PENDING,) if said.approved else may)
        if not said.approved:
            return
        if said.grant is not None and (fault := granting.fault_of(asked, said.grant)):
            raise Conflict(f"that cannot be granted: {fault}")
        if any(one.by == said.by for one in asked.yes):
            raise Conflict(f"`{said.by}` said yes already, and another person has to as well")
        if not any(said.seats) and asked.needs:
            raise ApproverRequired(f"it is not for `{said.by}` to answer", by=said.by)

    def _check_waits(
        self, live: LiveSession, asked: Approval, states: Collection[ApprovalState]
    ) -> None:
        if live.standing not in GOING_ON:
            raise Conflict(f"its session is {live.standing}", state=live.standing)
        now = self._as_of_now(asked)
        if now.state not in states:
            raise Conflict(f"it no longer waits for an answer: it is {now.state}", state=now.state)

    def _in(self, live: LiveSession, approval_id: str) -> Approval:
        for one in live.approvals.values():
            if one.approval_id == approval_id:
                return one
        raise Conflict("it no longer waits for an answer: the call was asked about anew")

    def _now(self, kept: Approval) -> Approval:
        live = self._sessions.loaded(kept.session)
        known = live.approvals.get((kept.tool, kept.digest)) if live is not None else None
        if known is not None and known.approval_id == kept.approval_id:
            kept = known
        return self._as_of_now(kept)

    def _as_of_now(self, one: Approval) -> Approval:
        """With its end, where nobody wrote that down yet."""
        now_ns = self._clock.now_ns()
        if one.state not in rules.OPEN or now_ns < one.expires_at_ns:
            return one
        return rules.run_out(one, at_ns=one.expires_at_ns)


def _answered(asked: Approval, said: Said, at_ns: int, looked_s: float) -> Approval:
    """The approval after a person's word."""
    last: dict[str, Any] = {"answered_by": said.by, "note": said.note}
    if not said.approved:
        return rules.moved(asked, Move.DENY, By.PERSON, at_ns=at_ns, **last)
    seats = said.seats or (said.by,)
    one = Yes(by=said.by, seats=seats, at_ns=at_ns, note=said.note, looked_s=looked_s)
    agreed = rules.moved(asked, Move.AGREE, By.PERSON, at_ns=at_ns, yes=(*asked.yes, one))
    if agreed.missing:
        return agreed
    if (terms := said.grant) is None:
        return rules.moved(agreed, Move.APPROVE, By.PERSON, at_ns=at_ns, **last)
    last["grant"] = Grant(by=said.by, at_ns=at_ns, any=terms.any, most=terms.most)
    last["expires_at_ns"] = at_ns + terms.for_s * _NS
    return rules.moved(agreed, Move.GRANT, By.PERSON, at_ns=at_ns, **last)
