"""The life of an approval as a literal table, and what one covers.

An answer is for what the person saw: the same tool by the same definition, the same arguments, the
same policy, and no objection beyond those that were shown. Whatever differs is asked anew. Not
here: storing one (`runtime/approvals`).
"""

import enum
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from holdfast.core.canonical import digest
from holdfast.errors import IllegalMove
from holdfast.model.approvals import Approval, Unanswered
from holdfast.model.approvals import ApprovalState as S
from holdfast.model.decisions import Reason, Verdict
from holdfast.model.tools import Contract


class Move(enum.StrEnum):
    """What may become of an approval."""

    APPROVE = "approve"
    AGREE = "agree"
    DELEGATE = "delegate"
    ESCALATE = "escalate"
    DENY = "deny"
    EXPIRE = "expire"
    LET = "let"
    USE = "use"
    GRANT = "grant"
    LEND = "lend"
    REVOKE = "revoke"
    WITHDRAW = "withdraw"


class By(enum.StrEnum):
    """Who makes a move: a person, the clock, the guard as a call runs on it, or its session."""

    PERSON = "person"
    CLOCK = "clock"
    GUARD = "guard"
    SESSION = "session"


MOVES: dict[Move, tuple[By, dict[S, S]]] = {
    # A person may think better of either answer until a call ran on it.
    Move.APPROVE: (By.PERSON, {S.PENDING: S.APPROVED}),
    # One yes of several that it takes.
    Move.AGREE: (By.PERSON, {S.PENDING: S.PENDING}),
    Move.DELEGATE: (By.PERSON, {S.PENDING: S.PENDING}),
    Move.ESCALATE: (By.CLOCK, {S.PENDING: S.PENDING}),
    Move.DENY: (By.PERSON, {S.PENDING: S.DENIED, S.APPROVED: S.DENIED}),
    Move.EXPIRE: (By.CLOCK, {S.PENDING: S.EXPIRED, S.APPROVED: S.EXPIRED, S.GRANTED: S.EXPIRED}),
    # Nobody answered, and a rule lets what can be undone run then.
    Move.LET: (By.CLOCK, {S.PENDING: S.APPROVED}),
    Move.USE: (By.GUARD, {S.APPROVED: S.USED, S.GRANTED: S.USED}),
    # It and the like may run until its end, or until it ran as often as it may.
    Move.GRANT: (By.PERSON, {S.PENDING: S.GRANTED}),
    Move.LEND: (By.GUARD, {S.GRANTED: S.GRANTED}),
    Move.REVOKE: (By.PERSON, {S.GRANTED: S.WITHDRAWN}),
    # Its session is over, or what was asked about is no longer what would run.
    Move.WITHDRAW: (By.SESSION, dict.fromkeys((S.PENDING, S.APPROVED, S.GRANTED), S.WITHDRAWN)),
}
"""Who makes a move, and where it leads from each state that it is possible from."""

NOBODY = "nobody"
"""Who answered where the clock did."""

OPEN = (S.PENDING, S.APPROVED, S.GRANTED)
"""States in which something may still run on it."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer has to fit: the call as it stands now, `objections` the asks of its stages."""

    tool: str
    digest: str
    definition: str
    policy_version: str
    objections: tuple[Reason, ...]


def moved(approval: Approval, move: Move, by: By, *, at_ns: int, **news: Any) -> Approval:
    """The approval after a move, with what else is new of it.

    Errors: IllegalMove where the table has no such move from its state, or by this part.
    """
    maker, leads = MOVES[move]
    after = leads.get(approval.state)
    if after is None or by is not maker:
        raise IllegalMove(
            f"`{move}` by the {by} is no move of an approval that is {approval.state}"
        )
    return msgspec.structs.replace(approval, state=after, changed_at_ns=at_ns, **news)


def run_out(approval: Approval, *, at_ns: int) -> Approval:
    """What is left of one that nobody answered, or that nothing ran on, by its end."""
    if approval.state is not S.PENDING or approval.unanswered is Unanswered.DENY:
        return moved(approval, Move.EXPIRE, By.CLOCK, at_ns=at_ns)
    rule = ", ".join(one.rule for one in approval.needs)
    lasts_ns = approval.expires_at_ns - approval.asked_at_ns
    news = {"answered_by": NOBODY, "note": f"nobody answered, and `{rule}` lets it run then"}
    expires_at_ns = approval.expires_at_ns + lasts_ns
    return moved(approval, Move.LET, By.CLOCK, at_ns=at_ns, expires_at_ns=expires_at_ns, **news)


def objections(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """What asks, of a decision's reasons."""
    return tuple(reason for reason in reasons if reason.verdict is Verdict.ASK)


def definition_of(contract: Contract | None) -> str:
    """The digest of all that a contract says, which is JSON; empty for a tool without one."""
    if contract is None:
        return ""
    found = digest(msgspec.to_builtins(contract))
    return found if isinstance(found, str) else f"unrepresentable: {found.reason}"


def is_about(approval: Approval, shown: Shown) -> bool:
    """Whether a person who answers it saw this very call."""
    same = (approval.tool, approval.digest, approval.definition, approval.policy_version)
    if same != (shown.tool, shown.digest, shown.definition, shown.policy_version):
        return False
    seen = {_said(reason) for reason in approval.reasons}
    return all(_said(reason) in seen for reason in shown.objections)


def lifted(reasons: Sequence[Reason], approval: Approval) -> list[Reason]:
    """The reasons of a decision in which what asked is answered by the approval."""
    answered = Reason(
        stage="approval",
        verdict=Verdict.ALLOW,
        code="approved" if approval.grant is None else "granted",
        text=f"{'approved' if approval.grant is None else 'granted'} by {_whom(approval)}",
        rule=approval.approval_id,
    )
    allowed = [
        msgspec.structs.replace(one, verdict=Verdict.ALLOW) if one.verdict is Verdict.ASK else one
        for one in reasons
    ]
    return [*allowed, answered]


def _whom(approval: Approval) -> str:
    return ", ".join(one.by for one in approval.yes) or approval.answered_by


def _said(reason: Reason) -> tuple[str, str, str, str]:
    return (reason.stage, reason.code, reason.rule, reason.text)
