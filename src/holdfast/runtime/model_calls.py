"""One model call, from a client's bytes to the last byte back: who pays, how much, until when.

live → model and server tools → evidence → turns → rate → reserve → upstream → meter, extend, cut →
record every tool call the model emits → settle on the provider's usage → journal. The order and
the reasons are the design's; the stream itself is `runtime/answers`. When an upstream has trouble,
the call goes on to the next of its fallbacks, paid for anew.

Not here: what a call carries (`runtime/model_call`), HTTP (`apps/gateway`), evidence
(`runtime/admission`), bounds and holds (`runtime/holding`), trying one upstream again
(`runtime/reaching`), who takes a call there (`runtime/carrying`).
"""

import asyncio
import random
from collections.abc import Mapping

from holdfast.core import endings
from holdfast.core.edits import Edits
from holdfast.core.failures import Failed, told_headers
from holdfast.core.failures import failed as failure_of
from holdfast.core.rates import Draw
from holdfast.core.sessions import Command
from holdfast.errors import (
    Denied,
    Exhausted,
    HoldfastError,
    InvalidRequest,
    LoopDetected,
    RateLimited,
    Unavailable,
    UpstreamUnavailable,
)
from holdfast.model.bodies import UpstreamClosed, UpstreamOpened
from holdfast.model.upstreams import Fallback, Trouble
from holdfast.ports.llm import UpstreamAnswer
from holdfast.ports.readers import Body
from holdfast.runtime.admission import Admission
from holdfast.runtime.answers import Answer
from holdfast.runtime.carrying import Here
from holdfast.runtime.clearing import Clearance, Clearing, ClientRequest, told_to_list
from holdfast.runtime.holding import Holding
from holdfast.runtime.live import LiveSession
from holdfast.runtime.model_call import ModelCall
from holdfast.runtime.points import Fields, HookPoints
from holdfast.runtime.pricing import Pricing
from holdfast.runtime.provider_grants import ProviderGrants
from holdfast.runtime.providers import Provider
from holdfast.runtime.raises import Raises
from holdfast.runtime.rates import RateGate, Share, Toll
from holdfast.runtime.reaching import Dice, Reaching, Unreached, all_failed, resting, unanswered
from holdfast.runtime.request_reading import RequestReader
from holdfast.runtime.services import Services

