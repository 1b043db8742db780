"""The server itself: its health, its providers, its operators, what it deletes and trusts."""

import msgspec

from holdfast.model.operators import Role


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The server's own word on itself.

    `status` is `ok` or `degraded`: then it answers, and refuses what needs the part that is down.
    `policy` is `ok` or `unavailable`, `store` is `ok` or `failed`. `gateway` tells of the processes
    of the model's door (`4 of 4`), empty where the server itself is it.
    """

    status: str
    version: str
    policy: str
    store: str = "ok"
    gateway: str = ""


class UpstreamKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key, by its name in the settings: never the key, nor the variable that holds it.

    `state` is `closed`, `open` or `half_open`; `failures` are those in a row, `retry_in_s` the
    seconds until it is tried again.
    """

    key: str
    state: str
    failures: int
    retry_in_s: float


class UpstreamStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream: who carries it, its keys in order, where its calls go in trouble.

    A fallback is `upstream` or `upstream/model`.
    """

    upstream: str
    vendor: str
    keys: tuple[UpstreamKey, ...]
    fallbacks: tuple[str, ...]


class UpstreamList(msgspec.Struct, frozen=True):
    """In the order of the file."""

    upstreams: tuple[UpstreamStatus, ...]


class OperatorRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One operator. `users` are whom they are in `tenants`, or everywhere where that is empty.

    `within` are the tenants, or `tenant/project`, where they act in their role; empty: everywhere.
    `identity` is by whom they sign in at the identity provider, empty where they do not.
    """

    name: str
    added_at_ns: int
    users: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    role: Role = Role.OPERATOR
    within: tuple[str, ...] = ()
    identity: str = ""


class OperatorList(msgspec.Struct, frozen=True):
    """By name; the admin has no entry."""

    operators: tuple[OperatorRecord, ...]


class NewOperator(msgspec.Struct, frozen=True, kw_only=True):
    """A new operator; the token is shown only here, and empty for whoever signs in alone."""

    name: str
    token: str


class ClockView(msgspec.Struct, frozen=True, kw_only=True):
    """What time it is for a server (UTC nanoseconds), and how far it was moved by hand.

    `test`: it may be moved. `ahead_ns` counts from the server's start.
    """

    now_ns: int
    test: bool = False
    ahead_ns: int = 0


class GcDone(msgspec.Struct, frozen=True, kw_only=True):
    """What a pass deleted, or a trial would.

    Those that ended before a `_before_ns` went; it is 0 where that sort is kept. `freed_bytes`
    were given back to the disk; `free_bytes` are inside the store, ready for new rows.
    """

    dry_run: bool
    sessions: int
    calls: int
    runs: int
    effects: int
    conversations: int
    freed_bytes: int
    free_bytes: int
    sessions_before_ns: int
    effects_before_ns: int
    conversations_before_ns: int


class TrustedFiles(msgspec.Struct, frozen=True, kw_only=True):
    """A checkout whose files are the operator's own as they stand in `commit`, or no longer."""

    root: str
    ref: str
    commit: str


class Challenge(msgspec.Struct, frozen=True):
    """What a client signs its requests under, and the proof that this server knows the key."""

    challenge: str
    proof: str
