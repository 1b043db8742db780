"""One model call, from a client's bytes to the last byte back: who pays, how much, until when.

live → model and server tools → evidence → turns → reserve → upstream → meter, extend, cut →
record every tool call the model emits → settle on the provider's usage → journal. The order and
the reasons are the design's; the stream itself is `runtime/answers`.

Not here: HTTP (`apps/gateway`), evidence (`runtime/admission`), arithmetic (`runtime/pricing`).
"""

import asyncio
import re
from collections.abc import Mapping

import msgspec

from holdfast.core.delegation import reaches
from holdfast.core.messages import BadRequest, ModelRequest, edited, read_request
from holdfast.core.sessions import Command
from holdfast.errors import (
    Denied,
    Exhausted,
    HoldfastError,
    InvalidRequest,
    LoopDetected,
    SessionStopped,
    UpstreamUnavailable,
)
from holdfast.model.budgets import Amounts, Dimension, Refused, Reserved
from holdfast.model.decisions import PolicyRequest, Verdict
from holdfast.model.events import Kind
from holdfast.model.money import format_usd
from holdfast.ports.llm import Upstream, UpstreamAnswer
from holdfast.runtime.admission import Admission
from holdfast.runtime.answers import Answer
from holdfast.runtime.live import LiveSession
from holdfast.runtime.pricing import (
    MIN_OUTPUT_TOKENS,
    Pricing,
    Quote,
    affordable_output,
    amounts,
    first_without_room,
)
from holdfast.runtime.purse import Paid, Purse, tranche_tokens
from holdfast.runtime.services import Services

# How long a call waits for other calls' holds to settle.
WAIT_FOR_ROOM_S = 60.0
# The provider's count is an estimate; this much is added to it, and never less than so many.
_COUNT_MARGIN_PERCENT = 5
_COUNT_MARGIN_TOKENS = 64
_COUNT_TIMEOUT_S = 10.0
_NAME = re.compile(r"[A-Za-z0-9._:-]{0,48}", re.ASCII)
_COUNTED_FIELDS = ("model", "messages", "system", "tools", "tool_choice", "thinking", "thread")


class _TooDear(Exception):
    """The cheap bound does not fit; the tight one has to decide."""


class _Offer:
    """What a call is being offered while it waits for room."""

    def __init__(self, quote: Quote, *, tight: bool) -> None:
        self.quote = quote
        self.tight = tight
        self.output_tokens = 0
        self.seconds = 0


class Provider(msgspec.Struct, frozen=True):
    """An upstream and the most tokens a second that any model there writes."""

    upstream: Upstream
    max_tokens_per_s: int | None


