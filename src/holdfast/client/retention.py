"""Deleting what is old, as the operator asks for it."""

from holdfast.model.views.server import GcDone

from .wire import Door

_TIMEOUT_S = 3_600.0


async def collect(door: Door, older_than_s: int | None, *, dry_run: bool) -> GcDone:
    """One pass. Errors: Conflict while another is under way, StoreUnavailable."""
    body = {"older_than_s": older_than_s, "dry_run": dry_run}
    return await door.post("/v1/gc", GcDone, body, timeout_s=_TIMEOUT_S)
