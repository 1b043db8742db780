"""Questions to people: listed, shown, answered once.

An answer changes what memory holds of its session at once, so that a call that is decided in that
moment finds it; a run that waits is due again. Who may answer is checked before this
(`apps/control/approvers`). Not here: when a person is asked (`runtime/guard/asking`).
"""

import asyncio
from collections.abc import Collection

import msgspec

from holdfast.core import approvals as rules
from holdfast.core.approvals import By, Move
from holdfast.core.sessions import GOING_ON
from holdfast.errors import Conflict, NotFound
from holdfast.model import bodies
from holdfast.model.approvals import Approval, ApprovalState
from holdfast.ports.store import ApprovalFilter, Store
from holdfast.runtime.dispatch import Dispatch
from holdfast.runtime.journal import noted
from holdfast.runtime.live import LiveSession
from holdfast.runtime.services import Services

_MOST_WAITING = 16
"""Calls of one session that doors hold at a time; further ones are told at once to come back."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a person answers; `digest` is of the arguments that they were shown."""

    approved: bool
    by: str
    digest: str
    note: str = ""


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
        services.sessions.ended.append(self._ring)

    async def get(self, approval_id: str) -> Approval:
        """One as it stands now. Errors: NotFound."""
        kept = await self._store.approval(approval_id)
        if kept is None:
            raise NotFound(f"no approval `{approval_id[:64]}`")
        return self._now(kept)

    async def listed(self, where: ApprovalFilter) -> list[Approval]:
        """Approvals, newest first, as they stand now."""
        return [self._now(one) for one in await self._store.approvals(where)]

    async def answer(self, approval_id: str, said: Said) -> Approval:
        """Say yes or no; durable on return.

        Errors: NotFound; Conflict for one that no longer waits, or is not about what was shown.
        """
        live = await self._sessions.get((await self.get(approval_id)).session)
        # No await from here to the change: memory has what stands now.
        self._sessions.lapse(live)
        asked = self._in(live, approval_id)
        self._check(live, asked, said)
        move = Move.APPROVE if said.approved else Move.DENY
        at_ns = self._clock.now_ns()
        news = {"answered_by": said.by, "note": said.note}
        answered = rules.moved(asked, move, By.PERSON, at_ns=at_ns, **news)
        live.approvals[answered.tool, answered.digest] = answered
        body = bodies.ApprovalAnswered(
            approval_id=approval_id, approved=said.approved, by=said.by, note=said.note
        )
        flat = {"call_id": answered.call_id, "tool": answered.tool}
        record = self._journal.record(body, live.who, **flat)
        due = self._dispatch.hasten(answered.session)
        self._ring(live)
        await self._journal.commit([record], [answered, *due])
        return answered

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

    def _run_out(self, live: LiveSession, one: Approval, now_ns: int) -> None:
        approved = one.state is ApprovalState.APPROVED
        body = bodies.ApprovalExpired(approval_id=one.approval_id, approved=approved)
        record = self._journal.record(body, live.who, call_id=one.call_id, tool=one.tool)
        after = rules.moved(one, Move.EXPIRE, By.CLOCK, at_ns=now_ns)
        live.approvals[one.tool, one.digest] = after
        self._ring(live)
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
        if live.standing not in GOING_ON:
            raise Conflict(f"its session is {live.standing}", state=live.standing)
        now = self._as_of_now(asked)
        if now.state not in rules.OPEN or (
            said.approved and now.state is not ApprovalState.PENDING
        ):
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
        return rules.moved(one, Move.EXPIRE, By.CLOCK, at_ns=one.expires_at_ns)
