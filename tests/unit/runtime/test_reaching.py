"""Providers in trouble: tried again, gone round, left alone; and the caps hold through all of it."""

import asyncio
import contextlib
import gc
import json
import random
import weakref

import pytest

from holdfast.core.breaker import BreakerLimits, BreakerState
from holdfast.core.rates import Rates
from holdfast.errors import (
    Exhausted,
    HoldfastError,
    LoopDetected,
    RateLimited,
    SessionStopped,
    UnknownModel,
    UpstreamUnavailable,
)
from holdfast.model.budgets import Dimension
from holdfast.model.events import Kind
from holdfast.model.upstreams import Fallback, Retries, Trouble
from holdfast.runtime.providers import Provider
from holdfast.runtime.reaching import retry_after_s, trouble_of
from tests.unit.runtime.house import (
    JSON,
    SSE,
    USD,
    FakeUpstream,
    House,
    event,
    limit,
    started,
    stopped,
    text_block,
    whole_answer,
)

GOOD = (200, SSE, [started(), *text_block("hi ", "there"), *stopped()])
OVER = (Trouble.RATE_LIMITED, Trouble.OVERLOADED, Trouble.UPSTREAM)
SONNET = "claude-sonnet-4-5"
GONE = UpstreamUnavailable("refused")
CUT_OFF = UpstreamUnavailable("broke off", sent=True)


def failing(status, **headers):
    return (status, JSON | headers, [b'{"type":"error","error":{"type":"x","message":"no"}}'])


class Vendors(House):
    """A house with several upstreams, each with its keys; time does not pass while waiting."""

    def __init__(self, monkeypatch, *, keys=1, rates=None, breaker=None, **settings):
        self.slept: list[float] = []
        self.keys = [FakeUpstream() for _ in range(keys)]
        self.other = FakeUpstream()
        self.other.script = [GOOD]
        first, *spare = self.keys
        self.provider = Provider(first, 512, name="main", spare=spare, breaker=breaker, **settings)
        other = Provider(self.other, 512, name="other", breaker=breaker)
        super().__init__(
            providers={"main": self.provider, "other": other},
            dice=random.Random(7).random,
            wait_s=1.0,
            decided={"model_rates": rates or {}},
        )
        self.upstream = first

        async def sleep(seconds, *rest):
            if seconds > 0.01:
                self.slept.append(seconds)
                self.clock.advance(seconds)
                seconds = 0
            await real(seconds, *rest)

        real = asyncio.sleep
        monkeypatch.setattr("holdfast.runtime.reaching.asyncio.sleep", sleep)

    async def said(self, live, **fields):
        answer = await self.call(live, **fields)
        if not answer.streams:
            return answer.status, await answer.whole()
        body = b"".join([chunk async for chunk in answer.events()])
        await asyncio.sleep(0)
        return answer.status, body

    def settled(self):
        return [record.body for record in self.written(Kind.MODEL_CALL_SETTLED)]


@pytest.mark.parametrize("first", [failing(429), failing(500), failing(529), failing(503), GONE])
def test_trouble_before_the_first_byte_is_tried_again_on_the_same_hold(monkeypatch, first):
    async def main():
        house = Vendors(monkeypatch, retries=Retries())
        live = await house.open(limit(USD, 10**9))
        house.upstream.script = [first, first, GOOD]
        status, body = await house.said(live)
        assert (status, len(house.upstream.sent)) == (200, 3)
        assert body == b"".join(GOOD[2])
        holds = [r for r in house.written(Kind.BUDGET_DECIDED) if r.body["purpose"] == "model"]
        assert len(holds) == 1
        assert len(house.settled()[0]["retried"]) == 2
        assert house.settled()[0]["upstream"] == "main"
        assert 0 < house.slept[0] < 0.5
        assert house.slept[1] < 1.0
        house.nothing_held()
        house.check_caps()

    asyncio.run(main())