class ModelCalls:
    """The paid door to a provider."""

    def __init__(
        self,
        services: Services,
        *,
        admission: Admission,
        pricing: Pricing,
        providers: Mapping[str, Provider],
        wait_for_room_s: float = WAIT_FOR_ROOM_S,
    ) -> None:
        self._sessions = services.sessions
        self._budgets = services.budgets
        self._journal = services.journal
        self._policy = services.policy
        self._clock = services.clock
        self._entropy = services.entropy
        self._admission = admission
        self._pricing = pricing
        self.providers = providers
        self._wait_for_room_s = wait_for_room_s

    async def call(
        self, live: LiveSession, path: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        """Admit, pay for and forward one `POST /v1/messages`.

        Errors: every typed refusal (see `errors`); nothing was sent upstream then. A provider's
        own error comes back as an Answer with its status and bytes.
        """
        self._sessions.check_live(live)
        request = read_request(body)
        if isinstance(request, BadRequest):
            raise InvalidRequest(request.text)
        self._check_model(live, request)
        await self._check_server_tools(live, request)
        contents = await self._admission.admit(live, request)
        await self._check_turns(live)
        provider = self._provider(live)
        hold_id, offer = await self._reserve(live, request, path, headers)
        paid = Paid(
            hold_id=hold_id,
            quote=offer.quote,
            request=request,
            output_tokens=offer.output_tokens,
            held_output_tokens=first_hold(request, offer.output_tokens, provider.max_tokens_per_s),
            started_s=asyncio.get_running_loop().time(),
            timeout_s=float(offer.seconds),
            agent_path=_plain_name(headers.get("x-claude-code-agent-id", "")),
        )
        purse = Purse(
            live,
            paid,
            self._budgets,
            self._journal,
            self._pricing,
            max_tokens_per_s=provider.max_tokens_per_s,
        )
        lowered = offer.output_tokens if offer.output_tokens < request.max_tokens else None
        try:
            sent = edited(request.body, max_tokens=lowered, contents=contents)
        except BaseException:
            await purse.release("internal_error")
            raise
        return await self._send(live, purse, path, headers, sent)

    async def count(
        self, live: LiveSession, path: str, headers: Mapping[str, str], body: bytes
    ) -> UpstreamAnswer:
        """Forward one free `count_tokens`; a stopped session may not even count."""
        self._sessions.check_live(live)
        return await self._provider(live).upstream.send("POST", path, headers, body, timeout_s=60.0)

    async def models(
        self, live: LiveSession, path: str, headers: Mapping[str, str]
    ) -> UpstreamAnswer:
        """Forward one read of `/v1/models`."""
        self._sessions.check_live(live)
        return await self._provider(live).upstream.send("GET", path, headers, b"", timeout_s=60.0)

    def _provider(self, live: LiveSession) -> Provider:
        provider = self.providers.get(live.session.upstream)
        if provider is None:
            raise UpstreamUnavailable(f"no upstream `{live.session.upstream}` is configured")
        return provider

    def _check_model(self, live: LiveSession, request: ModelRequest) -> None:
        allowed = live.session.allowed_models
        if allowed and request.model not in allowed:
            raise Denied(
                f"permission_denied: this agent may not use the model `{request.model[:100]}`",
                model=request.model[:100],
            )

    async def _check_server_tools(self, live: LiveSession, request: ModelRequest) -> None:
        """Tools that the provider runs never meet the guard: policy decides on the request."""
        session, who = live.session, live.who
        for name in request.server_tools:
            granted = name in session.allowed_tools and reaches(session.resources, f"tool:{name}")
            verdict = Verdict.ALLOW if granted else Verdict.DENY
            for one in live.line if granted else ():
                if verdict is Verdict.ALLOW:
                    asked = self._server_tool(one, name, tainted=live.vouched.tainted)
                    verdict = (await self._policy.decide(asked)).verdict
            if verdict is not Verdict.ALLOW:
                body = {"door": "gateway", "server_tool": name[:200], "granted": granted}
                record = self._journal.record(
                    Kind.TOOL_CALL_DECIDED, who, body, tool=name[:200], verdict=Verdict.DENY
                )
                await self._journal.commit([record])
                raise Denied(
                    f"permission_denied: `{name[:200]}` runs at the provider, out of the guard's"
                    " reach, and no rule permits it",
                    tool=name[:200],
                )

    def _server_tool(self, one: LiveSession, name: str, *, tainted: bool) -> PolicyRequest:
        session, who = one.session, one.who
        return PolicyRequest(
            tenant=who.tenant,
            project=who.project,
            user=who.user,
            agent=who.agent,
            session=who.session,
            roles=who.roles,
            trust=who.trust,
            action=name,
            resource=f"tool:{name}",
            input={},
            task_id=who.task,
            task=session.task_attributes,
            tenant_attributes=session.tenant_attributes,
            resource_tags={},
            risk="HIGH",
            effect="egress",
            tainted=tainted,
            at_ns=self._clock.now_ns(),
        )

    async def _check_turns(self, live: LiveSession) -> None:
        retrying = live.progress.retrying(self._clock.now_ns())
        findings = [retrying] if retrying else live.progress.turn_ahead()
        for finding in findings:
            body = {"code": finding.code, "text": finding.text, "stops": finding.stops}
            record = self._journal.record(Kind.LOOP_ALERT, live.who, body)
            if finding is retrying:
                await self._journal.commit([record])
                raise LoopDetected(f"loop_detected: {finding.text}", code=finding.code)
            if finding.stops:
                await self._sessions.change(live, Command.STOP, finding.text, extra=[record])
                raise LoopDetected(f"loop_detected: {finding.text}", code=finding.code)
            self._journal.queue([record])

    async def _reserve(
        self, live: LiveSession, request: ModelRequest, path: str, headers: Mapping[str, str]
    ) -> tuple[str, _Offer]:
        """Hold money for the call: hold id, and what it was offered."""
        wanted = min(request.max_tokens, live.session.max_output_tokens)
        # A header may come several times, and each may name betas.
        wide = any(
            "context-1m" in value
            for name, value in headers.items()
            if name.lower() == "anthropic-beta"
        )
        bound = self._input_bound(live, request)
        offer = _Offer(self._pricing.quote(request, bound, long_context=wide), tight=False)
        hold_id = self._entropy.new_id("hld")
        answer: Reserved | Refused | None = None
        while answer is None:
            try:
                answer, _ = await self._budgets.reserve(
                    hold_id,
                    live.session,
                    live.chain,
                    lambda: self._plan(live, request, offer, wanted),
                    purpose="model",
                    wait_s=self._wait_for_room_s,
                )
            except _TooDear:
                # The cheap bound reads several times too dear: only the provider's count refuses.
                counted = await self._count(live, request, path, headers)
                if counted is not None:
                    tight = min(counted, offer.quote.input_tokens)
                    offer.quote = self._pricing.quote(request, tight, long_context=wide)
                offer.tight = True
        if isinstance(answer, Refused):
            raise exhausted(answer)
        return hold_id, offer

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
        self, live: LiveSession, request: ModelRequest, offer: _Offer, wanted: int
    ) -> Amounts | Refused:
        """What to hold, given what is spent by now; sets the output that the offer allows.

        Errors: _TooDear when only the cheap bound stands in the way.
        """
        ledger, now_ns, quote = self._budgets.ledger, self._clock.now_ns(), offer.quote
        room = affordable_output(ledger, live.chain, quote, now_ns)
        if room is not None and room < wanted and not offer.tight:
            raise _TooDear
        offer.output_tokens = wanted if room is None else min(wanted, room)
        least = min(request.max_tokens, max(MIN_OUTPUT_TOKENS, request.thinking_budget + 1))
        if request.thinking_budget >= request.max_tokens:
            least = MIN_OUTPUT_TOKENS  # The provider will refuse it in its own words.
        # Seconds that other calls hold are waited for, like money.
        seconds_left = ledger.room(live.chain, Dimension.SECONDS, now_ns, held_counts=False)
        seconds = live.session.loop.turn_timeout_s
        if seconds_left is not None:
            seconds = max(min(seconds, seconds_left), 1)
        offer.seconds = seconds
        if offer.output_tokens < least:
            asked = amounts(quote, least, seconds)
            refused = first_without_room(ledger, live.chain, asked, now_ns)
            if refused is not None:
                return refused
            offer.output_tokens = least
        rate = self._provider(live).max_tokens_per_s
        held = first_hold(request, offer.output_tokens, rate)
        return amounts(quote, held, seconds)

    async def _count(
        self, live: LiveSession, request: ModelRequest, path: str, headers: Mapping[str, str]
    ) -> int | None:
        """The provider's own count of the input, with a margin; None when it does not say."""
        fields = {k: request.fields[k] for k in _COUNTED_FIELDS if k in request.fields}
        query = path.partition("?")[2]
        target = "/v1/messages/count_tokens" + (f"?{query}" if query else "")
        try:
            answer = await self._provider(live).upstream.send(
                "POST", target, headers, msgspec.json.encode(fields), timeout_s=_COUNT_TIMEOUT_S
            )
            try:
                raw = await answer.read(64 * 1024)
            finally:
                answer.close()
            if answer.status != 200:
                return None
            tokens = msgspec.json.decode(raw, type=dict[str, object]).get("input_tokens")
        except (UpstreamUnavailable, msgspec.DecodeError, UnicodeDecodeError):
            return None
        if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 0:
            return None
        return tokens + max(tokens * _COUNT_MARGIN_PERCENT // 100, _COUNT_MARGIN_TOKENS)

    async def _send(
        self,
        live: LiveSession,
        purse: Purse,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Answer:
        try:
            self._sessions.check_live(live)  # Killed while it waited for room: send nothing.
        except HoldfastError as error:
            await purse.release(error.code)
            raise
        try:
            answer = await self._reached(live, purse, path, headers, body)
        except UpstreamUnavailable as error:
            live.progress.failure(self._clock.now_ns())
            if error.fields.get("sent"):
                # An answer in one piece is all written, and billed, before its headers.
                purse.abandon(f"broken: {error.message}")
            else:
                await purse.release(error.code)
            raise
        except BaseException:
            purse.abandon("stopped before the provider answered")
            raise
        if answer.status != 200:
            live.progress.failure(self._clock.now_ns())
            try:
                await purse.release(f"upstream_{answer.status}")
            except BaseException:
                answer.close()
                raise
            return Answer(answer, purse=None, live=live, journal=self._journal)
        live.progress.turn_taken()
        return Answer(answer, purse=purse, live=live, journal=self._journal)

    async def _reached(
        self,
        live: LiveSession,
        purse: Purse,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> UpstreamAnswer:
        """Wait for the provider's headers, within reach of a kill.

        Errors: UpstreamUnavailable; SessionStopped when it was cut meanwhile.
        """
        task = asyncio.current_task()
        why = ""

        def cut(reason: str) -> None:
            nonlocal why
            if not why and task is not None:
                why = reason
                task.cancel()

        live.streams[purse.paid.hold_id] = cut
        try:
            return await self._provider(live).upstream.send(
                "POST", path, headers, body, timeout_s=purse.seconds_left()
            )
        except asyncio.CancelledError:
            if why and task is not None and task.uncancel() == 0:
                raise SessionStopped(why) from None
            raise
        finally:
            live.streams.pop(purse.paid.hold_id, None)


def first_hold(request: ModelRequest, output_tokens: int, max_tokens_per_s: int | None) -> int:
    """Output to hold at the start: all of it, or two tranches where those are enough to begin."""
    tranche = tranche_tokens(max_tokens_per_s)
    if tranche is None or request.opaque or not request.stream:
        return output_tokens
    return min(output_tokens, 2 * tranche)


def exhausted(refused: Refused) -> Exhausted:
    """The typed refusal for money, calls, tokens, turns or seconds."""
    dimension = refused.key.dimension
    unit = format_usd if dimension.startswith("usd") else str
    left = refused.limit - refused.settled
    why = "is reserved by other calls" if refused.fits_when_settled else "is what is left"
    return Exhausted(
        f"budget_exceeded: {refused.key.scope} {dimension} ({refused.key.window}) is capped at"
        f" {unit(refused.limit)}, {unit(max(left, 0))} {why} and the call needs"
        f" {unit(refused.wanted)}",
        account=str(refused.key),
        limit=refused.limit,
        settled=refused.settled,
        held=refused.held,
        wanted=refused.wanted,
    )


def _plain_name(given: str) -> str:
    """A client's name for one of its agents, if it is no more than a name."""
    return given if _NAME.fullmatch(given) else ""
