"""Fencing a session's processes in before they can do anything for it, and again as it goes on."""

from holdfast.ports.processes import Processes
from holdfast.runtime.live import LiveSession


class Fence:
    """Adopts each session's processes, so that a kill finds them whatever they do later."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    async def first(self, live: LiveSession) -> None:
        """Before a session's first model call, so before any tool of it can run."""
        if not live.adopted:
            live.adopted = True
            await self._processes.adopt(live.session.session_id)

    async def alone(self, live: LiveSession) -> bool:
        """Whether nothing of the session lives that one of its tools could have started.

        That is whatever came since its first permit; a client that restarted counts as such, too.
        False where no process of it is seen: it runs elsewhere, or hides.
        """
        seen = await self._processes.seen(live.session.session_id)
        if not _permitted(live):
            return bool(seen)
        return bool(seen) and live.first_processes is not None and seen <= live.first_processes

    async def adopt(self, live: LiveSession) -> None:
        """Before each permit: a second agent may have come, or a tool have left its group."""
        live.adopted = True
        await self._processes.adopt(live.session.session_id)
        if live.session.sealed and not _permitted(live):
            live.first_processes = await self._processes.seen(live.session.session_id)


def _permitted(live: LiveSession) -> bool:
    """Whether a tool of this session may have run."""
    own = live.session.session_id
    return any(call.attempts and call.session == own for call in live.calls.values())
