"""Fencing a session's processes in as soon as it first asks for anything."""

from holdfast.ports.processes import Processes
from holdfast.runtime.live import LiveSession


class Fence:
    """Adopts each session's processes once, so that a kill finds them whatever they do later."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    async def adopt(self, live: LiveSession) -> None:
        """Fence in the processes of a session, on its first call only."""
        if not live.adopted:
            live.adopted = True
            await self._processes.adopt(live.session.session_id)
