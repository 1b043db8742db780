"""What the policy process and its callers say to each other, in msgpack.

`decide` takes a PolicyRequest and gives a PolicyAnswer; `version` gives UTF-8 text; `status` a
PolicyStatus; `check` a list of PolicyFinding. `candidate` says as a PolicyChange what applying the
folder would change, and `apply` puts it in force if it still has the version that is its body.
`replay` takes a Replay and gives a Replayed, without a look at what is in force.
Only `decide`, `apply` and `replay` have a body to send.
"""

import msgspec

from holdfast.model.views.policies import PolicyFinding

DECIDE, VERSION, STATUS, CHECK = "decide", "version", "status", "check"
CANDIDATE, APPLY, REPLAY = "candidate", "apply", "replay"


class PolicyChange(msgspec.Struct, frozen=True, kw_only=True):
    """What the folder would put in force, by ids of rules; it holds when `findings` is empty."""

    version: str
    previous: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    findings: tuple[PolicyFinding, ...] = ()
