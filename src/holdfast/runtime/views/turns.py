"""What a session did, turn by turn, folded from its journal."""

from holdfast.core.turns import RECORDED, TurnFold
from holdfast.model.views.turns import TurnList, TurnRecord
from holdfast.runtime.views.sessions import SessionViews


async def turns_of(
    views: SessionViews, session_id: str, *, after_turn: int, limit: int
) -> TurnList:
    """Whole turns after `after_turn`, about `limit` rows: a turn is never divided.

    Errors: NotFound, StoreUnavailable.
    """
    fold = TurnFold()
    async for record in views.records(await views.session(session_id), RECORDED):
        fold.see(record)
    shown: list[TurnRecord] = []
    turn = 0
    for row in fold.rows():
        starts, before = row.turn > turn, turn
        turn = max(turn, row.turn)
        if starts and len(shown) >= limit and before > after_turn:
            return TurnList(tuple(shown), cut_short=True)
        # A row without a turn stands after the turn that it followed.
        if turn > after_turn or not after_turn:
            shown.append(row)
    return TurnList(tuple(shown))
