"""What the policy process and its callers say to each other, in msgpack.

`decide` takes a PolicyRequest and gives a PolicyAnswer; `version` gives UTF-8 text; `status` a
PolicyStatus; `check` a list of PolicyFinding. `candidate` says as a PolicyChange what applying the
folder would change, and `apply` puts it in force if it still has the version that is its body.
`replay` takes a Replay and gives a Replayed, without a look at what is in force.
Only `decide`, `apply` and `replay` have a body to send.
"""

DECIDE, VERSION, STATUS, CHECK = "decide", "version", "status", "check"
CANDIDATE, APPLY, REPLAY = "candidate", "apply", "replay"
