"""What a person is told: one sentence, about whom it is, and the numbers behind it."""

import msgspec


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One message. `kind` says what happened, as journal records have it; `fields` are as JSON.

    `soft`: it may wait until people are at work again.
    """

    kind: str
    text: str
    tenant: str
    project: str
    user: str
    agent: str
    session: str
    at_ns: int
    fields: dict[str, object]
    soft: bool = False


class GivenUp(msgspec.Struct, frozen=True, kw_only=True):
    """A notice that did not arrive, and why; the journal has the rest of it."""

    kind: str
    text: str
    at_ns: int
    why: str


class TrialResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one notice that was sent to be seen: whether it was taken, what was said."""

    receiver: str
    ok: bool
    said: str
