"""A session as people and clients see it: no token, no secret."""

import msgspec

from holdfast.core.calls import PERMITTED
from holdfast.runtime.live import LiveSession


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """Identity, state and what was used so far."""

    session_id: str
    tenant: str
    project: str
    user: str
    agent: str
    task: str
    trust: str
    roles: tuple[str, ...]
    state: str
    state_reason: str
    opened_at_ns: int
    expires_at_ns: int
    cost_nusd: int
    turn: int
    tool_calls: int
    streams: int
    tainted: bool
    delegated_by: str
    children: tuple[str, ...]
    resources: tuple[str, ...]


def view(live: LiveSession) -> SessionView:
    """The view of a session in memory. `tool_calls` counts its own calls that were allowed."""
    session, who = live.session, live.who
    own = (call for call in live.calls.values() if call.session == session.session_id)
    return SessionView(
        session_id=session.session_id,
        tenant=who.tenant,
        project=who.project,
        user=who.user,
        agent=who.agent,
        task=who.task,
        trust=who.trust,
        roles=who.roles,
        state=session.state,
        state_reason=session.state_reason,
        opened_at_ns=session.opened_at_ns,
        expires_at_ns=session.expires_at_ns,
        cost_nusd=live.cost_nusd,
        turn=live.turn,
        tool_calls=sum(1 for call in own if call.state in PERMITTED),
        streams=len(live.streams),
        tainted=live.vouched.tainted,
        delegated_by=session.delegated_by,
        children=tuple(live.children),
        resources=session.resources,
    )
