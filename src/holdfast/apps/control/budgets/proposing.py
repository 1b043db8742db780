"""Caps out of what was spent: of a session, of a user's day, of a run.

Nothing is set here: a person who likes a proposal sets it as any other cap. Not here: the
arithmetic (`core/proposals`).
"""

from collections.abc import Iterable

from holdfast.apps.control.audit.service import tenant_of
from holdfast.apps.control.budgets.schemas import WhichProposals
from holdfast.apps.control.deps import ControlDeps
from holdfast.core.proposals import LEAST, MOST, usual, with_margin
from holdfast.core.sessions import GOING_ON
from holdfast.model.budgets import AccountKey, Dimension, Scope, Window
from holdfast.model.costs import DAY_NS, Cost, CostBy, Costs
from holdfast.model.runs import RunState
from holdfast.model.views.budgets import CapProposal, ProposalList
from holdfast.ports.store import CostFilter, RunFilter, SessionFilter

_NS = 1_000_000_000
_MOST_OWNERS = 1000
_OVER = (RunState.DONE, RunState.FAILED, RunState.CANCELLED)


async def proposals(deps: ControlDeps, which: WhichProposals) -> ProposalList:
    """One for each sort, of whole days until today's. Errors: InvalidRequest for no tenant."""
    tenant = tenant_of(deps.config, which.tenant)
    until_ns = deps.house.clock.now_ns() // DAY_NS * DAY_NS
    from_ns = max(0, until_ns - which.last_s * _NS)

    async def spent(*by: CostBy) -> Costs:
        return await deps.house.store.costs(
            CostFilter(
                by=by,
                tenant=tenant,
                agent=which.agent,
                from_ns=from_ns,
                until_ns=until_ns,
                limit=MOST,
            )
        )

    sessions = await spent(CostBy.SESSION)
    runs = await deps.house.runs.listed(RunFilter(tenant=tenant, limit=MOST))
    of_runs = {run.session for run in runs}
    at_work = {run.session for run in runs if run.state not in _OVER}
    open_ones = await _open(deps, tenant, which.agent)
    found = [
        _proposal(which, "session", sessions.dearest, (one for one in open_ones)),
        _proposal(
            which,
            "run",
            [one for one in sessions.dearest if one.names[0] in of_runs],
            (one for one in open_ones if one.owner.partition("/")[2] in at_work),
        ),
    ]
    if not which.agent:
        # A user's account adds up what all agents spent.
        days = await spent(CostBy.USER, CostBy.DAY)
        users = sorted({one.names[0] for one in days.dearest})
        owned = [_usd(Scope.USER, f"{tenant}/{user}", Window.DAY) for user in users]
        standing = [state.key for state in await deps.house.budgets.states(owned[:_MOST_OWNERS])]
        found.append(_proposal(which, "user day", days.dearest, standing))
    return ProposalList(
        tenant=tenant, agent=which.agent, from_ns=from_ns, until_ns=until_ns, proposals=tuple(found)
    )


def _proposal(
    which: WhichProposals, of: str, dearest: Iterable[Cost], accounts: Iterable[AccountKey]
) -> CapProposal:
    amounts = [one.cost_nusd for one in dearest]
    most = usual(amounts)
    limit = None if most is None else with_margin(most, which.margin_percent)
    whose = list(accounts)
    return CapProposal(
        of=of,
        scope=Scope.USER if of == "user day" else Scope.SESSION,
        dimension=Dimension.USD,
        window=Window.DAY if of == "user day" else Window.LIFE,
        n=len(amounts),
        least=LEAST,
        usual_nusd=most,
        limit_nusd=limit,
        owners=tuple(key.owner for key in whose) if limit is not None else (),
    )


async def _open(deps: ControlDeps, tenant: str, agent: str) -> list[AccountKey]:
    """The accounts over their life of sessions that may go on; children have their parents'."""
    where = SessionFilter(tenant=tenant, states=tuple(GOING_ON), limit=_MOST_OWNERS)
    found = await deps.house.store.sessions(where)
    return [
        _usd(Scope.SESSION, f"{tenant}/{one.session_id}", Window.LIFE)
        for one in found
        if not one.delegated_by
        and agent in ("", one.principal.agent)
        and one.expires_at_ns > deps.house.clock.now_ns()
    ]


def _usd(scope: Scope, owner: str, window: Window) -> AccountKey:
    return AccountKey(scope, owner, Dimension.USD, window)
