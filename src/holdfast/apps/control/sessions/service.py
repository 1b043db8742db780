"""Opening sessions, and telling them to stop, wait or go on; each leaves `admin.acted`.

Not here: how one is shown (`runtime/views`), what it gets (`opening`).
"""

from collections.abc import Sequence

from holdfast.apps.control import approvers
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.paging import cursor_of, place_of
from holdfast.apps.control.sessions import by_key, opening, plans
from holdfast.apps.control.sessions.lifting import LIFTS
from holdfast.apps.control.sessions.schemas import ExtendSession, OpenSession, WhichSessions
from holdfast.apps.control.spending import key_of
from holdfast.core.repeats import Named
from holdfast.core.sessions import GOING_ON, Command, after
from holdfast.errors import Conflict
from holdfast.model.bodies import AdminActed
from holdfast.model.events import Record
from holdfast.model.keys import SpendingKey
from holdfast.model.sessions import Session, SessionState
from holdfast.model.views.kills import KillReceipt
from holdfast.model.views.sessions import OpenedSession, SessionList, SessionView
from holdfast.ports.store import Change, SessionFilter
from holdfast.runtime.born import token_digest
from holdfast.runtime.live import LiveSession
from holdfast.runtime.sessions import Begun

_NS = 1_000_000_000


async def open_session(
    deps: ControlDeps, asked: OpenSession, by: str, named: Named
) -> OpenedSession:
    """Open a session under the configuration, or find the one that the same request opened.

    Errors: InvalidRequest, ConfigInvalid (an agent file), NotFound, Denied (for a user whom the
    operator is not; an agent file that lifts what holds), KeyRefused, KeyEnded, ApproverRequired
    (for a `parent` that a person stopped), KeyReused, Conflict (its token was replaced since),
    StoreUnavailable.
    """
    key = key_of(deps, by)
    if key is not None:
        asked = await by_key.asked_within(deps, key, asked)
    plan, lifts = opening.planned(deps.config, asked)
    if key is None:
        await approvers.check_opening(deps, by, "session.open", tenant=plan.tenant, user=plan.user)
        await approvers.check_continuing(deps, asked.parent, by)
    if lifts:
        await approvers.admin_alone(deps, by, "session.open", LIFTS.format(lifts=lifts))
    deps.house.turns.seen(plan.tenant)
    draft = opening.draft(plan, asked)
    if key is not None:
        draft = by_key.of_key(draft, key, deps.house.clock.now_ns())
    async with deps.repeats.before(named) as before:
        if before is None:
            live, token = await deps.house.sessions.open(draft, _begun(deps, key, by), named)
        else:
            live, token = await _opened_before(deps, before, named)
    if key is not None:
        # It may have ended meanwhile.
        deps.house.sessions.check_live(live)
    return OpenedSession(
        session=deps.house.session_views.of_live(live),
        token=token,
        plan=plans.shown(plan, live.session, plan.task_text, deps.model_port),
    )


def _begun(deps: ControlDeps, key: SpendingKey | None, by: str) -> Begun:
    """What is committed with a session that somebody opened."""

    def begun(live: LiveSession) -> tuple[Sequence[Record], Sequence[Change]]:
        records, changes = deps.house.keys.used(key.name, live.who) if key else ([], [])
        return [_acted(deps, live, "session.open", "", by), *records], changes

    return begun


async def _opened_before(
    deps: ControlDeps, session: Session, named: Named
) -> tuple[LiveSession, str]:
    """Errors: Conflict where its token is another one by now."""
    if session.token_digest != token_digest(named.token):
        raise Conflict("this session was opened before, and has another token since; open anew")
    return await deps.house.sessions.get(session.session_id), named.token


async def listed(deps: ControlDeps, which: WhichSessions) -> SessionList:
    """Sessions, newest first; none of a tenant other than the one asked for.

    Errors: InvalidRequest for a cursor that is none.
    """
    where = SessionFilter(
        tenant=which.tenant,
        project=which.project,
        user=which.user,
        before=place_of(which.cursor),
        limit=which.limit,
    )
    shown, then = await deps.house.session_views.listed(where, which.state)
    return SessionList(shown, cursor_of(then))


async def kill(deps: ControlDeps, session_id: str, reason: str, by: str) -> KillReceipt:
    """Stop everything of a session, for good; twice is harmless. Errors: NotFound."""
    live = await deps.house.sessions.get(session_id)
    # Queued, not awaited: nothing comes before the levers.
    deps.house.journal.queue([_acted(deps, live, "session.kill", reason, by)])
    return await deps.house.killer.kill(live, reason, by=by)


async def tell(
    deps: ControlDeps, session_id: str, command: Command, reason: str, by: str
) -> SessionView:
    """Change a session's state. A pause lets open answers stream on; it refuses what comes next.

    Errors: NotFound, Conflict when the state does not allow it, ApproverRequired,
    StoreUnavailable.
    """
    live = await deps.house.sessions.get(session_id)
    deps.house.sessions.lapse(live)
    state = live.session.state
    if after(live.session, command) is None:
        text = f"a session that is {state} cannot be told to {command}"
        if command is Command.RESUME and live.session.by_stop:
            stops = deps.house.sessions.stops
            text = f"the session waits for a stop: {stops.why(stops.of(live.who))}"
        if command is Command.RESUME and state not in GOING_ON:
            begin = f"holdfast sessions open --agent {live.who.agent} --parent {session_id}"
            text += f" ({live.session.state_reason}); `{begin}` goes on with its conversation"
        raise Conflict(text, state=state)
    if command is Command.RESUME:
        await approvers.check_session(deps, session_id, by, "session.resume")
    acted = _acted(deps, live, f"session.{command}", reason, by)
    await deps.house.sessions.change(live, command, reason, by=by, extra=[acted])
    if live.session.state is SessionState.ACTIVE:
        await deps.house.runs.session_resumed(live)
    return deps.house.session_views.of_live(live)


async def extend(deps: ControlDeps, session_id: str, asked: ExtendSession, by: str) -> SessionView:
    """Give it more time. It is a limit that is raised, and checked as one.

    Errors: NotFound, Conflict for one that is over, ApproverRequired, StoreUnavailable.
    """
    live = await deps.house.sessions.get(session_id)
    await approvers.check_session(deps, session_id, by, "session.extend", raises=True)
    why = f"for {asked.for_s} s more" + (f": {asked.reason}" if asked.reason else "")
    acted = _acted(deps, live, "session.extend", why, by)
    await deps.house.sessions.extend(live, asked.for_s * _NS, [acted])
    return deps.house.session_views.of_live(live)


def _acted(deps: ControlDeps, live: LiveSession, action: str, reason: str, by: str) -> Record:
    body = AdminActed(action=action, by=by, reason=reason)
    return deps.house.journal.record(body, live.who)
