"""Asking the policy process about itself. Errors of both: PolicyUnavailable."""

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.policy.schemas import PolicyCheck, PolicyFinding, PolicyStatus


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
