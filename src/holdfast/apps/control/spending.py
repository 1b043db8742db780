"""Whoever holds a spending key is no operator: every verb but one is refused them.

The table here says which takes a key, so one that is written later takes none. Not here: whose
token it is (`auth`), what is asked with one (`sessions/by_key`), handing keys out (`keys`).
"""

from holdfast.apps.control.deps import ControlDeps
from holdfast.errors import KeyEnded, KeyRefused
from holdfast.model.bodies import AuthRefused
from holdfast.model.keys import KEY_HOLDER, SpendingKey
from holdfast.model.principals import Principal

SPENDS = frozenset({"open_session"})
"""The operations that take a key."""


def called(key: SpendingKey) -> str:
    """The one who acts, as the journal names them."""
    return f"{KEY_HOLDER}{key.name}"


def key_of(deps: ControlDeps, by: str) -> SpendingKey | None:
    """The key that acts; None for an operator."""
    return deps.house.keys.get(by.removeprefix(KEY_HOLDER)) if by.startswith(KEY_HOLDER) else None


async def check_verb(deps: ControlDeps, key: SpendingKey, operation: str) -> None:
    """Errors: KeyEnded, KeyRefused, journalled."""
    if over := deps.house.keys.over(key.name):
        await _told(deps, key, over, operation)
        raise KeyEnded(over, key=key.name)
    if operation not in SPENDS:
        text = f"the key `{key.name}` opens sessions, and does nothing else"
        raise await refused(deps, key, text, action=operation)


async def refused(
    deps: ControlDeps, key: SpendingKey, why: str, *, field: str = "", action: str = ""
) -> KeyRefused:
    """What to raise, once it is journalled."""
    await _told(deps, key, why, action or "session.open")
    return KeyRefused(why, key=key.name, **({"field": field} if field else {}))


async def _told(deps: ControlDeps, key: SpendingKey, why: str, action: str) -> None:
    who = Principal(
        tenant=key.tenant,
        project=key.project,
        user="",
        agent=key.agent,
        session="",
        task="",
        key=key.name,
    )
    await deps.house.journal.refused(AuthRefused(why=why, by=called(key), action=action), who)
