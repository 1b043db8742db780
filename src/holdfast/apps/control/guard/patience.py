"""A decision for a door that holds its call while a person is asked.

The turn is given back meanwhile. Not here: what is decided (`runtime/guard`), who answers
(`control/approvals`).
"""

import asyncio

import msgspec
from starlette.requests import Request

from holdfast.apps.control.guard.in_turn import in_turn
from holdfast.apps.control.tasks import while_there
from holdfast.compose.house import House
from holdfast.errors import ApprovalPending, PolicyUnavailable
from holdfast.runtime.guard import Asked, Ruling
from holdfast.runtime.live import LiveSession


class Patience:
    """Decides, and waits for people where a door lets it."""

    def __init__(self, house: House) -> None:
        self._guard = house.guard
        self._approvals = house.approvals
        self._fence = house.fence
        self._turns = house.turns

    async def decide(
        self,
        live: LiveSession,
        asked: Asked,
        wait_s: float,
        caller: Request | None = None,
    ) -> Ruling:
        """The ruling once a person spoke, at once where none is asked or nothing is waited for.

        Errors: those of the guard; ApprovalPending when `wait_s` went by, ClientDisconnect when a
        `caller` left whose body was read before; nothing was decided then.
        """
        loop = asyncio.get_running_loop()
        end_s = loop.time() + wait_s
        waiting = msgspec.structs.replace(asked, waits=wait_s > 0)
        while True:
            try:
                async with in_turn(self._turns, self._fence, live, asked.call_id):
                    return await self._guard.decide(live, waiting)
            except PolicyUnavailable:
                if not waiting.waits:
                    raise
                waiting = asked  # It is a no to whoever waits for nobody.
            except ApprovalPending as pending:
                named, left_s = str(pending.fields["approval"]), end_s - loop.time()
                waiting_for = self._approvals.heard(live, named, left_s)
                over = await (while_there(caller, waiting_for) if caller else waiting_for)
                if not over:
                    raise
