"""What a person said to a call that stages ask about, or that one has to be asked.

An answer is looked up by the very call: tool and digest of its arguments, in one session. What
differs from what the person saw is asked anew (`core/approvals`). Not here: who answers, and how
(`runtime/approvals`).
"""

import msgspec

from holdfast.core import approvals as rules
from holdfast.core import granting, reviewing
from holdfast.core.approvals import By, Move, Shown
from holdfast.core.progress import ASKED
from holdfast.core.reviewing import Call
from holdfast.model import bodies
from holdfast.model.approvals import Approval, ApprovalState, ReviewRule
from holdfast.model.decisions import Reason, Verdict, strictest
from holdfast.model.events import Record
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Effect
from holdfast.runtime.guard.case import Case
from holdfast.runtime.live import LiveSession
from holdfast.runtime.services import Services

_NS = 1_000_000_000


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How long an answer may take and hold, and how many questions of one session may wait.

    `rules` say whose yes they take.
    """

    life_s: int = 86_400
    most_pending: int = 5
    rules: tuple[ReviewRule, ...] = ()


DEFAULT = Terms()


class Asking:
    """The stage between what asks and what is claimed for the call."""

    def __init__(self, services: Services, terms: Terms) -> None:
        self._journal = services.journal
        self._clock = services.clock
        self._entropy = services.entropy
        self._terms = terms

    def look(self, case: Case) -> None:
        """Lift what a person answered, refuse what they refused, and ask what nobody was asked."""
        objections = rules.objections(case.reasons)
        if not objections or strictest(case.reasons) is not Verdict.ASK:
            return
        shown = Shown(
            tool=case.call.tool,
            digest=case.digest,
            definition=rules.definition_of(case.contract),
            policy_version=case.policy_version,
            objections=objections,
        )
        known = self._known(case, shown)
        if (lends := self._lent(case, shown, known)) is not None:
            self._lift(case, lends)
        elif known is None:
            self._ask(case, shown)
        elif known.state is ApprovalState.PENDING:
            self._pend(case, known)
        elif known.state is ApprovalState.APPROVED:
            self._lift(case, known)
        elif known.state is ApprovalState.USED:
            # A further attempt of the call that ran on it.
            case.reasons = rules.lifted(case.reasons, known)
        elif known.state is ApprovalState.DENIED:
            said = f": {known.note}" if known.note else ""
            text = f"{known.answered_by} was asked and said no{said}"
            case.deny("approval", "approval_denied", text, known.approval_id)
        else:
            self._keep(case, msgspec.structs.replace(known, used_by=case.call.call_id))
            text = "a person was asked, and nobody answered in time; this is not a no"
            case.deny("approval", "approval_expired", text, known.approval_id)

    def _lent(self, case: Case, shown: Shown, known: Approval | None) -> Approval | None:
        """What was granted and is for this call, too; a no to this very call stands before it."""
        if known is not None and known.state is not ApprovalState.PENDING:
            return None
        now_ns = self._clock.now_ns()
        given = [
            one
            for one in case.live.approvals.values()
            if one.state is ApprovalState.GRANTED
            and one.tool == shown.tool
            and now_ns < one.expires_at_ns
        ]
        if not given:
            return None
        asked = self._drafted(case, shown)
        found = next((one for one in given if granting.covers(one, asked)), None)
        if found is not None and known is not None:
            self._keep(case, rules.moved(known, Move.WITHDRAW, By.SESSION, at_ns=now_ns))
        return found

    def _known(self, case: Case, shown: Shown) -> Approval | None:
        """The answer, or the question, about this very call; None where it is to be asked."""
        known = case.live.approvals.get((shown.tool, shown.digest))
        now_ns = self._clock.now_ns()
        if known is None or known.grant is not None:
            return self._past(case, known, now_ns)
        if known.state in rules.OPEN and now_ns >= known.expires_at_ns:
            known = self._expired(case, known, now_ns)
        if not rules.is_about(known, shown):
            if known.state in rules.OPEN:
                self._keep(case, rules.moved(known, Move.WITHDRAW, By.SESSION, at_ns=now_ns))
            return None
        told = known.state is ApprovalState.EXPIRED and known.used_by
        mine = known.used_by == case.call.call_id and now_ns < known.expires_at_ns
        used = known.state is ApprovalState.USED and not mine
        over = used or known.state is ApprovalState.WITHDRAWN
        return None if told or over else known

    def _past(self, case: Case, known: Approval | None, now_ns: int) -> Approval | None:
        """A grant answers by itself (`_lent`); the call that used it up runs on it again."""
        if known is None or known.state is not ApprovalState.USED:
            return None
        mine = known.used_by == case.call.call_id and now_ns < known.expires_at_ns
        return known if mine else None

    def _expired(self, case: Case, known: Approval, now_ns: int) -> Approval:
        after = rules.run_out(known, at_ns=now_ns)
        case.records.append(self._record(case, expired_body(known, after)))
        self._keep(case, after)
        return after

    def _ask(self, case: Case, shown: Shown) -> None:
        now_ns = self._clock.now_ns()
        waiting = [
            one
            for one in case.live.approvals.values()
            if one.state is ApprovalState.PENDING and now_ns < one.expires_at_ns
        ]
        if len(waiting) >= self._terms.most_pending:
            text = f"{len(waiting)} questions of this session wait for a person already"
            case.deny("approval", "approvals_exhausted", text)
            return
        asked = self._drafted(case, shown)
        body = bodies.ApprovalAsked(
            approval_id=asked.approval_id,
            digest=asked.digest,
            definition=asked.definition,
            policy_version=asked.policy_version,
            resource=asked.resource,
            reasons=asked.reasons,
            arguments=asked.arguments,
            expires_at_ns=asked.expires_at_ns,
            needs=asked.needs,
        )
        case.records.append(self._record(case, body))
        self._keep(case, asked)
        self._pend(case, asked)

    def _drafted(self, case: Case, shown: Shown) -> Approval:
        who, now_ns = case.live.who, self._clock.now_ns()
        found = reviewing.found_for(self._terms.rules, _reviewed(case, shown))
        return Approval(
            approval_id=self._entropy.new_id("apr"),
            tenant=who.tenant,
            project=who.project,
            user=who.user,
            agent=who.agent,
            session=who.session,
            task=who.task,
            call_id=case.call.call_id,
            tool=shown.tool,
            digest=shown.digest,
            definition=shown.definition,
            policy_version=shown.policy_version,
            risk=case.risk.level.name if case.risk is not None else "",
            resource=case.resource,
            reasons=shown.objections,
            arguments=self._journal.scrubbed(case.arguments),
            parts=granting.parts_of(case.arguments),
            deciding=granting.deciding(case.contract, case.arguments),
            state=ApprovalState.PENDING,
            asked_at_ns=now_ns,
            expires_at_ns=now_ns + (found.expires_s or self._terms.life_s) * _NS,
            needs=found.needs,
            unanswered=found.unanswered,
            tainted_by=case.live.vouched.tainted_by if case.live.vouched.tainted else "",
        )

    def _pend(self, case: Case, known: Approval) -> None:
        if case.call.call_id not in (known.call_id, *case.live.counted):
            known = msgspec.structs.replace(known, times=known.times + 1)
            self._keep(case, known)
        case.pending = known
        text = "a person is asked, and has not answered"
        case.reasons.append(
            Reason(
                stage="approval",
                verdict=Verdict.ASK,
                code=ASKED,
                text=text,
                rule=known.approval_id,
            )
        )

    def _lift(self, case: Case, known: Approval) -> None:
        often = known.grant is not None and not known.grant.most
        if known.approval_id in case.live.lifting and not often:
            text = "another call is being decided on the answer: make the same call again"
            case.deny("approval", "approval_taken", text, known.approval_id)
            return
        case.lifts = known
        case.live.lifting.add(known.approval_id)
        case.reasons = rules.lifted(case.reasons, known)

    def _keep(self, case: Case, after: Approval) -> None:
        case.live.approvals[after.tool, after.digest] = after
        case.approvals.add((after.tool, after.digest))

    def _record(self, case: Case, body: bodies.Body) -> Record:
        return self._journal.record(
            body,
            case.live.who,
            turn=case.call.turn,
            call_id=case.call.call_id,
            tool=case.call.tool,
        )


def expired_body(before: Approval, after: Approval) -> bodies.ApprovalExpired:
    """What the journal says of one that ran out."""
    return bodies.ApprovalExpired(
        approval_id=before.approval_id,
        approved=before.state is ApprovalState.APPROVED,
        lets=after.state is ApprovalState.APPROVED,
    )


def _reviewed(case: Case, shown: Shown) -> Call:
    """What rules look at; an undeclared tool commits, and an unknown risk is HIGH."""
    return Call(
        tenant=case.live.who.tenant,
        agent=case.live.who.agent,
        tool=shown.tool,
        effect=case.contract.effect if case.contract is not None else Effect.COMMIT,
        risk=case.risk.level if case.risk is not None else RiskLevel.HIGH,
        tainted=case.live.vouched.tainted,
        objections=shown.objections,
    )


def answer_stands(case: Case) -> bool:
    """Whether the answer that the call is to run on is still the one that it found."""
    return _standing(case) is not None


def spent(case: Case, at_ns: int) -> list[Approval]:
    """The answer that the call runs on, used up or counted; to be committed with the decision."""
    now = _standing(case)
    if now is None:
        return []
    grant, move = now.grant, Move.USE
    if grant is not None:
        grant = msgspec.structs.replace(grant, used=grant.used + 1)
        move = Move.USE if grant.used == grant.most else Move.LEND
    return [rules.moved(now, move, By.GUARD, at_ns=at_ns, used_by=case.call.call_id, grant=grant)]


def _standing(case: Case) -> Approval | None:
    lifts = case.lifts
    if lifts is None:
        return None
    now = case.live.approvals.get((lifts.tool, lifts.digest))
    same = now is not None and (now.approval_id, now.state) == (lifts.approval_id, lifts.state)
    return now if same else None


def let_go(case: Case) -> None:
    """The call is decided: whatever it did not run on holds for the next."""
    if case.lifts is not None:
        case.live.lifting.discard(case.lifts.approval_id)
        case.lifts = None


def kept(live: LiveSession, names: set[tuple[str, str]]) -> list[Approval]:
    """How the approvals of these calls stand now, to be committed."""
    return [live.approvals[name] for name in names if name in live.approvals]
