"""Reading accounts, and setting their limits by hand.

A limit is only set on an account that stands in some session's chain, or will by the
configuration: on any other it would limit nothing and look as if it did.
"""

from holdfast.apps.control import approvers
from holdfast.apps.control.binding import Place
from holdfast.apps.control.budgets.schemas import SetLimit, WhichAccounts, WhichListed
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.paging import cursor_of, place_of
from holdfast.compose.config import Config
from holdfast.compose.config.resolve import limits_of
from holdfast.core.sessions import GOING_ON
from holdfast.errors import InvalidRequest, NotFound
from holdfast.model.bodies import AdminActed, BudgetChanged
from holdfast.model.budgets import AccountKey, AccountState, Limit, Scope, Window
from holdfast.model.events import Record
from holdfast.model.users import EVERYONE
from holdfast.model.views.budgets import AccountList, BudgetAccount
from holdfast.ports.store import Change
from holdfast.runtime.budgets import accounts_of

_PARTS = {Scope.TENANT: (1, 1), Scope.TASK: (2, 3)}
_SHAPE = {
    Scope.TASK: "`tenant/kind/instance` or `tenant/session`",
    Scope.SESSION: "`tenant/session`",
    Scope.KEY: "`tenant/key`",
    Scope.USER: "`tenant/user`",
    Scope.PROJECT: "`tenant/project`",
    Scope.TENANT: "the tenant's name",
}


async def accounts(deps: ControlDeps, which: WhichAccounts) -> tuple[BudgetAccount, ...]:
    """Accounts of a session's chain or of one owner. Errors: InvalidRequest, NotFound."""
    if which.session:
        if which.scope is not None or which.owner:
            raise InvalidRequest("name either a session or a scope and its owner", field="session")
        session = await deps.house.session_views.session(which.session)
        found = await deps.house.budgets.states(deps.house.budgets.chain(session))
        return tuple(_shown(state) for state in found)
    if which.scope is None or not which.owner:
        raise InvalidRequest("name a session, or a scope and its owner", field="session")
    _parts(which.scope, which.owner)
    owned = await deps.house.budgets.states(accounts_of(which.scope, which.owner))
    return tuple(_shown(state) for state in owned)


async def listed(deps: ControlDeps, which: WhichListed) -> AccountList:
    """A page of a scope's accounts, as they stand. Errors: InvalidRequest for no cursor."""
    place = place_of(which.cursor)
    after = "" if place is None else place[1]
    keys = await deps.house.store.account_keys(which.scope, which.tenant, after, which.limit + 1)
    page = keys[: which.limit]
    then = (0, str(page[-1])) if len(keys) > len(page) else None
    states = await deps.house.budgets.states(page)
    return AccountList(tuple(_shown(state) for state in states), cursor_of(then))


Also = tuple[Record, Change]
"""What is committed with a limit that is set: a record and what it changes."""


async def set_limit(
    deps: ControlDeps, asked: SetLimit, by: str, also: Also | None = None
) -> BudgetAccount:
    """Change one limit, durably. Below what is spent it refuses only what comes next.

    Raising one is the admin's, or an approver's where there are some, and nobody's own. Errors:
    InvalidRequest for an owner that is none, NotFound for an account that no session draws on,
    ApproverRequired.
    """
    parts = _parts(asked.scope, asked.owner)
    key = AccountKey(asked.scope, asked.owner, asked.dimension, asked.window)
    async with deps.house.budgets.at_hand((key,)):
        return await _set_limit(deps, asked, by, key, parts, also)


async def _set_limit(
    deps: ControlDeps,
    asked: SetLimit,
    by: str,
    key: AccountKey,
    parts: tuple[str, ...],
    also: Also | None,
) -> BudgetAccount:
    ledger, now_ns = deps.house.budgets.ledger, deps.house.clock.now_ns()
    before = ledger.account(key, now_ns)
    if before is None:
        configured = _configured(deps.config, key, parts) or await _tightened(deps, asked, parts)
        if configured is None:
            raise NotFound(
                f"no session draws on `{key}`: give it a limit in holdfast.yaml first",
                account=str(key),
            )
        before = ledger.open_account(key, configured, now_ns)
    if before.limit is not None and (asked.limit is None or asked.limit > before.limit):
        await _approved(deps, asked.scope, parts, by)
    place = _place(asked.scope, parts)
    account, why = str(key), asked.reason
    change = BudgetChanged(account=account, reason=why, by=by, old=before.limit, new=asked.limit)
    changed = deps.house.journal.record(change, None, **place)
    act = AdminActed(account=account, reason=why, by=by, action="budget.set")
    deps.house.journal.queue([deps.house.journal.record(act, None, **place)])
    state, durable = deps.house.budgets.set_limit(key, asked.limit, changed, also)
    await durable
    return _shown(state)


