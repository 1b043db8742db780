"""Which operator acts, and in which role: the file's word, or the admin's own token.

Not here: what each role may do (`acts`), where (`reach`).
"""

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.operator_file import ADMIN, Operator
from holdfast.model.operators import Role


def operator_named(deps: ControlDeps, by: str) -> Operator | None:
    """The operator of that name; None for the admin, who has no entry, and for nobody."""
    return next((one for one in deps.operators.all() if one.name == by), None)


def role_of(deps: ControlDeps, by: str) -> Role | None:
    """The role of whoever acts; None for nobody."""
    if by == ADMIN:
        return Role.ADMIN
    found = operator_named(deps, by)
    return found.role if found is not None else None


def within_of(deps: ControlDeps, by: str) -> tuple[str, ...]:
    """Where whoever acts was named for; empty for everywhere."""
    found = operator_named(deps, by)
    return found.within if found is not None else ()


def is_admin(deps: ControlDeps, by: str) -> bool:
    """Whether what is the admin's alone is theirs; where they act is asked beside it (`reach`)."""
    return role_of(deps, by) is Role.ADMIN
