"""What the policy paths answer."""

from typing import Annotated, Any

from pydantic import Field, StrictStr

from holdfast.apps.control.wire import Asked, Name, Shown

MOST_FILES = 256


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


class AskAgain(Asked):
    """Which decision to make again: its id, or the id of a call, whose last decision it is then.

    `files` are Cedar files by name, asked in place of what was in force; null for that. `session`
    says where to look; an id of a decision is searched for among all of a tenant without it.
    """

    decision: Annotated[str, Field(min_length=1, max_length=256)]
    tenant: Name = ""
    session: Name = ""
    files: (
        Annotated[
            dict[Annotated[str, Field(pattern=r"^[^/\x00]{1,128}\.cedar$")], StrictStr],
            Field(max_length=MOST_FILES),
        ]
        | None
    ) = None


class AskedAgain(Shown):
    """A decision as it was, and as it is made again.

    `same`: the verdict is that of then, by the same rules of policy. `exact`: the question was
    put together from what was recorded, to the letter; else it only resembles it, and `lacks` says
    in what. `unasked` are the stages that nobody asked then, since policy had said no.
    """

    decision_id: str
    call_id: str
    session: str
    tool: str
    at_ns: int
    verdict: str
    policy_version: str
    reasons: list[dict[str, Any]]
    again: str
    again_version: str
    again_reasons: list[dict[str, Any]]
    same: bool
    exact: bool
    lacks: list[str]
    unasked: list[str]
