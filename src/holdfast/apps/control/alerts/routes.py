"""`/v1/alerts`: who is told, what did not arrive, and one notice to try it."""

import asyncio
from typing import Annotated

import msgspec
from msgspec import Meta

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.operations import By, Operations
from holdfast.errors import NotFound
from holdfast.model.bodies import AdminActed
from holdfast.model.notices import Notice
from holdfast.model.views.alerts import AlertReceiverList, AlertReceiverView, TrialResults
from holdfast.runtime.receivers import Receiver

operations = Operations("/v1/alerts", "alerts")
_SHOWN = 20
TEST = "alerts.test"


class WhichReceiver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which receiver is told; empty for each."""

    receiver: Annotated[str, Meta(max_length=64)] = ""


@operations.get("")
async def list_alert_receivers(deps: ControlDeps) -> AlertReceiverList:
    """Who is told of alerts, and what of it did not arrive since the server started."""
    return AlertReceiverList(tuple(_shown(deps, one) for one in deps.receivers))


@operations.post("/test", 404)
async def test_alerts(asked: WhichReceiver, deps: ControlDeps, by: By) -> TrialResults:
    """Send a notice now, once, whatever the rules and hours, and say what came back."""
    found = [one for one in deps.receivers if asked.receiver in ("", one.name)]
    if not found:
        raise NotFound(
            f"no receiver `{asked.receiver}` is configured"
            if asked.receiver
            else "nobody is told of alerts: name a receiver under `alerts` in holdfast.yaml"
        )
    body = AdminActed(action=TEST, by=by, reason="")
    await deps.house.journal.commit([deps.house.journal.record(body, None)])
    notice = _notice(by, deps.house.clock.now_ns())
    tried = [asyncio.to_thread(one.attempt, notice) for one in found]
    return TrialResults(tuple(await asyncio.gather(*tried)))


def _notice(by: str, at_ns: int) -> Notice:
    return Notice(
        kind=TEST,
        text=f"this is a test of alerts, asked for by `{by}`: nothing happened",
        tenant="",
        project="",
        user="",
        agent="",
        session="",
        at_ns=at_ns,
        fields={"by": by},
    )


def _shown(deps: ControlDeps, one: Receiver) -> AlertReceiverView:
    quiet = one.rule.quiet
    hours = f"{quiet.start:%H:%M} to {quiet.end:%H:%M} {quiet.zone}" if quiet is not None else ""
    return AlertReceiverView(
        name=one.name,
        format=str(deps.config.alerts[one.name].format),
        delivered=one.delivered,
        waiting=one.waiting,
        given_up=one.undelivered,
        last=tuple(one.given_up)[-_SHOWN:],
        quiet=hours,
    )
