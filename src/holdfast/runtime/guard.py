"""The guard: one composed decision for every tool call, in the order of the design.

live → emitted by the model, once → pre-tool hooks → granted → contract → resources → loop guard →
risk → policy → flow gate → effects ledger → live again → reserve → journal, durably → permit. Cheap
before dear, pure before effect; the first deny ends the line, and the strictest verdict wins. No
fault of policy, store, hook or clock turns into an allow: each ends in a deny or in a typed error.

Not here: a further attempt at an allowed call (`runtime/attempts`), what becomes of a call
(`runtime/outcomes`), doors (`apps/control`), model calls (`runtime/model_calls`), evidence at the
gateway (`runtime/admission`).
"""

import asyncio
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.core import flow
from holdfast.core.canonical import Unrepresentable, canonical
from holdfast.core.contracts import ContractBook
from holdfast.core.delegation import reaches
from holdfast.core.denials import denial_text
from holdfast.core.effects import Standing
from holdfast.core.permits import Signed, key_id, sign, verify
from holdfast.core.progress import Finding, near
from holdfast.core.resources import resource_of
from holdfast.core.risk.gate import gate
from holdfast.core.risk.registry import Risk, assess, registered
from holdfast.core.scopes import outside
from holdfast.core.sessions import Command
from holdfast.errors import HoldfastError, PermitInvalid, PolicyUnavailable, SessionStopped
from holdfast.model.budgets import Dimension, Refused
from holdfast.model.decisions import Decision, Reason, Verdict, strictest
from holdfast.model.effects import EffectEntry
from holdfast.model.events import Kind, Record
from holdfast.model.findings import Violation
from holdfast.model.permits import Permit, PermitFault
from holdfast.model.sessions import SessionState
from holdfast.model.tools import CallRecord, CallState, Contract, Effect, Idempotency
from holdfast.ports.store import Change
from holdfast.runtime.digests import UNREPRESENTABLE, digest_of, digest_of_spelled
from holdfast.runtime.effects import Proposal
from holdfast.runtime.hooks import HookInput, HookPoint, Hooks
from holdfast.runtime.live import LiveSession
from holdfast.runtime.policy_requests import policy_request
from holdfast.runtime.services import Services

