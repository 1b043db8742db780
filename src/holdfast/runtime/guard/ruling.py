"""The decision, written down durably before its permit is handed out.

Not here: what was asked before it (`stages`), what a permit is (`permits`).
"""

import msgspec

from holdfast.core import sources, workplace
from holdfast.core.calls import By, Move, moved
from holdfast.core.canonical import Unrepresentable
from holdfast.core.denials import denial_text
from holdfast.core.risk.registry import registered
from holdfast.core.sessions import Command
from holdfast.errors import HoldfastError, SessionStopped
from holdfast.model import bodies
from holdfast.model.budgets import Dimension
from holdfast.model.decisions import Decision, Verdict, strictest
from holdfast.model.events import Record
from holdfast.model.hooks import AFTER_TOOL
from holdfast.model.permits import Permit
from holdfast.model.sessions import SessionState
from holdfast.model.tools import CallRecord
from holdfast.ports.store import Change
from holdfast.runtime import queries
from holdfast.runtime.guard.asking import answer_stands, kept, spent
from holdfast.runtime.guard.case import Case, Ruling
from holdfast.runtime.guard.permits import Permits
from holdfast.runtime.hooks import Hooks
from holdfast.runtime.left_running import LeftRunning
from holdfast.runtime.services import Services

_SHOWN_ARGUMENT_BYTES = 256 * 1024
_MOST_FILES = 100


class Written(msgspec.Struct, frozen=True):
    """Files that an allowed call writes; `stale` where it may outdate others."""

    made: tuple[str, ...] = ()
    stale: bool = False


class Rulings:
    """Writes decisions down, with all that hangs on them in one commit."""

    def __init__(
        self,
        services: Services,
        permits: Permits,
        hooks: Hooks,
        running: LeftRunning | None = None,
    ) -> None:
        self._running = running
        self._hooks = hooks
        self._sessions = services.sessions
        self._budgets = services.budgets
        self._effects = services.effects
        self._journal = services.journal
        self._clock = services.clock
        self._entropy = services.entropy
        self._permits = permits

    async def write(self, case: Case) -> Ruling:
        """Write the decision down, durably, and only then hand out the permit."""
        _overtaken(case)
        live, verdict, now_ns = case.live, strictest(case.reasons), self._clock.now_ns()
        self._tell_loop_guard(case, allowed=verdict is Verdict.ALLOW)
        written = self._written(case) if verdict is Verdict.ALLOW else Written()
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
        permit = self._permits.made(live, decision) if runs else None
        call = self._decided(case, decision, permit)
        records = [*case.records, self._decision_record(case, decision, written)]
        records += self._query_records(case, permit)
        if permit is None and case.effect is not None:
            self._effects.release(case.effect)
            case.changes = [change for change in case.changes if change is not case.effect.entry]
        runs_on = spent(case, now_ns) if permit is not None or case.stored is not None else []
        changes: list[Change] = [*case.changes, call, *kept(live, case.approvals), *runs_on]
        try:
            durable = self._journal.commit(records, changes)
        except HoldfastError:
            # The journal cannot take it (too large, not text): nothing may run, nothing is held.
            self._budgets.settle_now(call.hold_id, {}, live.who)
            if case.effect is not None:
                self._effects.release(case.effect)
            raise
        live.approvals.update({(one.tool, one.digest): one for one in runs_on})
        self._remember(case, call, permit, verdict)
        if permit is None:
            if call.hold_id:
                used = {Dimension.TOOL_CALLS: 1} if case.stored is not None else {}
                self._budgets.settle_now(call.hold_id, used, live.who)
        elif case.effect is not None:
            self._effects.intended(live, case.effect.entry)
        if case.stop is not None and live.session.state is SessionState.ACTIVE:
            durable = self._sessions.change(live, Command.STOP, case.stop.text)
        # Signed while the disk works; handed out only once the decision is durable.
        token = self._permits.signed(permit) if permit is not None else ""
        await durable
        if permit is not None and live.standing is not SessionState.ACTIVE:
            raise SessionStopped(f"the session is {live.standing}")
        if permit is not None:
            self._permits.handed_out(token, permit)
        return Ruling(
            decision=decision,
            permit=token,
            arguments=case.arguments,
            message=call.denial,
            cost_nusd=live.cost_nusd,
            effect_key=call.effect_key,
            stored=case.stored,
            timeout_s=case.contract.timeout_s if case.contract is not None else 0.0,
        )

    def _written(self, case: Case) -> Written:
        """What an allowed call writes, now and by what it leaves running."""
        written = _written(case)
        if self._running is not None:
            case.records += _left_running(case, self._running)
        return written

    def _query_records(self, case: Case, permit: Permit | None) -> list[Record]:
        if case.query is None or permit is None:
            return []
        flat = {"turn": case.call.turn, "call_id": case.call.call_id, "tool": case.call.tool}
        return queries.told(self._journal, case.live, case.query, **flat)

    def _tell_loop_guard(self, case: Case, *, allowed: bool) -> None:
        """A further attempt is no new call to it."""
        if case.asked.again:
            return
        finding = case.live.progress.decided(
            case.call.tool, case.digest, allowed=allowed, codes=[r.code for r in case.reasons]
        )
        if finding is not None:
            record = self._journal.record(finding.told(), case.live.who)
            case.records.append(record)
            case.stop = finding if finding.stops else None

    def _remember(
        self, case: Case, call: CallRecord, permit: Permit | None, verdict: Verdict
    ) -> None:
        """The decided call in the session's memory, with what its arguments may bring in."""
        live = case.live
        live.calls[call.call_id] = call
        live.emitted.pop(call.call_id, None)
        if verdict is Verdict.ALLOW:
            live.vouched.bring(case.arguments if _fits(case.spelled) else None)
        if permit is not None and case.query is not None:
            queries.sent(live, case.query)
            case.query = None  # It stays counted.
        if permit is not None and any(self._hooks.stand(live.who.agent, p) for p in AFTER_TOOL):
            # A hook after the call is going to see what it ran with.
            live.running[case.call.call_id] = case.arguments

    def _decided(self, case: Case, decision: Decision, permit: Permit | None) -> CallRecord:
        if permit is None and case.stored is not None and decision.verdict is Verdict.ALLOW:
            return moved(case.call, Move.RECALL, By.GUARD, decision_id=decision.decision_id)
        if permit is None:
            return moved(
                case.call,
                Move.DENY,
                By.GUARD,
                decision_id=decision.decision_id,
                # What the model may have read already stays what it reads.
                denial=case.live.calls[case.call.call_id].denial or denial_text(decision),
            )
        return moved(
            case.call,
            Move.ALLOW,
            By.GUARD,
            attempts=case.call.attempts + 1,
            decision_id=decision.decision_id,
            permit_id=permit.permit_id,
            permitted_digest=permit.digest,
        )

    def _decision_record(self, case: Case, decision: Decision, written: Written) -> Record:
        kept, effect = _fits(case.spelled), case.effect
        body = bodies.ToolCallDecided(
            door=case.asked.door,
            arguments=case.arguments if kept else {},
            reasons=decision.reasons,
            resource=case.resource,
            digest=case.digest,
            emitted_digest=case.call.digest,
            risk_reasons=tuple(r.code for r in case.risk.reasons) if case.risk else (),
            policy_version=decision.policy_version,
            tainted=case.live.vouched.tainted,
            behind=self._journal.behind,
            policy_asked=case.policy_asked,
            made=written.made,
            stale=written.stale,
            arguments_kept=kept,
            again=case.asked.again,
            query_bytes=None if case.query is None else case.query.residue,
            effect_key="" if effect is None else effect.entry.key,
            effect="" if effect is None else effect.standing,
            attempt=None if effect is None else effect.entry.attempt,
        )
        return self._journal.record(
            body,
            case.live.who,
            turn=case.call.turn,
            call_id=decision.call_id,
            decision_id=decision.decision_id,
            tool=decision.tool,
            verdict=decision.verdict,
            risk=decision.risk.name,
        )


