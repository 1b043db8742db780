"""Getting a provider to answer: the next key, another try after a wait, a breaker that gives up.

All of it happens before the client sees a byte, and only where nothing can have been billed: a
provider that refused with a status owes nothing and is owed nothing. A call that broke off after
it was sent is handed back at once, for its caller to settle first.
Not here: money (`runtime/purse`), other models (`runtime/model_calls`), rates (`runtime/rates`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import msgspec

from holdfast.core.endings import COMPLETE, Ending, How
from holdfast.core.metering import Reading
from holdfast.errors import RateLimited, Unavailable, UpstreamUnavailable
from holdfast.model.bodies import UpstreamClosed, UpstreamOpened
from holdfast.model.upstreams import Retries, Trouble
from holdfast.ports.clock import Clock
from holdfast.ports.llm import Upstream, UpstreamAnswer
from holdfast.runtime.doors import Asker, Door, Ticket
from holdfast.runtime.opening import opened
from holdfast.runtime.providers import Provider

Ask = Callable[[Upstream], Awaitable[UpstreamAnswer]]
Dice = Callable[[], float]
"""A number from 0 up to 1."""
Note = Callable[[UpstreamOpened | UpstreamClosed], None]
"""Journals what became of an upstream; queued, not awaited."""

_RETRY_AFTER_MAX_S = 3600.0
_OF_STATUS = {
    401: Trouble.CREDENTIAL,
    403: Trouble.CREDENTIAL,
    429: Trouble.RATE_LIMITED,
    503: Trouble.OVERLOADED,
    529: Trouble.OVERLOADED,
}


class Reached(msgspec.Struct, frozen=True):
    """An answer that is to be handed on, and the door and ticket that it came by."""

    answer: UpstreamAnswer
    door: Door
    ticket: Ticket


class Unreached(msgspec.Struct, frozen=True, kw_only=True):
    """No answer: the provider's own refusal, or the error that stands for it.

    `reading` is what it told of a call that it broke off before any output: it may bill that.
    """

    upstream: str
    trouble: Trouble
    answer: UpstreamAnswer | None = None
    error: Unavailable | None = None
    reading: Reading | None = None

    @property
    def sent(self) -> bool:
        """Whether the provider may have had the whole call, and so may bill it."""
        if self.reading is not None:
            return True
        return self.error is not None and bool(self.error.fields.get("sent"))

    @property
    def ours(self) -> bool:
        """Whether the fault lies here, as where the turn's own time was over."""
        return self.error is not None and bool(self.error.fields.get("ours"))

    @property
    def why(self) -> str:
        """What the journal calls it."""
        if self.answer is not None:
            return f"upstream_{self.answer.status}"
        return self.error.code if self.error is not None else str(self.trouble)

    def close(self) -> None:
        """Let go of the refusal; somebody else is asked."""
        if self.answer is not None:
            self.answer.close()


class Trying(Protocol):
    """A paid call that is being taken to a provider."""

    tried: list[str]
    """What went wrong, in order."""
    again_most: int | None
    """The most further tries that its client wants of the gateway; None: as many as it makes."""

    @property
    def asker(self) -> Asker:
        """Whose call it is."""
        ...

    def seconds_left(self) -> float:
        """Until the turn's time-out; above 0."""
        ...

    def failed(self, now_ns: int) -> None:
        """One more try failed, or the answer is a refusal."""
        ...


