"""Who takes a paid call to its provider: this process, or one that asks for it (`runtime/relays`).

`ModelCalls` decides and pays; a `Carrier` gets one call to one provider and says what came of it.
Not here: trying again (`runtime/reaching`), the answer on its way back (`runtime/answers`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

import msgspec

from holdfast.core.messages import edited
from holdfast.core.wire.headers import with_betas
from holdfast.core.wire.splicing import Change, spliced
from holdfast.errors import HoldfastError, SessionStopped
from holdfast.ports.llm import Upstream, UpstreamAnswer
from holdfast.runtime.live import Cut
from holdfast.runtime.providers import Provider
from holdfast.runtime.purse import Purse
from holdfast.runtime.reaching import Reaching, Unreached

T = TypeVar("T")


class Edits(msgspec.Struct, frozen=True, kw_only=True):
    """What is changed in the client's body before it is sent; see `core/messages.edited`.

    `contents` are (message, block, text); `changes` are of single values, anywhere. `betas` take
    the place of the client's; None leaves them.
    """

    model: str = ""
    max_tokens: int | None = None
    contents: tuple[tuple[int, int, str], ...] = ()
    changes: tuple[Change, ...] = ()
    betas: str | None = None

    def applied(self, body: bytes) -> bytes:
        """The body to send; the same bytes where nothing is changed."""
        contents = {(message, block): text for message, block, text in self.contents}
        body = spliced(body, self.changes)
        return edited(body, model=self.model or None, max_tokens=self.max_tokens, contents=contents)

    def headed(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The headers to send, with the betas that go there."""
        return headers if self.betas is None else with_betas(headers, self.betas)


class Carrier(Protocol):
    """Takes one paid call to a provider; made for one call of a client."""

    async def reach(
        self, provider: Provider, purse: Purse, edits: Edits
    ) -> UpstreamAnswer | Unreached:
        """Until the provider's headers are here, within reach of a kill.

        What failed before is counted in the session's progress, and named in `purse.tried`.
        Errors: SessionStopped when it was cut meanwhile.
        """
        ...


class Carried(msgspec.Struct, frozen=True):
    """An answer to be handed on; `purse` is None where nothing is owed for it."""

    answer: UpstreamAnswer
    purse: Purse | None


class Here:
    """Carries from this process."""

    def __init__(
        self,
        reaching: Reaching,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        now_ns: Callable[[], int],
    ) -> None:
        self._reaching = reaching
        self._path = path
        self._headers = headers
        self._body = body
        self._now_ns = now_ns

    async def reach(
        self, provider: Provider, purse: Purse, edits: Edits
    ) -> UpstreamAnswer | Unreached:
        """See `Carrier`."""
        try:
            body, headers = edits.applied(self._body), edits.headed(self._headers)
        except BaseException:
            await purse.release("internal_error")
            raise

        async def ask(upstream: Upstream) -> UpstreamAnswer:
            if purse.tried and purse.paid.toll is not None:
                purse.paid.toll.again()
            return await upstream.send(
                "POST",
                self._path,
                headers,
                body,
                timeout_s=purse.seconds_left(),
                whole=not purse.paid.request.stream,
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
