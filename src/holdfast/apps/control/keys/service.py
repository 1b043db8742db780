"""Handing out spending keys and taking them back.

A key is for users whom the operator stands for, as a session would be; what it names has to be in
the settings. Not here: what its holder may then ask (`apps/control/spending`).
"""

import re
from collections.abc import Sequence

import msgspec

from holdfast.apps.control import approvers
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.identities import identified
from holdfast.apps.control.keys.schemas import AddKey, WhichKeys
from holdfast.apps.control.sessions.opening import caps_of
from holdfast.compose.config import Config, resolve
from holdfast.core.keys import limits_fault
from holdfast.core.sessions import GOING_ON
from holdfast.errors import InvalidRequest
from holdfast.model.bodies import AdminActed
from holdfast.model.budgets import Dimension, Limit, Scope, Window
from holdfast.model.identity import spelt
from holdfast.model.keys import SpendingKey
from holdfast.model.users import EVERYONE, user_fault
from holdfast.model.views.keys import KeyBudget, KeyList, KeyView, NewKey, RevokedKey
from holdfast.ports.store import SessionFilter
from holdfast.runtime.keys import accounts_of

_NS = 1_000_000_000
_PAGE = 500
_BUDGET = re.compile(r"([a-z_]{1,32})=([^/]{1,32})(?:/([a-z_]{1,32}))?")
_WINDOWS = {str(window): window for window in Window} | {"month": Window.CALENDAR_MONTH}


async def add(deps: ControlDeps, asked: AddKey, by: str) -> NewKey:
    """A new key.

    Errors: InvalidRequest, NotFound, Conflict, Denied (for a user whom the operator is not),
    StoreUnavailable.
    """
    draft = _draft(deps.config, asked, by)
    for user in draft.users:
        await approvers.check_opening(deps, by, "key.add", tenant=draft.tenant, user=user)
    if issuer := identified(deps, asked.identity):
        draft = msgspec.structs.replace(draft, identity=spelt(asked.identity), issuer=issuer)
    with_token = asked.token or not asked.identity
    key, token = await deps.house.keys.add(draft, with_token=with_token)
    if issuer:
        body = AdminActed(action="key.identity", by=by, reason=f"key {key.name} {key.identity}")
        place = {"tenant": key.tenant, "project": key.project, "agent": key.agent}
        await deps.house.journal.commit([deps.house.journal.record(body, None, **place)])
    return NewKey(key=await shown(deps, key), token=token)


async def rotate(deps: ControlDeps, name: str, by: str) -> NewKey:
    """Errors: NotFound, Conflict, Denied, StoreUnavailable."""
    before = deps.house.keys.get(name)
    for user in before.users:
        await approvers.check_opening(deps, by, "key.rotate", tenant=before.tenant, user=user)
    key, token = await deps.house.keys.rotate(name, by)
    return NewKey(key=await shown(deps, key), token=token)


async def revoke(deps: ControlDeps, name: str, reason: str, by: str) -> RevokedKey:
    """Errors: NotFound, StoreUnavailable; what is in memory is stopped all the same."""
    house, going_on = deps.house, GOING_ON
    durable = house.keys.revoke(name, by, reason)
    mine = [one for one in house.sessions.in_memory() if one.who.key == name]
    stopped = [one for one in mine if one.session.state in going_on]
    for live in stopped:
        house.sessions.lapse(live)
    await durable
    found = {one.session.session_id for one in stopped} | await _stop_stored(deps, name)
    return RevokedKey(key=await shown(deps, house.keys.get(name)), stopped=tuple(sorted(found)))


async def _stop_stored(deps: ControlDeps, name: str) -> set[str]:
    """Those that no memory held: each would stop once it acts, and is shown stopped at once."""
    sessions, key = deps.house.sessions, deps.house.keys.get(name)
    before: tuple[int, str] | None = None
    found: set[str] = set()
    while True:
        where = SessionFilter(
            tenant=key.tenant, project=key.project, states=GOING_ON, before=before, limit=_PAGE
        )
        page = await deps.house.store.sessions(where)
        for session in (one for one in page if one.principal.key == name):
            live = await sessions.get(session.session_id)
            if live.session.state in GOING_ON:
                sessions.lapse(live)
                found.add(session.session_id)
        if len(page) < _PAGE:
            await deps.house.journal.commit(())
            return found
        before = page[-1].opened_at_ns, page[-1].session_id


