"""Which calls are one effect, and what an entry of the ledger lets a further attempt do.

A side effect happens once a key (invariant I5). Where a crash leaves it open whether it did, the
tool's declared class decides what may follow, and nothing is guessed. Not here: keeping entries
(`runtime/effects`), deciding calls (`runtime/guard`).
"""

import enum
import hashlib
from typing import Any

import msgspec

from holdfast.core.canonical import Unrepresentable, canonical
from holdfast.model.effects import EffectEntry, EffectState
from holdfast.model.tools import Contract, Effect, EffectKey, Idempotency

KEPT_OUTPUT_BYTES = 256 * 1024
"""Largest output that the ledger keeps for a repeat, as canonical JSON."""

NOT_RUN = "not_run"
"""The code of a call that was allowed and not begun: it holds while its permit is unused."""
TOOL_FAILED = "tool_execution_failed"
"""The code of a tool that failed without one that it declares."""
TOOL_TIMEOUT = "tool_timeout"
"""The code of a tool that did not answer in time: its effect is unknown."""
TOOL_DIED = "tool_died"
"""The code of a tool whose process ended before it answered: its effect is unknown."""

REFUSED_STATUSES = frozenset(
    {400, 401, 402, 403, 404, 405, 406, 410, 411, 412, 413, 414, 415, 416, 417, 422, 426, 428, 429}
    | {431, 451}
)
"""HTTP statuses that say no. Whatever else is no success says nothing of the effect."""

REFUSALS = frozenset(
    {"unknown_tool", "invalid_request", "tool_not_loaded", "service_unreachable"}
    | {f"http_{status}" for status in REFUSED_STATUSES}
)
"""Codes of the house's own executors for calls that reached no tool, or were refused by one."""

_SAFE_TO_REPEAT = frozenset({Idempotency.IDEMPOTENT, Idempotency.KEYED})


class Standing(enum.StrEnum):
    """What the ledger says of a call that wants to have an effect.

    `fresh`: it may be tried. `stored`: it was done, and its result is kept. `in_flight`: another
    call is at it. `unknown`: it may have been done, and nobody knows.
    """

    FRESH = "fresh"
    STORED = "stored"
    IN_FLIGHT = "in_flight"
    UNKNOWN = "unknown"


class Recovery(enum.StrEnum):
    """What may be done about a call that was allowed and never answered."""

    EXECUTE = "execute"
    PROBE = "probe"
    PARK = "park"


def key_of(
    contract: Contract,
    task: str,
    session: str,
    call_id: str,
    arguments: dict[str, Any],
    given: str = "",
    spelled: bytes | Unrepresentable | None = None,
) -> str:
    """The idempotency key: `eff_` and 64 hex digits, the same for every try at one effect.

    `given` is the caller's own key, which stands in place of the arguments. Arguments without a
    canonical form have no key of their own and count as the call's. `spelled` is the canonical JSON
    of all arguments, where it is at hand.
    """
    by_input = _kind(contract) is EffectKey.INPUT
    if contract.key_arguments:
        spelled = canonical({n: arguments[n] for n in contract.key_arguments if n in arguments})
    elif spelled is None:
        spelled = canonical(arguments)
    parts: tuple[str, ...]
    if given:
        parts = ("given", task, contract.name, given)
    elif by_input and not isinstance(spelled, Unrepresentable):
        parts = ("input", task, contract.name, spelled.decode())
    else:
        return _key_of_call(session, call_id)
    return _hashed(parts)


def _key_of_call(session: str, call_id: str) -> str:
    return _hashed(("call", session, call_id))


def _hashed(parts: tuple[str, ...]) -> str:
    return "eff_" + hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def _kind(contract: Contract) -> EffectKey:
    if contract.effect_key is not None:
        return contract.effect_key
    leaves_a_mark = contract.effect in (Effect.COMMIT, Effect.DESTROY)
    return EffectKey.INPUT if leaves_a_mark else EffectKey.CALL


def standing(entry: EffectEntry | None, session: str, call_id: str) -> Standing:
    """What `entry` means for a call that wants the same effect now."""
    if entry is None or entry.state is EffectState.FAILED:
        return Standing.FRESH
    if entry.state is EffectState.DONE:
        return Standing.STORED
    mine = (entry.session, entry.call_id) == (session, call_id)
    repeatable = entry.idempotency in _SAFE_TO_REPEAT
    if entry.state is EffectState.INTENDED:
        return Standing.FRESH if mine and repeatable else Standing.IN_FLIGHT
    return Standing.FRESH if repeatable else Standing.UNKNOWN


def recovery(idempotency: Idempotency) -> Recovery:
    """What a class allows once it is unknown whether the effect took."""
    if idempotency is Idempotency.PROBE:
        return Recovery.PROBE
    if idempotency is Idempotency.ONCE:
        return Recovery.PARK
    return Recovery.EXECUTE


def left_open(entry: EffectEntry, contract: Contract | None, code: str, *, begun: bool) -> bool:
    """Whether a failure leaves it open that the effect happened, whatever its reporter says of it.

    For what must not happen twice a failure is a refusal only where it carries a code that the
    tool's contract declares, or one of the executors' own. A call that is its own effect cannot
    be had twice, so its failure is what it is.
    """
    if entry.idempotency in _SAFE_TO_REPEAT or entry.idempotency is Idempotency.PURE:
        return False
    if entry.key == _key_of_call(entry.session, entry.call_id):
        return False
    if code == NOT_RUN:
        return begun
    declared = contract.errors if contract is not None else {}
    return code not in declared and code not in REFUSALS


def finished(
    entry: EffectEntry,
    now_ns: int,
    *,
    ok: bool,
    output: Any,
    error: str,
    uncertain: bool,
    kept: bool = True,
) -> EffectEntry:
    """The entry once its attempt has been reported; `kept`: its output is not too long for it."""
    state = EffectState.DONE if ok else EffectState.FAILED
    if not ok and uncertain:
        state = EffectState.UNKNOWN
    kept = kept and ok and fits(output)
    return msgspec.structs.replace(
        entry,
        state=state,
        changed_at_ns=now_ns,
        output=output if kept else None,
        output_kept=kept or not ok,
        error=error[:2000],
    )


def unknown(entry: EffectEntry, now_ns: int, why: str) -> EffectEntry:
    """The entry once nobody is left who could report it."""
    return msgspec.structs.replace(
        entry, state=EffectState.UNKNOWN, changed_at_ns=now_ns, error=why[:2000]
    )


def fits(output: Any) -> bool:
    """Whether an output is short enough to be kept with its effect."""
    spelled = canonical(output)
    return not isinstance(spelled, Unrepresentable) and len(spelled) <= KEPT_OUTPUT_BYTES
