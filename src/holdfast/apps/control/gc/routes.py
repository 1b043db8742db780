"""`/v1/gc`: one pass of retention, or a trial of one."""

from typing import Annotated

import msgspec
from msgspec import Meta

from holdfast.apps.control.approvers import admin_alone
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.operations import By, Operations
from holdfast.model.views.server import GcDone

MAX_AGE_S = 366 * 86_400

operations = Operations("/v1", "retention", (409,))


class Gc(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`older_than_s` stands in place of `retention.sessions_days`; a trial deletes nothing."""

    older_than_s: Annotated[int, Meta(ge=1, le=MAX_AGE_S)] | None = None
    dry_run: bool = False


@operations.post("/gc")
async def collect_garbage(asked: Gc, deps: ControlDeps, by: By) -> GcDone:
    """Delete what is old and needed by nothing; the journal is never touched."""
    if asked.older_than_s is not None and not asked.dry_run:
        await admin_alone(deps, by, "gc", "how long is kept is in holdfast.yaml")
    if asked.dry_run:
        done = await deps.house.retention.trial(asked.older_than_s)
    else:
        done = await deps.house.retention.collect(asked.older_than_s, by=by)
    counts, cuts = done.counts, done.cuts
    return GcDone(
        dry_run=done.dry_run,
        sessions=counts.sessions,
        calls=counts.calls,
        runs=counts.runs,
        effects=counts.effects,
        conversations=counts.conversations,
        freed_bytes=done.freed_bytes,
        free_bytes=done.free_bytes,
        sessions_before_ns=cuts.sessions_ns,
        effects_before_ns=cuts.effects_ns,
        conversations_before_ns=cuts.saved_ns,
    )
