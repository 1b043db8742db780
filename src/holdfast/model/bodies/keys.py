"""Bodies of what becomes of spending keys; the record around one says of which tenant and agent."""

from holdfast.model.bodies.base import Body


class KeyChanged(Body, frozen=True, kw_only=True):
    """What is said of a key whatever happens to it: its name, and who did it."""

    key: str
    by: str


class KeyAdded(KeyChanged, frozen=True, kw_only=True):
    """A key was handed out, for these users (`*`: whoever its holder names).

    Limits are by account, in its own unit; all sessions of the key together draw on them.
    """

    users: tuple[str, ...]
    limits: dict[str, int | None]
    expires_at_ns: int


class KeyRotated(KeyChanged, frozen=True, kw_only=True):
    """It has another token, and the one before opens nothing."""


class KeyRevoked(KeyChanged, frozen=True, kw_only=True):
    """It opens nothing any more, and what it opened stopped."""

    reason: str = ""


class KeyUsed(Body, frozen=True, kw_only=True):
    """It opened the session of the record, the `opened`-th of its own."""

    key: str
    opened: int
