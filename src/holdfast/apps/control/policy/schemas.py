"""What the policy paths answer."""

from holdfast.apps.control.wire import Shown


class PolicyStatus(Shown):
    """What is in force, since when; `fault` says why the newest files are not."""

    version: str
    loaded_at_ns: int
    fault: str


class PolicyFinding(Shown):
    """One fault of the policy folder; `line` is 0 where it belongs to no line."""

    file: str
    line: int
    rule: str
    code: str
    text: str


class PolicyApplied(Shown):
    """What an operator put in force, by ids of rules, and what it was before."""

    version: str
    previous: str
    added: list[str]
    removed: list[str]
    changed: list[str]


class PolicyCheck(Shown):
    """The faults of the policy folder as it is now, and the version in force."""

    findings: list[PolicyFinding]
    version: str
