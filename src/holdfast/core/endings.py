"""How a model's answer ended, and the words for it in the journal, between processes and in spans.

Not here: what an answer came to (`core/metering`), what an ending means for a breaker
(`runtime/reaching`) and for money (`runtime/purse`).
"""

import enum

import msgspec

from holdfast.errors import HoldfastError


class How(enum.StrEnum):
    """What ended an answer.

    `broken` is the provider's fault; `unread` is what only we could not read, or wait for;
    `stopped` came before any of the answer was here; `lost`: nobody can say what came of it.
    """

    COMPLETE = "complete"
    ABANDONED = "abandoned"
    CUT = "cut"
    BROKEN = "broken"
    UNREAD = "unread"
    LOST = "lost"
    STOPPED = "stopped"


_NAMED = {str(how): how for how in How if how is not How.STOPPED}


class Ending(msgspec.Struct, frozen=True):
    """How an answer ended, and why in one sentence."""

    how: How
    why: str = ""

    @property
    def words(self) -> str:
        """As it is written: `cut: WHY`, or what there is of the two; of a stop the reason alone."""
        if self.how is How.STOPPED:
            return self.why
        return f"{self.how}: {self.why}" if self.why else str(self.how)


COMPLETE = Ending(How.COMPLETE)
ABANDONED = Ending(How.ABANDONED)
LOST = Ending(How.LOST, "the relay that carried it is gone")
STOPPED = Ending(How.STOPPED, "stopped before the provider answered")


def cut(reason: str) -> Ending:
    """Money, time or life ended it."""
    return Ending(How.CUT, reason)


def stopped(reason: str) -> Ending:
    """It was cut before any of it was here."""
    return Ending(How.STOPPED, reason)


def broken(error: str) -> Ending:
    """The provider broke it off by an error event of this kind."""
    return Ending(How.BROKEN, f"the provider sent an error event ({error})")


def failed(error: HoldfastError) -> Ending:
    """It could not be read to its end."""
    return Ending(How.UNREAD if error.fields.get("ours") else How.BROKEN, error.message)


def read(words: str) -> Ending:
    """The ending that was written so; whatever begins as no other does is a stop's reason."""
    named, colon, why = words.partition(": ")
    how = _NAMED.get(named)
    if how is None or (colon and not why):
        return stopped(words)
    return Ending(how, why)