def test_tries_are_bounded_and_the_providers_own_words_come_back(monkeypatch):
    async def main():
        house = Vendors(monkeypatch, retries=Retries(attempts=2))
        live = await house.open(limit(USD, 10**9))
        house.upstream.script = [failing(529)]
        status, body = await house.said(live)
        assert (status, json.loads(body)["type"]) == (529, "error")
        assert len(house.upstream.sent) == 3
        assert house.account(live, USD).settled == 0
        house.nothing_held()

    asyncio.run(main())


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413])
def test_what_another_try_cannot_mend_is_not_tried(monkeypatch, status):
    async def main():
        house = Vendors(monkeypatch, retries=Retries())
        live = await house.open(limit(USD, 10**9))
        house.upstream.script = [failing(status)]
        assert (await house.said(live))[0] == status
        assert len(house.upstream.sent) == 1
        house.nothing_held()

    asyncio.run(main())


def test_retry_after_is_honoured_and_never_past_the_turns_time(monkeypatch):
    async def main():
        house = Vendors(monkeypatch, retries=Retries())
        live = await house.open(limit(USD, 10**9))
        house.upstream.script = [failing(429, **{"retry-after": "7"}), GOOD]
        assert (await house.said(live))[0] == 200
        assert house.slept == [7.0]
        house.upstream.script = [failing(429, **{"retry-after": "900"}), GOOD]
        assert (await house.said(live))[0] == 429
        assert house.slept == [7.0]
        house.nothing_held()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e9"}, 3600.0),
        ({}, None),
    ],
)
def test_retry_after_is_read(headers, seconds):
    assert retry_after_s(headers) == seconds


def test_statuses_have_their_class():
    named = {s: trouble_of(s) for s in (200, 400, 401, 404, 429, 500, 502, 503, 529)}
    assert named == {
        200: None,
        400: None,
        401: Trouble.CREDENTIAL,
        404: None,
        429: Trouble.RATE_LIMITED,
        500: Trouble.UPSTREAM,
        502: Trouble.UPSTREAM,
        503: Trouble.OVERLOADED,
        529: Trouble.OVERLOADED,
    }


def test_seventy_three_retries_of_one_session_are_impossible(monkeypatch):
    async def main():
        house = Vendors(monkeypatch, retries=Retries())
        live = await house.open(limit(USD, 10**9))
        house.upstream.script = [failing(500)]
        refused = 0
        for _ in range(73):
            house.clock.advance(15)
            try:
                await house.said(live)
            except LoopDetected:
                refused += 1
        # Nineteen minutes hold two windows of ten failures, and the tries that end the last of each.
        assert len(house.upstream.sent) <= 26
        assert refused > 60

    asyncio.run(main())


def test_call_that_broke_off_after_it_was_sent_is_charged_and_not_repeated(monkeypatch):
    async def main():
        house = Vendors(
            monkeypatch, retries=Retries(), fallbacks=[Fallback(on=OVER, upstream="other")]
        )
        live = await house.open(limit(USD, 10**9))
        house.upstream.script = [CUT_OFF, GOOD]
        with pytest.raises(UpstreamUnavailable):
            await house.said(live)
        assert len(house.upstream.sent) == 1
        assert house.other.sent == []
        assert house.account(live, USD).settled > 0
        house.nothing_held()

    asyncio.run(main())


def test_call_that_broke_off_is_charged_before_the_policy_repeats_it(monkeypatch):
    async def main():
        house = Vendors(monkeypatch, retries=Retries(after_sent=True))
        live = await house.open(limit(USD, 10**9))
        house.upstream.script = [CUT_OFF, GOOD]
        assert (await house.said(live))[0] == 200
        assert len(house.settled()) == 2
        first, second = (r.cost_nusd for r in house.written(Kind.MODEL_CALL_SETTLED))
        assert first > second > 0
        assert house.account(live, USD).settled == first + second
        house.nothing_held()
        house.check_caps()

    asyncio.run(main())


def test_repeating_what_broke_off_ends_where_the_money_does(monkeypatch):
    async def main():
        house = Vendors(monkeypatch, retries=Retries(after_sent=True, attempts=10))
        live = await house.open(limit(USD, 4_000_000))
        house.upstream.script = [CUT_OFF]
        with pytest.raises((UpstreamUnavailable, Exhausted)):
            await house.said(live)
        assert house.account(live, USD).settled <= 4_000_000
        house.nothing_held()
        house.check_caps()

    asyncio.run(main())


