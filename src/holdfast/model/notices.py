"""What a person is told: one sentence, about whom it is, and the numbers behind it."""

import msgspec


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One message. `kind` says what happened, as journal records have it; `fields` are as JSON."""

    kind: str
    text: str
    tenant: str
    project: str
    user: str
    agent: str
    session: str
    at_ns: int
    fields: dict[str, object]