class Reaching:
    """Asks providers. `dice` spreads what is tried again, so that sessions do not march in step."""

    def __init__(self, note: Note, clock: Clock, dice: Dice) -> None:
        self._note = note
        self._clock = clock
        self._dice = dice

    async def reach(
        self,
        provider: Provider,
        ask: Ask,
        call: Trying,
    ) -> Reached | Unreached:
        """Ask until there is an answer worth handing on, or trying is over; the call is told.

        Errors: what `ask` raises besides UpstreamUnavailable.
        """
        asker, most = call.asker, provider.retries.within(call.again_most)
        refused: set[Door] = set()
        again = 0
        while True:
            now_ns = self._clock.now_ns()
            picked = provider.pick(now_ns, asker, refused)
            if picked is None:
                return resting(provider, now_ns, asker)
            door, ticket = picked
            outcome = await self._ask(provider, door, ticket, ask, call.seconds_left)
            if isinstance(outcome, Reached):
                if outcome.answer.status != 200:
                    call.failed(self._clock.now_ns())
                return outcome
            now_ns = self._clock.now_ns()
            call.failed(now_ns)
            call.tried.append(outcome.trouble)
            refused.add(door)
            of_key = outcome.trouble in (Trouble.CREDENTIAL, Trouble.RATE_LIMITED)
            if of_key and not outcome.sent and provider.admits(now_ns, asker, refused):
                outcome.close()
                continue
            delay_s = self.delay_s(outcome, provider.retries, again)
            over = outcome.sent or outcome.trouble is Trouble.CREDENTIAL
            over = over or again >= most or delay_s >= call.seconds_left()
            if over or not provider.admits(now_ns, asker):
                return outcome
            outcome.close()
            refused.clear()
            again += 1
            await asyncio.sleep(delay_s)

    async def _ask(
        self,
        provider: Provider,
        door: Door,
        ticket: Ticket,
        ask: Ask,
        seconds_left: Callable[[], float],
    ) -> Reached | Unreached:
        try:
            begun = await opened(await ask(door.upstream), seconds_left)
        except UpstreamUnavailable as error:
            if error.fields.get("ours"):
                door.forgotten(ticket)
            else:
                self._failed(provider, door, ticket, Trouble.UPSTREAM)
            return Unreached(upstream=provider.name, trouble=Trouble.UPSTREAM, error=error)
        except BaseException:
            door.forgotten(ticket)
            raise
        answer, trouble = begun.answer, trouble_of(begun.answer.status)
        if trouble is None and begun.reading is None:
            for one in door.answered(ticket):
                self._note(
                    UpstreamClosed(
                        upstream=provider.name,
                        key=door.name,
                        failures=one.failures,
                        for_user=one.user,
                    )
                )
            return Reached(answer, door, ticket)
        if trouble is None:
            door.forgotten(ticket)
        else:
            self._failed(provider, door, ticket, trouble)
        return Unreached(
            upstream=provider.name,
            trouble=trouble or Trouble.UPSTREAM,
            answer=answer,
            reading=begun.reading,
        )

    def ended(self, provider: Provider, reached: Reached, ended: Ending) -> None:
        """How an answer that had begun ended."""
        if ended == COMPLETE:
            reached.door.completed(reached.ticket)
        elif ended.how is How.BROKEN:
            self._failed(provider, reached.door, reached.ticket, Trouble.UPSTREAM)
        else:
            reached.door.forgotten(reached.ticket)

    def _failed(self, provider: Provider, door: Door, ticket: Ticket, trouble: Trouble) -> None:
        provider.trouble = trouble
        if trouble is Trouble.CREDENTIAL and len(provider.doors) == 1:
            # One session may ask for what the key may not have; that must not close the others'.
            door.forgotten(ticket)
            return
        for one in door.failed(ticket, self._clock.now_ns()):
            self._note(
                UpstreamOpened(
                    upstream=provider.name,
                    key=door.name,
                    failures=one.failures,
                    for_user=one.user,
                    trouble=trouble,
                )
            )

    def delay_s(self, failed: Unreached, retries: Retries, again: int) -> float:
        """Seconds before the next try: what the provider asks for, else random below a bound."""
        asked = retry_after_s(failed.answer.headers) if failed.answer is not None else None
        if asked is not None:
            return asked
        return self._dice() * min(retries.base_s * 2.0**again, retries.most_s)


def resting(provider: Provider, now_ns: int, asker: Asker) -> Unreached:
    """Nothing is sent: every key's breaker is open, or has one call trying."""
    wait_s = round(provider.wait_s(now_ns, asker), 3)
    error = UpstreamUnavailable(
        f"the upstream `{provider.name}` failed too often in a row and is left alone"
        f" for {max(wait_s, 1):.0f} s",
        retry_after_s=wait_s,
    )
    return Unreached(upstream=provider.name, trouble=provider.trouble, error=error)


def trouble_of(status: int) -> Trouble | None:
    """What a status means; None where the answer is to be handed on as it is."""
    return _OF_STATUS.get(status, Trouble.UPSTREAM if status >= 500 else None)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The seconds that a provider asks to be left alone; None without a number."""
    for name, per_second in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        given = headers.get(name, "").strip()
        try:
            seconds = float(given) / per_second
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return min(seconds, _RETRY_AFTER_MAX_S)
    return None


def unanswered(failed: Unreached) -> Unavailable:
    """The error for a call that its only upstream did not answer.

    A new one: the frame that raises it holds `failed`, and an error held by a frame of its own
    traceback stays in memory, the call with it, until the collector looks.
    """
    error = failed.error
    if error is None:
        return UpstreamUnavailable("the provider cannot be reached")
    return type(error)(error.message, **error.fields)


def all_failed(failures: list[str], last: Unreached) -> Unavailable:
    """The one error for a call that no upstream took; `failures` tells of each."""
    text = f"no upstream answered: {'; '.join(failures)}"
    asked = retry_after_s(last.answer.headers) if last.answer is not None else None
    fields = {"failures": ", ".join(failures)} | ({"retry_after_s": asked} if asked else {})
    kind = RateLimited if last.trouble is Trouble.RATE_LIMITED else UpstreamUnavailable
    return kind(text, **fields)
