"""The admin's view of the model providers."""

from holdfast.model.views.server import UpstreamList, UpstreamStatus

from .wire import Door


class Upstreams:
    """Which providers are in use, and which are left alone."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def list(self) -> tuple[UpstreamStatus, ...]:
        """Every upstream, in the order of the file."""
        return (await self._door.get("/v1/upstreams", UpstreamList)).upstreams