def _overtaken(case: Case) -> None:
    """Deny what was allowed, or asked, by a state that changed while the stages ran."""
    live = case.live
    if (standing := live.standing) is not SessionState.ACTIVE:
        # Killed, paused or stopped: no permit, whatever they said.
        case.deny("live", "session_stopped", f"the session is {standing}")
    elif live.calls.get(case.claimed.call_id) is not case.claimed:
        # Torn off by `max_tokens`, or answered as never run.
        case.deny("live", "call_withdrawn", "the call was withdrawn while it was decided")
    elif case.lifts is not None and not answer_stands(case):
        # Whoever approved took it back.
        case.deny("approval", "approval_changed", "the answer was changed meanwhile")


def _written(case: Case) -> Written:
    """What an allowed call writes where its session works; remembered, and as it is journalled."""
    live = case.live
    if case.risk is None:
        return Written()
    made = workplace.written(case.contract, case.arguments, case.risk)[:_MOST_FILES]
    stale = workplace.leaves_stale(case.contract, case.risk, tainted=live.vouched.tainted)
    live.wrote(made, stale=stale)
    live.serves.update(case.serves)
    if case.neutral:
        live.neutral.add(case.call.call_id)
    if workplace.is_work(case.contract) and not case.risk.read_only:
        live.begins(case.call.call_id, neutral=case.neutral)
    if case.writing is not None:
        live.writing[case.call.call_id] = case.writing
        if case.writing.mixed is not None:
            live.grows.update(dict.fromkeys(case.grows, case.writing.mixed))
    return Written(tuple(made), stale)


def _left_running(case: Case, running: LeftRunning) -> list[Record]:
    """What of an allowed call may go on writing when it has reported."""
    if case.risk is None:
        return []
    given = (case.contract, case.arguments, case.risk)
    leaves = sources.goes_on(*given) if case.neutral else sources.leaves_running(*given)
    return running.left(case.live, heard=not case.neutral) if leaves else []


def _fits(spelled: bytes | Unrepresentable) -> bool:
    """Whether the journal keeps these arguments; others are left to their digest."""
    return isinstance(spelled, bytes) and len(spelled) <= _SHOWN_ARGUMENT_BYTES
