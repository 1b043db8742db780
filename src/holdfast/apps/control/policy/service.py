"""Asking the policy process about itself. Errors of each: PolicyUnavailable."""

from holdfast.apps.control.approvals import admin_alone
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.policy.schemas import (
    PolicyApplied,
    PolicyCheck,
    PolicyFinding,
    PolicyStatus,
)
from holdfast.errors import InvalidRequest
from holdfast.model.events import Kind


async def status(deps: ControlDeps) -> PolicyStatus:
    """What is in force, and what keeps newer files from being so."""
    found = await deps.policy.status()
    return PolicyStatus(version=found.version, loaded_at_ns=found.loaded_at_ns, fault=found.fault)


async def check(deps: ControlDeps) -> PolicyCheck:
    """Read the folder afresh; nothing is put in force by it.

    The version is empty while nothing valid was ever loaded.
    """
    found = await deps.policy.check()
    findings = [
        PolicyFinding(file=f.file, line=f.line, rule=f.rule, code=f.code, text=f.text)
        for f in found
    ]
    return PolicyCheck(findings=findings, version=(await deps.policy.status()).version)


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
    difference = {
        "version": change.version,
        "previous": change.previous,
        "added": list(change.added),
        "removed": list(change.removed),
        "changed": list(change.changed),
    }
    body = {"by": by, **difference}
    await deps.journal.commit([deps.journal.record(Kind.POLICY_CHANGED, None, body)])
    await deps.policy.apply(change.version)
    return PolicyApplied(
        version=change.version,
        previous=change.previous,
        added=list(change.added),
        removed=list(change.removed),
        changed=list(change.changed),
    )
