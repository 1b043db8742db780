"""What a model call may cost is held before it is sent: bounds, what can be paid for, the hold.

The cheap bound is bytes. Where it does not fit, the provider's own count decides, and only that
refuses. Not here: arithmetic (`runtime/pricing`), waiting in line (`runtime/budgets`), what
becomes of the hold (`runtime/purse`).
"""

import asyncio

import msgspec

from holdfast.core.messages import ModelRequest
from holdfast.core.sessions import Command, after
from holdfast.core.work import Asked
from holdfast.errors import InvalidRequest, UpstreamUnavailable
from holdfast.model.budgets import Amounts, Dimension, Refused, Reserved
from holdfast.runtime.clearing import Clearance
from holdfast.runtime.exhaustion import exhausted, no_room
from holdfast.runtime.live import LiveSession
from holdfast.runtime.model_call import ModelCall, Offer
from holdfast.runtime.pricing import (
    MIN_OUTPUT_TOKENS,
    Pricing,
    Quote,
    affordable_output,
    amounts,
    first_without_room,
    tool_calls,
)
from holdfast.runtime.purse import Paid, Purse, tranche_tokens
from holdfast.runtime.raises import Raises
from holdfast.runtime.services import Services

# The provider's count is an estimate; this much is added to it, and never less than so many.
_COUNT_MARGIN_PERCENT = 5
_COUNT_MARGIN_TOKENS = 64
# So much output is worth more than one more use of a tool at the provider.
_OUTPUT_OF_USE = 1024


class _TooDear(Exception):
    """The cheap bound does not fit; the tight one has to decide."""


