"""Permits: signed for an allow, used up once, before an executor runs the call.

Not here: their form and what makes one hold (`core/permits`).
"""

from typing import Any, NoReturn

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.core.calls import By, Move, moved
from holdfast.core.permits import Signed, key_id, sign, verify
from holdfast.errors import PermitInvalid
from holdfast.model.bodies import PermitRefused
from holdfast.model.budgets import Refused
from holdfast.model.decisions import Decision, Verdict
from holdfast.model.permits import Permit, PermitFault
from holdfast.model.tools import CallRecord, CallState
from holdfast.ports.store import Change
from holdfast.runtime.digests import digest_of
from holdfast.runtime.exhaustion import exhausted, no_room
from holdfast.runtime.live import LiveSession
from holdfast.runtime.services import Services

_NS = 1_000_000_000
PERMIT_LIFE_S = 60


class Permits:
    """Makes, signs and redeems the permits of this server."""

    def __init__(self, services: Services, signing_key: Ed25519PrivateKey) -> None:
        self._sessions = services.sessions
        self._journal = services.journal
        self._budgets = services.budgets
        self._effects = services.effects
        self._clock = services.clock
        self._entropy = services.entropy
        self._key = signing_key
        self._signed = Signed()
        self.public_keys = {key_id(signing_key.public_key()): signing_key.public_key()}

    def made(self, live: LiveSession, decision: Decision) -> Permit:
        """The permit of an allow, not signed yet."""
        until_ns = decision.at_ns + PERMIT_LIFE_S * _NS
        return Permit(
            permit_id=self._entropy.new_id("prm"),
            session=decision.session,
            call_id=decision.call_id,
            tool=decision.tool,
            digest=decision.digest,
            issued_at_ns=decision.at_ns,
            expires_at_ns=min(until_ns, live.session.expires_at_ns),
            decision_id=decision.decision_id,
        )

    def signed(self, permit: Permit) -> str:
        """Its token; hand it out only once the decision is durable."""
        return sign(permit, self._key)

    def handed_out(self, token: str, permit: Permit) -> None:
        """Remember a token that leaves here."""
        self._signed.remember(token, permit)

    async def redeem(
        self, live: LiveSession, token: str, call_id: str, tool: str, arguments: dict[str, Any]
    ) -> Permit:
        """Use up a permit, before an executor runs the call it allows.

        Errors: PermitInvalid (forged, altered, expired, of another session, call or arguments, or
        used before), SessionStopped; Exhausted where an account was spent since, and the call is
        denied.
        """
        self._sessions.check_live(live)
        permit = verify(
            token,
            self.public_keys,
            session=live.session.session_id,
            call_id=call_id,
            tool=tool,
            digest=digest_of(arguments),
            now_ns=self._clock.now_ns(),
            signed=self._signed,
        )
        call = live.calls.get(call_id)
        fault = permit.text if isinstance(permit, PermitFault) else ""
        if not fault and (call is None or call.state is not CallState.ALLOWED):
            fault = "the permit was used before"
        if fault or call is None or isinstance(permit, PermitFault):
            flat = {"call_id": call_id[:200], "tool": tool[:200], "verdict": Verdict.DENY}
            await self._journal.refused(PermitRefused(why=fault), live.who, **flat)
            raise PermitInvalid(fault)
        async with self._budgets.at_hand(live.chain):
            full = self._budgets.full(live.chain)
        # Begun by another, or being reported: it has run, and nothing of it is taken back.
        if live.calls.get(call_id) is not call or call_id in live.deciding:
            raise PermitInvalid("the permit was used before")
        if full is not None:
            await self._withdraw(live, call, token, full)
        live.calls[call_id] = moved(call, Move.BEGIN, By.EXECUTOR)
        self._signed.forget(token)
        await self._journal.commit((), [live.calls[call_id]])
        self._sessions.check_live(live)  # Killed while that was written: nothing may run.
        return permit

    async def _withdraw(
        self, live: LiveSession, call: CallRecord, token: str, full: Refused
    ) -> NoReturn:
        """Take an allowed call back: it was never begun, and nothing is begun past a limit."""
        text = no_room(full)
        denial = call.denial or f"budget_exceeded: {text} (rule {full.key}) [{call.decision_id}]"
        live.calls[call.call_id] = moved(call, Move.WITHDRAW, By.GUARD, denial=denial, hold_id="")
        self._signed.forget(token)
        if call.attempts > 1:
            # The attempts before it may have taken effect.
            noted, effect = self._effects.lost(live, call.call_id, denial)
        else:
            noted, effect = self._effects.finish(
                live, call, ok=False, output=None, error=denial, uncertain=False
            )
        flat = {"call_id": call.call_id, "tool": call.tool, "verdict": Verdict.DENY}
        record = self._journal.record(PermitRefused(why=text), live.who, **flat)
        changes: list[Change] = [live.calls[call.call_id], *effect]
        _, durable = self._budgets.settle(call.hold_id, {}, live.who, [record, *noted], changes)
        await durable
        raise exhausted(full)
