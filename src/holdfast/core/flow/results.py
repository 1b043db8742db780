"""What a tool's result adds to what may be believed, read by its contract.

A failed call gives nothing, and neither does a result that is not the operator's own. Where a
contract declares fields of records, or a list of members, exactly these are given, from a result
that is JSON, and its prose is not. Not here: what comes of it in a session (`vouched`).
"""

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from holdfast.core.canonical import Unreadable, parse_json
from holdfast.core.flow.trusted import KEPT_OF_ONE
from holdfast.core.flow.vouched import Given, leaves
from holdfast.model.tools import ArgumentRole, Contract

_KEPT_VALUES = 1_000
_LONGEST_VALUE = 512
_EVERY = "*"
_REMINDER = ("<system-reminder>", "</system-reminder>")
_MOST_REMINDERS = 8
NOTHING = Given()


class Origin(enum.StrEnum):
    """Who wrote the text of a result.

    `own`: the operator's systems; it vouches and does not taint. `neutral`: it neither vouches nor
    taints. `others`: anybody; it taints, and only declared fields of it vouch.
    """

    OWN = "own"
    NEUTRAL = "neutral"
    OTHERS = "others"


def given_by(contract: Contract | None, origin: Origin, text: str, *, failed: bool) -> Given:
    """What a result of this text gives, bounded; nothing for a call that failed."""
    if failed or contract is None:
        return NOTHING
    if contract.records or contract.members:
        read = parse_json(_without_reminders(text).encode("utf-8", "surrogatepass"))
        if isinstance(read, Unreadable):
            return NOTHING
        return Given(
            records=_fields(contract.records, read), members=_members(contract.members, read)
        )
    return Given(text=text[:KEPT_OF_ONE]) if origin is Origin.OWN else NOTHING


def _without_reminders(text: str) -> str:
    """Claude Code writes its own notes after a tool's text; a JSON value never ends like one."""
    for _ in range(_MOST_REMINDERS):
        kept = text.rstrip()
        if not kept.endswith(_REMINDER[1]):
            break
        text = kept[: max(kept.rfind(_REMINDER[0]), 0)]
    return text.strip()


def _fields(
    declared: Mapping[str, ArgumentRole], read: object
) -> dict[ArgumentRole, tuple[str, ...]]:
    found: dict[ArgumentRole, list[object]] = {}
    for name, value in _named(read):
        if name in declared:
            found.setdefault(declared[name], []).extend(leaves(value, keys=False))
    return {role: _texts(values) for role, values in found.items()}


def _members(declared: Sequence[str], read: object) -> tuple[str, ...]:
    if _EVERY in declared:
        return _texts(leaves(read, keys=False))
    named = (inner for name, inner in _named(read) if name in declared)
    return _texts(leaf for inner in named for leaf in leaves(inner, keys=False))


def _named(value: object) -> Iterator[tuple[str, Any]]:
    """Every field of every object in a JSON value."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield name, inner
            yield from _named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner)


def _texts(values: Iterable[object]) -> tuple[str, ...]:
    kept = [
        str(value)
        for value in values
        if isinstance(value, str | int | float)
        and not isinstance(value, bool)
        and 0 < len(str(value)) <= _LONGEST_VALUE
    ]
    return tuple(dict.fromkeys(kept))[:_KEPT_VALUES]
