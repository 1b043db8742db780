"""How a person is told something at once: a channel is one address that somebody reads.

A channel may lose what it was given: whatever must not be lost stands in the journal first. Not
here: what is worth telling (`core/alerts`), where telemetry goes (`sink`).
"""

from collections.abc import Iterable
from typing import Protocol

from holdfast.model.notices import GivenUp, Notice, TrialResult


class Channel(Protocol):
    """Takes notices, from any thread. Never raises, never waits for the receiver."""

    @property
    def undelivered(self) -> int:
        """How many notices were given up so far."""
        ...

    def tell(self, notice: Notice) -> None:
        """Hand on a notice, behind those that were given before."""
        ...

    def close(self) -> None:
        """Hand on what waits, within a few seconds, and let go; idempotent. Blocks meanwhile.

        What is given afterwards is not delivered.
        """
        ...


class Delivering(Channel, Protocol):
    """A channel of one receiver that can be looked at, and tried."""

    @property
    def name(self) -> str:
        """The receiver's, as in the settings."""
        ...

    @property
    def delivered(self) -> int:
        """How many notices arrived."""
        ...

    @property
    def waiting(self) -> int:
        """How many notices are to be sent."""
        ...

    @property
    def given_up(self) -> Iterable[GivenUp]:
        """The last that did not arrive, latest last."""
        ...

    def attempt(self, notice: Notice) -> TrialResult:
        """Send one now, once, and say what came of it. Blocks meanwhile."""
        ...
