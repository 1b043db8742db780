"""A further attempt at a call that was allowed and never answered: after a crash, or a time-out.

What may be done is the tool's class to say (`core/effects`): run it again under the same key, ask
the tool whether the first try took, or wait for a person. Policy, risk, flow and budgets are asked
again, and the attempt before counts as a tool call; the loop guard has counted it.

Not here: deciding (`runtime/guard`).
"""

import enum
from typing import Any

import msgspec

from holdfast.core.calls import OUTSTANDING, UNDECIDED, By, Move, moved
from holdfast.core.contracts import ContractBook
from holdfast.core.effects import Recovery, recovery
from holdfast.errors import ApprovalPending, Conflict, PermitInvalid, PolicyUnavailable
from holdfast.model import bodies
from holdfast.model.attempts import Next
from holdfast.model.budgets import Amounts, Dimension
from holdfast.model.decisions import Verdict
from holdfast.model.effects import EffectEntry, EffectState
from holdfast.model.tools import CallRecord, CallState, Idempotency
from holdfast.runtime.effects import Effects
from holdfast.runtime.guard import Asked, Guard, Ruling
from holdfast.runtime.live import LiveSession
from holdfast.runtime.services import Services


class Found(enum.StrEnum):
    """What the executor knows of the attempt before: nothing, or what the tool itself said.

    `given_up`: its tries are used up and the last was not answered, so that a person decides; once
    that one lets the call go on, it is tried again.
    """

    NOTHING_KNOWN = ""
    HAPPENED = "happened"
    NOTHING_HAPPENED = "nothing_happened"
    CANNOT_TELL = "cannot_tell"
    GIVEN_UP = "given_up"


