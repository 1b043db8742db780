"""One model call, from a client's bytes to the last byte back: who pays, how much, until when.

live → model and server tools → evidence → turns → rate → reserve → upstream → meter, extend, cut →
record every tool call the model emits → settle on the provider's usage → journal. The order and
the reasons are the design's; the stream itself is `runtime/answers`. When an upstream has trouble,
the call goes on to the next of its fallbacks, paid for anew.

Not here: HTTP (`apps/gateway`), evidence (`runtime/admission`), arithmetic (`runtime/pricing`),
trying one upstream again (`runtime/reaching`), who takes a call there (`runtime/carrying`).
"""

import asyncio
import random
import re
from collections.abc import Mapping

import msgspec

from holdfast.core import endings
from holdfast.core.edits import Edits
from holdfast.core.messages import ModelRequest
from holdfast.core.rates import Draw
from holdfast.core.sessions import Command
from holdfast.core.wire.betas import Betas
from holdfast.core.work import Asked
from holdfast.errors import (
    Denied,
    Exhausted,
    HoldfastError,
    InvalidRequest,
    LoopDetected,
    RateLimited,
    UpstreamUnavailable,
)
from holdfast.model.budgets import Amounts, Dimension, Refused, Reserved
from holdfast.model.events import Kind
from holdfast.model.upstreams import Fallback
from holdfast.ports.llm import UpstreamAnswer
from holdfast.ports.readers import Body
from holdfast.runtime.admission import Admission
from holdfast.runtime.answers import Answer
from holdfast.runtime.carrying import Carried, Carrier, Here
from holdfast.runtime.clearing import Clearance, Clearing, ClientRequest, told_to_list
from holdfast.runtime.exhaustion import exhausted
from holdfast.runtime.live import LiveSession
from holdfast.runtime.pricing import (
    MIN_OUTPUT_TOKENS,
    Pricing,
    Quote,
    affordable_output,
    amounts,
    first_without_room,
    tool_calls,
)
from holdfast.runtime.provider_grants import ProviderGrants
from holdfast.runtime.providers import Provider
from holdfast.runtime.purse import Paid, Purse, tranche_tokens
from holdfast.runtime.rates import RateGate, Toll
from holdfast.runtime.reaching import (
    Dice,
    Reaching,
    Unreached,
    all_failed,
    resting,
    unanswered,
)
from holdfast.runtime.request_reading import RequestReader
from holdfast.runtime.services import Services

# How long a call waits for other calls' holds to settle.
WAIT_FOR_ROOM_S = 60.0
# The provider's count is an estimate; this much is added to it, and never less than so many.
_COUNT_MARGIN_PERCENT = 5
_COUNT_MARGIN_TOKENS = 64
_NAME = re.compile(r"[A-Za-z0-9._:-]{0,48}", re.ASCII)
# So much output is worth more than one more use of a tool at the provider.
_OUTPUT_OF_USE = 1024


class _TooDear(Exception):
    """The cheap bound does not fit; the tight one has to decide."""


class _Offer:
    """What a call is being offered while it waits for room.

    `rungs` are the bounds it may be offered, the dearest first: tools that run at the provider
    run less often on each. The one that was taken last is `asked`, at `quote`.
    """

    def __init__(self, rungs: list[tuple[Asked, Quote]]) -> None:
        self.rungs = rungs
        self.asked, self.quote = rungs[0]
        self.tight = False
        self.output_tokens = 0
        self.seconds = 0


class _Given(msgspec.Struct, frozen=True):
    """What the client sent, and who takes it there."""

    request: ClientRequest
    carrier: Carrier


