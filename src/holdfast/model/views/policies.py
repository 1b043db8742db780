"""What is in force, what is wrong with the files, and a decision made again."""

from typing import Any

import msgspec


class PolicyFinding(msgspec.Struct, frozen=True):
    """One fault of the policies folder; any of them keeps a bundle from being put in force.

    `line` counts from 1 and is 0 where a fault belongs to no line; `rule` is the policy's id, if
    it has one; `code` is stable, `text` one lower-case sentence.
    """

    file: str
    line: int
    rule: str
    code: str
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        rule = f" {self.rule}:" if self.rule else ""
        return f"{place}:{rule} {self.text} [{self.code}]"


class PolicyCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The faults of the policies folder as it is now, and the version in force."""

    findings: tuple[PolicyFinding, ...]
    version: str = ""


class PolicyStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force, since when, and why the newest files are not.

    `version` is empty while nothing valid was ever loaded; `fault` is empty when the files on
    disk are what is in force.
    """

    version: str
    loaded_at_ns: int = 0
    fault: str = ""


class PolicyApplied(msgspec.Struct, frozen=True, kw_only=True):
    """What was put in force, by ids of rules, and what it was before."""

    version: str
    previous: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


class PolicyChange(PolicyApplied, frozen=True, kw_only=True):
    """What the folder would put in force; it holds when `findings` is empty."""

    findings: tuple[PolicyFinding, ...] = ()


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """A decision as it was, and as it is made again.

    `same`: the verdict is that of then, by the same rules of policy. `exact`: the question is the
    recorded one, to the letter; else `lacks` says in what it may differ. `unasked` are the stages
    that nobody asked then, since policy had said no.
    """

    decision_id: str
    call_id: str
    session: str
    tool: str
    at_ns: int
    verdict: str
    policy_version: str
    reasons: tuple[dict[str, Any], ...]
    again: str
    again_version: str
    again_reasons: tuple[dict[str, Any], ...]
    same: bool
    exact: bool
    lacks: tuple[str, ...]
    unasked: tuple[str, ...]
