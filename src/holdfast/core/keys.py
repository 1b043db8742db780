"""What a spending key lets its holder ask for, and until when it lets anything. Pure.

Not here: whose token it is (`runtime/keys`), what a session then gets (`apps/control/sessions`).
"""

from typing import NamedTuple

from holdfast.model.budgets import Dimension, Limit
from holdfast.model.keys import KeyState, SpendingKey
from holdfast.model.users import EVERYONE

MOST_DAYS = 366
MOST_LIMITS = 8
MOST_USERS = 100


class Wanted(NamedTuple):
    """Whom a session is asked for, and for what; what is empty is left to the key."""

    agent: str = ""
    user: str = ""
    tenant: str = ""
    project: str = ""
    task: str = ""


class Beyond(NamedTuple):
    """Why a key does not let that be asked; `field` is what asks for it."""

    field: str
    text: str


def standing(key: SpendingKey, now_ns: int) -> KeyState:
    """Whether it opens sessions, and those that it opened go on."""
    if key.revoked_at_ns:
        return KeyState.REVOKED
    return KeyState.EXPIRED if now_ns >= key.expires_at_ns else KeyState.ACTIVE


def over(key: SpendingKey, now_ns: int) -> str:
    """Why nothing of a key goes on, empty while it does."""
    state = standing(key, now_ns)
    if state is KeyState.ACTIVE:
        return ""
    return f"the key `{key.name}` {'was revoked' if state is KeyState.REVOKED else 'expired'}"


def limits_fault(limits: tuple[Limit, ...]) -> str:
    """Why these cannot be the budget of a key, empty when they can."""
    if not any(limit.dimension is Dimension.USD for limit in limits):
        return "a key has a budget in dollars: `usd=5.00`, or `usd=5.00/day`"
    accounts = {(limit.dimension, limit.window) for limit in limits}
    if len(accounts) < len(limits) or len(limits) > MOST_LIMITS:
        return f"a budget names each amount once, and at most {MOST_LIMITS}"
    return ""


def within(key: SpendingKey, wanted: Wanted) -> Wanted | Beyond:
    """What is asked for, completed by the key; or the first of it that the key does not let be."""
    fixed = {"agent": key.agent, "tenant": key.tenant, "project": key.project}
    for field, own in fixed.items():
        if getattr(wanted, field) not in ("", own):
            return _beyond(key, field, f"the {field} `{own}` alone")
    kind = wanted.task.partition("/")[0]
    if wanted.task and (not key.task or kind != key.task):
        return _beyond(key, "task", f"the task `{key.task}` alone" if key.task else "no task")
    user = wanted.user or (key.users[0] if len(key.users) == 1 else "")
    if user in ("", EVERYONE):
        return Beyond("user", f"name the user: the key `{key.name}` is for {_named(key)}")
    if user not in key.users and EVERYONE not in key.users:
        return _beyond(key, "user", f"{_named(key)} alone")
    return Wanted(user=user, task=wanted.task or key.task, **fixed)


def _beyond(key: SpendingKey, field: str, only: str) -> Beyond:
    return Beyond(field, f"the key `{key.name}` opens sessions for {only}")


def _named(key: SpendingKey) -> str:
    if EVERYONE in key.users:
        return "whoever you name"
    return "the user " + ", ".join(f"`{user}`" for user in key.users)
