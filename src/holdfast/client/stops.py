"""The operators' view of stops: a part of the fleet is paused, killed, resumed; what holds whom.

Not here: one session alone (`client.sessions`).
"""

from typing import TypedDict, Unpack

from holdfast.model.views.stops import StopList, StopReach, StopReceipt, StopView

from .wire import Door

_ACT_S = 120.0


class Part(TypedDict, total=False):
    """Whoever all of this is true of; an agent alone is meant in each tenant.

    `tenant` may be left out where there is only one; `everything` stands alone.
    """

    tenant: str
    project: str
    user: str
    agent: str
    everything: bool


class Stops:
    """Stops of parts of the fleet."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def list(self) -> tuple[StopView, ...]:
        """What is held now, oldest first."""
        return (await self._door.get("/v1/stops", StopList)).stops

    async def reach(self, **part: Unpack[Part]) -> StopReach:
        """How many sessions that is now; nothing is done. Errors: NotFound."""
        named = {name: str(told) for name, told in part.items() if told}
        if part.get("everything"):
            named["everything"] = "true"
        return await self._door.get("/v1/stops/reach", StopReach, dict(named))

    async def pause(self, reason: str, **part: Unpack[Part]) -> StopReceipt:
        """Hold its sessions, and open none, until it is resumed. Errors: NotFound."""
        return await self._act("pause", reason, part)

    async def kill(self, reason: str, **part: Unpack[Part]) -> StopReceipt:
        """End its sessions for good, and open none until it is resumed. Errors: NotFound."""
        return await self._act("kill", reason, part)

    async def resume(self, reason: str, **part: Unpack[Part]) -> StopReceipt:
        """Lift the stop of exactly this part. Errors: Conflict, Denied, ApproverRequired."""
        return await self._act("resume", reason, part)

    async def _act(self, verb: str, reason: str, part: Part) -> StopReceipt:
        body = {**part, "reason": reason}
        return await self._door.post(f"/v1/stops/{verb}", StopReceipt, body, _ACT_S)
