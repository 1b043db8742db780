"""`/v1/sessions`: open, list, show, turns, kill, pause, resume, end."""

from typing import Annotated

import msgspec
from msgspec import Meta

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.operations import By, Operations
from holdfast.apps.control.paging import cursor_of, place_of
from holdfast.apps.control.sessions import service
from holdfast.apps.control.sessions.schemas import (
    ExtendSession,
    OpenSession,
    Told,
    WhichSessions,
    WhichTurns,
)
from holdfast.core.repeats import Named
from holdfast.core.sessions import Command
from holdfast.model.views.kills import KillReceipt
from holdfast.model.views.sessions import OpenedSession, SessionList, SessionView
from holdfast.model.views.turns import TurnList
from holdfast.runtime.views.turns import turns_of

operations = Operations("/v1/sessions", "sessions")
SessionId = Annotated[str, Meta(max_length=64)]
_CHANGES = (404, 409)
_UNSAID = Told()


@operations.post("", 404, 409)
async def open_session(
    asked: OpenSession, deps: ControlDeps, by: By, named: Named
) -> OpenedSession:
    """Open a session; its token is in this answer and nowhere else."""
    return await service.open_session(deps, asked, by, named)


@operations.get("")
async def list_sessions(which: WhichSessions, deps: ControlDeps) -> SessionList:
    """Sessions, newest first."""
    return await service.listed(deps, which)


@operations.get("/{session_id}", 404)
async def show_session(session_id: SessionId, deps: ControlDeps) -> SessionView:
    """One session as it stands."""
    return await deps.house.session_views.show(session_id)


@operations.get("/{session_id}/turns", 404)
async def list_turns(session_id: SessionId, which: WhichTurns, deps: ControlDeps) -> TurnList:
    """What it did: a row for each model call and each tool call."""
    place = place_of(which.cursor)
    after_turn = which.after_turn if place is None else place[0]
    page = await turns_of(
        deps.house.session_views, session_id, after_turn=after_turn, limit=which.limit
    )
    last = max((row.turn for row in page.turns), default=0)
    return msgspec.structs.replace(page, next=cursor_of((last, "") if page.cut_short else None))


@operations.post("/{session_id}/kill", 404)
async def kill_session(
    session_id: SessionId, deps: ControlDeps, by: By, why: Told = _UNSAID
) -> KillReceipt:
    """Stop everything of it, for good; the receipt times each lever."""
    return await service.kill(deps, session_id, why.reason, by)


@operations.post("/{session_id}/pause", *_CHANGES)
async def pause_session(
    session_id: SessionId, deps: ControlDeps, by: By, why: Told = _UNSAID
) -> SessionView:
    """Refuse its model calls and permits until it is resumed; open answers stream on."""
    return await service.tell(deps, session_id, Command.PAUSE, why.reason, by)


@operations.post("/{session_id}/resume", *_CHANGES)
async def resume_session(
    session_id: SessionId, deps: ControlDeps, by: By, why: Told = _UNSAID
) -> SessionView:
    """Let a paused session go on."""
    return await service.tell(deps, session_id, Command.RESUME, why.reason, by)


@operations.post("/{session_id}/extend", *_CHANGES)
async def extend_session(
    session_id: SessionId, asked: ExtendSession, deps: ControlDeps, by: By
) -> SessionView:
    """Let it act for longer; that raises a limit of it."""
    return await service.extend(deps, session_id, asked, by)


@operations.post("/{session_id}/end", *_CHANGES)
async def end_session(
    session_id: SessionId, deps: ControlDeps, by: By, why: Told = _UNSAID
) -> SessionView:
    """Close it as done."""
    return await service.tell(deps, session_id, Command.END, why.reason, by)
