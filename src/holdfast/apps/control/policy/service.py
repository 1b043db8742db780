"""Asking the policy process about itself. Errors of each: PolicyUnavailable."""

from holdfast.apps.control.approvers import admin_alone
from holdfast.apps.control.deps import ControlDeps
from holdfast.errors import InvalidRequest
from holdfast.model.bodies import PolicyChanged
from holdfast.model.views.policies import PolicyApplied, PolicyCheck


async def check(deps: ControlDeps) -> PolicyCheck:
    """Read the folder afresh; nothing is put in force by it.

    The version is empty while nothing valid was ever loaded.
    """
    found = await deps.policy.check()
    return PolicyCheck(findings=tuple(found), version=(await deps.policy.status()).version)


async def apply(deps: ControlDeps, by: str) -> PolicyApplied:
    """Put the folder in force as it is now, journalled with the difference before it holds.

    Errors: InvalidRequest for files that do not hold or that change meanwhile, Denied for anybody
    but the admin.
    """
    await admin_alone(deps, by, "policy.apply", "rules bind whoever works here")
    change = await deps.policy.candidate()
    if change.findings:
        first = change.findings[0]
        where = f"{first.file}:{first.line}: " if first.line else f"{first.file}: "
        raise InvalidRequest(f"the policies do not hold, nothing was applied: {where}{first.text}")
    applied = PolicyApplied(
        version=change.version,
        previous=change.previous,
        added=change.added,
        removed=change.removed,
        changed=change.changed,
    )
    body = PolicyChanged(
        by=by,
        version=applied.version,
        previous=applied.previous,
        added=applied.added,
        removed=applied.removed,
        changed=applied.changed,
    )
    await deps.house.journal.commit([deps.house.journal.record(body, None)])
    await deps.policy.apply(change.version)
    return applied
