"""`/v1/policy`: what is in force, and what is wrong with the files."""

from holdfast.apps.control.deps import By, Deps
from holdfast.apps.control.policy import replaying, service
from holdfast.apps.control.policy.schemas import AskAgain
from holdfast.apps.control.showing import Routes
from holdfast.apps.control.wire import refusals
from holdfast.model.views.policies import PolicyApplied, PolicyCheck, PolicyStatus, Replayed

router = Routes(prefix="/v1/policy", tags=["policy"], responses=refusals())


@router.get("/status")
async def policy_status(deps: Deps) -> PolicyStatus:
    """What is in force."""
    return await deps.policy.status()


@router.post("/check")
async def policy_check(deps: Deps) -> PolicyCheck:
    """Faults of the policy folder as it is now; may take seconds."""
    return await service.check(deps)


@router.post("/replay", responses=refusals(404))
async def policy_replay(asked: AskAgain, deps: Deps) -> Replayed:
    """Make a decision again, by what was in force then or by other files; nothing is changed."""
    return await replaying.replay(deps, asked)


@router.post("/apply")
async def policy_apply(deps: Deps, by: By) -> PolicyApplied:
    """Put the policy folder in force as it is now."""
    return await service.apply(deps, by)