# How long a call waits for other calls' holds to settle.
WAIT_FOR_ROOM_S = 60.0


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
        share: Share | None = None,
        dice: Dice | None = None,
        wait_for_room_s: float = WAIT_FOR_ROOM_S,
        reader: RequestReader | None = None,
        removes: bool = False,
        points: HookPoints,
        raises: Raises,
    ) -> None:
        self._points = points
        self._sessions = services.sessions
        self._journal = services.journal
        self._clock = services.clock
        self.providers = providers
        self.reader = reader or RequestReader()
        self.admitted = self.reader.admitted
        self._rates = rates
        self._share = share
        spread = dice or random.SystemRandom().random
        self._reaching = Reaching(self._note, services.clock, spread)
        self._here = Here(self._reaching, services.clock.now_ns)
        self._holding = Holding(services, pricing, wait_for_room_s, raises)
        grants = ProviderGrants(services, admission.contracts, removes=removes)
        self.clearing = Clearing(services, admission=admission, grants=grants, reader=self.reader)

    async def call(
        self, live: LiveSession, path: str, headers: Mapping[str, str], body: Body
    ) -> Answer:
        """Admit, pay for and forward one `POST /v1/messages`.

        Errors: every typed refusal (see `errors`); nothing was sent upstream then. A provider's
        own error comes back as an Answer with its status and bytes.
        """
        call = ModelCall(live, ClientRequest(path, headers, body), self._here)
        await self.carry(call)
        return Answer(call.answer, call.payer)

    async def carry(self, call: ModelCall) -> None:
        """As `call`, by whoever carries it, and has read it: its `answer`, and who pays for it.

        The session's upstream is asked, then its fallbacks for the trouble that each one had.
        Errors: what a refusal before the first upstream says; of the last when all failed.
        """
        if self._share is not None:
            self._share.enter(call.live.who.tenant)
        call.admitted = await self.clearing.call(call.live, call.given)
        await self._check_turns(call.live)
        if self._points.stand(call.live):
            call.again_most = 0  # The gateway's further tries are made here, one by one.
        again = 0
        while True:
            fault = await self._taken(call)
            if fault is None and call.payer is not None:
                return
            told = await self._told(call, fault)
            delay_s = self._again_s(call, told, again)
            if delay_s is None:
                break
            again += 1
            if call.failed is not None:
                call.before += (str(call.failed.trouble),)
            await asyncio.sleep(delay_s)
            self._sessions.check_live(call.live)
        if fault is not None:
            raise type(fault)(fault.message, **fault.fields, **told)

    async def _told(self, call: ModelCall, fault: Unavailable | None) -> Fields:
        """What the hooks say of a call that nobody answered, or that the provider refused."""
        if fault is not None:
            failure = Failed(status=fault.http_status, code=fault.code, text=fault.message)
            return await self._points.model_call(call.live, failure, call.tries)
        refused = await call.carrier.refused(call)
        failure = failure_of(refused.status, refused.body)
        told = await self._points.model_call(call.live, failure, call.tries)
        call.told = told_headers(told)
        call.answer = refused.marked(call.told)
        return told

    def _again_s(self, call: ModelCall, told: Fields, again: int) -> float | None:
        """Seconds until the call is tried once more where hooks stand; None where it is not.

        Otherwise an upstream's further tries are over already (`runtime/reaching`).
        """
        failed, retries = call.failed, call.provider.retries
        if failed is None or failed.sent or failed.trouble is Trouble.CREDENTIAL:
            return None
        if not self._points.stand(call.live):
            return None
        if told.get("recovery", "retry") != "retry" or again >= retries.within(call.wanted_again):
            return None
        return self._reaching.delay_s(failed, retries, again)

    async def _taken(self, call: ModelCall) -> Unavailable | None:
        """To one upstream after another; the error of the last where none of them answered."""
        call.provider = first = self._provider(call.live)
        call.clearance = call.admitted
        await self._try(call)
        failed = call.failed
        if failed is None:
            return None
        told = [f"{failed.upstream}: {failed.trouble}"]
        resend_only = failed.sent and not first.retries.after_sent
        for fallback in () if resend_only else first.fallbacks:
            if failed.trouble not in fallback.on:
                continue
            failed.close()
            try:
                self._turn_to(call, fallback)
                await self._try(call)
            except (Denied, Exhausted, InvalidRequest, RateLimited) as error:
                self._sessions.check_live(call.live)
                told.append(f"{fallback.upstream}: {error.code}")
                continue
            if call.failed is None:
                return None
            failed = call.failed
            told.append(f"{failed.upstream}: {failed.trouble}")
            if failed.sent:
                break
        if len(told) > 1:
            failed.close()
            return all_failed(told, failed)
        if failed.answer is None:
            return unanswered(failed)
        call.answer = failed.answer
        return None

    def _note(self, body: UpstreamOpened | UpstreamClosed) -> None:
        self._journal.queue([self._journal.record(body, None)])

    def _turn_to(self, call: ModelCall, fallback: Fallback) -> None:
        """The same call at another upstream, allowed and paid for as if it had been asked there.

        Errors: Denied, InvalidRequest.
        """
        provider = self.providers.get(fallback.upstream)
        if provider is None:
            raise InvalidRequest(f"no upstream `{fallback.upstream}` is configured")
        call.provider, call.clearance = provider, call.admitted
        request = call.admitted.request
        if request.continues and fallback.upstream != call.live.session.upstream:
            raise InvalidRequest("the conversation is held by another upstream")
        if fallback.model and fallback.model != request.model:
            call.clearance = self.clearing.fallen_back(call.live, call.admitted, fallback.model)

    async def _try(self, call: ModelCall) -> None:
        """Pay for a call and send it; again where it broke off, was settled, and may be resent.

        Errors: every refusal before it was sent.
        """
        again = 0
        while True:
            await self._try_once(call)
            failed, retries = call.failed, call.provider.retries
            if failed is None or not failed.sent or failed.ours:
                return
            if not retries.after_sent or again >= retries.within(call.again_most):
                return
            await asyncio.sleep(self._reaching.delay_s(failed, retries, again))
            again += 1
            self._sessions.check_live(call.live)

    async def _try_once(self, call: ModelCall) -> None:
        """One hold, one way to the upstream: what `came` of it."""
        now_ns, asker = self._clock.now_ns(), call.live.asker
        if not call.provider.admits(now_ns, asker):
            call.came = resting(call.provider, now_ns, asker)
            return
        call.fits = call.clearance.fits(call.provider)
        self._holding.offer(call)
        call.toll = await self._entered(call)
        try:
            await self._holding.reserve(call)
        except BaseException:
            if call.toll is not None:
                call.toll.unsent()
            raise
        await self._send(call)

    async def _entered(self, call: ModelCall) -> Toll | None:
        """Wait for the rates of the model and the tenant. Errors: RateLimited, SessionStopped."""
        if self._rates is None:
            return None
        live, offer = call.live, call.offer
        toll = await self._rates.enter(
            call.provider.name,
            call.clearance.request.model,
            live.who.tenant,
            Draw(1, offer.quote.prompt_tokens, offer.wanted),
            timeout_s=min(call.provider.queue_s, live.session.loop.turn_timeout_s),
        )
        try:
            self._sessions.check_live(live)
        except HoldfastError:
            if toll is not None:
                toll.unsent()
            raise
        return toll

    async def _send(self, call: ModelCall) -> None:
        """Send what is held for; where that brought no answer, settle or give the hold back."""
        purse = call.purse
        try:
            self._sessions.check_live(call.live)  # Killed while it waited for room: send nothing.
        except HoldfastError as error:
            await purse.release(error.code)
            raise
        try:
            await call.carrier.reach(call)
        except BaseException:
            purse.abandon(endings.STOPPED)
            raise
        came = call.came
        call.tries += len(purse.tried)
        if isinstance(came, Unreached):
            if came.reading is not None:
                purse.settle(came.reading, ended=endings.broken(came.why))
            elif came.sent and came.error is not None:
                # An answer in one piece is all written, and billed, before its headers.
                purse.abandon(endings.failed(came.error))
            else:
                await self._released(call, came.why, came.answer)
            return
        call.answer = came
        if came.status != 200:
            call.tries += 1
            await self._released(call, f"upstream_{came.status}", came)
            return
        call.live.progress.turn_taken()
        call.payer = purse

    @staticmethod
    async def _released(call: ModelCall, why: str, answer: UpstreamAnswer | None) -> None:
        try:
            await call.purse.release(why)
        except BaseException:
            if answer is not None:
                answer.close()
            raise

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
            record = self._journal.record(finding.told(), live.who)
            if finding is retrying:
                await self._journal.commit([record])
                raise LoopDetected(f"loop_detected: {finding.text}", code=finding.code)
            if finding.stops:
                await self._sessions.change(live, Command.STOP, finding.text, extra=[record])
                raise LoopDetected(f"loop_detected: {finding.text}", code=finding.code)
            self._journal.queue([record])