def test_fallback_is_quoted_held_and_journalled_and_its_answer_untouched(monkeypatch):
    async def main():
        house = Vendors(
            monkeypatch,
            fallbacks=[Fallback(on=(Trouble.OVERLOADED,), upstream="other", model=SONNET)],
        )
        live = await house.open(limit(USD, 10**9))
        house.upstream.script = [failing(529)]
        sonnet = [started(model=SONNET), *GOOD[2][1:]]
        house.other.script = [(200, SSE, sonnet)]
        status, body = await house.said(live)
        assert (status, body) == (200, b"".join(sonnet))
        assert house.other.messages[0]["model"] == SONNET
        assert {k: v for k, v in house.other.messages[0].items() if k != "model"} == {
            k: v for k, v in house.upstream.messages[0].items() if k != "model"
        }
        settled = house.settled()[0]
        assert (settled["upstream"], settled["model"]) == ("other", SONNET)
        # Sonnet's own price: 10 tokens in, 5 out.
        assert house.account(live, USD).settled == 10 * 3_000 + 5 * 15_000
        house.nothing_held()
        house.check_caps()

    asyncio.run(main())


def test_fallback_is_asked_only_for_the_troubles_it_names(monkeypatch):
    async def main():
        house = Vendors(
            monkeypatch, fallbacks=[Fallback(on=(Trouble.RATE_LIMITED,), upstream="other")]
        )
        live = await house.open(limit(USD, 10**9))
        house.upstream.script = [failing(500)]
        assert (await house.said(live))[0] == 500
        assert house.other.sent == []

    asyncio.run(main())


@pytest.mark.parametrize(
    ("more", "model"),
    [({"allowed_models": ("claude-haiku-4-5",)}, SONNET), ({}, "nobody-knows")],
)
def test_fallback_that_is_not_allowed_or_has_no_price_is_never_asked(monkeypatch, more, model):
    async def main():
        house = Vendors(monkeypatch, fallbacks=[Fallback(on=OVER, upstream="other", model=model)])
        live = await house.open(limit(USD, 10**9), **more)
        house.upstream.script = [failing(500)]
        with pytest.raises(UpstreamUnavailable) as all_failed:
            await house.said(live)
        assert "main: upstream" in all_failed.value.message
        assert "other: " in all_failed.value.message
        assert house.other.sent == []
        house.nothing_held()

    asyncio.run(main())


def test_fallback_that_costs_more_than_is_left_is_never_asked(monkeypatch):
    async def main():
        house = Vendors(
            monkeypatch, fallbacks=[Fallback(on=OVER, upstream="other", model="claude-opus-4-1")]
        )
        live = await house.open(limit(USD, 3_000_000))
        house.upstream.script = [failing(500)]
        with pytest.raises(UpstreamUnavailable, match="budget_exceeded"):
            await house.said(live)
        assert all("count_tokens" in path for _, path, _, _ in house.other.sent)
        house.nothing_held()
        house.check_caps()

    asyncio.run(main())


def test_when_all_fail_there_is_one_typed_error_that_tells_of_each(monkeypatch):
    async def main():
        house = Vendors(monkeypatch, fallbacks=[Fallback(on=OVER, upstream="other")])
        live = await house.open(limit(USD, 10**9))
        house.upstream.script = [failing(500)]
        house.other.script = [failing(429, **{"retry-after": "12"})]
        with pytest.raises(RateLimited) as refused:
            await house.said(live)
        assert refused.value.fields["failures"] == "main: upstream, other: rate_limited"
        assert refused.value.fields["retry_after_s"] == 12.0
        assert house.account(live, USD).settled == 0
        house.nothing_held()

    asyncio.run(main())