class Holding:
    """Offers a call what its chain can pay for, and holds it."""

    def __init__(
        self, services: Services, pricing: Pricing, wait_for_room_s: float, raises: Raises
    ) -> None:
        self._sessions = services.sessions
        self._budgets = services.budgets
        self._journal = services.journal
        self._clock = services.clock
        self._entropy = services.entropy
        self._pricing = pricing
        self._wait_for_room_s = wait_for_room_s
        self._raises = raises

    def offer(self, call: ModelCall) -> None:
        """What the call is bounded by before anybody counts: `offer`. Errors: UnknownModel."""
        wanted = min(call.clearance.request.max_tokens, call.live.session.max_output_tokens)
        call.offer = Offer(self._rungs(call.clearance, self._input_bound(call)), wanted)

    async def reserve(self, call: ModelCall) -> None:
        """Hold money for the call, durably: its `purse`.

        Errors: Exhausted, or SessionPaused where that pauses the session; SessionStopped;
        StoreUnavailable; what a count raises.
        """
        hold_id = self._entropy.new_id("hld")
        answer: Reserved | Refused | None = None
        while answer is None:
            try:
                answer, _ = await self._budgets.reserve(
                    hold_id,
                    call.live.session,
                    call.live.chain,
                    lambda: self._plan(call),
                    purpose="model",
                    wait_s=self._wait_for_room_s,
                    spared=call.live.spared,
                )
            except _TooDear:
                # The cheap bound reads several times too dear: only the provider's count refuses.
                self._sessions.check_live(call.live)
                await self._tighten(call)
        if isinstance(answer, Refused):
            if await self._park(call.live, answer):
                await self.reserve(call)
                return
            raise exhausted(answer)
        call.live.refused = None
        call.purse = Purse(
            call.live,
            _paid(call, hold_id),
            self._budgets,
            self._journal,
            self._pricing,
            max_tokens_per_s=call.provider.max_tokens_per_s,
        )
        call.purse.again_most, call.purse.before = call.again_most, call.before

    async def _park(self, live: LiveSession, refused: Refused) -> bool:
        """What is spent pauses a session whose agent says so, and somebody is asked.

        True where they said yes before it was paused. Errors: SessionPaused.
        """
        session = live.session
        if refused.fits_when_settled:
            return False
        # Whether a run waits or fails is said by its worker, who reads this refusal.
        live.refused = refused
        if not session.parks:
            return False
        if after(session, Command.PAUSE) is not None:
            await self._raises.ask(live, refused)
            # No await from here to the pause: a cap that is raised from now on lets it go on.
            if self._raises.was_raised(refused):
                return True
        if after(live.session, Command.PAUSE) is not None:
            told = self._sessions.change(
                live, Command.PAUSE, no_room(refused), account=str(refused.key)
            )
            await told
        self._sessions.check_live(live)
        return False

    def _rungs(self, clearance: Clearance, tokens: int | None) -> list[tuple[Asked, Quote]]:
        """Bounds of a request, halving how often its tools may run. Errors: UnknownModel."""
        wide = clearance.betas.wide
        asked = self._pricing.asked(clearance.request, tokens, long_context=wide)
        rungs = [(asked, self._pricing.quote(asked))]
        uses = asked.uses_from() // 2
        while uses:
            lower = msgspec.structs.replace(asked, uses=uses)
            rungs.append((lower, self._pricing.quote(lower)))
            uses //= 2
        return rungs

    @staticmethod
    def _input_bound(call: ModelCall) -> int | None:
        """Tokens of input that the bytes bound; None leaves only the context window."""
        request, held = call.clearance.request, 0
        if request.continues:
            found = call.live.threads.get(request.continues)
            if found is None:
                raise InvalidRequest("`thread.previous_message_id` is no message of this session")
            held = found
        if request.input_tokens_bound is None:
            return None
        return held + request.input_tokens_bound + call.clearance.told_tokens

    def _plan(self, call: ModelCall) -> Amounts | Refused:
        """What to hold, given what is spent by now; sets the output that the offer allows.

        Errors: _TooDear when only the cheap bound stands in the way.
        """
        live, offer, request = call.live, call.offer, call.clearance.request
        ledger, now_ns, least = self._budgets.ledger, self._clock.now_ns(), _least_output(request)
        room, runs = self._step_down(call, now_ns)
        if room is not None and room < offer.wanted and not offer.tight:
            # What would not fit with hardly a prompt is not counted: nothing of it leaves.
            floor = self._rungs(call.clearance, 1)[-1][1]
            hopeless = amounts(floor, least, 1, min(floor.tool_calls, 1))
            refused = first_without_room(ledger, live.chain, hopeless, now_ns)
            if refused is not None:
                return refused
            raise _TooDear
        offer.output_tokens = offer.wanted if room is None else min(offer.wanted, room)
        # Seconds that other calls hold are waited for, like money.
        seconds_left = ledger.room(live.chain, Dimension.SECONDS, now_ns, held_counts=False)
        offer.seconds = live.session.loop.turn_timeout_s
        if seconds_left is not None:
            offer.seconds = max(min(offer.seconds, seconds_left), 1)
        if offer.output_tokens < least:
            needed = amounts(offer.quote, least, offer.seconds, min(runs, 1))
            refused = first_without_room(ledger, live.chain, needed, now_ns)
            if refused is not None:
                return refused
            offer.output_tokens = least
        offer.held_tokens = first_hold(request, offer.output_tokens, call.provider.max_tokens_per_s)
        return amounts(offer.quote, offer.held_tokens, offer.seconds, runs)

    def _step_down(self, call: ModelCall, now_ns: int) -> tuple[int | None, int]:
        """Take the dearest rung that leaves output of use: that output, and the runs of tools."""
        ledger, chain, offer = self._budgets.ledger, call.live.chain, call.offer
        room, runs = None, 0
        for asked, quote in offer.rungs:
            offer.asked, offer.quote = asked, quote
            room = affordable_output(ledger, chain, quote, now_ns)
            runs = tool_calls(ledger, chain, quote, now_ns)
            fits = runs == quote.tool_calls or not asked.uses_from()
            if fits and (room is None or room >= min(offer.wanted, _OUTPUT_OF_USE)):
                break
        return room, runs

    async def _tighten(self, call: ModelCall) -> None:
        """Offer by the provider's own count, where it says one and that is lower."""
        counted = await self._count(call)
        if counted is not None:
            tight = min(counted, call.offer.quote.prompt_tokens)
            call.offer.rungs = self._rungs(call.clearance, tight)
        call.offer.tight = True

    @staticmethod
    async def _count(call: ModelCall) -> int | None:
        """The provider's own count of the input, with a margin; None when it does not say."""
        try:
            raw = await call.carrier.count(call)
            if raw is None:
                return None
            tokens = msgspec.json.decode(raw, type=dict[str, object]).get("input_tokens")
        except (UpstreamUnavailable, msgspec.DecodeError, UnicodeDecodeError):
            return None
        if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 0:
            return None
        return tokens + max(tokens * _COUNT_MARGIN_PERCENT // 100, _COUNT_MARGIN_TOKENS)


def _paid(call: ModelCall, hold_id: str) -> Paid:
    """What was reserved, as it stays, whatever upstream the call goes on to."""
    return Paid(
        hold_id=hold_id,
        quote=call.offer.quote,
        request=call.clearance.request,
        output_tokens=call.offer.output_tokens,
        held_output_tokens=call.offer.held_tokens,
        started_s=asyncio.get_running_loop().time(),
        timeout_s=float(call.offer.seconds),
        agent_path=call.agent_path,
        upstream=call.provider.name,
        toll=call.toll,
        told=bool(call.clearance.told),
    )


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
