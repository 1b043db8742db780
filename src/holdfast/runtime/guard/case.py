"""What a call carries through the guard: the request, the case, the answer to the door.

Not here: the stages that it passes (`stages`), and their order (`pipeline`).
"""

from typing import Any

import msgspec

from holdfast.core.canonical import Unrepresentable
from holdfast.core.effects import Standing
from holdfast.core.flow.queries import Query
from holdfast.core.progress import Finding
from holdfast.core.risk.registry import Risk
from holdfast.model.approvals import Approval
from holdfast.model.bodies import PolicyAsked
from holdfast.model.decisions import Decision, Reason, Verdict
from holdfast.model.effects import EffectEntry
from holdfast.model.events import Record
from holdfast.model.tools import CallRecord, Contract
from holdfast.ports.store import Change
from holdfast.runtime.effects import Proposal
from holdfast.runtime.live import LiveSession, Writing


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a permit, as a door translates it.

    `runs_returned`: the door promises to run the arguments that the ruling returns, whatever it
    asked with. Claude Code tidies what the model wrote before its hooks see it; what is decided,
    permitted and run is then what the model wrote. Without the promise, other arguments than the
    model's are refused. `takes_stored`: the door can hand on a result that the ledger kept, in
    place of running the call; for others a repeated effect is refused, with the result in words.
    `hands_key`: the tool is given the ruling's `effect_key`; a tool of class `keyed` that is not
    given it may do twice what it is asked twice, and counts as one of class `once`.
    `key` is the caller's own idempotency key. `again`: a further attempt at a call that was
    allowed before; it is no new call to the loop guard, and is one to the budgets. `waits`: the
    door comes back by itself while policy cannot be asked, so nothing is decided then; for others
    it is a no.
    """

    call_id: str
    tool: str
    arguments: dict[str, Any]
    door: str
    runs_returned: bool = False
    takes_stored: bool = False
    hands_key: bool = True
    key: str = ""
    again: bool = False
    waits: bool = False


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """What a door gets back.

    `permit` is empty unless the verdict is allow. `arguments` are those that may run. `message`
    is what the model may read: a code, a sentence, the rule and the decision. `effect_key` is the
    idempotency key for the tool, empty for a call without an effect. `stored` is the effect as it
    was done before: the verdict is allow then, without a permit, since nothing is to be run.
    `timeout_s` is the contract's, 0 without one.
    """

    decision: Decision
    permit: str
    arguments: dict[str, Any]
    message: str
    cost_nusd: int
    effect_key: str = ""
    stored: EffectEntry | None = None
    timeout_s: float = 0.0


def _as_asked(call: CallRecord, tool: str) -> CallRecord:
    """The call under the name that its client runs it by: that is what is decided and permitted."""
    if call.tool == tool:
        return call
    return msgspec.structs.replace(call, tool=tool, emitted_as=call.emitted_as or call.tool)


class Case:
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
        self.call = _as_asked(call, asked.tool)
        self.arguments = arguments
        self.spelled = spelled
        # With real places where the call goes through links.
        self.real: dict[str, Any] | None = None
        self.digest = call.digest
        self.contract: Contract | None = None
        self.resource = ""
        self.risk: Risk | None = None
        # A bounded query; counted until it is known not to go out.
        self.query: Query | None = None
        self.policy_version = ""
        # The moment and the taint that policy was asked with, so that it can be asked again.
        self.policy_asked: PolicyAsked | None = None
        self.reasons: list[Reason] = []
        self.records: list[Record] = []
        self.changes: list[Change] = []
        # The question that waits for a person, and the answer that this call is to run on.
        self.pending: Approval | None = None
        self.lifts: Approval | None = None
        # Names of approvals that changed on the way.
        self.approvals: set[tuple[str, str]] = set()
        self.stop: Finding | None = None
        self.neutral = False
        self.writing: Writing | None = None
        self.serves: list[str] = []
        # Files that code which it leaves running prints into.
        self.grows: list[str] = []
        self.counted = asked.again or call.call_id in live.counted

    def deny(self, stage: str, code: str, text: str, rule: str = "") -> None:
        """Add a no: which stage, its stable code, one sentence, and the rule behind it."""
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
        """Whether any stage said no, which ends the line."""
        return any(reason.verdict is Verdict.DENY for reason in self.reasons)
