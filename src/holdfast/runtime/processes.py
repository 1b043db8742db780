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

    async def adopt(self, live: LiveSession) -> None:
        """Before each permit: a second agent may have come, or a tool have left its group."""
        live.adopted = True
        await self._processes.adopt(live.session.session_id)
