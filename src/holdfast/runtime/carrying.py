"""Who takes a paid call to its provider: this process, or one that asks for it (`runtime/relays`).

`ModelCalls` decides and pays; a `Carrier` gets a call to its provider and says what came of it.
Not here: trying again (`runtime/reaching`), the answer on its way back (`runtime/answers`).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from holdfast.errors import HoldfastError, SessionStopped
from holdfast.ports.llm import Cleared, Upstream, UpstreamAnswer
from holdfast.runtime.live import Cut
from holdfast.runtime.model_call import ModelCall
from holdfast.runtime.providers import Provider
from holdfast.runtime.purse import Purse
from holdfast.runtime.reaching import Reaching, Unreached
from holdfast.runtime.refused import Refused, read_out

T = TypeVar("T")


class Here:
    """Carries from this process."""

    def __init__(self, reaching: Reaching, now_ns: Callable[[], int]) -> None:
        self._reaching = reaching
        self._now_ns = now_ns

    async def reach(self, call: ModelCall) -> None:
        """See `Carrier`."""
        purse = call.purse
        async with contextlib.AsyncExitStack() as held:
            try:
                # A large one is written elsewhere meanwhile, within reach of a kill.
                cleared = await stoppable(
                    purse,
                    held.enter_async_context(call.clearance.call(call.edits)),
                    SessionStopped,
                )
            except BaseException as error:
                code = error.code if isinstance(error, HoldfastError) else "internal_error"
                await purse.release(code)
                raise
            call.came = await stoppable(
                purse, self._reached(call.provider, purse, cleared), SessionStopped
            )

    async def refused(self, call: ModelCall) -> Refused:
        """See `Carrier`."""
        return await read_out(call.answer)

    async def count(self, call: ModelCall) -> bytes | None:
        """See `Carrier`."""
        async with call.clearance.prices(call.fits) as cleared:
            return await call.provider.counted(self._now_ns(), cleared)

    async def _reached(
        self, provider: Provider, purse: Purse, cleared: Cleared
    ) -> UpstreamAnswer | Unreached:
        """What comes of asking. An error that is kept holds its frames, so none holds the call."""

        async def ask(upstream: Upstream) -> UpstreamAnswer:
            if purse.tried and purse.paid.toll is not None:
                purse.paid.toll.again()
            return await upstream.send(
                cleared, timeout_s=purse.seconds_left(), whole=not purse.paid.request.stream
            )

        reached = await self._reaching.reach(provider, ask, purse)
        if isinstance(reached, Unreached):
            return reached
        purse.watch = lambda ended: self._reaching.ended(provider, reached, ended)
        return reached.answer


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
