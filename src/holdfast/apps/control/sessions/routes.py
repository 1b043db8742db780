"""`/v1/sessions`: open, list, show, turns, kill, pause, resume, end."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Body, Path, Query
from starlette.responses import Response

from holdfast.apps.control.deps import By, Deps
from holdfast.apps.control.sessions import service, turns, views
from holdfast.apps.control.sessions.schemas import (
    Opened,
    OpenSession,
    Receipt,
    SessionList,
    SessionView,
    Told,
    TurnList,
    WhichSessions,
    WhichTurns,
)
from holdfast.apps.control.wire import refusals
from holdfast.core.sessions import Command

router = APIRouter(prefix="/v1/sessions", tags=["sessions"], responses=refusals())
SessionId = Annotated[str, Path(max_length=64)]
Why = Annotated[Told, Body(default_factory=Told)]
_CHANGES = refusals(404, 409)


@router.post("", responses=refusals(404))
async def open_session(asked: OpenSession, deps: Deps, by: By) -> Opened:
    """Open a session; its token is in this answer and nowhere else."""
    return await service.open_session(deps, asked, by)


@router.get("")
async def list_sessions(which: Annotated[WhichSessions, Query()], deps: Deps) -> SessionList:
    """Sessions, newest first."""
    return SessionList(sessions=await views.listed(deps, which))


@router.get("/{session_id}", responses=refusals(404))
async def show_session(session_id: SessionId, deps: Deps) -> SessionView:
    """One session as it stands."""
    return await views.show(deps, session_id)


@router.get("/{session_id}/turns", response_model=TurnList, responses=refusals(404))
async def list_turns(
    session_id: SessionId, which: Annotated[WhichTurns, Query()], deps: Deps
) -> Response:
    """What it did: a row for each model call and each tool call."""
    rows, cut_short = await turns.of_session(deps, session_id, which)
    # Rows are frozen and typed already: a thousand of them need no second validation.
    body = msgspec.json.encode({"turns": rows, "cut_short": cut_short})
    return Response(body, media_type="application/json")


@router.post("/{session_id}/kill", responses=refusals(404))
async def kill_session(session_id: SessionId, deps: Deps, why: Why, by: By) -> Receipt:
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
