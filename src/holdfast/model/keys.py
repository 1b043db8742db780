"""Spending keys: each opens capped sessions of one agent, and nothing else.

Not here: what is checked of one (`core/keys`), how the token is kept (`runtime/keys`).
"""

import enum

import msgspec

from holdfast.model.budgets import Limit

KEY_PREFIX = "hfk_"
KEY_HOLDER = "key:"
"""How whoever holds a key is named where an operator would be; no operator's name has a colon."""


class KeyState(enum.StrEnum):
    """Whether a key opens sessions."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class SpendingKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key. `digest` is SHA-256 of its token, in hex; the token itself is kept nowhere.

    `users` are those whom whoever holds it may work for: one is fixed, of several the caller names
    one, `*` stands for all whom the tenant lets in. `task` is the kind of work of its sessions,
    empty for none. `limits` are of the scope `key`: all its sessions together draw on them. A key
    that is over stays, so that its name is never given again. `identity` is by whom it is held at
    `issuer`, who signs in for it; empty for one that is a token alone. `digest` is empty for one
    that has no token.
    """

    name: str
    digest: str
    tenant: str
    project: str
    agent: str
    users: tuple[str, ...]
    limits: tuple[Limit, ...]
    added_at_ns: int
    added_by: str
    expires_at_ns: int
    task: str = ""
    rotated_at_ns: int = 0
    revoked_at_ns: int = 0
    revoked_by: str = ""
    used_at_ns: int = 0
    opened: int = 0
    identity: str = ""
    issuer: str = ""
