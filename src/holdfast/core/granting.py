"""Grants: what of a question a person lets run until its end, and nothing beside it.

A grant is for one session, tool, contract, policy version and resource, for the objections that
were shown, and for the very values of all arguments but those that were named as free; none is free
that says to whom, what, how much or where. What a stranger wrote since ends it. Not here: what
becomes of it (`core/approvals`), its words (`model/approvals`).
"""

from collections.abc import Mapping
from typing import Any

from holdfast.core.canonical import digest
from holdfast.core.resources import template_variables
from holdfast.model.approvals import Approval, ApprovalState, GrantTerms
from holdfast.model.decisions import Reason
from holdfast.model.tools import ArgumentRole, Contract

_FREE_ROLES = (ArgumentRole.PAYLOAD, ArgumentRole.TITLE, ArgumentRole.QUERY)
_MOST_PARTS = 200


def parts_of(arguments: Mapping[str, Any]) -> dict[str, str]:
    """The digest of each argument; empty where they cannot be told apart one by one."""
    if len(arguments) > _MOST_PARTS:
        return {}
    found = {name: digest(value) for name, value in arguments.items()}
    return {name: one for name, one in found.items() if isinstance(one, str)}


def deciding(contract: Contract | None, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Arguments that no grant leaves free: all but those of a role that decides nothing."""
    if contract is None:
        return tuple(arguments)
    bound = {contract.shell}
    for template in (contract.resource, *contract.destinations):
        bound |= set(template_variables(template) or ())
    free = {name for name, role in contract.roles.items() if role in _FREE_ROLES} - bound
    return tuple(name for name in arguments if name not in free)


def fault_of(approval: Approval, terms: GrantTerms) -> str:
    """Why no such grant can be given of a question; empty where it can."""
    if any(need.quorum > 1 for need in approval.needs) or len(approval.needs) > 1:
        return "it takes the yes of several people, each time"
    if approval.parts.keys() != approval.arguments.keys():
        return "its arguments cannot be compared one by one"
    for name in terms.any:
        if name not in approval.arguments:
            return f"it has no argument `{name[:64]}`"
        if name in approval.deciding:
            return f"`{name[:64]}` says what the call does: a grant leaves it as it was shown"
    return ""


def covers(given: Approval, asked: Approval) -> bool:
    """Whether what was granted is also for this question about another call."""
    grant = given.grant
    if grant is None or given.state is not ApprovalState.GRANTED:
        return False
    if _bound(given) != _bound(asked):
        return False
    if any(one.parts.keys() != one.arguments.keys() for one in (given, asked)):
        return False
    seen = {_said(reason) for reason in given.reasons}
    if not all(_said(reason) in seen for reason in asked.reasons):
        return False
    return _held(given.parts, grant.any) == _held(asked.parts, grant.any)


def _held(parts: Mapping[str, str], free: tuple[str, ...]) -> dict[str, str]:
    return {name: one for name, one in parts.items() if name not in free}


def _bound(one: Approval) -> tuple[str, ...]:
    same = (one.session, one.tool, one.definition, one.policy_version, one.resource)
    return (*same, one.risk, one.tainted_by)


def _said(reason: Reason) -> tuple[str, str, str, str]:
    return (reason.stage, reason.code, reason.rule, reason.text)
