"""What a request for a session may say that comes with a spending key, and what becomes of it.

Not here: which verbs take a key (`spending`), the words of a key's bounds (`core/keys`).
"""

import msgspec

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.sessions.schemas import OpenSession
from holdfast.apps.control.spending import refused
from holdfast.core.keys import Beyond, Wanted, within
from holdfast.core.sessions import is_held
from holdfast.errors import NotFound
from holdfast.model.budgets import Scope
from holdfast.model.keys import SpendingKey
from holdfast.model.sessions import Session


async def asked_within(deps: ControlDeps, key: SpendingKey, asked: OpenSession) -> OpenSession:
    """The request as the key lets it be. Errors: KeyRefused, NotFound for another's `parent`."""
    if asked.agent_file is not None:
        text = f"the key `{key.name}` takes no agent file"
        raise await refused(deps, key, text, field="agent_file")
    wanted = Wanted(asked.agent, asked.user, asked.tenant, asked.project, asked.task)
    found = within(key, wanted)
    if isinstance(found, Beyond):
        raise await refused(deps, key, found.text, field=found.field)
    if asked.parent:
        await _check_parent(deps, key, asked.parent)
    return msgspec.structs.replace(asked, **found._asdict())


async def _check_parent(deps: ControlDeps, key: SpendingKey, session_id: str) -> None:
    """A key goes on with its own sessions, and not with one that a person stopped.

    Errors: NotFound, KeyRefused.
    """
    parent = await deps.house.store.session(session_id)
    if parent is None or parent.principal.key != key.name:
        raise NotFound(f"the key `{key.name}` opened no such session")
    if is_held(parent):
        text = "a person stopped that session, so an operator has to let its conversation go on"
        raise await refused(deps, key, text, field="parent")


def of_key(draft: Session, key: SpendingKey, now_ns: int) -> Session:
    """The draft of a session as one of a key: it draws on its accounts, and ends no later."""
    order = list(Scope)
    limits = sorted((*draft.limits, *key.limits), key=lambda limit: order.index(limit.scope))
    return msgspec.structs.replace(
        draft,
        principal=msgspec.structs.replace(draft.principal, key=key.name),
        limits=tuple(limits),
        expires_at_ns=min(draft.expires_at_ns, key.expires_at_ns - now_ns),
    )
