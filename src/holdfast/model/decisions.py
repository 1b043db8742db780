"""Verdicts, reasons and decisions: immutable, and complete enough to explain themselves."""

import enum
from collections.abc import Iterable
from typing import Any

import msgspec

from holdfast.model.risk import RiskLevel


class Verdict(enum.StrEnum):
    """What the guard says. The strictest wins: deny over ask over allow."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"

    @property
    def strictness(self) -> int:
        """0 for allow, 1 for ask, 2 for deny."""
        return _ORDER[self]


_ORDER = {Verdict.ALLOW: 0, Verdict.ASK: 1, Verdict.DENY: 2}


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why one stage said what it said.

    `stage` is the pipeline's (`contract`, `loop`, `policy`, `risk`, `flow`, `budget`, `hook`, …);
    `code` is stable; `rule` names the policy or limit that decided, empty where none did.
    """

    stage: str
    verdict: Verdict
    code: str
    text: str
    rule: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One composed decision over session, tenant and task for one call."""

    decision_id: str
    session: str
    call_id: str
    tool: str
    digest: str
    verdict: Verdict
    reasons: tuple[Reason, ...]
    risk: RiskLevel
    policy_version: str
    at_ns: int

    @property
    def deciding(self) -> Reason | None:
        """The first reason of the strictest verdict, or None when nothing objected."""
        return next((r for r in self.reasons if r.verdict is self.verdict), None)


def strictest(reasons: Iterable[Reason]) -> Verdict:
    """The strictest verdict among reasons; allow when there is none."""
    return max((r.verdict for r in reasons), key=lambda v: v.strictness, default=Verdict.ALLOW)


class PolicyRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One question to the policy process, all three scopes in it.

    `action` is the tool's name. `input` holds the tool's arguments as JSON values, converted by
    the declared schema inside the policy process. `task` and `tenant` hold the attributes that
    `holdfast.yaml` declares for them.
    """

    tenant: str
    project: str
    user: str
    agent: str
    session: str
    roles: tuple[str, ...]
    trust: str
    action: str
    resource: str
    input: dict[str, Any]
    task_id: str
    task: dict[str, Any]
    tenant_attributes: dict[str, Any]
    resource_tags: dict[str, str]
    risk: str
    effect: str
    tainted: bool
    at_ns: int


class NearMiss(msgspec.Struct, frozen=True):
    """The permit that came nearest to firing, and the conditions of it that were false."""

    rule: str
    failed: tuple[str, ...]


class PolicyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy process decided.

    `rules` are the ids that decided (permits on allow, forbids on deny or ask; empty on a default
    deny, where `nearest` explains). `errors` is non-empty only on a deny.
    """

    verdict: Verdict
    rules: tuple[str, ...] = ()
    text: str = ""
    nearest: NearMiss | None = None
    errors: tuple[str, ...] = ()
    policy_version: str = ""


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """Ask again what was asked when `version` was in force, of its rules or of `files`.

    What the contracts say of the tool (`effect`, `resource_tags`) is theirs of then, and left empty
    in the questions. `files` are Cedar files by name, None for those that were in force.
    """

    version: str
    questions: tuple[PolicyRequest, ...]
    files: dict[str, bytes] | None = None


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to each question up to the first deny, and the bundle that gave them.

    `fault` says why there are none: a bundle that is not kept, or files that do not hold.
    """

    version: str = ""
    answers: tuple[PolicyAnswer, ...] = ()
    fault: str = ""
