"""Who is told of alerts. Not here: what is worth telling."""

from holdfast.model.notices import TrialResult
from holdfast.model.views.alerts import AlertReceiverList, AlertReceiverView, TrialResults

from .wire import Door

_TRIES_S = 60.0


class Alerts:
    """Receivers of alerts."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def list(self) -> tuple[AlertReceiverView, ...]:
        """Every receiver, in the order of the file, with what did not arrive."""
        return (await self._door.get("/v1/alerts", AlertReceiverList)).receivers

    async def test(self, receiver: str = "") -> tuple[TrialResult, ...]:
        """Send a notice now, to one or to each; what came back. Errors: NotFound."""
        body = {"receiver": receiver}
        return (await self._door.post("/v1/alerts/test", TrialResults, body, _TRIES_S)).attempts
