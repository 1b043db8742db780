"""The money of one model call in flight: hold ahead, record what the model asks for, settle.

Without word of how fast the provider writes, a call holds its whole output from the start: exact
at any speed. With it (`max_tokens_per_s`), a stream of visible text holds tranche by tranche: a
byte of output bounds a token from above, and a tranche beyond the bytes seen pays for what is on
its way when the stream is cut. Where tokens may be billed unseen (thinking) or nothing streams,
the whole output is held in any case.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from holdfast.core.calls import AT_SERVER, By, Move, emitted_state, moved
from holdfast.core.cover import Cover
from holdfast.core.endings import Ending
from holdfast.core.history import UNREAD, marks, result_marks
from holdfast.core.messages import ModelRequest
from holdfast.core.metering import Metering, Reading
from holdfast.core.prices import Unpriced
from holdfast.core.sessions import GOING_ON
from holdfast.core.stream import EmittedCall
from holdfast.errors import DeadlineExceeded, HoldfastError, SessionStopped, StoreUnavailable
from holdfast.model import bodies
from holdfast.model.budgets import Dimension, Refused
from holdfast.model.events import Record
from holdfast.model.money import Bill, Cost, Served, Usage
from holdfast.model.tools import CallRecord, CallState
from holdfast.runtime import queries
from holdfast.runtime.budgets import Budgets
from holdfast.runtime.digests import digest_of
from holdfast.runtime.doors import Asker
from holdfast.runtime.journal import Journal
from holdfast.runtime.live import Cut, LiveSession
from holdfast.runtime.pricing import (
    Pricing,
    Quote,
    at_least,
    more_output,
    spent,
    with_unreported,
)
from holdfast.runtime.rates import Toll

# A tranche is what the provider can write in this time: an extension waits half of it for room.
_STALL_S = 4.0
_EXTEND_WAIT_S = _STALL_S / 2
_LEAST_TRANCHE_TOKENS = 512
# What a token of visible output is taken for where nobody counted it yet.
_LIKELY_BYTES_PER_TOKEN = 4
# What bounds an answer that broke off, where nobody said how fast the provider writes.
_LIKELY_TOKENS_PER_S = 500
_EXTEND_RETRY_S = 0.05
_SAMPLED_SHOWN = 20
_MESSAGE = "message"


def tranche_tokens(max_tokens_per_s: int | None) -> int | None:
    """Tokens of one tranche, None where a call holds its whole output from the start."""
    if max_tokens_per_s is None:
        return None
    return max(_LEAST_TRANCHE_TOKENS, round(max_tokens_per_s * _STALL_S))


class Paid(msgspec.Struct, frozen=True, kw_only=True):
    """What was reserved for one call. `started_s` and `timeout_s` are of the loop's clock.

    `told`: the task of its session is added to the request.
    """

    hold_id: str
    quote: Quote
    request: ModelRequest
    output_tokens: int
    held_output_tokens: int
    started_s: float
    timeout_s: float
    agent_path: str
    upstream: str = ""
    toll: Toll | None = None
    told: bool = False


class Purse:
    """Pays for one answer (`runtime/answers.Payer`). Settles once, whatever happens to the stream.

    `unseen`: somebody else carried the answer and can no longer say what came of it.
    """

    def __init__(
        self,
        live: LiveSession,
        paid: Paid,
        budgets: Budgets,
        journal: Journal,
        pricing: Pricing,
        *,
        max_tokens_per_s: int | None,
    ) -> None:
        self.live = live
        self.paid = paid
        self._budgets = budgets
        self._journal = journal
        self._pricing = pricing
        self._tokens_per_s = max_tokens_per_s or _LIKELY_TOKENS_PER_S
        self.cover = Cover(
            held_tokens=paid.held_output_tokens,
            in_flight_tokens=tranche_tokens(self._tokens_per_s) or 0,
            most_tokens=paid.output_tokens,
        )
        self.unseen = False
        self._metering: Metering | None = None
        live.paying[paid.hold_id] = self.so_far_nusd
        # Tools that the provider ran, as far as the answer showed them.
        self._ran = 0
        self._durable: asyncio.Future[None] | None = None
        self._open = True
        # What went wrong before the provider answered, in order; who wants to know how it ends.
        self.tried: list[str] = []
        self.again_most: int | None = None
        self.before: tuple[str, ...] = ()
        self.watch: Callable[[Ending], None] | None = None
        live.turn += 1
        self.turn = live.turn

    @property
    def asker(self) -> Asker:
        """Whose call it is."""
        return self.live.asker

    def failed(self, now_ns: int) -> None:
        """One more try failed, or the answer is a refusal: it counts against the session."""
        self.live.progress.failure(now_ns)

    @property
    def cached_1h(self) -> bool:
        """Whether the request caches for an hour somewhere."""
        return self.paid.request.cached_1h

    @property
    def timeout_s(self) -> float:
        """The turn's time-out."""
        return self.paid.timeout_s

    @property
    def stopped(self) -> bool:
        """Whether the session may not act any more, so that nothing may be shown."""
        return self.live.session.state not in GOING_ON

    @property
    def lapsed(self) -> str:
        """Nothing: who pays is in this process."""
        return ""

    @property
    def settled(self) -> bool:
        """Whether nothing is held for it any more."""
        return not self._open

    def metering(self, metering: Metering) -> None:
        """What the answer used so far is told there from now on."""
        self._metering = metering

    def so_far_nusd(self) -> int:
        """An estimate of what it cost so far: input as the provider named it, output by its bytes.

        Nothing before the answer began, and never more than is held.
        """
        if self._metering is None:
            return 0
        usage, output_bytes = self._metering()
        likely = -(-output_bytes // _LIKELY_BYTES_PER_TOKEN)
        usage = msgspec.structs.replace(usage, output_tokens=max(usage.output_tokens, likely))
        hold = self._budgets.ledger.hold(self.paid.hold_id)
        held = hold.amounts.get(Dimension.USD, 0) if hold is not None else 0
        return min(self._billed(usage, Served()).cost.total_nusd, held)

    def opened(self, cut: Cut) -> None:
        """From here on a kill reaches the answer by `cut`; at once where one came meanwhile."""
        self.live.streams[self.paid.hold_id] = cut
        if self.stopped:
            cut(f"session_stopped: the session is {self.live.session.state}")

    def closed(self) -> None:
        """Nothing of the answer is open any more; idempotent."""
        self.live.streams.pop(self.paid.hold_id, None)

    def refusal(self, reason: str) -> HoldfastError:
        """The error for an answer that was cut before any of it was shown."""
        return SessionStopped(reason) if self.stopped else DeadlineExceeded(reason)

    def elapsed_s(self) -> float:
        """Seconds since the call was paid for."""
        return asyncio.get_running_loop().time() - self.paid.started_s

    def seconds_left(self) -> float:
        """Until the turn's time-out; never less than a tenth of a second."""
        return max(self.paid.timeout_s - self.elapsed_s(), 0.1)

    async def extend(self, more_tokens: int) -> str:
        """Hold so many tokens more; a sentence when the stream must be cut instead."""
        more = self.cover.possible(more_tokens)
        deadline = asyncio.get_running_loop().time() + _EXTEND_WAIT_S
        try:
            if self._durable is not None:
                await self._durable
            while self._open:
                answer, self._durable = self._budgets.extend(
                    self.paid.hold_id, more_output(self.paid.quote, more)
                )
                if not isinstance(answer, Refused):
                    self.cover.held_tokens += more
                    return ""
                await self._durable
                out_of_time = asyncio.get_running_loop().time() >= deadline
                if out_of_time or not answer.fits_when_settled:
                    return f"budget_exceeded: `{answer.key}` has no room for more output"
                await asyncio.sleep(_EXTEND_RETRY_S)
            return "the call is over"
        except StoreUnavailable as error:
            return f"{error.code}: {error.message}"

    def emitted(self, calls: Iterable[EmittedCall]) -> None:
        """Remember the tool calls the model asked for, before the client can see them."""
        records: list[Record] = []
        changes: list[CallRecord] = []
        for call in calls:
            if call.at_server and call.answered is None and call.call_id not in self.live.calls:
                records += queries.by_provider(
                    self._journal, self.live, call, turn=self.turn, call_id=call.call_id
                )
            if call.at_server:
                # What the provider fetched or ran stands in the answer before anything is asked.
                self.live.vouched.taint(call.tool or "the provider's own tools")
            if call.answered is not None:
                changes += self._answered(call.call_id, call.answered)
                continue
            if call.call_id in self.live.calls:
                continue  # The first of an id counts: no second permit under it.
            self._ran += call.at_server
            known = CallRecord(
                session=self.live.session.session_id,
                call_id=call.call_id,
                tool=call.tool,
                digest=_digest(call),
                state=emitted_state(at_server=call.at_server, whole=call.arguments is not None),
                turn=self.turn,
                shown=self._marks(call),
            )
            self.live.calls[call.call_id] = known
            if known.state is CallState.EMITTED and call.arguments is not None:
                self.live.emitted[call.call_id] = call.arguments
            changes.append(known)
            records.append(self._emitted_record(known))
        if changes:
            self._journal.queue(records, changes)

    def _answered(self, call_id: str, block: dict[str, Any]) -> list[CallRecord]:
        """Remember what the provider sent as the result of a call of its own; the first counts."""
        known = self.live.calls.get(call_id)
        if known is None or known.state not in AT_SERVER or known.answered:
            return []
        found = result_marks(block) if "content" in block else (UNREAD,)
        kept = self._journal.scrubbed(block)
        if kept != block:
            found += result_marks(kept)
        known = msgspec.structs.replace(known, answered=found)
        self.live.calls[call_id] = known
        return [known]

    def _marks(self, call: EmittedCall) -> tuple[str, ...]:
        """Under which marks a client may show the call again.

        The house's own loop keeps its conversation in the journal, where secrets are taken out.
        """
        if call.arguments is None:
            return ()
        kept = self._journal.scrubbed({"input": call.arguments})["input"]
        found = marks(call.tool, call.arguments)
        return found if kept == call.arguments else found + marks(call.tool, kept)

    def void(self, call_id: str) -> None:
        """A call behind which the answer broke off may be half-written: it gets no permit."""
        call = self.live.calls.get(call_id)
        if call is not None and call.state is CallState.EMITTED:
            torn = moved(call, Move.TEAR, By.GATEWAY)
            self.live.emitted.pop(call_id, None)
            self.live.calls[call_id] = torn
            self._journal.queue([self._emitted_record(torn)], [torn])

    def _emitted_record(self, call: CallRecord) -> Record:
        body = bodies.ToolUseEmitted(
            digest=call.digest, state=call.state, agent_path=self.paid.agent_path
        )
        flat = {"turn": self.turn, "call_id": call.call_id, "tool": call.tool}
        return self._journal.record(body, self.live.who, **flat)

    async def caught_up(self) -> str:
        """Once all of the above is remembered: nothing, or why the answer must be cut."""
        return ""

    def note_cut(self, reading: Reading, reason: str) -> None:
        """Journal that the answer was ended early."""
        body = bodies.ModelCallCut(
            reason=reason, output_bytes=reading.output_bytes, message_id=reading.message_id
        )
        self._journal.queue([self._journal.record(body, self.live.who)])

    def _over(self) -> bool:
        """Whether this is its end: it comes once."""
        was, self._open = self._open, False
        self.live.paying.pop(self.paid.hold_id, None)
        return was

    async def release(self, why: str) -> None:
        """Give the hold back: the provider refused or was never reached, so nothing is owed."""
        if not self._over():
            return
        if self.paid.toll is not None:
            self.paid.toll.used(0, 0)
        body = bodies.ModelCallRefused(
            model=self.paid.quote.model,
            why=why,
            exact=True,
            upstream=self.paid.upstream,
            retried=(*self.before, *self.tried),
        )
        record = self._journal.record(body, self.live.who, turn=self.turn)
        _, durable = self._budgets.settle(self.paid.hold_id, {}, self.live.who, [record])
        await durable

    def abandon(self, ended: Ending) -> None:
        """The provider was asked and nothing came back: what it may have done is charged."""
        self.settle(Reading(), ended=ended)

    def settle(self, reading: Reading, *, ended: Ending) -> None:
        """Replace the hold by the provider's usage, or by a bound where it did not say.

        Queued, not awaited: it may run while a task is being cancelled.
        """
        if not self._over():
            return
        exact = reading.ended and reading.final and reading.saw_usage
        usage = reading.usage if exact else self._bounded(reading)
        if self.watch is not None:
            self.watch(ended)
        if self.paid.toll is not None:
            self.paid.toll.used(_fresh_input(usage), usage.output_tokens)
        bill = self._billed(usage, reading.served)
        seconds = self._budgets.affordable(
            self.paid.hold_id, Dimension.SECONDS, max(1, round(self.elapsed_s()))
        )
        quote = self.paid.quote
        actual = with_unreported(spent(bill, seconds), quote)
        if not exact and quote.resamples:
            floor = {Dimension.USD_IN: quote.in_nusd, Dimension.USD_OUT: quote.out_nusd}
            actual = at_least(actual, floor)
        # What no usage says is charged at its bound.
        exact = exact and not quote.unreported_nusd
        if bill.doubts:
            exact = False
            hold = self._budgets.ledger.hold(self.paid.hold_id)
            actual = at_least(actual, hold.amounts if hold else {})
        if ran := self._runs(usage):
            actual = {**actual, Dimension.TOOL_CALLS: ran}
        cost_nusd = actual.get(Dimension.USD, 0)
        self.live.cost_nusd += cost_nusd
        thread_tokens = usage.total_tokens
        if reading.message_id:
            self.live.threads[reading.message_id] = thread_tokens
        told, percent = self._made_smaller(), self._context_of(reading)
        body = bodies.ModelCallSettled(
            model=self.paid.quote.model,
            usage=usage,
            in_nusd=actual.get(Dimension.USD_IN, 0),
            out_nusd=actual.get(Dimension.USD_OUT, 0),
            exact=exact,
            served=reading.served.premiums,
            sampled=reading.served.sampled[:_SAMPLED_SHOWN],
            doubts=bill.doubts,
            ended=ended.words,
            stop_reason=reading.stop_reason,
            message_id=reading.message_id,
            thread_tokens=thread_tokens,
            max_tokens=self.paid.output_tokens,
            asked_max_tokens=self.paid.request.max_tokens,
            duration_ms=round(self.elapsed_s() * 1000),
            agent_path=self.paid.agent_path,
            upstream=self.paid.upstream,
            retried=(*self.before, *self.tried),
            context_percent=percent,
            tools=bool(self.paid.request.tool_names),
            messages=self.paid.request.messages,
            opens=self.paid.request.opens,
        )
        flat = {"turn": self.turn, "cost_nusd": cost_nusd}
        record = self._journal.record_of_ours(body, self.live.who, **flat)
        told += [] if percent is None else self._context_alert(percent)
        self._budgets.settle_now(self.paid.hold_id, actual, self.live.who, [record, *told])

    def _context_of(self, reading: Reading) -> int | None:
        """How full the context was after this answer, where it said so and the window is known."""
        window = self.live.session.context_window_tokens or self.paid.quote.context_tokens
        if not (reading.saw_usage and reading.final and window):
            return None
        # Each sampling of one answer reads all that was before it: the last one says how much.
        own = [one for one in reading.served.sampled if one.kind == _MESSAGE and not one.model]
        tokens = own[-1].usage.total_tokens if own else reading.usage.total_tokens
        return min(tokens * 100 // window, 100)

    def _made_smaller(self) -> list[Record]:
        """That the conversation is another one now, in place of a longer."""
        live, request, path = self.live, self.paid.request, self.paid.agent_path
        found = live.context.smaller(
            path, request.opens, request.messages, tools=bool(request.tool_names)
        )
        if found is None or not live.session.context_alert_percent:
            return []  # A run tells of its own.
        body = bodies.ContextCompacted(
            before=found.before,
            messages=found.messages,
            percent=found.percent,
            agent_path=path,
            task=self.paid.told,
        )
        return [self._journal.record_of_ours(body, live.who, turn=self.turn)]

    def _context_alert(self, percent: int) -> list[Record]:
        """Each time that a context of the session comes to be so full."""
        live, threshold = self.live, self.live.session.context_alert_percent
        path, tools = self.paid.agent_path, bool(self.paid.request.tool_names)
        if not live.context.answered(path, percent, threshold, tools=tools):
            return []
        body = bodies.ContextAlert(percent=percent, threshold=threshold, agent_path=path)
        return [self._journal.record_of_ours(body, live.who, turn=self.turn)]

    def _runs(self, usage: Usage) -> int:
        """Tools that ran at the provider: those seen or counted; all that were held if unseen."""
        hold = self._budgets.ledger.hold(self.paid.hold_id)
        held = hold.amounts.get(Dimension.TOOL_CALLS, 0) if hold and self.unseen else 0
        return max(self._ran, sum(usage.server_tool_calls.values()), held)

    def _billed(self, usage: Usage, served: Served) -> Bill:
        bill = self._pricing.bill(self.paid.quote.model, usage, served)
        if isinstance(bill, Unpriced):
            return Bill(cost=Cost(), tokens=usage.weighted_tokens, doubts=("model",))
        return bill

    def _bounded(self, reading: Reading) -> Usage:
        """The most that a call without a final usage can have used; never more than was held."""
        seen = reading.usage
        # Whoever has said how it ended has nothing more on its way.
        in_flight = 0 if reading.final or reading.failed else self.cover.in_flight_tokens
        if self.unseen or not self.paid.request.stream:
            # Where none is seen until the end, whoever leaves may have left a whole answer.
            likely = self.cover.held_tokens
        elif reading.failed and not reading.opened:
            likely = 0
        elif self.paid.request.opaque and not reading.final:
            # Bytes bound nothing where tokens are billed unseen.
            hidden = round(self.elapsed_s() * self._tokens_per_s)
            likely = max(hidden, reading.output_bytes) + in_flight
        else:
            likely = reading.output_bytes + in_flight
        output = min(self.cover.held_tokens, max(likely, seen.output_tokens))
        if reading.saw_usage:
            return msgspec.structs.replace(seen, output_tokens=output)
        tokens = self.paid.quote.input_tokens
        if self.paid.request.cached_1h:
            return Usage(cache_write_1h_tokens=tokens, output_tokens=output)
        if self.paid.request.cached:
            return Usage(cache_write_5m_tokens=tokens, output_tokens=output)
        return Usage(input_tokens=tokens, output_tokens=output)


def _fresh_input(usage: Usage) -> int:
    """Input as providers count it against a rate: what is read from the cache is free."""
    return usage.input_tokens + usage.cache_write_5m_tokens + usage.cache_write_1h_tokens


def _digest(call: EmittedCall) -> str:
    """Digest of a call's arguments; arguments that are no JSON object match no request."""
    return "" if call.arguments is None else digest_of(call.arguments)
