"""The Channel port in memory: what somebody would have been told is there to be looked at."""

from holdfast.model.notices import GivenUp, Notice, TrialResult


class MemoryChannel:
    """Keeps every notice until it is closed; what comes later is `undelivered`."""

    def __init__(self) -> None:
        self.told: list[Notice] = []
        self.undelivered = 0
        self.name = "memory"
        self.waiting = 0
        self.given_up: list[GivenUp] = []
        self.closed = False

    def tell(self, notice: Notice) -> None:
        """Keep it."""
        if self.closed:
            self.undelivered += 1
        else:
            self.told.append(notice)

    @property
    def delivered(self) -> int:
        """All that was told."""
        return len(self.told)

    def attempt(self, notice: Notice) -> TrialResult:
        """It is always taken."""
        self.told.append(notice)
        return TrialResult(receiver=self.name, ok=True, said="kept")

    def close(self) -> None:
        """Keep nothing more."""
        self.closed = True
