"""Who comes to the model's door: whose token it is, and that its tenant is about."""

from holdfast.errors import Unauthenticated
from holdfast.model.keys import KEY_PREFIX
from holdfast.runtime.live import LiveSession
from holdfast.runtime.processes import Fence
from holdfast.runtime.sessions import Sessions
from holdfast.runtime.turns import Turns


class ModelDoorkeeper:
    """Authenticates model calls, wherever they came in."""

    def __init__(self, sessions: Sessions, turns: Turns, fence: Fence) -> None:
        self._sessions = sessions
        self._turns = turns
        self._fence = fence

    async def authenticate_model(self, token: str) -> LiveSession:
        """The session of a token; its tenant counts as near. Errors: Unauthenticated."""
        if token.startswith(KEY_PREFIX):
            raise Unauthenticated(
                "a key opens sessions and takes no model call: open one with it, and send the"
                " session's own token"
            )
        live = await self._sessions.authenticate_model(token)
        self._turns.seen(live.who.tenant)
        await self._fence.first(live)
        return live
