"""Spending keys as they are shown: no token but in `NewKey`, and no digest."""

import msgspec

from holdfast.model.budgets import Dimension, Window
from holdfast.model.keys import KeyState


class KeyBudget(msgspec.Struct, frozen=True, kw_only=True):
    """One account of a key; money in nano-dollars, the rest in pieces or seconds.

    All sessions of the key together draw on it. `limit` None means that an operator lifted it.
    """

    dimension: Dimension
    window: Window
    limit: int | None
    settled: int = 0
    held: int = 0


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """One key: whose sessions it opens, until when, and what they spent.

    `users` are those whom its holder may work for; `*`: whoever the tenant lets in. `used_at_ns` is
    when it opened the last of its `opened` sessions, 0 before the first. `identity` is who signs in
    as its holder at the identity provider, empty for nobody.
    """

    name: str
    state: KeyState
    tenant: str
    project: str
    agent: str
    users: tuple[str, ...]
    task: str
    budget: tuple[KeyBudget, ...]
    added_at_ns: int
    added_by: str
    expires_at_ns: int
    rotated_at_ns: int = 0
    revoked_at_ns: int = 0
    revoked_by: str = ""
    used_at_ns: int = 0
    opened: int = 0
    identity: str = ""


class KeyList(msgspec.Struct, frozen=True):
    """By name, those that are over too."""

    keys: tuple[KeyView, ...]


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was added or rotated; the token is shown only here, and empty for one without."""

    key: KeyView
    token: str


class RevokedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that opens nothing any more; `stopped` are its sessions that this stopped."""

    key: KeyView
    stopped: tuple[str, ...]
