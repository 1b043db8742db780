"""What the policy process and its callers say to each other, in msgpack.

`decide` takes a PolicyRequest and gives a PolicyAnswer; `version` gives UTF-8 text; `status` a
PolicyStatus; `check` a list of PolicyFinding. Only `decide` has a body to send.
"""

import msgspec

DECIDE, VERSION, STATUS, CHECK = "decide", "version", "status", "check"


class PolicyFinding(msgspec.Struct, frozen=True):
    """One fault of the policies folder; `line` is 0 where it belongs to no line."""

    file: str
    line: int
    rule: str
    code: str
    text: str


class PolicyStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force, since when, and why the newest files are not.

    `version` is empty while nothing valid was ever loaded; `fault` is empty when the files on
    disk are what is in force.
    """

    version: str
    loaded_at_ns: int
    fault: str