async def listed(deps: ControlDeps, which: WhichKeys) -> KeyList:
    """Keys by name. Errors: StoreUnavailable."""
    found = [
        key
        for key in deps.house.keys.all()
        if which.tenant in ("", key.tenant) and which.project in ("", key.project)
    ]
    return KeyList(tuple([await shown(deps, key) for key in found]))


async def shown(deps: ControlDeps, key: SpendingKey) -> KeyView:
    """A key as people see it. Errors: StoreUnavailable."""
    accounts = {one.key: one for one in await deps.house.budgets.states(accounts_of(key))}
    budget = [
        KeyBudget(
            dimension=account.dimension,
            window=account.window,
            limit=accounts[account].limit,
            settled=accounts[account].settled,
            held=accounts[account].held,
        )
        for account in accounts_of(key)
        if account in accounts
    ]
    return KeyView(
        name=key.name,
        state=deps.house.keys.state(key),
        tenant=key.tenant,
        project=key.project,
        agent=key.agent,
        users=key.users,
        task=key.task,
        budget=tuple(budget),
        added_at_ns=key.added_at_ns,
        added_by=key.added_by,
        expires_at_ns=key.expires_at_ns,
        rotated_at_ns=key.rotated_at_ns,
        revoked_at_ns=key.revoked_at_ns,
        revoked_by=key.revoked_by,
        used_at_ns=key.used_at_ns,
        opened=key.opened,
        identity=key.identity,
    )


def _draft(config: Config, asked: AddKey, by: str) -> SpendingKey:
    """What `Keys.add` takes. Errors: InvalidRequest, NotFound."""
    if "/" in asked.task:
        raise InvalidRequest("a key names a kind of work, and no instance of it", field="task")
    users = tuple(dict.fromkeys(asked.users)) or (asked.name,)
    fault = next((f for f in map(user_fault, users) if users != (EVERYONE,) and f), "")
    if fault:
        raise InvalidRequest(fault, field="users")
    plans = [
        resolve(
            config,
            agent=asked.agent,
            user=user,
            tenant=asked.tenant,
            project=asked.project,
            task=asked.task,
        )
        # Whoever is named later is looked up then; the rest has to hold now.
        for user in (users if users != (EVERYONE,) else (_anybody(config, asked.tenant),))
    ]
    limits = _limits(asked.budget)
    if fault := limits_fault(limits):
        raise InvalidRequest(fault, field="budget")
    return SpendingKey(
        name=asked.name,
        digest="",
        tenant=plans[0].tenant,
        project=plans[0].project,
        agent=plans[0].agent,
        users=users,
        limits=limits,
        added_at_ns=0,
        added_by=by,
        expires_at_ns=asked.ttl_s * _NS,
        task=plans[0].task,
    )


def _anybody(config: Config, tenant: str) -> str:
    """A user whom the tenant lets in."""
    owner = config.tenants.get(tenant) or next(iter(config.tenants.values()))
    return next((user for user in owner.users if user != EVERYONE), "anybody")


def _limits(budget: Sequence[str]) -> tuple[Limit, ...]:
    """Errors: InvalidRequest."""
    found = []
    for text in budget:
        read = _BUDGET.fullmatch(text)
        window = _WINDOWS.get((read[3] or Window.LIFE) if read else "")
        if read is None or window is None or read[1] not in list(Dimension):
            raise InvalidRequest(
                f"`{text}` is no budget: expected `usd=5.00`, or `usd=5.00/day`"
                f" (dimensions: {', '.join(Dimension)}; windows: {', '.join(_WINDOWS)})",
                field="budget",
            )
        dimension, amount = Dimension(read[1]), read[2]
        cap = int(amount) if amount.isascii() and amount.isdigit() else amount
        value = caps_of({dimension: cap})[dimension]
        found.append(Limit(scope=Scope.KEY, dimension=dimension, window=window, amount=value))
    return tuple(found)
