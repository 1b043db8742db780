"""Who may look on while the journal is written: telemetry, which may lose what it saw.

Not here: the journal itself, which may not.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

from holdfast.model.events import Record


class Tap(Protocol):
    """Is shown every batch of records that became durable, in the order of their commits."""

    def saw(self, records: Sequence[Record]) -> None:
        """Take note of a batch. Never raises, never blocks, may lose; `seq` is not filled in."""
        ...

    def recalled(self, records: Sequence[Record], over: Collection[str]) -> None:
        """A session came back into memory: what of before this process is still open in it.

        `over` are the ids of its calls of which nothing more can come. As `saw`; whoever has seen
        it all may have heard of it before.
        """
        ...
