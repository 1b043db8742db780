"""What a relay serves from: `ModelCalls` as clients see it, decided and paid for by the server.

Trying again and breakers are here, where the provider is reached; each relay has its own breakers.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Mapping

from holdfast.core.large import Requested
from holdfast.errors import InternalError, TooLarge, Unavailable, UpstreamUnavailable
from holdfast.model.bodies import KINDS, UpstreamClosed, UpstreamOpened
from holdfast.model.upstreams import Trouble
from holdfast.ports.clock import Clock
from holdfast.ports.llm import Cleared, Upstream, UpstreamAnswer
from holdfast.ports.readers import Body
from holdfast.runtime.answers import Answer
from holdfast.runtime.carrying import stoppable
from holdfast.runtime.clearing import (
    ClientRequest,
    on_the_servers_word,
    to_count_there,
    told_to_list,
)
from holdfast.runtime.providers import Provider
from holdfast.runtime.reaching import Dice, Reached, Reaching, Unreached
from holdfast.runtime.refused import Refused, read_out
from holdfast.runtime.relays.line import Line
from holdfast.runtime.relays.payer import RelayedCall
from holdfast.runtime.relays.wire import (
    Answered,
    Call,
    Came,
    Count,
    Counted,
    Noted,
    Passed,
    Priced,
    PriceThere,
    Refusal,
    Send,
)
from holdfast.runtime.request_reading import RequestReader

_GOOD_S, _GOOD_TOKENS = 30.0, 10_000
_SAID_BYTES = 16 * 1024
_WAITS = ("retry-after", "retry-after-ms")


class _Request:
    """What the client sent, and what came of it so far."""

    def __init__(self, given: ClientRequest) -> None:
        self.given = given
        self.reached: Reached | Unreached | None = None
        self.refused: Refused | None = None

    @property
    def answer(self) -> UpstreamAnswer | None:
        """The provider's answer, if there is one; a refusal with all that it says."""
        if self.refused is not None or self.reached is None:
            return self.refused
        return self.reached.answer

    async def take(self, reach: Awaitable[Reached | Unreached]) -> Reached | Unreached:
        """What comes of reaching the provider; a refusal is read to its end."""
        self.reached = await reach
        answer = self.reached.answer
        if answer is not None and answer.status != 200:
            self.refused = await read_out(answer)
        return self.reached

    @property
    def said(self) -> bytes:
        """As much of a refusal as the server needs to know what it is."""
        return self.refused.body[:_SAID_BYTES] if self.refused is not None else b""

    def close(self) -> None:
        """Let go of it."""
        if self.answer is not None:
            self.answer.close()
        self.reached = self.refused = None


