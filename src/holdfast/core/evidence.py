"""Which tool results may reach the model: only those of calls that hold a permit.

A call that never ran (unknown tool, invalid input, denied, interrupted, refused for the number of
calls) has no permit: its result passes only as an error, and its content is a fixed text of ours,
the same whenever the history is sent, so that prompt caches hold. Anything else without a permit is
ungoverned (invariant I3).
"""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from holdfast.core.messages import Evidence
from holdfast.model.tools import CallRecord, CallState

NEVER_RAN = (
    "This tool call did not run: the client refused it before asking for permission"
    " (unknown tool, invalid input or interrupted)."
)

LIMITED = (
    "rate_limited: this tool call did not run, because this tenant asks for calls faster than they"
    " are decided; it may be made again."
)

UNREPORTED = (
    "hook.unreported: the result of this call is withheld, because a hook has to see it and its"
    " outcome was not reported before it was sent."
)

_RAN = (CallState.ALLOWED, CallState.EXECUTED, CallState.FAILED)


class Admitted(msgspec.Struct, frozen=True):
    """Everything is covered.

    `contents` are replacements by (message, block). `first_seen` are permitted calls whose result
    arrives for the first time, `never_ran` undecided ones whose error does, with the text that the
    model reads as their denial: they stay undecided. A result that is withheld is replaced; the
    call, with that text, is in `first_seen` as well.
    """

    contents: dict[tuple[int, int], str]
    first_seen: tuple[CallRecord, ...]
    never_ran: tuple[CallRecord, ...] = ()


class Ungoverned(msgspec.Struct, frozen=True):
    """A result without a permit; the session must stop."""

    call_id: str
    tool: str
    text: str


def check_evidence(
    evidence: Iterable[Evidence],
    calls: Mapping[str, CallRecord],
    limited: Collection[str] = (),
    *,
    hooked: bool = False,
) -> Admitted | Ungoverned:
    """Judge every block that answers a tool call; `calls` are the session's, by call id.

    `limited` are ids of undecided calls that were refused for their number. `hooked`: a hook has
    to see each result before the model does, so that one that was not reported is withheld.
    """
    contents: dict[tuple[int, int], str] = {}
    first_seen: dict[str, CallRecord] = {}
    never_ran: dict[str, CallRecord] = {}
    for block in evidence:
        call = calls.get(block.call_id)
        at_server = block.kind != "tool_result"
        if call is not None and at_server == (call.state is CallState.SERVER):
            if at_server:
                continue
            if call.state in _RAN:
                if hooked and call.state is CallState.ALLOWED and not call.denial:
                    call = msgspec.structs.replace(call, denial=UNREPORTED)
                if call.denial:
                    contents[(block.message, block.block)] = call.denial
                if not call.admitted:
                    first_seen[call.call_id] = call
                continue
        fault = _fault(block, call, at_server=at_server)
        if fault is not None:
            return fault
        denial = LIMITED if block.call_id in limited else NEVER_RAN
        if call is not None and call.denial:
            denial = call.denial
        contents[(block.message, block.block)] = denial
        if call is not None and call.state is CallState.EMITTED:
            never_ran[call.call_id] = msgspec.structs.replace(call, denial=denial)
    return Admitted(contents, tuple(first_seen.values()), tuple(never_ran.values()))


def _fault(block: Evidence, call: CallRecord | None, *, at_server: bool) -> Ungoverned | None:
    """Why a result that has no permit may not even pass as an error."""
    tool = call.tool if call is not None else ""
    if at_server or (call is not None and call.state is CallState.SERVER):
        return Ungoverned(block.call_id, tool, "a provider-side result answers no call seen here")
    if not block.is_error:
        known = "a call that was denied" if call and call.denial else "a call without a permit"
        return Ungoverned(block.call_id, tool, f"a successful result answers {known}")
    return None
