"""What each verb of operators does to whom it concerns, and which roles may: two tables.

A verb that stands in no line is the admin's, so that nobody adds one that lifts in silence. What
is checked of a kind stands in `approvers`, where somebody acts in `reach`; that each verb is held
to its line is tested by trying.
"""

import enum

from holdfast.apps.control.approvers import admin_alone
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.roles import role_of
from holdfast.apps.control.spending import check_verb, key_of
from holdfast.errors import Denied
from holdfast.model.bodies import AuthRefused
from holdfast.model.operators import Role


class Act(enum.StrEnum):
    """What a verb does. Of an operator, only the first two ask for no look at whom it binds."""

    LOOKS = "looks"
    HOLDS_BACK = "holds back"
    OPENS = "opens work for a user"
    LETS_GO = "lets go on what was held"
    RAISES = "raises a limit, where it does"
    GOVERNS = "puts in force what governs everybody"


ACTS: dict[str, Act] = {
    "healthz": Act.LOOKS,
    "list_sessions": Act.LOOKS,
    "show_session": Act.LOOKS,
    "show_fleet": Act.LOOKS,
    "await_changes": Act.LOOKS,
    "list_turns": Act.LOOKS,
    "plan_run": Act.LOOKS,
    "list_runs": Act.LOOKS,
    "show_run": Act.LOOKS,
    "list_dead_letters": Act.LOOKS,
    "list_effects": Act.LOOKS,
    "list_unknown_effects": Act.LOOKS,
    "list_accounts": Act.LOOKS,
    "list_approvals": Act.LOOKS,
    "show_approval": Act.LOOKS,
    "show_approval_load": Act.LOOKS,
    "show_budgets": Act.LOOKS,
    "show_costs": Act.LOOKS,
    "propose_budgets": Act.LOOKS,
    "list_records": Act.LOOKS,
    "ask_audit": Act.LOOKS,
    "list_server_records": Act.LOOKS,
    "policy_status": Act.LOOKS,
    "policy_check": Act.LOOKS,
    "policy_replay": Act.LOOKS,
    "list_upstreams": Act.LOOKS,
    "list_alert_receivers": Act.LOOKS,
    "show_clock": Act.LOOKS,
    "list_operators": Act.LOOKS,
    "list_keys": Act.LOOKS,
    "show_key": Act.LOOKS,
    "list_stops": Act.LOOKS,
    "show_reach": Act.LOOKS,
    "list_sign_ins": Act.LOOKS,
    "current_sign_in": Act.LOOKS,
    "link_sign_in": Act.LOOKS,
    "sign_in": Act.LOOKS,
    "show_identity_way": Act.LOOKS,
    "begin_identity": Act.LOOKS,
    "open_identity": Act.LOOKS,
    "begin_device": Act.LOOKS,
    "open_device": Act.LOOKS,
    "end_sign_in": Act.LOOKS,
    "leave_sign_in": Act.LOOKS,
    "kill_session": Act.HOLDS_BACK,
    "pause_session": Act.HOLDS_BACK,
    "end_session": Act.HOLDS_BACK,
    "pause_part": Act.HOLDS_BACK,
    "kill_part": Act.HOLDS_BACK,
    "cancel_run": Act.HOLDS_BACK,
    "discard_dead_letter": Act.HOLDS_BACK,
    "deny_call": Act.HOLDS_BACK,
    "revoke_grant": Act.HOLDS_BACK,
    "collect_garbage": Act.HOLDS_BACK,
    "revoke_key": Act.HOLDS_BACK,
    "test_alerts": Act.HOLDS_BACK,
    "open_session": Act.OPENS,
    "submit_run": Act.OPENS,
    "add_key": Act.OPENS,
    "rotate_key": Act.OPENS,
    "retry_run": Act.LETS_GO,
    "fork_run": Act.LETS_GO,
    "resume_session": Act.LETS_GO,
    "resume_part": Act.LETS_GO,
    "resume_run": Act.LETS_GO,
    "redrive_dead_letter": Act.LETS_GO,
    "resolve_effect": Act.LETS_GO,
    "approve_call": Act.LETS_GO,
    "delegate_call": Act.LETS_GO,
    "set_budget": Act.RAISES,
    "extend_session": Act.RAISES,
    "policy_apply": Act.GOVERNS,
    "trust_files": Act.GOVERNS,
    "forget_files": Act.GOVERNS,
    "add_operator": Act.GOVERNS,
    "remove_operator": Act.GOVERNS,
    "move_clock": Act.GOVERNS,
}
MAY: dict[Role, frozenset[Act]] = {
    Role.VIEWER: frozenset({Act.LOOKS}),
    Role.APPROVER: frozenset({Act.LOOKS, Act.HOLDS_BACK, Act.LETS_GO, Act.RAISES}),
    Role.OPERATOR: frozenset(Act) - {Act.GOVERNS},
    Role.ADMIN: frozenset(Act),
}
_WHY = {Act.GOVERNS: "it governs whoever works here"}
_UNLISTED = "what nobody said of this verb that others may"


async def classified(name: str, deps: ControlDeps, by: str) -> None:
    """Pass what the table leaves to operators, and a key to the one verb that takes it.

    Errors: Denied, KeyEnded, journalled, for anybody else.
    """
    if not by:
        raise Denied("nobody knows who asks")
    if (key := key_of(deps, by)) is not None:
        await check_verb(deps, key, name)
        return
    act, role = ACTS.get(name), role_of(deps, by)
    if act in (None, Act.GOVERNS):
        await admin_alone(deps, by, name, _UNLISTED if act is None else _WHY[act])
    elif role is None or act not in MAY[role]:
        why = f"`{by}` is {_a(role)}, and this {act}"
        await deps.house.journal.refused(AuthRefused(why=why, by=by, action=name), None)
        raise Denied(f"{why}: another role has to", by=by, action=name)


def _a(role: Role | None) -> str:
    return "nobody any more" if role is None else f"a{'n' * role.startswith(('a', 'o'))} {role}"