_SAYS_NOTHING = (Found.CANNOT_TELL, Found.GIVEN_UP)


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a further attempt, as a door translates it."""

    call_id: str
    tool: str
    arguments: dict[str, Any]
    door: str
    found: Found = Found.NOTHING_KNOWN
    output: Any = None
    error: str = ""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """The answer.

    `ruling` comes with `execute` and `denied`; `entry` with `answered`; `approval`, the id of the
    question to a person, with `asked`.
    """

    next: Next
    effect_key: str = ""
    attempt: int = 0
    ruling: Ruling | None = None
    entry: EffectEntry | None = None
    message: str = ""
    approval: str = ""


class Attempts:
    """Says how calls that lost their answer go on."""

    def __init__(self, services: Services, guard: Guard, contracts: ContractBook) -> None:
        self._sessions = services.sessions
        self._budgets = services.budgets
        self._effects: Effects = services.effects
        self._journal = services.journal
        self._guard = guard
        self._contracts = contracts

    async def again(self, live: LiveSession, retry: Retry) -> Attempt:
        """What to do about a call of this session, whatever became of it so far.

        Errors: SessionStopped, CredentialExpired; PermitInvalid for a call that the model did not
        make; Conflict for one whose outcome was reported; StoreUnavailable; PolicyUnavailable, and
        nothing was decided: ask again.
        """
        try:
            return await self._again(live, retry)
        except ApprovalPending as asked:
            return Attempt(
                next=Next.ASKED, message=asked.message, approval=str(asked.fields["approval"])
            )

    async def _again(self, live: LiveSession, retry: Retry) -> Attempt:
        self._sessions.check_live(live)
        call = live.calls.get(retry.call_id)
        if call is None or call.session != live.session.session_id or call.tool != retry.tool:
            raise PermitInvalid("the model made no such call in this session")
        if call.call_id in live.deciding:
            raise Conflict("the call is being decided", call_id=call.call_id)
        if call.state in UNDECIDED:
            return await self._decide(live, call, retry, again=False)
        entry = await self._entry(live, call)
        if call.state is CallState.DENIED:
            return await self._denied(live, call, entry)
        if entry is not None and entry.state is EffectState.DONE:
            return await self._answered(live, call, entry)
        if call.state not in OUTSTANDING:
            raise Conflict("the outcome of this call was reported", call_id=call.call_id)
        return await self._lost(live, call, entry, retry)

    async def _entry(self, live: LiveSession, call: CallRecord) -> EffectEntry | None:
        if not call.effect_key:
            return None
        return await self._effects.find(live.who.tenant, call.effect_key)

    async def _lost(
        self, live: LiveSession, call: CallRecord, entry: EffectEntry | None, retry: Retry
    ) -> Attempt:
        """A call that was allowed, and of which no outcome was reported."""
        contract = self._contracts.get(call.tool)
        kind = contract.idempotency if contract is not None else Idempotency.ONCE
        if entry is not None and kind is not Idempotency.ONCE:
            # A try that was made without the key that its tool needs cannot be had again.
            kind = entry.idempotency
        allowed = recovery(kind)
        settled = entry is None or entry.state is EffectState.FAILED
        # Of what must not happen twice nobody's word but an operator's says that it did not.
        told = retry.found is Found.NOTHING_HAPPENED and allowed is not Recovery.PARK
        if settled or told:
            return await self._reopened(live, call, retry)
        if retry.found is Found.HAPPENED:
            records, changes = self._effects.finish(
                live, call, ok=True, output=retry.output, error="", uncertain=False
            )
            await self._journal.commit(records, changes)
            found = await self._entry(live, call)
            if found is not None and found.state is EffectState.DONE:
                return await self._answered(live, call, found)
        if allowed is Recovery.EXECUTE and retry.found is not Found.GIVEN_UP:
            return await self._reopened(live, call, retry)
        why = retry.error or "the executor ended before it could report"
        records, changes = self._effects.lost(live, call.call_id, why)
        await self._journal.commit(records, changes)
        probes = allowed is Recovery.PROBE and retry.found not in _SAYS_NOTHING
        return Attempt(
            next=Next.PROBE if probes else Next.PARKED,
            effect_key=call.effect_key,
            attempt=call.attempts,
            message="it is not known whether this call took effect",
        )

    async def _reopened(self, live: LiveSession, call: CallRecord, retry: Retry) -> Attempt:
        """Decide the call once more; whatever the tool did not do is forgotten first."""
        if retry.found is Found.NOTHING_HAPPENED:
            why = retry.error or "the tool says that nothing happened"
            records, changes = self._effects.finish(
                live, call, ok=False, output=None, error=why, uncertain=False
            )
            await self._journal.commit(records, changes)
        reopened = moved(call, Move.RETRY, By.EXECUTOR)
        live.calls[call.call_id] = reopened
        body = bodies.ToolCallRetried(attempt=call.attempts + 1, error=retry.error[:2000])
        flat = {"turn": call.turn, "call_id": call.call_id, "tool": call.tool}
        record = self._journal.record(body, live.who, **flat)
        used: Amounts = {Dimension.TOOL_CALLS: 1}
        _, durable = self._budgets.settle(call.hold_id, used, live.who, [record], [reopened])
        await durable
        try:
            return await self._decide(live, reopened, retry, again=True)
        except (PolicyUnavailable, ApprovalPending):
            if live.calls.get(call.call_id) is reopened:
                # An attempt without an outcome still, whose permit is used up.
                given_up = moved(
                    reopened,
                    Move.GIVE_UP,
                    By.EXECUTOR,
                    permit_id=call.permit_id,
                    permitted_digest=call.permitted_digest,
                )
                live.calls[call.call_id] = given_up
                await self._journal.commit((), [given_up])
            raise

    async def _decide(
        self, live: LiveSession, call: CallRecord, retry: Retry, *, again: bool
    ) -> Attempt:
        asked = Asked(
            call_id=call.call_id,
            tool=call.tool,
            arguments=retry.arguments,
            door=retry.door,
            takes_stored=True,
            again=again,
            waits=True,
        )
        ruling = await self._guard.decide(live, asked)
        found = Next.EXECUTE
        if ruling.stored is not None:
            found = Next.ANSWERED
        elif ruling.decision.verdict is not Verdict.ALLOW:
            denied = live.calls[call.call_id]
            return await self._denied(live, denied, await self._entry(live, denied), ruling)
        return Attempt(
            next=found,
            ruling=ruling,
            entry=ruling.stored,
            effect_key=ruling.effect_key,
            attempt=live.calls[call.call_id].attempts,
            message=ruling.message,
        )

    async def _denied(
        self,
        live: LiveSession,
        call: CallRecord,
        entry: EffectEntry | None,
        ruling: Ruling | None = None,
    ) -> Attempt:
        """A no is the answer, unless the attempt before it may have taken effect."""
        mine = entry is not None and (entry.session, entry.call_id) == (call.session, call.call_id)
        if entry is not None and mine and entry.state is EffectState.DONE:
            return await self._answered(live, call, entry)
        if entry is None or not mine or entry.state is EffectState.FAILED:
            return Attempt(
                next=Next.DENIED, effect_key=call.effect_key, ruling=ruling, message=call.denial
            )
        why = f"no further attempt was allowed: {call.denial}"
        await self._journal.commit(*self._effects.lost(live, call.call_id, why))
        return Attempt(
            next=Next.PARKED,
            effect_key=call.effect_key,
            attempt=call.attempts,
            message="it is not known whether this call took effect",
        )

    async def _answered(self, live: LiveSession, call: CallRecord, entry: EffectEntry) -> Attempt:
        """The effect is done, as the ledger or a person says: the model reads what is kept."""
        if call.state in OUTSTANDING:
            live.calls[call.call_id] = moved(call, Move.SUCCEED, By.EXECUTOR)
            await self._journal.commit((), [live.calls[call.call_id]])
        return Attempt(next=Next.ANSWERED, entry=entry, effect_key=entry.key, attempt=entry.attempt)