class ModelCalls:
    """The paid door to a provider."""

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        services: Services,
        *,
        admission: Admission,
        pricing: Pricing,
        providers: Mapping[str, Provider],
        rates: RateGate | None = None,
        dice: Dice | None = None,
        wait_for_room_s: float = WAIT_FOR_ROOM_S,
        reader: RequestReader | None = None,
        removes: bool = False,
    ) -> None:
        self._sessions = services.sessions
        self._budgets = services.budgets
        self._journal = services.journal
        self._clock = services.clock
        self._entropy = services.entropy
        self._pricing = pricing
        self.providers = providers
        self.reader = reader or RequestReader()
        self.admitted = self.reader.admitted
        self._rates = rates
        spread = dice or random.SystemRandom().random
        self._reaching = Reaching(self._note, services.clock, spread)
        self._here = Here(self._reaching, services.clock.now_ns)
        self._wait_for_room_s = wait_for_room_s
        grants = ProviderGrants(services, admission.contracts, removes=removes)
        self.clearing = Clearing(services, admission=admission, grants=grants, reader=self.reader)

    async def call(
        self, live: LiveSession, path: str, headers: Mapping[str, str], body: Body
    ) -> Answer:
        """Admit, pay for and forward one `POST /v1/messages`.

        Errors: every typed refusal (see `errors`); nothing was sent upstream then. A provider's
        own error comes back as an Answer with its status and bytes.
        """
        carried = await self.carry(live, ClientRequest(path, headers, body), self._here)
        return Answer(carried.answer, carried.purse)

    async def carry(self, live: LiveSession, request: ClientRequest, carrier: Carrier) -> Carried:
        """As `call`, by whoever carries it, and has read it. Errors: as `call`."""
        clearance = await self.clearing.call(live, request)
        await self._check_turns(live)
        return await self._carry(live, clearance, _Given(request, carrier))

    def _note(self, kind: Kind, body: Mapping[str, object]) -> None:
        self._journal.queue([self._journal.record(kind, None, dict(body))])

    async def _carry(self, live: LiveSession, clearance: Clearance, given: _Given) -> Carried:
        """Try the session's upstream, then its fallbacks for the trouble that each one had.

        Errors: what a refusal before the first upstream says; of the last when all failed.
        """
        provider = self._provider(live)
        failed = await self._try(live, provider, clearance, given)
        if isinstance(failed, Carried):
            return failed
        told = [f"{failed.upstream}: {failed.trouble}"]
        resend_only = failed.sent and not provider.retries.after_sent
        for fallback in () if resend_only else provider.fallbacks:
            if failed.trouble not in fallback.on:
                continue
            failed.close()
            try:
                tried = await self._fall_back(live, fallback, clearance, given)
            except (Denied, Exhausted, InvalidRequest, RateLimited) as error:
                self._sessions.check_live(live)
                told.append(f"{fallback.upstream}: {error.code}")
                continue
            if isinstance(tried, Carried):
                return tried
            failed = tried
            told.append(f"{failed.upstream}: {failed.trouble}")
            if failed.sent:
                break
        if len(told) > 1:
            failed.close()
            raise all_failed(told, failed)
        if failed.answer is None:
            raise unanswered(failed)
        return Carried(failed.answer, None)

    async def _fall_back(
        self, live: LiveSession, fallback: Fallback, clearance: Clearance, given: _Given
    ) -> Carried | Unreached:
        """The same call at another upstream, allowed and paid for as if it had been asked there."""
        provider = self.providers.get(fallback.upstream)
        if provider is None:
            raise InvalidRequest(f"no upstream `{fallback.upstream}` is configured")
        request = clearance.request
        if request.continues and fallback.upstream != live.session.upstream:
            raise InvalidRequest("the conversation is held by another upstream")
        if fallback.model and fallback.model != request.model:
            clearance = self.clearing.fallen_back(live, clearance, fallback.model)
        return await self._try(live, provider, clearance, given)

    async def _try(
        self, live: LiveSession, provider: Provider, clearance: Clearance, given: _Given
    ) -> Carried | Unreached:
        """Pay for a call and send it; again where it broke off, was settled, and may be resent.

        Errors: every refusal before it was sent.
        """
        again = 0
        while True:
            answer = await self._try_once(live, provider, clearance, given)
            if isinstance(answer, Carried) or not answer.sent or answer.ours:
                return answer
            retries = provider.retries
            if not retries.after_sent or again >= retries.attempts:
                return answer
            await asyncio.sleep(self._reaching.delay_s(answer, retries, again))
            again += 1
            self._sessions.check_live(live)

    async def _try_once(
        self, live: LiveSession, provider: Provider, clearance: Clearance, given: _Given
    ) -> Carried | Unreached:
        now_ns = self._clock.now_ns()
        if not provider.admits(now_ns, live.asker):
            return resting(provider, now_ns, live.asker)
        request, fits = clearance.request, clearance.fits(provider)
        offer = self._offered(live, request, clearance.betas)
        toll = None
        if self._rates is not None:
            toll = await self._entered(live, self._rates, provider, request, offer)
        try:
            hold_id = await self._reserve(live, provider, clearance, offer, given)
        except BaseException:
            if toll is not None:
                toll.unsent()
            raise
        rate = provider.max_tokens_per_s
        paid = Paid(
            hold_id=hold_id,
            quote=offer.quote,
            clearance=clearance,
            output_tokens=offer.output_tokens,
            held_output_tokens=first_hold(request, offer.output_tokens, rate),
            started_s=asyncio.get_running_loop().time(),
            timeout_s=float(offer.seconds),
            agent_path=_plain_name(given.request.headers.get("x-claude-code-agent-id", "")),
            upstream=provider.name,
            toll=toll,
        )
        purse = Purse(
            live, paid, self._budgets, self._journal, self._pricing, max_tokens_per_s=rate
        )
        edits = msgspec.structs.replace(
            clearance.edits(fits),
            max_tokens=offer.output_tokens if offer.output_tokens < request.max_tokens else None,
            changes=(*fits.changes, *offer.asked.changes()),
        )
        return await self._send(live, provider, purse, given.carrier, edits)

    async def _entered(
        self,
        live: LiveSession,
        rates: RateGate,
        provider: Provider,
        request: ModelRequest,
        offer: _Offer,
    ) -> Toll | None:
        """Wait for the rates of the model and the tenant. Errors: RateLimited, SessionStopped."""
        most = min(request.max_tokens, live.session.max_output_tokens)
        toll = await rates.enter(
            provider.name,
            request.model,
            live.who.tenant,
            Draw(1, offer.quote.prompt_tokens, most),
            timeout_s=min(provider.queue_s, live.session.loop.turn_timeout_s),
        )
        try:
            self._sessions.check_live(live)
        except HoldfastError:
            if toll is not None:
                toll.unsent()
            raise
        return toll

    def free(self, live: LiveSession) -> Provider:
        """Whom to ask for the list of models; a stopped session may not even do that.

        Errors: SessionStopped, CredentialExpired, UpstreamUnavailable, RateLimited.
        """
        self.clearing.free(live)
        return self._provider(live)

    async def counted(
        self, live: LiveSession, request: ClientRequest
    ) -> tuple[Provider, Clearance, Edits]:
        """Whom to ask for a count, the proof that it may be sent, and how it is.

        Errors: every typed refusal.
        """
        clearance = await self.clearing.count(live, request)
        provider = self._provider(live)
        return provider, clearance, clearance.edits(clearance.fits(provider))

    async def count(
        self, live: LiveSession, path: str, headers: Mapping[str, str], body: Body
    ) -> UpstreamAnswer:
        """Forward one free `count_tokens`, admitted as a paid call is."""
        provider, clearance, edits = await self.counted(live, ClientRequest(path, headers, body))
        async with clearance.call(edits) as cleared:
            return await provider.ask_free(self._clock.now_ns(), cleared)

    async def models(
        self, live: LiveSession, path: str, headers: Mapping[str, str]
    ) -> UpstreamAnswer:
        """Forward one read of `/v1/models`."""
        provider = self.free(live)
        cleared = told_to_list(path, headers, self.admitted)
        return await provider.ask_free(self._clock.now_ns(), cleared)

    def _provider(self, live: LiveSession) -> Provider:
        provider = self.providers.get(live.session.upstream)
        if provider is None:
            raise UpstreamUnavailable(f"no upstream `{live.session.upstream}` is configured")
        return provider

    async def _check_turns(self, live: LiveSession) -> None:
        retrying = live.progress.retrying(self._clock.now_ns())
        findings = [retrying] if retrying else live.progress.turn_ahead()
        for finding in findings:
            record = self._journal.record(Kind.LOOP_ALERT, live.who, finding.told())
            if finding is retrying:
                await self._journal.commit([record])
                raise LoopDetected(f"loop_detected: {finding.text}", code=finding.code)
            if finding.stops:
                await self._sessions.change(live, Command.STOP, finding.text, extra=[record])
                raise LoopDetected(f"loop_detected: {finding.text}", code=finding.code)
            self._journal.queue([record])

    def _offered(self, live: LiveSession, request: ModelRequest, betas: Betas) -> _Offer:
        """What the call is bounded by before anybody counts. Errors: UnknownModel."""
        return _Offer(self._rungs(request, self._input_bound(live, request), betas))

    def _rungs(
        self, request: ModelRequest, tokens: int | None, betas: Betas
    ) -> list[tuple[Asked, Quote]]:
        """Bounds of a request, halving how often its tools may run. Errors: UnknownModel."""
        asked = self._pricing.asked(request, tokens, long_context=betas.wide)
        rungs = [(asked, self._pricing.quote(asked))]
        uses = asked.uses_from() // 2
        while uses:
            lower = msgspec.structs.replace(asked, uses=uses)
            rungs.append((lower, self._pricing.quote(lower)))
            uses //= 2
        return rungs

    async def _reserve(
        self,
        live: LiveSession,
        provider: Provider,
        clearance: Clearance,
        offer: _Offer,
        given: _Given,
    ) -> str:
        """Hold money for the call: the hold's id; `offer` says what it was offered."""
        request, betas = clearance.request, clearance.betas
        wanted = min(request.max_tokens, live.session.max_output_tokens)
        rate = provider.max_tokens_per_s
        hold_id = self._entropy.new_id("hld")
        answer: Reserved | Refused | None = None
        while answer is None:
            try:
                answer, _ = await self._budgets.reserve(
                    hold_id,
                    live.session,
                    live.chain,
                    lambda: self._plan(live, clearance, offer, wanted, rate),
                    purpose="model",
                    wait_s=self._wait_for_room_s,
                )
            except _TooDear:
                # The cheap bound reads several times too dear: only the provider's count refuses.
                self._sessions.check_live(live)
                counted = await self._count(provider, clearance, given)
                if counted is not None:
                    tight = min(counted, offer.quote.prompt_tokens)
                    offer.rungs = self._rungs(request, tight, betas)
                offer.tight = True
        if isinstance(answer, Refused):
            raise exhausted(answer)
        return hold_id

    def _input_bound(self, live: LiveSession, request: ModelRequest) -> int | None:
        """Tokens of input that the bytes bound; None leaves only the context window."""
        if not request.continues:
            return request.input_tokens_bound
        held = live.threads.get(request.continues)
        if held is None:
            raise InvalidRequest("`thread.previous_message_id` is no message of this session")
        if request.input_tokens_bound is None:
            return None
        return held + request.input_tokens_bound

    def _plan(
        self,
        live: LiveSession,
        clearance: Clearance,
        offer: _Offer,
        wanted: int,
        rate: int | None,
    ) -> Amounts | Refused:
        """What to hold, given what is spent by now; sets the output that the offer allows.

        Errors: _TooDear when only the cheap bound stands in the way.
        """
        ledger, now_ns = self._budgets.ledger, self._clock.now_ns()
        request, room, runs = clearance.request, None, 0
        for asked, quote in offer.rungs:
            offer.asked, offer.quote = asked, quote
            room = affordable_output(ledger, live.chain, offer.quote, now_ns)
            runs = tool_calls(ledger, live.chain, quote, now_ns)
            fits = runs == quote.tool_calls or not asked.uses_from()
            if fits and (room is None or room >= min(wanted, _OUTPUT_OF_USE)):
                break
        quote, least = offer.quote, _least_output(request)
        if room is not None and room < wanted and not offer.tight:
            # What would not fit with hardly a prompt is not counted: nothing of it leaves.
            floor = self._rungs(request, 1, clearance.betas)[-1][1]
            hopeless = amounts(floor, least, 1, min(floor.tool_calls, 1))
            refused = first_without_room(ledger, live.chain, hopeless, now_ns)
            if refused is not None:
                return refused
            raise _TooDear
        offer.output_tokens = wanted if room is None else min(wanted, room)
        # Seconds that other calls hold are waited for, like money.
        seconds_left = ledger.room(live.chain, Dimension.SECONDS, now_ns, held_counts=False)
        seconds = live.session.loop.turn_timeout_s
        if seconds_left is not None:
            seconds = max(min(seconds, seconds_left), 1)
        offer.seconds = seconds
        if offer.output_tokens < least:
            needed = amounts(quote, least, seconds, min(runs, 1))
            refused = first_without_room(ledger, live.chain, needed, now_ns)
            if refused is not None:
                return refused
            offer.output_tokens = least
        held = first_hold(request, offer.output_tokens, rate)
        return amounts(quote, held, seconds, runs)

    async def _count(self, provider: Provider, clearance: Clearance, given: _Given) -> int | None:
        """The provider's own count of the input, with a margin; None when it does not say."""
        try:
            raw = await given.carrier.count(provider, clearance)
            if raw is None:
                return None
            tokens = msgspec.json.decode(raw, type=dict[str, object]).get("input_tokens")
        except (UpstreamUnavailable, msgspec.DecodeError, UnicodeDecodeError):
            return None
        if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 0:
            return None
        return tokens + max(tokens * _COUNT_MARGIN_PERCENT // 100, _COUNT_MARGIN_TOKENS)

    async def _send(
        self, live: LiveSession, provider: Provider, purse: Purse, carrier: Carrier, edits: Edits
    ) -> Carried | Unreached:
        try:
            self._sessions.check_live(live)  # Killed while it waited for room: send nothing.
        except HoldfastError as error:
            await purse.release(error.code)
            raise
        try:
            answer = await carrier.reach(provider, purse, edits)
        except BaseException:
            purse.abandon(endings.STOPPED)
            raise
        if isinstance(answer, Unreached):
            if answer.reading is not None:
                purse.settle(answer.reading, ended=endings.broken(answer.why))
            elif answer.sent and answer.error is not None:
                # An answer in one piece is all written, and billed, before its headers.
                purse.abandon(endings.failed(answer.error))
            else:
                await self._released(purse, answer.why, answer.answer)
            return answer
        if answer.status != 200:
            await self._released(purse, f"upstream_{answer.status}", answer)
            return Carried(answer, None)
        live.progress.turn_taken()
        return Carried(answer, purse)

    async def _released(self, purse: Purse, why: str, answer: UpstreamAnswer | None) -> None:
        try:
            await purse.release(why)
        except BaseException:
            if answer is not None:
                answer.close()
            raise


def first_hold(request: ModelRequest, output_tokens: int, max_tokens_per_s: int | None) -> int:
    """Output to hold at the start: all of it, or two tranches where those are enough to begin."""
    tranche = tranche_tokens(max_tokens_per_s)
    if tranche is None or request.opaque or not request.stream:
        return output_tokens
    return min(output_tokens, 2 * tranche)


def _least_output(request: ModelRequest) -> int:
    """Output without which a call is of no use."""
    if request.thinking_budget >= request.max_tokens:
        return MIN_OUTPUT_TOKENS  # The provider will refuse it in its own words.
    return min(request.max_tokens, max(MIN_OUTPUT_TOKENS, request.thinking_budget + 1))


def _plain_name(given: str) -> str:
    """A client's name for one of its agents, if it is no more than a name."""
    return given if _NAME.fullmatch(given) else ""
