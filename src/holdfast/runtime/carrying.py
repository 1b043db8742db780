"""Who takes a paid call to its provider: this process, or one that asks for it (`runtime/relays`).

`ModelCalls` decides and pays; a `Carrier` gets one call to one provider and says what came of it.
Not here: trying again (`runtime/reaching`), the answer on its way back (`runtime/answers`).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import msgspec

from holdfast.core.edits import Edits
from holdfast.errors import HoldfastError, SessionStopped
from holdfast.ports.llm import Cleared, Upstream, UpstreamAnswer
from holdfast.runtime.clearing import Clearance
from holdfast.runtime.live import Cut
from holdfast.runtime.providers import Provider
from holdfast.runtime.purse import Purse
from holdfast.runtime.reaching import Reaching, Unreached

T = TypeVar("T")


class Carrier(Protocol):
    """Takes paid calls to a provider."""

    async def reach(
        self, provider: Provider, purse: Purse, edits: Edits
    ) -> UpstreamAnswer | Unreached:
        """Until the provider's headers are here, within reach of a kill.

        What failed before is counted in the session's progress, and named in `purse.tried`.
        Errors: SessionStopped when it was cut meanwhile.
        """
        ...

    async def count(self, provider: Provider, clearance: Clearance) -> bytes | None:
        """What the provider answers to a count of the call's input; None where it does not.

        Errors: UpstreamUnavailable; TooLarge, Unavailable where a large one cannot be written.
        """
        ...


class Carried(msgspec.Struct, frozen=True):
    """An answer to be handed on; `purse` is None where nothing is owed for it."""

    answer: UpstreamAnswer
    purse: Purse | None


class Here:
    """Carries from this process."""

    def __init__(self, reaching: Reaching, now_ns: Callable[[], int]) -> None:
        self._reaching = reaching
        self._now_ns = now_ns

    async def reach(
        self, provider: Provider, purse: Purse, edits: Edits
    ) -> UpstreamAnswer | Unreached:
        """See `Carrier`."""
        async with contextlib.AsyncExitStack() as held:
            try:
                # A large one is written elsewhere meanwhile, within reach of a kill.
                cleared = await stoppable(
                    purse,
                    held.enter_async_context(purse.paid.clearance.call(edits)),
                    SessionStopped,
                )
            except BaseException as error:
                code = error.code if isinstance(error, HoldfastError) else "internal_error"
                await purse.release(code)
                raise
            return await self._reach(provider, purse, cleared)

    async def count(self, provider: Provider, clearance: Clearance) -> bytes | None:
        """See `Carrier`."""
        async with clearance.prices(clearance.fits(provider)) as cleared:
            return await provider.counted(self._now_ns(), cleared)

    async def _reach(
        self, provider: Provider, purse: Purse, cleared: Cleared
    ) -> UpstreamAnswer | Unreached:
        async def ask(upstream: Upstream) -> UpstreamAnswer:
            if purse.tried and purse.paid.toll is not None:
                purse.paid.toll.again()
            return await upstream.send(
                cleared, timeout_s=purse.seconds_left(), whole=not purse.paid.request.stream
            )

        async def reaching() -> UpstreamAnswer | Unreached:
            reached = await self._reaching.reach(
                provider,
                ask,
                asker=purse.live.asker,
                failed=lambda: purse.live.progress.failure(self._now_ns()),
                seconds_left=purse.seconds_left,
                tried=purse.tried,
            )
            if isinstance(reached, Unreached):
                return reached
            purse.watch = lambda ended: self._reaching.ended(provider, reached, ended)
            return reached.answer

        return await stoppable(purse, reaching(), SessionStopped)


class Open(Protocol):
    """What a cut can reach."""

    def opened(self, cut: Cut) -> None:
        """From here on `cut` ends it."""
        ...

    def closed(self) -> None:
        """There is nothing to end any more."""
        ...


async def stoppable(what: Open, act: Awaitable[T], refusal: Callable[[str], HoldfastError]) -> T:
    """Wait for `act` within reach of a cut; `refusal` makes the error of one from its reason."""
    task = asyncio.current_task()
    why = ""

    def cut(reason: str) -> None:
        nonlocal why
        if not why and task is not None:
            why = reason
            task.cancel()

    what.opened(cut)
    try:
        return await act
    except asyncio.CancelledError:
        if why and task is not None and task.uncancel() == 0:
            raise refusal(why) from None
        raise
    finally:
        what.closed()
