"""Who acts, on whose behalf, how far they are trusted."""

import enum

import msgspec


class TrustLevel(enum.StrEnum):
    """How much an agent may do without a person; each has its own gate rule (`core/risk/gate`)."""

    READ_ONLY = "read_only"
    SUPERVISED = "supervised"
    SEMI_AUTONOMOUS = "semi_autonomous"
    AUTONOMOUS = "autonomous"


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """One session's identity. `user` is the human on whose behalf the agent acts.

    `key` is the spending key that opened it, or the session above it; empty for none.
    """

    tenant: str
    project: str
    user: str
    agent: str
    session: str
    task: str
    roles: tuple[str, ...] = ()
    trust: TrustLevel = TrustLevel.SEMI_AUTONOMOUS
    key: str = ""
