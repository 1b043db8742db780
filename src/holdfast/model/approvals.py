"""A person's answer to one call that the guard asks about, and who that person has to be.

Not here: what may become of one (`core/approvals`), whose yes it takes (`core/reviewing`).
"""

import enum
from typing import Any

import msgspec

from holdfast.model.decisions import Reason
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Effect

OWNER = "owner"
"""In a list of who may answer: the session's own user."""

RAISE = "budget.raise"
"""The tool of a question that is about no call: whether an account's cap is raised."""


class ApprovalState(enum.StrEnum):
    """Where an approval stands."""

    PENDING = "pending"
    APPROVED = "approved"
    GRANTED = "granted"
    DENIED = "denied"
    EXPIRED = "expired"
    USED = "used"
    WITHDRAWN = "withdrawn"


class Unanswered(enum.StrEnum):
    """What it means that nobody answered in time."""

    DENY = "deny"
    ALLOW = "allow"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """From `after_s` seconds on, a question is for these as well, and they are told."""

    after_s: int
    to: tuple[str, ...]


class ReviewRule(msgspec.Struct, frozen=True, kw_only=True):
    """Whose yes an objection takes: a rule of the operator's.

    It is for what fits each of its lists that names something: `objections` are ids of policy
    rules, codes or stages. `by` names who may answer: an operator, `group:NAME`, `role:ROLE` or
    `owner`; empty is whoever may let the session go on. `quorum` different people have to.
    `expires_s` None is as long as every question. `on_expiry` allow lets a call that can be undone
    run where nobody answered.
    """

    name: str
    tools: tuple[str, ...] = ()
    effects: tuple[Effect, ...] = ()
    risks: tuple[RiskLevel, ...] = ()
    objections: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    quorum: int = 1
    escalate: tuple[Step, ...] = ()
    expires_s: int | None = None
    on_expiry: Unanswered = Unanswered.DENY


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """Whose yes one rule takes of a question: `quorum` of those whom it names, each once."""

    rule: str = ""
    by: tuple[str, ...] = ()
    quorum: int = 1
    escalate: tuple[Step, ...] = ()


class Yes(msgspec.Struct, frozen=True, kw_only=True):
    """One person's yes. `seats`: for each need whose voice it is, empty where it is nobody's.

    That is their own name, or of the one who delegated to them: both are one voice.
    """

    by: str
    seats: tuple[str, ...]
    at_ns: int
    note: str = ""
    looked_s: float = 0.0


class Delegation(msgspec.Struct, frozen=True, kw_only=True):
    """`by` left their voice to `to`; `seats` as in a `Yes`."""

    by: str
    to: str
    seats: tuple[str, ...]
    at_ns: int


class GrantTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to grant: for how long, which arguments are free, and how often at most.

    `most` 0 is as often as it comes.
    """

    for_s: int
    any: tuple[str, ...] = ()
    most: int = 0


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What like a call may run until the end of its approval; `used` counts the calls that did."""

    by: str
    at_ns: int
    any: tuple[str, ...] = ()
    most: int = 0
    used: int = 0


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """One call that waits for a person, or waited.

    It is bound to all that a person is shown: `session`, `tool`, `digest` of the canonical
    arguments, `definition` (the digest of the tool's contract), `policy_version`, and `reasons`,
    the objections that an answer lifts. `arguments` are those of the digest with secrets left out.
    `call_id` names the call that asked first, `times` how many did. An approval that nobody answers
    by `expires_at_ns` is no, unless `unanswered` says otherwise; one that was given holds until
    then, once. `needs` say whose yes it takes, `yes` and `delegated` who gave or left theirs, and
    `escalated` how many steps were told of. `parts` are the digests of each argument, `deciding`
    the names of those that no `grant` leaves free. `answered_by` and `note` are of whoever answered
    last, `used_by` is the call that ran on it. Times are UTC nanoseconds.
    """

    approval_id: str
    tenant: str
    project: str
    user: str
    agent: str
    session: str
    task: str
    call_id: str
    tool: str
    digest: str
    definition: str
    policy_version: str
    risk: str
    resource: str
    reasons: tuple[Reason, ...]
    arguments: dict[str, Any]
    state: ApprovalState
    asked_at_ns: int
    expires_at_ns: int
    tainted_by: str = ""
    changed_at_ns: int = 0
    answered_by: str = ""
    note: str = ""
    used_by: str = ""
    times: int = 1
    needs: tuple[Need, ...] = ()
    yes: tuple[Yes, ...] = ()
    delegated: tuple[Delegation, ...] = ()
    escalated: int = 0
    unanswered: Unanswered = Unanswered.DENY
    parts: dict[str, str] = {}
    deciding: tuple[str, ...] = ()
    grant: Grant | None = None

    @property
    def all_needs(self) -> tuple[Need, ...]:
        """Whose yes it takes; without a rule, one of anybody who may answer."""
        return self.needs or (Need(),)

    @property
    def missing(self) -> int:
        """How many voices are still to say yes, of the need that wants the most."""
        most = 0
        for at, need in enumerate(self.all_needs):
            voices = {one.seats[at] for one in self.yes if one.seats[at]}
            most = max(most, need.quorum - len(voices))
        return most


def grant_in_words(approval: Approval, terms: GrantTerms) -> tuple[str, ...]:
    """What authority a grant adds, a sentence each; the values are shown beside them."""
    often = f"at most {terms.most} times" if terms.most else "as often as it asks"
    held = [name for name in approval.arguments if name not in terms.any]
    session = f"{approval.agent} for {approval.tenant}/{approval.user}"
    ends = (
        "it ends with the session, with other policies or another contract of the tool, when a"
        " stranger's text is read, and when somebody revokes it"
    )
    may = f"without another question, {session} may call {approval.tool} in this session"
    return (
        f"{may} {often}, for {terms.for_s} s from the answer on",
        f"with exactly these, as they are shown: {', '.join(held) or 'no argument'}",
        f"with any value of: {', '.join(terms.any) or 'nothing'}",
        ends,
    )
