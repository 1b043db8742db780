"""`/v1/sessions`: open, list, show, turns, kill, pause, resume, end."""

from typing import Annotated

import msgspec
from fastapi import Body, Path, Query

from holdfast.apps.control.deps import By, Deps
from holdfast.apps.control.paging import cursor_of, place_of
from holdfast.apps.control.sessions import service
from holdfast.apps.control.sessions.schemas import OpenSession, Told, WhichSessions, WhichTurns
from holdfast.apps.control.showing import Routes
from holdfast.apps.control.wire import refusals
from holdfast.core.sessions import Command
from holdfast.model.views.kills import KillReceipt
from holdfast.model.views.sessions import OpenedSession, SessionList, SessionView
from holdfast.model.views.turns import TurnList
from holdfast.runtime.views.turns import turns_of

router = Routes(prefix="/v1/sessions", tags=["sessions"], responses=refusals())
SessionId = Annotated[str, Path(max_length=64)]
Why = Annotated[Told, Body(default_factory=Told)]
_CHANGES = refusals(404, 409)


@router.post("", responses=refusals(404))
async def open_session(asked: OpenSession, deps: Deps, by: By) -> OpenedSession:
    """Open a session; its token is in this answer and nowhere else."""
    return await service.open_session(deps, asked, by)


@router.get("")
async def list_sessions(which: Annotated[WhichSessions, Query()], deps: Deps) -> SessionList:
    """Sessions, newest first."""
    return await service.listed(deps, which)


@router.get("/{session_id}", responses=refusals(404))
async def show_session(session_id: SessionId, deps: Deps) -> SessionView:
    """One session as it stands."""
    return await deps.session_views.show(session_id)


@router.get("/{session_id}/turns", responses=refusals(404))
async def list_turns(
    session_id: SessionId, which: Annotated[WhichTurns, Query()], deps: Deps
) -> TurnList:
    """What it did: a row for each model call and each tool call."""
    place = place_of(which.cursor)
    after_turn = which.after_turn if place is None else place[0]
    page = await turns_of(deps.session_views, session_id, after_turn=after_turn, limit=which.limit)
    last = max((row.turn for row in page.turns), default=0)
    return msgspec.structs.replace(page, next=cursor_of((last, "") if page.cut_short else None))


@router.post("/{session_id}/kill", responses=refusals(404))
async def kill_session(session_id: SessionId, deps: Deps, why: Why, by: By) -> KillReceipt:
    """Stop everything of it, for good; the receipt times each lever."""
    return await service.kill(deps, session_id, why.reason, by)


@router.post("/{session_id}/pause", responses=_CHANGES)
async def pause_session(session_id: SessionId, deps: Deps, why: Why, by: By) -> SessionView:
    """Refuse its model calls and permits until it is resumed; open answers stream on."""
    return await service.tell(deps, session_id, Command.PAUSE, why.reason, by)


@router.post("/{session_id}/resume", responses=_CHANGES)
async def resume_session(session_id: SessionId, deps: Deps, why: Why, by: By) -> SessionView:
    """Let a paused session go on."""
    return await service.tell(deps, session_id, Command.RESUME, why.reason, by)


@router.post("/{session_id}/end", responses=_CHANGES)
async def end_session(session_id: SessionId, deps: Deps, why: Why, by: By) -> SessionView:
    """Close it as done."""
    return await service.tell(deps, session_id, Command.END, why.reason, by)