async def _tightened(deps: ControlDeps, asked: SetLimit, parts: tuple[str, ...]) -> Limit | None:
    """A cap over its life that one session has not: it counts from now on. Errors: NotFound."""
    own = asked.scope is Scope.SESSION and asked.window is Window.LIFE
    if not own or asked.limit is None:
        return None
    live = await deps.house.sessions.get(parts[1], parts[0])
    if live.session.state not in GOING_ON:
        return None
    limit = Limit(
        scope=asked.scope, dimension=asked.dimension, window=asked.window, amount=asked.limit
    )
    deps.house.journal.queue([], deps.house.sessions.cap(live, limit))
    return limit


async def _approved(deps: ControlDeps, scope: Scope, parts: tuple[str, ...], by: str) -> None:
    """Errors: ApproverRequired."""
    # A task that is its session has the session's name.
    if scope is Scope.SESSION or (scope is Scope.TASK and len(parts) == 2):
        await approvers.check_session(deps, parts[1], by, "budget.set", raises=True)
        return
    if scope is Scope.KEY:
        key = deps.house.keys.get(parts[1])
        alone = key.users[0] if len(key.users) == 1 and EVERYONE not in key.users else ""
        place = Place(key.tenant, key.project, key.agent, alone)
        await approvers.check(deps, place, by, "budget.set", otherwise_admin=True)
        return
    place = Place(
        parts[0],
        project=parts[1] if scope is Scope.PROJECT else "",
        user=parts[1] if scope is Scope.USER else "",
        task="/".join(parts[1:]) if scope is Scope.TASK else "",
    )
    await approvers.check(deps, place, by, "budget.set", otherwise_admin=True)


def _shown(state: AccountState) -> BudgetAccount:
    key = state.key
    return BudgetAccount(
        scope=key.scope,
        owner=key.owner,
        dimension=key.dimension,
        window=key.window,
        limit=state.limit,
        settled=state.settled,
        held=state.held,
        alerted=state.alerted,
    )


def _parts(scope: Scope, owner: str) -> tuple[str, ...]:
    """The owner's name in its parts, the tenant first. Errors: InvalidRequest."""
    # A user's name may hold slashes; a tenant's holds none.
    parts = tuple(owner.split("/", 1 if scope is Scope.USER else -1))
    least, most = _PARTS.get(scope, (2, 2))
    if not least <= len(parts) <= most or not all(parts):
        raise InvalidRequest(f"the owner of a {scope} account is {_SHAPE[scope]}", field="owner")
    return parts


def _place(scope: Scope, parts: tuple[str, ...]) -> dict[str, str]:
    """Where the journal files a change: under the tenant, and under whom it concerns."""
    place = {"tenant": parts[0]}
    if scope in (Scope.USER, Scope.PROJECT, Scope.SESSION):
        place[scope.value] = parts[1]
    elif scope is Scope.TASK:
        place["task"] = "/".join(parts[1:])
    return place


def _configured(config: Config, key: AccountKey, parts: tuple[str, ...]) -> Limit | None:
    """The limit that the next session of this owner would open the account with."""
    tenant = config.tenants.get(parts[0])
    if tenant is None:
        return None
    limits: tuple[Limit, ...] = ()
    if key.scope is Scope.TENANT:
        limits = limits_of(config, key.scope, tenant.limits)
    elif key.scope is Scope.PROJECT and parts[1] in tenant.projects:
        limits = limits_of(config, key.scope, tenant.projects[parts[1]].limits)
    elif key.scope is Scope.USER:
        person = tenant.users.get(parts[1]) or tenant.users.get("*")
        limits = limits_of(config, key.scope, person.limits) if person else ()
    elif key.scope is Scope.TASK and len(parts) == 3 and parts[1] in config.tasks:
        limits = limits_of(config, key.scope, config.tasks[parts[1]].limits)
    return next((x for x in limits if (x.dimension, x.window) == (key.dimension, key.window)), None)