@pytest.mark.parametrize("status", [401, 429])
def test_next_key_is_asked_at_once_and_keys_take_turns(monkeypatch, status):
    async def main():
        house = Vendors(monkeypatch, keys=3, retries=Retries())
        live = await house.open(limit(USD, 10**9))
        house.keys[0].script = [failing(status)]
        house.keys[1].script = house.keys[2].script = [GOOD]
        for _ in range(3):
            assert (await house.said(live))[0] == 200
        assert house.slept == []
        assert [len(key.sent) for key in house.keys] == [2, 2, 1]

    asyncio.run(main())


def test_key_that_fails_five_times_is_left_alone_and_the_others_carry_on(monkeypatch):
    async def main():
        house = Vendors(monkeypatch, keys=2, breaker=BreakerLimits())
        house.keys[0].script = [failing(401)]
        house.keys[1].script = [GOOD]
        for number in range(20):
            live = await house.open(limit(USD, 10**9), user=f"u{number}")
            assert (await house.said(live))[0] == 200
        assert len(house.keys[0].sent) == 5
        opened = house.written(Kind.UPSTREAM_OPENED)
        assert [r.body["key"] for r in opened] == ["key 1"]

    asyncio.run(main())


def test_breaker_sees_a_storm_across_sessions_and_closes_after_one_probe(monkeypatch):
    async def main():
        house = Vendors(monkeypatch, breaker=BreakerLimits())
        house.upstream.script = [failing(500)]
        live = await house.open(limit(USD, 10**9))
        for number in range(50):
            live = await house.open(limit(USD, 10**9), user=f"u{number}")
            if number < 5:
                assert (await house.said(live))[0] == 500
                continue
            with pytest.raises(UpstreamUnavailable) as refused:
                await house.said(live)
            assert refused.value.fields["retry_after_s"] == 60.0
        assert len(house.upstream.sent) == 5
        assert len(house.written(Kind.UPSTREAM_OPENED)) == 1
        house.clock.advance(60)
        gate = asyncio.Event()
        house.upstream.script = [gate, GOOD]
        probe = asyncio.create_task(house.said(live))
        for _ in range(20):
            await asyncio.sleep(0)
        with pytest.raises(UpstreamUnavailable):
            await house.said(live)
        assert len(house.upstream.sent) == 6
        house.upstream.script = [GOOD]
        gate.set()
        assert (await probe)[0] == 200
        assert house.provider.doors[0].state is BreakerState.CLOSED
        assert len(house.written(Kind.UPSTREAM_CLOSED)) == 1
        house.nothing_held()

    asyncio.run(main())


def test_open_breaker_holds_no_money_and_goes_to_the_fallback(monkeypatch):
    async def main():
        house = Vendors(
            monkeypatch,
            breaker=BreakerLimits(failures=1),
            fallbacks=[Fallback(on=OVER, upstream="other")],
        )
        live = await house.open(limit(USD, 10**9))
        house.upstream.script = [failing(429)]
        for _ in range(4):
            assert (await house.said(live))[0] == 200
        assert len(house.upstream.sent) == 1
        assert len(house.other.sent) == 4

    asyncio.run(main())


def test_streams_that_keep_breaking_open_the_breaker(monkeypatch):
    async def main():
        house = Vendors(monkeypatch, breaker=BreakerLimits())
        house.upstream.script = [(200, SSE, [started()])]
        for number in range(5):
            live = await house.open(limit(USD, 10**9), user=f"u{number}")
            assert b'"type":"error"' in (await house.said(live))[1]
        assert house.provider.doors[0].state is BreakerState.OPEN
        house.nothing_held()

    asyncio.run(main())


def test_kill_ends_a_call_that_waits_to_try_again(monkeypatch):
    async def main():
        house = Vendors(monkeypatch, retries=Retries())
        live = await house.open(limit(USD, 10**9))
        house.upstream.script = [failing(500)]
        never = asyncio.Event()

        async def sleep(seconds):
            await never.wait()

        monkeypatch.setattr("holdfast.runtime.reaching.asyncio.sleep", sleep)
        call = asyncio.create_task(house.said(live))
        while not house.upstream.sent:
            await asyncio.wait([call], timeout=0.001)
        await asyncio.wait([call], timeout=0.01)
        await house.killer.kill(live, "a test", by="admin")
        with pytest.raises(SessionStopped):
            await call
        house.nothing_held()

    asyncio.run(main())


