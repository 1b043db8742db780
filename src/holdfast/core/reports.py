"""What a door's report of a call says, once it is held against the tool's contract.

Clients of other makers report words alone: the code of a failure stands at their beginning, or is
the client's own way to say that a tool died or was late. What comes after the contract's time is no
answer, wherever it ran. Not here: what the model reads of it (`core/denials`).
"""

import re

from holdfast.core.effects import NOT_RUN, REFUSALS, TOOL_DIED, TOOL_FAILED, TOOL_TIMEOUT
from holdfast.model.tools import Contract

GRACE_S = 1.0
"""A client's measure of an answer that came in time may be so much more."""

_CODES = REFUSALS | {NOT_RUN, TOOL_FAILED, TOOL_TIMEOUT, TOOL_DIED}
_HTTP = re.compile(r"http_\d{3}", re.ASCII)
# A word with an underscore: `error: …` and `note: …` are how people write.
_SPOKEN = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+", re.ASCII)
_FIRST = re.compile(r"([A-Za-z0-9_.]{1,64}): ", re.ASCII)
_PREFIXES = (f"{TOOL_FAILED}: ", "Error: ", "error: ")
# How clients of the protocol say that a server ended, and that they waited long enough.
_MCP = re.compile(r"(?:MCP error (-3200[01])\b.*|(Connection closed|Request timed out))", re.DOTALL)
_MCP_CODES = {
    "-32000": TOOL_DIED,
    "Connection closed": TOOL_DIED,
    "-32001": TOOL_TIMEOUT,
    "Request timed out": TOOL_TIMEOUT,
}
UNANSWERED = frozenset({TOOL_DIED, TOOL_TIMEOUT})
"""Codes of tools that gave no answer: whatever else is known, their effect is not."""


def code_of(contract: Contract, code: str, error: str, duration_ms: int) -> str:
    """The code of a failure; empty where its words have none, and it is not for want of time.

    `code` is the door's own, which holds where it says more than that the tool failed. A code in
    the words that the contract does not declare is handed on, so that it is held back. One of the
    house's own is no tool's to say, and is words like any other.
    """
    if code not in ("", TOOL_FAILED):
        return code
    words = words_of(error)
    closed = _MCP.fullmatch(words)
    if closed is not None:
        return _MCP_CODES[closed[1] or closed[2]]
    found = _FIRST.match(words)
    first = found[1] if found is not None else ""
    if first in contract.errors:
        return first
    if late(contract, duration_ms, grace_s=0):
        return TOOL_TIMEOUT
    return first if _SPOKEN.fullmatch(first) and not of_the_house(first) else code


def of_the_house(code: str) -> bool:
    """Whether a code is one of the house's own executors, which no contract declares."""
    return code in _CODES or bool(_HTTP.fullmatch(code))


def words_of(error: str) -> str:
    """What a tool said of its failure, without what clients put before it."""
    for prefix in _PREFIXES:
        error = error.removeprefix(prefix)
    return error


def late(contract: Contract, duration_ms: int, *, grace_s: float = GRACE_S) -> bool:
    """Whether an answer came after the time that the contract gives."""
    return duration_ms >= (contract.timeout_s + grace_s) * 1000


def late_text(contract: Contract, duration_ms: int) -> str:
    """What is said of a result that came too late."""
    return (
        f"the tool answered after {duration_ms / 1000:.1f} s, and its contract gives it"
        f" {contract.timeout_s:g} s; what it answered is not taken, and its effect is not known"
    )
