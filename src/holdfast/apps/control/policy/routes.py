"""`/v1/policy`: what is in force, and what is wrong with the files."""

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.operations import By, Operations
from holdfast.apps.control.policy import replaying, service
from holdfast.apps.control.policy.schemas import AskAgain
from holdfast.model.views.policies import PolicyApplied, PolicyCheck, PolicyStatus, Replayed

operations = Operations("/v1/policy", "policy")


@operations.get("/status")
async def policy_status(deps: ControlDeps) -> PolicyStatus:
    """What is in force."""
    return await deps.policy.status()


@operations.post("/check")
async def policy_check(deps: ControlDeps) -> PolicyCheck:
    """Faults of the policy folder as it is now; may take seconds."""
    return await service.check(deps)


@operations.post("/replay", 404)
async def policy_replay(asked: AskAgain, deps: ControlDeps) -> Replayed:
    """Make a decision again, by what was in force then or by other files; nothing is changed."""
    return await replaying.replay(deps, asked)


@operations.post("/apply")
async def policy_apply(deps: ControlDeps, by: By) -> PolicyApplied:
    """Put the policy folder in force as it is now."""
    return await service.apply(deps, by)