def test_rates_refuse_what_cannot_come_in_time_and_hold_no_money(monkeypatch):
    async def main():
        house = Vendors(monkeypatch, queue_s=2.0, rates={"main": {"*": Rates(requests=2)}})
        live = await house.open(limit(USD, 10**9))
        house.upstream.script = [GOOD]
        for _ in range(2):
            await house.said(live)
        with pytest.raises(RateLimited) as refused:
            await house.said(live)
        assert refused.value.fields["retry_after_s"] == 30.0
        assert len(house.upstream.sent) == 2
        house.nothing_held()

    asyncio.run(main())


def test_tokens_are_drawn_by_bounds_and_corrected_by_usage(monkeypatch):
    async def main():
        rates = {"main": {"*": Rates(output_tokens=110)}}
        house = Vendors(monkeypatch, queue_s=0.0, rates=rates)
        live = await house.open(limit(USD, 10**9))
        house.upstream.script = [GOOD]
        # Each asks for 100 and uses 5: with 110 a minute two fit only because of that.
        for _ in range(2):
            assert (await house.said(live))[0] == 200
        with pytest.raises(RateLimited):
            await house.said(live, max_tokens=105)

    asyncio.run(main())


@pytest.mark.parametrize("seed", range(8))
def test_caps_hold_over_any_mixture_of_trouble(monkeypatch, seed):
    async def main():
        house = Vendors(
            monkeypatch,
            keys=2,
            retries=Retries(after_sent=True),
            fallbacks=[Fallback(on=OVER, upstream="other", model=SONNET)],
        )
        dice = random.Random(seed)
        broken = (200, SSE, [started(), event("ping")])
        whole = (200, JSON, [whole_answer()])
        makings = [
            GOOD,
            GOOD,
            failing(429),
            failing(500),
            failing(401),
            GONE,
            CUT_OFF,
            broken,
            whole,
        ]
        for upstream in (*house.keys, house.other):
            upstream.script = [dice.choice(makings) for _ in range(120)] + [GOOD]
        sessions = [
            await house.open(limit(USD, 30_000_000), limit(Dimension.TOKENS, 60_000), user=f"u{n}")
            for n in range(6)
        ]

        async def use(live):
            for _ in range(6):
                with contextlib.suppress(HoldfastError):
                    await house.said(live)
                house.check_caps()

        await asyncio.gather(*(use(live) for live in sessions))
        await asyncio.sleep(0)
        house.nothing_held()
        house.check_caps()

    asyncio.run(main())


def test_unknown_model_is_refused_before_any_upstream_and_needs_no_fallback(monkeypatch):
    async def main():
        house = Vendors(monkeypatch, fallbacks=[Fallback(on=OVER, upstream="other")])
        live = await house.open(limit(USD, 10**9))
        house.upstream.script = [GOOD]
        with pytest.raises(UnknownModel):
            await house.call(live, model="nobody-knows")
        assert house.upstream.sent == house.other.sent == []

    asyncio.run(main())


class Given(dict[str, str]):
    """Headers of a client, which say when their call is gone."""


def test_error_of_a_call_that_nobody_answered_keeps_nothing_in_memory():
    async def main():
        house = House()
        live = await house.open(limit(USD, 10**9))

        def refusing(body):
            raise UpstreamUnavailable("refused")

        house.upstream.script = [refusing]
        errors = []
        calls = []
        for _ in range(2):
            given = Given({"user-agent": "a client"})
            calls.append(weakref.ref(given))
            try:
                await house.call(live, headers=given)
            except UpstreamUnavailable as error:
                errors.append((error.message, weakref.ref(error)))
            del given
        house.upstream.sent.clear()
        assert [(text, ref()) for text, ref in errors] == [("refused", None)] * 2
        assert [ref() for ref in calls] == [None] * 2

    gc.collect()
    gc.disable()
    try:
        asyncio.run(main())
    finally:
        gc.enable()