_NS = 1_000_000_000
PERMIT_LIFE_S = 60
_SHOWN_ARGUMENT_BYTES = 256 * 1024
_LONG_CHARACTERS = 4_000
_OPEN_EFFECT = {
    Standing.IN_FLIGHT: ("effect_in_flight", "another call of this task is at this effect now"),
    Standing.UNKNOWN: (
        "outcome_unknown",
        "this may have been done before; a person has to say, it is not tried again",
    ),
}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a permit, as a door translates it.

    `runs_returned`: the door promises to run the arguments that the ruling returns, whatever it
    asked with. Claude Code tidies what the model wrote before its hooks see it; what is decided,
    permitted and run is then what the model wrote. Without the promise, other arguments than the
    model's are refused. `takes_stored`: the door can hand on a result that the ledger kept, in
    place of running the call; for others a repeated effect is refused, with the result in words.
    `key` is the caller's own idempotency key. `again`: a further attempt at a call that was
    allowed before; it is no new call to the loop guard and to the budgets. `waits`: the door comes
    back by itself while policy cannot be asked, so nothing is decided then; for others it is a no.
    """

    call_id: str
    tool: str
    arguments: dict[str, Any]
    door: str
    runs_returned: bool = False
    takes_stored: bool = False
    key: str = ""
    again: bool = False
    waits: bool = False


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """What a door gets back.

    `permit` is empty unless the verdict is allow. `arguments` are those that may run. `message`
    is what the model may read: a code, a sentence, the rule and the decision. `effect_key` is the
    idempotency key for the tool, empty for a call without an effect. `stored` is the effect as it
    was done before: the verdict is allow then, without a permit, since nothing is to be run.
    """

    decision: Decision
    permit: str
    arguments: dict[str, Any]
    message: str
    cost_nusd: int
    effect_key: str = ""
    stored: EffectEntry | None = None


class _Case:
    """One call on its way through the stages."""

    def __init__(
        self,
        live: LiveSession,
        call: CallRecord,
        arguments: dict[str, Any],
        asked: Asked,
        spelled: bytes | Unrepresentable,
    ) -> None:
        self.live = live
        self.asked = asked
        self.effect: Proposal | None = None
        self.claimed = call
        self.call = call
        self.arguments = arguments
        self.spelled = spelled
        self.digest = call.digest
        self.near = ""
        self.contract: Contract | None = None
        self.resource = ""
        self.risk: Risk | None = None
        self.policy_version = ""
        self.reasons: list[Reason] = []
        self.records: list[Record] = []
        self.changes: list[Change] = []
        self.stop: Finding | None = None
        self.counted = asked.again or call.call_id in live.counted
        self.characters = 0

    def deny(self, stage: str, code: str, text: str, rule: str = "") -> None:
        self.reasons.append(
            Reason(stage=stage, verdict=Verdict.DENY, code=code, text=text, rule=rule)
        )

    @property
    def stored(self) -> EffectEntry | None:
        """The effect as it was done before, for a door that takes it."""
        kept = self.effect is not None and self.effect.standing is Standing.STORED
        return self.effect.entry if kept and self.effect is not None and not self.denied else None

    @property
    def denied(self) -> bool:
        return any(reason.verdict is Verdict.DENY for reason in self.reasons)


class Guard:
    """Decides every tool call of every session."""

    def __init__(
        self,
        services: Services,
        *,
        contracts: ContractBook,
        hooks: Hooks,
        signing_key: Ed25519PrivateKey,
    ) -> None:
        self._sessions = services.sessions
        self._budgets = services.budgets
        self._effects = services.effects
        self._journal = services.journal
        self._policy = services.policy
        self._clock = services.clock
        self._entropy = services.entropy
        self._contracts = contracts
        self._hooks = hooks
        self._key = signing_key
        self._signed = Signed()
        self.public_keys = {key_id(signing_key.public_key()): signing_key.public_key()}

    async def decide(self, live: LiveSession, asked: Asked) -> Ruling:
        """Decide one call; returns only once the decision is durable.

        Errors: SessionStopped, CredentialExpired; PermitInvalid for a call that the model did not
        make or that was decided before; StoreUnavailable; PolicyUnavailable for a door that waits,
        and the call is as it was. Every other no is a Ruling.
        """
        self._sessions.check_live(live)
        call, arguments, spelled = await self._claim(live, asked)
        live.deciding.add(call.call_id)
        case = _Case(live, call, arguments, asked, spelled)
        try:
            for stage in (
                self._representable,
                self._pre_tool_hooks,
                self._granted,
                self._contract,
                self._reached,
                self._loop,
                self._risk,
                self._ask_policy,
                self._flow,
                self._effect,
                self._reserve,
            ):
                await stage(case)
                if case.denied:
                    break
            if not case.counted:
                # A call that was refused early repeats and loops like any other.
                await self._loop(case)
            live.counted.discard(call.call_id)
            return await self._rule(case)
        except PolicyUnavailable:
            # Counted once, however often it is asked, and what was noted on the way told once.
            if call.call_id not in live.counted:
                live.counted.add(call.call_id)
                await self._journal.commit(case.records)
            raise
        finally:
            live.deciding.discard(call.call_id)

    async def _claim(
        self, live: LiveSession, asked: Asked
    ) -> tuple[CallRecord, dict[str, Any], bytes | Unrepresentable]:
        """The model's own call behind a request, undecided so far, and the model's arguments.

        The last value is how the arguments are spelt canonically.
        """
        call = live.calls.get(asked.call_id)
        arguments, spelled = asked.arguments, canonical(asked.arguments)
        digest = digest_of_spelled(spelled)
        if asked.runs_returned and call is not None and call.digest != digest:
            arguments = live.emitted.get(asked.call_id, arguments)
            spelled = canonical(arguments)
            digest = digest_of_spelled(spelled)
        fault = ""
        if call is None or call.session != live.session.session_id:
            # A continued session knows its parent's calls, but only the parent may run them.
            fault = "the model made no such call in this session"
        elif call.tool != asked.tool or call.digest != digest:
            fault = "the model made this call with another tool or other arguments"
        elif call.state is not CallState.EMITTED or call.call_id in live.deciding:
            fault = "this call was decided before"
        if call is not None and not fault:
            return call, arguments, spelled
        body = {"why": fault, "door": asked.door, "digest": digest}
        flat = {"call_id": asked.call_id[:200], "tool": asked.tool[:200], "verdict": Verdict.DENY}
        await self._journal.commit(
            [self._journal.record(Kind.PERMIT_REFUSED, live.who, body, **flat)]
        )
        raise PermitInvalid(fault, call_id=asked.call_id[:200], tool=asked.tool[:200])

    async def _representable(self, case: _Case) -> None:
        """Arguments without a canonical form match no digest, so nothing may run with them."""
        if case.call.digest == UNREPRESENTABLE:
            text = "the arguments have no canonical json form"
            case.deny("contract", "contract_violation", text, case.call.tool)

    async def _pre_tool_hooks(self, case: _Case) -> None:
        given = HookInput(
            point=HookPoint.PRE_TOOL,
            principal=case.live.who,
            tool=case.call.tool,
            call_id=case.call.call_id,
            arguments=case.arguments,
        )
        result = await self._hooks.run(given)
        case.records += result.records
        case.reasons += result.reasons
        if result.arguments is not None:
            case.arguments = result.arguments
            case.spelled = canonical(result.arguments)
            case.digest = digest_of_spelled(case.spelled)

    async def _granted(self, case: _Case) -> None:
        if case.call.tool not in case.live.session.allowed_tools:
            text = f"`{case.call.tool}` is not among the tools of this agent"
            case.deny("session", "tool.not_granted", text, case.live.who.agent)

    async def _contract(self, case: _Case) -> None:
        case.contract = self._contracts.get(case.call.tool)
        if isinstance(case.spelled, Unrepresentable):
            case.deny("contract", "contract_violation", case.spelled.reason)
            return
        if case.contract is None:
            return
        violations = list(self._contracts.check_input(case.call.tool, case.arguments)[:5])
        resource = resource_of(case.contract, case.arguments)
        if isinstance(resource, Violation):
            violations.append(resource)
        else:
            case.resource = resource
        for violation in violations:
            text = f"{violation.path or 'arguments'}: {violation.text}"
            case.deny("contract", "contract_violation", text, case.call.tool)

    async def _reached(self, case: _Case) -> None:
        """A child may have been given some resources only, a task some files only."""
        resource = case.resource or f"tool:{case.call.tool}"
        if not reaches(case.live.session.resources, resource):
            text = f"`{resource[:200]}` is not among the resources of this session"
            case.deny("session", "resource_not_granted", text, case.live.who.agent)
            return
        schema = case.contract.input_schema if case.contract is not None else {}
        if text := outside(case.live.session.scopes, case.call.tool, schema, case.arguments):
            case.deny("session", "scope_not_granted", text, case.live.who.agent)

    async def _loop(self, case: _Case) -> None:
        shown = "" if isinstance(case.spelled, Unrepresentable) else case.spelled.decode()
        case.characters = len(shown)
        case.near = near(case.call.tool, shown)
        if case.counted:
            return
        case.counted = True
        progress, now_ns = case.live.progress, self._clock.now_ns()
        for finding in progress.call(case.call.tool, case.digest, case.near, now_ns):
            body = {"code": finding.code, "text": finding.text, "stops": finding.stops}
            case.records.append(self._journal.record(Kind.LOOP_ALERT, case.live.who, body))
            if finding.stops:
                case.stop = finding
                case.deny("loop", "loop_detected", finding.text, finding.code)

    async def _risk(self, case: _Case) -> None:
        if case.characters > _LONG_CHARACTERS:
            # A hostile command can take the parser a second: not on the loop that kills.
            case.risk = await asyncio.to_thread(
                assess, case.contract, case.call.tool, case.arguments
            )
        else:
            case.risk = assess(case.contract, case.call.tool, case.arguments)
        effect = case.contract.effect if case.contract else Effect.COMMIT
        ruled = gate(case.risk, case.live.who.trust, effect)
        case.reasons += ruled.reasons
        if ruled.notify:
            body = {"reasons": [f"{r.code}: {r.text}" for r in case.risk.reasons]}
            flat = {"tool": case.call.tool, "call_id": case.call.call_id}
            record = self._journal.record(
                Kind.RISK_NOTICE, case.live.who, body, risk=case.risk.level.name, **flat
            )
            case.records.append(record)

    async def _ask_policy(self, case: _Case) -> None:
        """What a child may do, each session above it may do as well."""
        for one in case.live.line:
            await self._ask_policy_of(case, one)
            if case.denied:
                break

    async def _ask_policy_of(self, case: _Case, one: LiveSession) -> None:
        try:
            answer = await self._policy.decide(
                policy_request(
                    one,
                    case.call.tool,
                    case.arguments,
                    contract=case.contract,
                    resource=case.resource,
                    risk=case.risk,
                    tainted=case.live.vouched.tainted,
                    at_ns=self._clock.now_ns(),
                )
            )
        except PolicyUnavailable as error:
            if case.asked.waits:
                raise
            case.deny("policy", error.code, error.message)
            return
        case.policy_version = case.policy_version or answer.policy_version
        if answer.verdict is not Verdict.ALLOW:
            rule = ", ".join(answer.rules) or (answer.nearest.rule if answer.nearest else "")
            text = answer.text or "; ".join(answer.errors) or "no rule permits this call"
            code = "approval_required" if answer.verdict is Verdict.ASK else "permission_denied"
            case.reasons.append(
                Reason(stage="policy", verdict=answer.verdict, code=code, text=text, rule=rule)
            )

    async def _flow(self, case: _Case) -> None:
        case.reasons += flow.gate(case.contract, case.arguments, case.live.vouched)

    async def _effect(self, case: _Case) -> None:
        """Claim the call's effect in the ledger, if nothing objected so far."""
        contract = case.contract
        if contract is None or contract.idempotency is Idempotency.PURE:
            return
        if strictest(case.reasons) is not Verdict.ALLOW:
            return
        proposal = await self._effects.propose(
            case.live, contract, case.call, case.arguments, case.asked.key, case.spelled
        )
        entry, attempts = proposal.entry, case.call.attempts
        case.effect = proposal
        case.call = msgspec.structs.replace(case.call, effect_key=entry.key, attempts=attempts + 1)
        if proposal.standing is Standing.FRESH:
            case.changes.append(entry)
        elif proposal.standing is not Standing.STORED:
            case.deny("effect", *_OPEN_EFFECT[proposal.standing], rule=entry.key)
        elif not case.asked.takes_stored:
            kept = canonical(entry.output) if entry.output_kept else b"its result was not kept"
            shown = kept.decode() if isinstance(kept, bytes) else ""
            text = f"this was done before in this task, and is not done twice: {shown[:4000]}"
            case.deny("effect", "already_done", text, entry.key)

    async def _reserve(self, case: _Case) -> None:
        """Hold one call, if nothing objected so far.

        Its time is not held: a sub-agent's tool call lasts as long as the model calls in it, which
        pay for their own seconds.
        """
        if strictest(case.reasons) is not Verdict.ALLOW or case.asked.again:
            return
        live, amounts = case.live, {Dimension.TOOL_CALLS: 1}
        hold_id = self._entropy.new_id("hld")
        async with self._budgets.at_hand(live.chain):
            answer, records, changes = self._budgets.reserve_now(
                hold_id, live.session, live.chain, amounts, purpose="tool"
            )
        case.records += records
        case.changes += changes
        if isinstance(answer, Refused):
            text = f"`{answer.key}` has no room: {answer.settled + answer.held} of {answer.limit}"
            case.deny("budget", "budget_exceeded", text, str(answer.key))
        else:
            case.call = msgspec.structs.replace(case.call, hold_id=hold_id)

    async def _rule(self, case: _Case) -> Ruling:
        """Write the decision down, durably, and only then hand out the permit."""
        live, verdict, now_ns = case.live, strictest(case.reasons), self._clock.now_ns()
        if (standing := live.standing) is not SessionState.ACTIVE:
            # Killed, paused or stopped while the stages ran: no permit, whatever they said.
            case.deny("live", "session_stopped", f"the session is {standing}")
            verdict = Verdict.DENY
        elif live.calls.get(case.claimed.call_id) is not case.claimed:
            # Torn off by `max_tokens`, or answered as never run, while the stages ran.
            case.deny("live", "call_withdrawn", "the call was withdrawn while it was decided")
            verdict = Verdict.DENY
        decision = Decision(
            decision_id=self._entropy.new_id("dec"),
            session=live.session.session_id,
            call_id=case.call.call_id,
            tool=case.call.tool,
            digest=case.digest,
            verdict=verdict,
            reasons=tuple(case.reasons),
            risk=case.risk.level if case.risk else registered(case.contract),
            policy_version=case.policy_version,
            at_ns=now_ns,
        )
        runs = verdict is Verdict.ALLOW and case.stored is None
        permit = self._permit(live, decision) if runs else None
        call = self._decided(case, decision, permit)
        records = [*case.records, self._decision_record(case, decision)]
        if permit is None and case.effect is not None:
            self._effects.release(case.effect)
            case.changes = [change for change in case.changes if change is not case.effect.entry]
        changes: list[Change] = [*case.changes, call]
        try:
            durable = self._journal.commit(records, changes)
        except HoldfastError:
            # The journal cannot take it (too large, not text): nothing may run, nothing is held.
            self._budgets.settle_now(call.hold_id, {}, live.who)
            if case.effect is not None:
                self._effects.release(case.effect)
            raise
        live.calls[call.call_id] = call
        live.emitted.pop(call.call_id, None)
        if permit is None:
            if call.hold_id:
                used = {Dimension.TOOL_CALLS: 1} if case.stored is not None else {}
                self._budgets.settle_now(call.hold_id, used, live.who)
        elif case.effect is not None:
            self._effects.intended(live, case.effect.entry)
        if case.stop is not None and live.session.state is SessionState.ACTIVE:
            durable = self._sessions.change(live, Command.STOP, case.stop.text)
        # Signed while the disk works; handed out only once the decision is durable.
        token = sign(permit, self._key) if permit is not None else ""
        await durable
        if permit is not None and live.standing is not SessionState.ACTIVE:
            raise SessionStopped(f"the session is {live.standing}")
        if permit is not None:
            self._signed.remember(token, permit)
        return Ruling(
            decision=decision,
            permit=token,
            arguments=case.arguments,
            message=call.denial,
            cost_nusd=live.cost_nusd,
            effect_key=call.effect_key,
            stored=case.stored,
        )

    def _permit(self, live: LiveSession, decision: Decision) -> Permit:
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

    def _decided(self, case: _Case, decision: Decision, permit: Permit | None) -> CallRecord:
        if permit is None and case.stored is not None and decision.verdict is Verdict.ALLOW:
            return msgspec.structs.replace(
                case.call,
                state=CallState.EXECUTED,
                decision_id=decision.decision_id,
                redeemed=True,
            )
        if permit is None:
            return msgspec.structs.replace(
                case.call,
                state=CallState.DENIED,
                decision_id=decision.decision_id,
                # What the model may have read already stays what it reads.
                denial=case.live.calls[case.call.call_id].denial or denial_text(decision),
            )
        return msgspec.structs.replace(
            case.call,
            state=CallState.ALLOWED,
            decision_id=decision.decision_id,
            permit_id=permit.permit_id,
            permitted_digest=permit.digest,
            permit_expires_at_ns=permit.expires_at_ns,
        )

    def _decision_record(self, case: _Case, decision: Decision) -> Record:
        body: dict[str, Any] = {
            "door": case.asked.door,
            "near": case.near,
            "arguments": _shown(case.arguments, case.spelled),
            "reasons": [msgspec.to_builtins(reason) for reason in decision.reasons],
            "resource": case.resource,
        }
        ours: dict[str, Any] = {
            "digest": case.digest,
            "emitted_digest": case.call.digest,
            "risk_reasons": [r.code for r in case.risk.reasons] if case.risk else [],
            "policy_version": decision.policy_version,
            "tainted": case.live.vouched.tainted,
        }
        if case.asked.again:
            ours["again"] = True
        if case.effect is not None:
            ours["effect_key"] = case.effect.entry.key
            ours["effect"] = case.effect.standing
            ours["attempt"] = case.effect.entry.attempt
        return self._journal.record(
            Kind.TOOL_CALL_DECIDED,
            case.live.who,
            body,
            ours,
            turn=case.call.turn,
            call_id=decision.call_id,
            decision_id=decision.decision_id,
            tool=decision.tool,
            verdict=decision.verdict,
            risk=decision.risk.name,
        )

    async def redeem(
        self, live: LiveSession, token: str, call_id: str, tool: str, arguments: dict[str, Any]
    ) -> Permit:
        """Use up a permit, before an executor runs the call it allows.

        Errors: PermitInvalid (forged, altered, expired, of another session, call or arguments, or
        used before), SessionStopped.
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
        if not fault and (call is None or call.state is not CallState.ALLOWED or call.redeemed):
            fault = "the permit was used before"
        if fault or call is None or isinstance(permit, PermitFault):
            flat = {"call_id": call_id[:200], "tool": tool[:200], "verdict": Verdict.DENY}
            record = self._journal.record(Kind.PERMIT_REFUSED, live.who, {"why": fault}, **flat)
            await self._journal.commit([record])
            raise PermitInvalid(fault)
        live.calls[call_id] = msgspec.structs.replace(call, redeemed=True)
        self._signed.forget(token)
        await self._journal.commit((), [live.calls[call_id]])
        self._sessions.check_live(live)  # Killed while that was written: nothing may run.
        return permit


def _shown(arguments: dict[str, Any], spelled: bytes | Unrepresentable) -> dict[str, Any]:
    """Arguments as the journal keeps them; what it could not keep is left to the digest."""
    fits = isinstance(spelled, bytes) and len(spelled) <= _SHOWN_ARGUMENT_BYTES
    return arguments if fits else {}
