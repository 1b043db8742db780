"""A decision's place at a door: in its tenant's turn, and for a caller that still has the session.

Not here: whose turn it is (`runtime/turns`), what is decided (`runtime/guard`).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from holdfast.core.calls import UNDECIDED
from holdfast.errors import RateLimited, Unauthenticated
from holdfast.runtime.live import LiveSession
from holdfast.runtime.processes import Fence
from holdfast.runtime.turns import Turns


@asynccontextmanager
async def in_turn(
    turns: Turns, fence: Fence, live: LiveSession, call_id: str
) -> AsyncIterator[None]:
    """Wait for the turn, fence the session's processes in, then let the block decide `call_id`.

    Errors: RateLimited, and the model will read why; Unauthenticated when the session's token was
    replaced meanwhile, since its run is another worker's then.
    """
    token = live.session.token_digest
    try:
        async with turns.turn(live.who.tenant):
            if live.session.token_digest != token:
                raise Unauthenticated("the token was replaced while the call waited for its turn")
            await fence.adopt(live)
            yield
    except RateLimited:
        call = live.calls.get(call_id)
        if call is not None and call.state in UNDECIDED:
            live.limited.add(call_id)
        raise
