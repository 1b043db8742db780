"""The effects ledger: intents durable before a call runs, outcomes kept for whoever asks again.

An entry is claimed in memory the moment a decision needs it, and becomes durable with the decision.
This server is the only writer, so what memory holds of a key is its newest state; the store is
asked only about keys that memory has let go. Not here: what a state means (`core/effects`).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import msgspec

from holdfast.core import effects
from holdfast.core.canonical import Unrepresentable
from holdfast.core.effects import Standing
from holdfast.errors import Conflict, InvalidRequest, NotFound
from holdfast.model import bodies
from holdfast.model.effects import EffectEntry, EffectState
from holdfast.model.events import Record
from holdfast.model.tools import CallRecord, Contract, Idempotency
from holdfast.ports.clock import Clock
from holdfast.ports.store import Store
from holdfast.runtime.journal import Journal
from holdfast.runtime.live import LiveSession

_KEPT_ENTRIES = 2_000
"""Whoever asks again soon is answered from memory. Each may hold an output of many kilobytes."""

_Name = tuple[str, str]


class Proposal(msgspec.Struct, frozen=True):
    """What the ledger says of one call. `entry` is the claimed intent, or what stands in the way.

    `before` is what stood there until the claim.
    """

    standing: Standing
    entry: EffectEntry
    before: EffectEntry | None = None


class Effects:
    """Every effect of every task of this server."""

    def __init__(self, store: Store, journal: Journal, clock: Clock) -> None:
        self._store = store
        self._journal = journal
        self._clock = clock
        # Newest state by name; oldest use first. Entries in flight are never let go.
        self._known: OrderedDict[_Name, EffectEntry] = OrderedDict()
        self._purges = 0

    async def find(self, tenant: str, key: str) -> EffectEntry | None:
        """The newest state of an entry. Errors: StoreUnavailable."""
        name = (tenant, key)
        known = self._known.get(name)
        if known is None:
            stored, purges = None, -1
            while purges != self._purges:
                # What was read before a purge may be what the purge deleted.
                purges = self._purges
                stored = await self._store.effect(tenant, key)
            # Somebody may have claimed it while it was read.
            known = self._known.get(name, stored)
            if known is not None:
                self._remember(known)
        return known

    def forget(self, names: Iterable[_Name]) -> None:
        """These were deleted from the store; one that was claimed anew since then stays."""
        self._purges += 1
        for name in names:
            known = self._known.get(name)
            if known is not None and known.state in (EffectState.DONE, EffectState.FAILED):
                del self._known[name]

    async def propose(
        self,
        live: LiveSession,
        contract: Contract,
        call: CallRecord,
        arguments: dict[str, Any],
        given_key: str,
        spelled: bytes | Unrepresentable | None = None,
    ) -> Proposal:
        """Claim the effect of a call, in memory, unless the ledger objects.

        `spelled` is the canonical JSON of the arguments, where it is at hand.
        A claim is made durable by the caller's commit of `entry`, or given back with `release`.
        """
        who = live.who
        key = effects.key_of(
            contract, who.task, who.session, call.call_id, arguments, given_key, spelled
        )
        before = await self.find(who.tenant, key)
        tried = before
        if before is not None and contract.idempotency is Idempotency.ONCE:
            # Another door's try may be had again under its key, and this one hands none on.
            tried = msgspec.structs.replace(before, idempotency=Idempotency.ONCE)
        stands = effects.standing(tried, who.session, call.call_id)
        if before is not None and stands is not Standing.FRESH:
            return Proposal(stands, before)
        now_ns = self._clock.now_ns()
        entry = EffectEntry(
            tenant=who.tenant,
            key=key,
            session=who.session,
            call_id=call.call_id,
            tool=call.tool,
            idempotency=contract.idempotency,
            state=EffectState.INTENDED,
            intended_at_ns=now_ns,
            changed_at_ns=now_ns,
            attempt=before.attempt + 1 if before is not None else 1,
        )
        self._remember(entry)
        return Proposal(Standing.FRESH, entry, before)

    def release(self, proposal: Proposal) -> None:
        """Give a claim back that no decision made durable."""
        if proposal.standing is not Standing.FRESH:
            return
        name = (proposal.entry.tenant, proposal.entry.key)
        if proposal.before is not None:
            self._known[name] = proposal.before
        else:
            self._known.pop(name, None)

    def intended(self, live: LiveSession, entry: EffectEntry) -> None:
        """The decision that carries this intent was committed."""
        live.effects[entry.call_id] = entry

    def finish(
        self,
        live: LiveSession,
        call: CallRecord,
        *,
        ok: bool,
        output: Any,
        error: str,
        uncertain: bool,
    ) -> tuple[list[Record], list[EffectEntry]]:
        """What to commit with a call's outcome; nothing for a call without an effect."""
        entry = live.effects.pop(call.call_id, None)
        if entry is None:
            return [], []
        now_ns = self._clock.now_ns()
        # What is too long to be kept is not looked at.
        kept = effects.fits(output)
        shown = {"output": output if kept else None, "error": error[:2000]}
        clean = self._journal.scrubbed(shown)
        after = effects.finished(
            entry,
            now_ns,
            ok=ok,
            output=clean["output"],
            error=clean["error"],
            uncertain=uncertain,
            kept=kept,
        )
        self._remember(after)
        if after.state is not EffectState.UNKNOWN:
            return [], [after]
        return [self._unknown_record(live, after, error or "the tool did not answer")], [after]

    def lost(
        self, live: LiveSession, call_id: str, why: str
    ) -> tuple[list[Record], list[EffectEntry]]:
        """What to commit when nobody is left who could say whether a call took effect."""
        entry = live.effects.get(call_id)
        if entry is None or entry.state is EffectState.UNKNOWN:
            return [], []
        after = effects.unknown(entry, self._clock.now_ns(), why)
        live.effects[call_id] = after
        self._remember(after)
        return [self._unknown_record(live, after, why)], [after]

    def abandon(self, live: LiveSession, why: str) -> tuple[list[Record], list[EffectEntry]]:
        """`lost` for every call of a session that will not be heard of again."""
        records: list[Record] = []
        changes: list[EffectEntry] = []
        for call_id in tuple(live.effects):
            noted, changed = self.lost(live, call_id, why)
            records += noted
            changes += changed
        return records, changes

    def resolve(
        self,
        live: LiveSession,
        entry: EffectEntry,
        *,
        done: bool,
        output: Any,
        by: str,
        reason: str,
    ) -> asyncio.Future[None]:
        """A person says what became of an unknown effect; durable once awaited.

        Errors: Conflict when it is not unknown; InvalidRequest without a name or for an output
        that is too large to keep.
        """
        if entry.state is not EffectState.UNKNOWN:
            raise Conflict(f"the effect is {entry.state}, not unknown", state=entry.state)
        if not by:
            raise InvalidRequest("who resolves an effect has to be named", field="by")
        now_ns = self._clock.now_ns()
        after = effects.finished(
            entry, now_ns, ok=done, output=output, error="" if done else reason, uncertain=False
        )
        if done and not after.output_kept:
            raise InvalidRequest("the output is larger than what the ledger keeps", field="output")
        after = msgspec.structs.replace(after, resolved_by=by)
        self._remember(after)
        live.effects.pop(entry.call_id, None)
        body = bodies.EffectResolved(by=by, reason=reason, key=entry.key, outcome=after.state)
        record = self._journal.record(body, live.who, call_id=entry.call_id, tool=entry.tool)
        return self._journal.commit([record], [after])

    async def unknown_of(self, tenant: str, key: str) -> EffectEntry:
        """The unknown entry of that name. Errors: NotFound, Conflict when it is not unknown."""
        entry = await self.find(tenant, key)
        if entry is None:
            raise NotFound(f"no effect `{key[:80]}`")
        if entry.state is not EffectState.UNKNOWN:
            raise Conflict(f"the effect is {entry.state}, not unknown", state=entry.state)
        return entry

    def _remember(self, entry: EffectEntry) -> None:
        name = (entry.tenant, entry.key)
        self._known[name] = entry
        self._known.move_to_end(name)
        while len(self._known) > _KEPT_ENTRIES:
            oldest = next(iter(self._known))
            if self._known[oldest].state is EffectState.INTENDED:
                self._known.move_to_end(oldest)
                break
            del self._known[oldest]

    def _unknown_record(self, live: LiveSession, entry: EffectEntry, why: str) -> Record:
        body = bodies.EffectUnknown(why=why[:2000], key=entry.key, attempt=entry.attempt)
        return self._journal.record(body, live.who, call_id=entry.call_id, tool=entry.tool)
