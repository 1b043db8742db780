"""Deleting what is old, as the operator asks for it."""

import msgspec

from .wire import Door

_TIMEOUT_S = 3_600.0


class GcDone(msgspec.Struct, frozen=True, kw_only=True):
    """What a pass deleted, or a trial would. Cuts are UTC nanoseconds, 0 where that sort is kept.

    `free_bytes` are inside the store, ready for new rows.
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


async def collect(door: Door, older_than_s: int | None, *, dry_run: bool) -> GcDone:
    """One pass. Errors: Conflict while another is under way, StoreUnavailable."""
    body = {"older_than_s": older_than_s, "dry_run": dry_run}
    return await door.post("/v1/gc", GcDone, body, timeout_s=_TIMEOUT_S)
