"""Which tool calls and results may reach the model: those that were, and of calls with a permit.

A call that never ran (unknown tool, invalid input, denied, interrupted, refused for the number of
calls) has no permit: its result passes only as an error, and its content is a fixed text of ours,
the same whenever the history is sent, so that prompt caches hold. Anything else without a permit is
ungoverned (invariant I3). A call stands in the history as the model made it, and a provider's
result as the provider sent it, each once; what a client may change in them is `core/history`'s.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from holdfast.core.calls import AT_SERVER, HALF_WRITTEN, OUTSTANDING, PERMITTED, UNDECIDED
from holdfast.core.history import ShownCall, same_arguments, same_result, same_tool
from holdfast.core.messages import Evidence
from holdfast.core.rewritings import is_raw
from holdfast.model.tools import CallRecord

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

_RAW = "a hook rewrote its result after the call, and this is the one before"
_UNTOLD = "a hook rewrote its result after the call, and this one is too long to compare with it"
_AS_LEFT = "send the result as the hook left it"


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
    """A result without a permit.

    `stops`: this session's own model made the call, so that whoever ran it went past the guard.
    """

    call_id: str
    tool: str
    text: str
    stops: bool


class Rewritten(msgspec.Struct, frozen=True):
    """The history shows a call or a provider's result otherwise than it was, or twice."""

    call_id: str
    tool: str
    text: str
    remedy: str = "send it as the model wrote it"


def check_history(
    shown: Iterable[ShownCall],
    evidence: Iterable[Evidence],
    messages: Sequence[Any],
    calls: Mapping[str, CallRecord],
) -> Rewritten | None:
    """Compare every call and every provider's result in `messages` with what was emitted.

    Calls that `calls` does not know are not judged here.
    """
    seen: set[str] = set()
    for call in shown:
        if call.call_id in seen:
            return Rewritten(call.call_id, call.tool, "it stands there twice")
        seen.add(call.call_id)
        known = calls.get(call.call_id)
        fault = _shown_fault(call, known) if known is not None else ""
        if known is not None and fault:
            return Rewritten(call.call_id, known.tool, fault)
    answered: set[str] = set()
    for block in evidence:
        known = calls.get(block.call_id)
        tool = known.tool if known is not None else ""
        if block.call_id in answered:
            return Rewritten(block.call_id, tool, "its result stands there twice")
        answered.add(block.call_id)
        # A call of a version before there were marks has none to compare its result with.
        half = known is not None and known.state in HALF_WRITTEN
        if known is not None and known.state in AT_SERVER and (known.shown or half):
            sent = block.mark if block.mark is not None else _sent(block, messages)
            if not same_result(known.answered, sent):
                return Rewritten(block.call_id, tool, "its result is not what the provider sent")
        if known is not None and known.rewritten and not known.denial:
            fault = _raw_fault(block, messages, known)
            if fault:
                return Rewritten(block.call_id, tool, fault, _AS_LEFT)
    return None


def _sent(block: Evidence, messages: Sequence[Any]) -> Mapping[str, Any]:
    sent: Mapping[str, Any] = messages[block.message]["content"][block.block]
    return sent


def _raw_fault(block: Evidence, messages: Sequence[Any], known: CallRecord) -> str:
    """What is wrong with the result of a call that a hook rewrote; empty where nothing is."""
    if block.result is None and block.mark is None:
        return _RAW if is_raw(known.rewritten, _sent(block, messages).get("content")) else ""
    seen = block.seen
    if seen is not None and seen.text is None and block.result is not None:
        seen = msgspec.structs.replace(seen, text=block.result.text)
    if seen is None or seen.text is None:
        return _UNTOLD
    return _RAW if is_raw(known.rewritten, seen) else ""


def _shown_fault(shown: ShownCall, known: CallRecord) -> str:
    """What is not as the model wrote it; empty when all is."""
    emitted = known.emitted_as or known.tool
    if not same_tool(emitted, shown.tool):
        return "the model called another tool"
    if (shown.kind == "tool_use") == (known.state in AT_SERVER):
        return "it ran elsewhere"
    # Without marks it is half-written, or of a version before there were any.
    arguments = shown.arguments if shown.mark is None else shown.mark
    if known.shown and not same_arguments(known.shown, emitted, arguments):
        return "the model gave other arguments"
    return ""


def unknown_calls(
    shown: Iterable[ShownCall], evidence: Iterable[Evidence], calls: Collection[str]
) -> list[str]:
    """Ids of calls and of results that `calls` do not hold, in order, each once.

    An error for a call that nobody shows is none: it passes in our words.
    """
    ids = [call.call_id for call in shown]
    ids += [e.call_id for e in evidence if not (e.is_error and e.kind == "tool_result")]
    return [one for one in dict.fromkeys(ids) if one not in calls]


def check_evidence(
    evidence: Iterable[Evidence],
    calls: Mapping[str, CallRecord],
    session: str,
    limited: Collection[str] = (),
    *,
    hooked: bool = False,
) -> Admitted | Ungoverned:
    """Judge every block that answers a tool call; `calls` are known to `session`, by call id.

    `limited` are ids of undecided calls that were refused for their number. `hooked`: a hook has
    to see each result before the model does, so that one that was not reported is withheld. Of
    several faults one that stops the session goes first.
    """
    other: Ungoverned | None = None
    contents: dict[tuple[int, int], str] = {}
    first_seen: dict[str, CallRecord] = {}
    never_ran: dict[str, CallRecord] = {}
    for block in evidence:
        call = calls.get(block.call_id)
        at_server = block.kind != "tool_result"
        if call is not None and at_server == (call.state in AT_SERVER):
            if at_server:
                continue
            if call.state in PERMITTED:
                if hooked and call.state in OUTSTANDING and not call.denial:
                    call = msgspec.structs.replace(call, denial=UNREPORTED)
                if call.denial:
                    contents[(block.message, block.block)] = call.denial
                if not call.admitted:
                    first_seen[call.call_id] = call
                continue
        fault = _fault(block, call, session, at_server=at_server)
        if fault is not None and fault.stops:
            return fault
        if fault is not None:
            other = other or fault
            continue
        denial = LIMITED if block.call_id in limited else NEVER_RAN
        if call is not None and call.denial:
            denial = call.denial
        contents[(block.message, block.block)] = denial
        if call is not None and call.state in UNDECIDED:
            never_ran[call.call_id] = msgspec.structs.replace(call, denial=denial)
    return other or Admitted(contents, tuple(first_seen.values()), tuple(never_ran.values()))


def _fault(
    block: Evidence, call: CallRecord | None, session: str, *, at_server: bool
) -> Ungoverned | None:
    """Why a result that has no permit may not even pass as an error."""
    tool = call.tool if call is not None else ""
    stops = call is not None and call.session == session
    if at_server or (call is not None and call.state in AT_SERVER):
        text = "a provider-side result answers no call seen here"
        return Ungoverned(block.call_id, tool, text, stops)
    if not block.is_error:
        known = "a call that was denied" if call and call.denial else "a call without a permit"
        return Ungoverned(block.call_id, tool, f"a successful result answers {known}", stops)
    return None
