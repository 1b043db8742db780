"""The Channel port in memory: what somebody would have been told is there to be looked at."""

from holdfast.model.notices import Notice


class MemoryChannel:
    """Keeps every notice until it is closed; what comes later is `undelivered`."""

    def __init__(self) -> None:
        self.told: list[Notice] = []
        self.undelivered = 0
        self.closed = False

    def tell(self, notice: Notice) -> None:
        """Keep it."""
        if self.closed:
            self.undelivered += 1
        else:
            self.told.append(notice)

    def close(self) -> None:
        """Keep nothing more."""
        self.closed = True
