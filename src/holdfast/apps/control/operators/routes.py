"""`/v1/operators`: who operates beside the admin. Only the admin adds and removes."""

from typing import Annotated

from msgspec import Meta

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.operations import By, Operations
from holdfast.apps.control.operator_file import ADMIN, Operator
from holdfast.apps.control.operators.schemas import AddOperator
from holdfast.compose.config.model import OperatorPerson
from holdfast.errors import Denied
from holdfast.model.bodies import AdminActed, AuthRefused
from holdfast.model.views.server import NewOperator, OperatorList, OperatorRecord

operations = Operations("/v1/operators", "operators")
OperatorName = Annotated[str, Meta(max_length=64)]


@operations.get("")
async def list_operators(deps: ControlDeps) -> OperatorList:
    """Every operator but the admin."""
    return OperatorList(tuple(_shown(deps, one) for one in deps.operators.all()))


@operations.post("", 409)
async def add_operator(asked: AddOperator, deps: ControlDeps, by: By) -> NewOperator:
    """Name an operator; the token is in this answer and nowhere else."""
    await _acted(deps, by, "operator.add", asked.name)
    token = deps.operators.add(asked.name, deps.house.clock.now_ns())
    return NewOperator(name=asked.name, token=token)


@operations.post("/{name}/remove", 404)
async def remove_operator(name: OperatorName, deps: ControlDeps, by: By) -> OperatorList:
    """Their token opens nothing any more."""
    await _acted(deps, by, "operator.remove", name)
    deps.operators.remove(name)
    return await list_operators(deps)


def _shown(deps: ControlDeps, one: Operator) -> OperatorRecord:
    person = deps.config.operators.get(one.name) or OperatorPerson()
    return OperatorRecord(
        name=one.name,
        added_at_ns=one.added_at_ns,
        users=(one.name,) if person.users is None else person.users,
        tenants=person.tenants,
    )


async def _acted(deps: ControlDeps, by: str, action: str, name: str) -> None:
    """Errors: Denied, journalled, for everybody but the admin."""
    reason = f"operator {name}"
    # Of no tenant: operators are the server's own.
    if by != ADMIN:
        why = f"`{by}` is not the admin"
        refused = AuthRefused(action=action, by=by, reason=reason, why=why)
        await deps.house.journal.refused(refused, None)
        raise Denied("only the admin names operators")
    body = AdminActed(action=action, by=by, reason=reason)
    await deps.house.journal.commit([deps.house.journal.record(body, None)])
