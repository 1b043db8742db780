"""What a session did, turn by turn, folded from its journal."""

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.sessions import views
from holdfast.apps.control.sessions.schemas import WhichTurns
from holdfast.core.turns import RECORDED, TurnFold, TurnRecord
from holdfast.errors import NotFound


async def of_session(
    deps: ControlDeps, session_id: str, which: WhichTurns
) -> tuple[list[TurnRecord], bool]:
    """Whole turns after `which.after_turn`, about `which.limit` rows; whether more follow.

    Errors: NotFound, StoreUnavailable.
    """
    live = deps.sessions.loaded(session_id)
    session = live.session if live is not None else await deps.store.session(session_id)
    if session is None:
        raise NotFound(f"no session `{session_id[:64]}`")
    fold = TurnFold()
    async for record in views.records_of(deps, session.principal.tenant, session_id, RECORDED):
        fold.see(record)
    shown: list[TurnRecord] = []
    turn = 0
    for row in fold.rows():
        starts, before = row.turn > turn, turn
        turn = max(turn, row.turn)
        if starts and len(shown) >= which.limit and before > which.after_turn:
            return shown, True
        # A row without a turn stands after the turn that it followed.
        if turn > which.after_turn or not which.after_turn:
            shown.append(row)
    return shown, False
