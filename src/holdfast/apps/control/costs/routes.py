"""`/v1/costs`: what was spent, by whoever or whatever it was spent for."""

from holdfast.apps.control.costs.schemas import WhichCosts
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.operations import Operations
from holdfast.model.views.costs import CostList, CostPart
from holdfast.ports.store import CostFilter

operations = Operations("/v1/costs", "costs")
_NS = 1_000_000_000


@operations.get("")
async def show_costs(which: WhichCosts, deps: ControlDeps) -> CostList:
    """What the journal says was settled: the whole of it, and its dearest parts."""
    until_ns = deps.house.clock.now_ns() + 1
    where = CostFilter(
        by=(which.by,),
        tenant=which.tenant,
        project=which.project,
        user=which.user,
        agent=which.agent,
        session=which.session,
        from_ns=max(0, until_ns - which.last_s * _NS),
        until_ns=until_ns,
        limit=which.limit,
    )
    found = await deps.house.store.costs(where)
    return CostList(
        by=which.by,
        from_ns=where.from_ns,
        until_ns=where.until_ns,
        cost_nusd=found.cost_nusd,
        charges=found.charges,
        parts=found.parts,
        costs=tuple(
            CostPart(name=one.names[0], cost_nusd=one.cost_nusd, charges=one.charges)
            for one in found.dearest
        ),
    )
