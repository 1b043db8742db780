"""`/v1/stops`: pause, kill and resume a user, an agent, a project, a tenant or everything."""

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.operations import By, Operations
from holdfast.apps.control.stops import service
from holdfast.apps.control.stops.schemas import StopPart, WhichPart
from holdfast.model.views.stops import StopList, StopReach, StopReceipt

operations = Operations("/v1/stops", "stops")


@operations.get("")
async def list_stops(deps: ControlDeps) -> StopList:
    """What is held now, by whom, since when, why, and who may lift it."""
    return StopList(stops=await deps.house.stopping.standing())


@operations.get("/reach", 404)
async def show_reach(which: WhichPart, deps: ControlDeps) -> StopReach:
    """How many sessions are within a part of the fleet now; nothing is done to them."""
    return await service.reach(deps, which)


@operations.post("/pause", 404)
async def pause_part(asked: StopPart, deps: ControlDeps, by: By) -> StopReceipt:
    """Hold its sessions, and open none, until it is resumed; over restarts as well."""
    return await service.pause(deps, asked, by)


@operations.post("/kill", 404)
async def kill_part(asked: StopPart, deps: ControlDeps, by: By) -> StopReceipt:
    """End its sessions for good, and open none until it is resumed."""
    return await service.kill(deps, asked, by)


@operations.post("/resume", 409)
async def resume_part(asked: StopPart, deps: ControlDeps, by: By) -> StopReceipt:
    """Lift what holds exactly this part: sessions that nothing else holds go on."""
    return await service.resume(deps, asked, by)
