"""What the policy process and its callers say to each other, in msgpack.

`decide` takes a PolicyRequest and gives a PolicyAnswer; `version` gives UTF-8 text; `status` a
PolicyStatus; `check` a list of PolicyFinding. `candidate` says as a PolicyChange what applying the
folder would change, and `apply` puts it in force if it still has the version that is its body.
`replay` takes a Replay and gives a Replayed, without a look at what is in force.
Only `decide`, `apply` and `replay` have a body to send.
"""

import msgspec

DECIDE, VERSION, STATUS, CHECK = "decide", "version", "status", "check"
CANDIDATE, APPLY, REPLAY = "candidate", "apply", "replay"


class PolicyFinding(msgspec.Struct, frozen=True):
    """One fault of the policies folder; `line` is 0 where it belongs to no line."""

    file: str
    line: int
    rule: str
    code: str
    text: str


class PolicyChange(msgspec.Struct, frozen=True, kw_only=True):
    """What the folder would put in force, by ids of rules; it holds when `findings` is empty."""

    version: str
    previous: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    findings: tuple[PolicyFinding, ...] = ()


class PolicyStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force, since when, and why the newest files are not.

    `version` is empty while nothing valid was ever loaded; `fault` is empty when the files on
    disk are what is in force.
    """

    version: str
    loaded_at_ns: int
    fault: str
