"""`/v1/operators`: who operates beside the admin. Only the admin adds and removes."""

from typing import Annotated

from msgspec import Meta

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.identities import identified
from holdfast.apps.control.operations import By, Operations
from holdfast.apps.control.operator_file import Operator
from holdfast.apps.control.operators.schemas import AddOperator
from holdfast.compose.config import Config
from holdfast.compose.config.model import OperatorPerson
from holdfast.errors import NotFound
from holdfast.model.bodies import AdminActed
from holdfast.model.identity import spelt
from holdfast.model.views.server import NewOperator, OperatorList, OperatorRecord

operations = Operations("/v1/operators", "operators")
OperatorName = Annotated[str, Meta(max_length=64)]


@operations.get("")
async def list_operators(deps: ControlDeps) -> OperatorList:
    """Every operator but the admin."""
    return OperatorList(tuple(_shown(deps, one) for one in deps.operators.all()))


@operations.post("", 404, 409)
async def add_operator(asked: AddOperator, deps: ControlDeps, by: By) -> NewOperator:
    """Name an operator; a token is in this answer and nowhere else."""
    for one in asked.within:
        _check_place(deps.config, one)
    issuer = identified(deps, asked.identity)
    await _acted(deps, by, "operator.add", f"{asked.name} {asked.identity}".rstrip())
    draft = Operator(
        name=asked.name,
        digest="",
        added_at_ns=deps.house.clock.now_ns(),
        role=asked.role,
        within=asked.within,
        identity=spelt(asked.identity),
        issuer=issuer,
    )
    token = deps.operators.add(draft, token=asked.token or not asked.identity)
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
        role=one.role,
        within=one.within,
        identity=one.identity,
    )


def _check_place(config: Config, place: str) -> None:
    """Errors: NotFound for a tenant or project that the settings do not name."""
    tenant, of_project, project = place.partition("/")
    known = config.tenants.get(tenant)
    if known is None or (of_project and project not in known.projects):
        raise NotFound(f"no tenant, and no project of one, is called `{place[:129]}`")


async def _acted(deps: ControlDeps, by: str, action: str, name: str) -> None:
    # Of no tenant: operators are the server's own.
    body = AdminActed(action=action, by=by, reason=f"operator {name}")
    await deps.house.journal.commit([deps.house.journal.record(body, None)])