class RelayedCalls:
    """The paid door to a provider, in a relay. A session is known here by its token alone."""

    def __init__(
        self,
        line: Line,
        providers: Mapping[str, Provider],
        clock: Clock,
        dice: Dice,
        reader: RequestReader | None = None,
    ) -> None:
        self._line = line
        self._providers = providers
        self._clock = clock
        self._reader = reader or RequestReader()
        self._reaching = Reaching(self._note, clock, dice)
        self._good_until_s: dict[str, float] = {}

    async def authenticate_model(self, token: str) -> str:
        """The token again, if it is one of a session. Errors: Unauthenticated; Unavailable.

        It decides whose body is read; the call itself is judged by the server, by its token. So a
        token that was good a moment ago need not be asked about again.
        """
        now_s = asyncio.get_running_loop().time()
        if self._line.up and self._good_until_s.get(token, 0.0) > now_s:
            return token
        answer: Passed | Refusal = await self._line.ask(
            "session", token.encode(errors="replace"), Passed | Refusal
        )
        if isinstance(answer, Refusal):
            raise answer.error()
        if len(self._good_until_s) >= _GOOD_TOKENS:
            self._good_until_s.clear()
        self._good_until_s[token] = now_s + _GOOD_S
        return token

    async def call(self, live: str, path: str, headers: Mapping[str, str], body: Body) -> Answer:
        """As `ModelCalls.call`. Errors: as there, and Unavailable while the server is away."""
        call, request = RelayedCall(self._line), _Request(ClientRequest(path, headers, body))
        try:
            small, read = await self._read(body)
            asked = Call(
                call=call.number,
                token=live,
                path=path,
                headers=_joined(headers),
                body=small,
                read=read,
            )
            said: Answered = await self._line.ask("call", asked, Answered)
            while isinstance(said, Send | PriceThere):
                request.close()
                if isinstance(said, PriceThere):
                    told = Priced(call=call.number, raw=await self._priced(said, request))
                    said = await self._line.ask("priced", told, Answered)
                    continue
                came = await self._carried(call, said, request)
                if came.status == 200 and request.answer is not None:
                    call.arrived(came)
                    return Answer(request.answer, call)
                said = await self._line.ask("came", came, Answered)
            if isinstance(said, Refusal):
                raise said.error()
            if request.refused is None:
                raise InternalError("the server hands on an answer that is no refusal")
            call.dismiss()
            return Answer(request.refused.marked(said.told), None)
        except BaseException:
            request.close()
            call.leave()
            raise

    async def _read(self, body: Body, *, counting: bool = False) -> tuple[bytes, Requested | None]:
        """What the server is given of a body: of a large one, what came of reading it here."""
        if isinstance(body, bytes):
            return body, None
        return b"", await self._reader.read_elsewhere(body, counting=counting)

    async def _priced(self, price: PriceThere, request: _Request) -> bytes | None:
        """The provider's count, asked for from here; None where it does not say."""
        try:
            provider = self._known(price.upstream)
            async with to_count_there(request.given, price.edits, self._reader) as cleared:
                return await provider.counted(self._clock.now_ns(), cleared)
        except (Unavailable, TooLarge):
            return None

    async def _carried(self, call: RelayedCall, send: Send, request: _Request) -> Came:
        """Take it to the provider, within reach of a cut."""
        provider = self._providers.get(send.upstream)
        call.pay(send)
        if provider is None:
            error = UpstreamUnavailable(f"this relay knows no upstream `{send.upstream}`")
            return Came(
                call=call.number, error=Refusal.of(error), trouble=Trouble.UPSTREAM, failures=1
            )
        async with contextlib.AsyncExitStack() as held:
            try:
                cleared = await held.enter_async_context(
                    on_the_servers_word(request.given, send.edits, self._reader)
                )
            except (Unavailable, TooLarge) as fault:
                error = UpstreamUnavailable(f"the request was not sent: {fault.message}")
                refusal = Refusal.of(error)
                return Came(call=call.number, error=refusal, trouble=Trouble.UPSTREAM)
            return await self._sent(call, send, provider, request, cleared)

    async def _sent(
        self,
        call: RelayedCall,
        send: Send,
        provider: Provider,
        request: _Request,
        cleared: Cleared,
    ) -> Came:
        """What comes of trying, until the provider's headers are here."""

        async def ask(upstream: Upstream) -> UpstreamAnswer:
            return await upstream.send(cleared, timeout_s=call.seconds_left(), whole=send.whole)

        reached = await stoppable(
            call, request.take(self._reaching.reach(provider, ask, call)), call.refusal
        )
        if isinstance(reached, Reached):
            call.watch = lambda ended: self._reaching.ended(provider, reached, ended)
            return Came(
                call=call.number,
                status=reached.answer.status,
                tried=tuple(call.tried),
                failures=call.failures,
                said=request.said,
            )
        return Came(
            call=call.number,
            status=reached.answer.status if reached.answer is not None else 0,
            error=Refusal.of(reached.error) if reached.error is not None else None,
            trouble=reached.trouble,
            tried=tuple(call.tried),
            failures=call.failures,
            waits=_waits(reached.answer),
            reading=reached.reading,
            said=request.said,
        )

    async def count(
        self, live: str, path: str, headers: Mapping[str, str], body: Body
    ) -> UpstreamAnswer:
        """As `ModelCalls.count`: the server admits it, and nothing leaves before."""
        small, read = await self._read(body, counting=True)
        asked = Count(token=live, headers=_joined(headers), body=small, read=read)
        answer: Counted | Refusal = await self._line.ask("count", asked, Counted | Refusal)
        if isinstance(answer, Refusal):
            raise answer.error()
        provider, given = self._known(answer.upstream), ClientRequest(path, headers, body)
        async with on_the_servers_word(given, answer.edits, self._reader) as cleared:
            return await provider.ask_free(self._clock.now_ns(), cleared)

    async def models(self, live: str, path: str, headers: Mapping[str, str]) -> UpstreamAnswer:
        """As `ModelCalls.models`."""
        answer: Passed | Refusal = await self._line.ask(
            "free", live.encode(errors="replace"), Passed | Refusal
        )
        if isinstance(answer, Refusal):
            raise answer.error()
        cleared = told_to_list(path, headers, self._reader.admitted)
        return await self._known(answer.upstream).ask_free(self._clock.now_ns(), cleared)

    def _known(self, name: str) -> Provider:
        provider = self._providers.get(name)
        if provider is None:
            raise UpstreamUnavailable(f"this relay knows no upstream `{name}`")
        return provider

    def _note(self, body: UpstreamOpened | UpstreamClosed) -> None:
        self._line.mention("noted", Noted(kind=KINDS[type(body)], body=body.told()))


def _joined(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers by lower-case name; one that came several times is one list."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found


def _waits(answer: UpstreamAnswer | None) -> dict[str, str]:
    if answer is None:
        return {}
    asked = ((name, answer.headers.get(name, "")) for name in _WAITS)
    return {name: value for name, value in asked if value.isascii() and value}
