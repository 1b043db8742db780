"""What a model call holds before it is sent: bounds, what can be paid for, the provider's count."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from holdfast.core.edits import Edits
from holdfast.core.sessions import Command
from holdfast.core.wire.splicing import Change
from holdfast.errors import (
    Exhausted,
    InvalidRequest,
    SessionPaused,
    SessionStopped,
    UpstreamUnavailable,
)
from holdfast.model.budgets import Dimension
from holdfast.runtime import holding as module
from holdfast.runtime.holding import first_hold
from tests.unit.runtime.alone.desk import limit
from tests.unit.runtime.alone.shop import Answer, Carrier, Shop

D = Dimension
IN, OUT = 1_000, 5_000  # nano-dollars a token


@pytest.fixture(autouse=True, params=["holdfast.runtime.holding"])
def about(request):
    """What these tests are about."""


def test_first_hold_is_two_tranches_of_a_stream_that_shows_all_that_is_billed():
    request = SimpleNamespace(opaque=False, stream=True)
    for output, rate, held in (
        (5_000, 128, 1_024),
        (1_023, 128, 1_023),
        (5_000, 500, 4_000),
        (5_000, None, 5_000),
    ):
        assert first_hold(request, output, rate) == held
    for opaque, stream in ((True, True), (False, False), (True, False)):
        request = SimpleNamespace(opaque=opaque, stream=stream)
        assert first_hold(request, 5_000, 128) == 5_000


def test_least_output_of_use_is_sixteen_tokens_or_what_thinking_needs():
    for thinking, most, least in (
        (0, 15, 15),
        (0, 16, 16),
        (0, 900, 16),
        (14, 900, 16),
        (16, 900, 17),
        (899, 900, 900),
        (900, 900, 16),
        (901, 900, 16),
    ):
        request: Any = SimpleNamespace(thinking_budget=thinking, max_tokens=most)
        assert module._least_output(request) == least


def test_count_of_the_provider_has_five_percent_and_at_least_64_tokens_added():
    async def main():
        shop: Any = Shop()
        carrier = Carrier()
        given: Any = SimpleNamespace(carrier=carrier, provider=shop.provider)
        for raw, tokens in (
            (b'{"input_tokens":0}', 64),
            (b'{"input_tokens":1299}', 1_363),
            (b'{"input_tokens":1300}', 1_365),
            (b'{"input_tokens":10000}', 10_500),
            (b'{"input_tokens":-1}', None),
            (b'{"input_tokens":true}', None),
            (b'{"input_tokens":1.5}', None),
            (b'{"input_tokens":"7"}', None),
            (b"{}", None),
            (b"[]", None),
            (b"nonsense", None),
            (b'{"\xff":1}', None),
            (None, None),
            (UpstreamUnavailable("gone"), None),
        ):
            carrier.raw = raw
            assert await shop.calls._holding._count(given) == tokens, raw

    asyncio.run(main())


def test_conversation_that_the_provider_holds_is_bounded_by_what_it_holds():
    async def main():
        shop: Any = Shop()
        live = await shop.begin()
        live.threads["msg_1"] = 1_000

        def bound(live, continues, own, told=0):
            request = SimpleNamespace(continues=continues, input_tokens_bound=own)
            clearance = SimpleNamespace(request=request, told_tokens=told)
            call = SimpleNamespace(live=live, clearance=clearance)
            return shop.calls._holding._input_bound(call)

        for continues, own, found in (
            ("", 7, 7),
            ("", None, None),
            ("msg_1", 7, 1_007),
            ("msg_1", None, None),
        ):
            assert bound(live, continues, own) == found
            more = bound(live, continues, own, told=30)
            assert more == (None if found is None else found + 30)
        with pytest.raises(InvalidRequest) as refused:
            bound(live, "msg_2", 7)
        text = "`thread.previous_message_id` is no message of this session"
        assert refused.value.message == text

    asyncio.run(main())


def test_output_is_cut_to_what_can_be_paid_for_and_the_provider_told():
    async def main():
        shop: Any = Shop(rate=None)
        cap = 2_000_000
        await shop.begin(limit(D.USD, cap))
        carrier = Carrier(Answer())
        carrier.raw = b'{"input_tokens":10}'
        await shop.ask(carrier)
        [(_, purse, edits)] = carrier.went
        # The count is 10 and 64 more; the bytes may bound it lower.
        tokens = purse.paid.quote.prompt_tokens
        assert tokens <= 74
        fits = (cap - tokens * IN) // OUT
        assert (edits, purse.paid.output_tokens) == (Edits(max_tokens=fits, betas=""), fits)
        assert purse.paid.held_output_tokens == fits < 900
        assert carrier.counts == ["main"]
        await purse.release("x")
        # What fits as it is is neither counted nor changed.
        shop = Shop(rate=None)
        await shop.begin()
        carrier = Carrier(Answer())
        await shop.ask(carrier, stream=False)
        [(_, purse, edits)] = carrier.went
        assert (edits, carrier.counts) == (Edits(betas=""), [])
        await purse.release("x")
        # A session's own bound is one, too.
        shop = Shop(rate=None)
        await shop.begin(max_output_tokens=50)
        carrier = Carrier(Answer())
        await shop.ask(carrier)
        assert carrier.went[0][2] == Edits(max_tokens=50, betas="")

    asyncio.run(main())


def test_call_that_nothing_can_pay_for_is_refused_uncounted_and_one_that_might_is_counted():
    async def main():
        for cap, counted in ((80_000, []), (90_000, ["main"])):
            shop: Any = Shop()
            await shop.begin(limit(D.USD, cap))
            carrier = Carrier(Answer())
            carrier.raw = b'{"input_tokens":99999}'
            with pytest.raises(Exhausted):
                await shop.ask(carrier)
            assert (carrier.counts, carrier.went, shop.holds()) == (counted, [], [])

    asyncio.run(main())


@pytest.mark.parametrize("parks", [False, True])
def test_what_is_spent_pauses_a_session_that_parks_and_refuses_every_other(parks):
    async def main():
        shop: Any = Shop(rate=None)
        live = await shop.begin(limit(D.USD, 80_000), parks=parks)
        carrier, seq = Carrier(Answer()), shop.seq
        for _ in range(2):
            with pytest.raises(SessionPaused if parks else Exhausted) as refused:
                await shop.ask(carrier)
            assert type(refused.value).http_status == 402
            assert "session usd (life) is capped at $0.0001, $0.0000 is spent" not in str(refused)
            assert "session usd (life) is capped at $0.00008, $0.0000 is spent" in str(refused)
        assert (carrier.went, shop.holds()) == ([], [])
        kinds = [one["kind"] for one in shop.since(seq)]
        assert kinds.count("session.paused") == int(parks)
        assert live.session.parked_for == (str(live.chain[0]) if parks else "")
        assert kinds.count("approval.asked") == int(parks)
        # More room and a person: it goes on.
        if parks:
            await shop.sessions.change(live, Command.RESUME, "")
        shop.budgets.ledger.set_limit(live.chain[0], 10**12, shop.clock.now_ns())
        await shop.ask(carrier)
        [(_, purse, _)] = carrier.went
        await purse.release("x")

    asyncio.run(main())


def test_a_cap_that_is_raised_while_somebody_is_asked_pauses_nobody():
    async def main():
        shop: Any = Shop(rate=None)
        live = await shop.begin(limit(D.USD, 80_000), parks=True)
        ask = shop.raises.ask

        async def answered_at_once(one, refused):
            await ask(one, refused)
            shop.budgets.ledger.set_limit(live.chain[0], 10**12, shop.clock.now_ns())

        shop.raises.ask = answered_at_once
        carrier = Carrier(Answer())
        await shop.ask(carrier)
        [(_, purse, _)] = carrier.went
        await purse.release("x")
        assert live.session.state == "active"

    asyncio.run(main())


def test_what_others_hold_parks_nobody():
    async def main():
        shop: Any = Shop(rate=None, wait_s=0.01)
        live = await shop.begin(limit(D.USD, 10**9), parks=True)
        shop.hold(live, "h", "model", usd=10**9)
        with pytest.raises(Exhausted):
            await shop.ask(Carrier(Answer()))
        assert live.session.state == "active"

    asyncio.run(main())


def test_call_that_was_killed_while_it_waited_is_not_counted():
    async def main():
        shop: Any = Shop()
        live = await shop.begin(limit(D.USD, 90_000))
        carrier, holding = Carrier(Answer()), shop.calls._holding
        reserve = holding._budgets.reserve

        async def killed(*given, **more):
            await shop.sessions.change(live, Command.STOP, "enough")
            return await reserve(*given, **more)

        holding._budgets = SimpleNamespace(reserve=killed, ledger=shop.budgets.ledger)
        with pytest.raises(SessionStopped):
            await shop.ask(carrier)
        assert (carrier.counts, carrier.went, shop.holds()) == ([], [], [])

    asyncio.run(main())


def test_seconds_that_are_left_bound_the_turn_and_never_less_than_one():
    async def main():
        for cap, seconds in ((500, 60), (60, 60), (59, 59), (1, 1)):
            shop: Any = Shop()
            await shop.begin(limit(D.USD, 10**9), limit(D.SECONDS, cap))
            carrier = Carrier(Answer())
            await shop.ask(carrier)
            purse = carrier.went[0][1]
            assert purse.paid.timeout_s == float(seconds)
            assert shop.spent()[D.SECONDS] == (0, seconds)
            await purse.release("x")

    asyncio.run(main())


def test_tools_at_the_provider_run_less_often_where_that_fits():
    async def main():
        search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}
        shop: Any = Shop()
        live = await shop.begin(
            limit(D.USD, 10**12), limit(D.TOOL_CALLS, 2), allowed_tools=("web_search",)
        )
        assert live is shop.live
        carrier = Carrier(Answer())
        await shop.ask(carrier, tools=[search])
        [(_, purse, edits)] = carrier.went
        assert edits == Edits(changes=(Change(("tools", 0, "max_uses"), 2),), betas="")
        assert purse.paid.quote.tool_calls == 2
        assert shop.spent()[D.TOOL_CALLS] == (0, 2)
        cleared = SimpleNamespace(request=purse.paid.request, betas=SimpleNamespace(wide=False))
        rungs = shop.calls._holding._rungs(cleared, 100)
        assert [quote.tool_calls for _, quote in rungs] == [5, 2, 1]
        assert [asked.uses for asked, _ in rungs] == [None, 2, 1]
        assert all(asked.input_tokens == 100 for asked, _ in rungs)

    asyncio.run(main())
