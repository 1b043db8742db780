"""One model call over a carrier of the test: what is held, sent, given back, and who is asked next."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from holdfast.core import endings
from holdfast.core.edits import Edits
from holdfast.core.metering import Reading
from holdfast.core.sessions import Command
from holdfast.errors import (
    Exhausted,
    InvalidRequest,
    LoopDetected,
    RateLimited,
    SessionStopped,
    StoreUnavailable,
    UpstreamUnavailable,
)
from holdfast.model.budgets import Dimension
from holdfast.model.sessions import LoopLimits, SessionState
from holdfast.model.upstreams import Fallback, Retries, Trouble
from holdfast.runtime import model_calls as module
from holdfast.runtime.clearing import ClientRequest
from holdfast.runtime.reaching import Unreached
from tests.unit.runtime.alone.desk import limit
from tests.unit.runtime.alone.shop import MODEL, Answer, Carrier, Shop, Toll

D = Dimension
IN, OUT = 1_000, 5_000  # nano-dollars a token
TROUBLE = tuple(Trouble)


@pytest.fixture(autouse=True, params=["holdfast.runtime.model_calls"])
def about(request):
    """What these tests are about."""


def unreached(upstream="main", trouble=Trouble.UPSTREAM, **more) -> Unreached:
    return Unreached(upstream=upstream, trouble=trouble, **more)


async def settled():
    for _ in range(5):
        await asyncio.sleep(0)


def test_call_is_held_for_paid_and_sent_as_it_came():
    async def main():
        shop: Any = Shop(rate=128)
        live = await shop.begin(limit(D.USD, 10**9), limit(D.TURNS, 9), limit(D.SECONDS, 500))
        good, carrier = Answer(), Carrier(None)
        carrier.script = [good]
        handed_on = await shop.ask(carrier, {"x-claude-code-agent-id": "clerk.1"}, max_tokens=2_000)
        [(name, purse, edits)] = carrier.went
        assert handed_on == (good, purse)
        assert (name, edits) == ("main", Edits(betas=""))
        paid = purse.paid
        found = {
            field: getattr(paid, field)
            for field in (
                "output_tokens",
                "held_output_tokens",
                "timeout_s",
                "agent_path",
                "upstream",
                "toll",
            )
        }
        assert found == {
            "output_tokens": 2_000,
            "held_output_tokens": 1_024,
            "timeout_s": 60.0,
            "agent_path": "clerk.1",
            "upstream": "main",
            "toll": None,
        }
        assert paid.hold_id.startswith("hld_")
        assert paid.quote.model == MODEL
        assert paid.request.max_tokens == 2_000
        bound = paid.request.input_tokens_bound
        assert shop.spent() == {
            D.USD: (0, bound * IN + 1_024 * OUT),
            D.TURNS: (0, 1),
            D.SECONDS: (0, 60),
        }
        assert (live.progress.turns, shop.since(shop.from_seq)[0]["body"]["purpose"]) == (
            1,
            "model",
        )
        assert purse.cover.in_flight_tokens == 512
        now_s = asyncio.get_running_loop().time()
        assert now_s - 1 < paid.started_s <= now_s
        purse.abandon(endings.stopped("x"))

    asyncio.run(main())


def test_call_waits_a_minute_for_the_room_that_others_hold():
    assert module.WAIT_FOR_ROOM_S == 60.0


def test_answer_without_output_gives_the_hold_back_and_what_may_be_billed_is_charged():
    async def main():
        sent = UpstreamUnavailable("broke", sent=True)
        ours = UpstreamUnavailable("late", sent=True, ours=True)
        for made, why, ended in (
            (Answer(400), "upstream_400", None),
            (unreached(answer=Answer(529)), "upstream_529", None),
            (unreached(error=UpstreamUnavailable("no")), "upstream_unavailable", None),
            (unreached(error=sent), None, "broken: broke"),
            (unreached(error=ours), None, "unread: late"),
            (
                unreached(answer=Answer(529), reading=Reading()),
                None,
                "broken: the provider sent an error event (upstream_529)",
            ),
        ):
            shop: Any = Shop()
            live = await shop.begin()
            carrier = Carrier(made)
            answer = made if isinstance(made, Answer) else made.answer
            if answer is None:
                with pytest.raises(UpstreamUnavailable):
                    await shop.ask(carrier)
            else:
                refused, payer = await shop.ask(carrier)
                assert (refused.status, refused.body, payer) == (answer.status, answer.said, None)
                assert answer.closes == 1
            await settled()
            assert shop.holds() == []
            refused, charged = shop.told("model_call.refused"), shop.told("model_call.settled")
            if why is not None:
                assert ([one["body"]["why"] for one in refused], charged) == ([why], [])
                assert shop.spent() == {}
            else:
                assert ([one["body"]["ended"] for one in charged], refused) == ([ended], [])
                assert shop.spent()[D.USD][0] > 0
            assert live.progress.turns == 0

    asyncio.run(main())


def test_call_that_ends_before_its_provider_answered_is_charged_and_its_error_goes_on():
    async def main():
        for fault in (asyncio.CancelledError(), KeyError("x")):
            shop: Any = Shop()
            await shop.begin()
            with pytest.raises(type(fault)):
                await shop.ask(Carrier(fault))
            await settled()
            [told] = shop.told("model_call.settled")
            assert told["body"]["ended"] == "stopped before the provider answered"
            assert shop.holds() == []

    asyncio.run(main())


def test_call_that_was_killed_while_it_waited_for_money_sends_nothing():
    async def main():
        shop: Any = Shop()
        live = await shop.begin()
        reserve = shop.budgets.reserve

        async def killed(*given, **more):
            found = await reserve(*given, **more)
            await shop.sessions.change(live, Command.STOP, "enough")
            return found

        shop.calls._holding._budgets = SimpleNamespace(
            reserve=killed, ledger=shop.budgets.ledger, settle=shop.budgets.settle
        )
        carrier = Carrier(Answer())
        with pytest.raises(SessionStopped):
            await shop.ask(carrier)
        assert (carrier.went, shop.holds()) == ([], [])
        assert [one["body"]["why"] for one in shop.told("model_call.refused")] == [
            "session_stopped"
        ]

    asyncio.run(main())


def test_call_that_was_killed_before_it_is_sent_again_holds_nothing_anew():
    async def main():
        shop: Any = Shop(retries=Retries(attempts=2, after_sent=True, base_s=0.0))
        live = await shop.begin()
        carrier = Carrier(unreached(error=UpstreamUnavailable("broke", sent=True)))
        reach = carrier.reach

        async def killed(call):
            await reach(call)
            await shop.sessions.change(live, Command.STOP, "enough")

        carrier.reach = killed
        with pytest.raises(SessionStopped):
            await shop.ask(carrier)
        await settled()
        assert (len(carrier.went), shop.holds(), shop.told("model_call.refused")) == (1, [], [])
        assert len(shop.told("model_call.settled")) == 1

    asyncio.run(main())


def test_refusal_is_let_go_of_where_its_hold_cannot_be_given_back():
    async def main():
        shop: Any = Shop()
        await shop.begin()
        refusal = Answer(400)
        carrier = Carrier(refusal)
        reach = carrier.reach

        async def unwritten(call):
            await reach(call)
            call.purse.release = gone

        async def gone(why):
            raise StoreUnavailable("gone")

        carrier.reach = unwritten
        with pytest.raises(StoreUnavailable):
            await shop.ask(carrier)
        assert refusal.closes == 1

    asyncio.run(main())


def test_next_upstream_is_asked_for_the_troubles_it_names_and_pays_for_itself():
    async def main():
        rate, over = (Trouble.RATE_LIMITED,), (Trouble.OVERLOADED,)
        sonnet = "claude-sonnet-4-5"
        shop: Any = Shop(
            fallbacks=[
                Fallback(on=rate, upstream="nobody"),
                Fallback(on=over, upstream="nobody"),
                Fallback(on=over, upstream="other", model=sonnet),
            ]
        )
        await shop.begin()
        first, good = Answer(529), Answer()
        carrier = Carrier(unreached(trouble=Trouble.OVERLOADED, answer=first), good)
        handed_on = await shop.ask(carrier)
        assert [name for name, *_ in carrier.went] == ["main", "other"]
        assert [one.paid.quote.model for _, one, _ in carrier.went] == [MODEL, sonnet]
        assert [edits.model for *_, edits in carrier.went] == ["", sonnet]
        assert first.closes >= 1
        assert handed_on == (good, carrier.went[1][1])
        handed_on[1].abandon(endings.stopped("x"))
        # No fallback for this trouble: the provider's own words.
        carrier = Carrier(unreached(answer=Answer(500)))
        assert (await shop.ask(carrier))[0].status == 500
        assert len(carrier.went) == 1
        # Of several that failed, one error tells of each.
        last = Answer(429, {"retry-after": "9"})
        carrier = Carrier(
            unreached(trouble=Trouble.OVERLOADED, answer=Answer(529)),
            unreached("other", Trouble.RATE_LIMITED, answer=last),
        )
        with pytest.raises(RateLimited) as all_failed:
            await shop.ask(carrier)
        assert all_failed.value.fields == {
            "failures": "main: overloaded, nobody: invalid_request, other: rate_limited",
            "retry_after_s": 9.0,
            "hook_point": "on_error",
            "tries": 0,
        }
        assert last.closes == 1

    asyncio.run(main())


def test_model_of_one_fallback_is_not_that_of_the_next():
    async def main():
        over, sonnet = (Trouble.OVERLOADED,), "claude-sonnet-4-5"
        other = Fallback(on=over, upstream="other")
        shop: Any = Shop(fallbacks=[msgspec.structs.replace(other, model=sonnet), other])
        await shop.begin()
        no = unreached(trouble=Trouble.OVERLOADED, answer=Answer(529))
        carrier = Carrier(no, no, Answer())
        await shop.ask(carrier)
        assert [purse.paid.quote.model for _, purse, _ in carrier.went] == [MODEL, sonnet, MODEL]
        assert [edits.model for *_, edits in carrier.went] == ["", sonnet, ""]
        # What each was paid with stays its own, whatever was asked after it.
        assert len({purse.paid.hold_id for _, purse, _ in carrier.went}) == 3
        assert [purse.settled for _, purse, _ in carrier.went] == [True, True, False]

    asyncio.run(main())


def test_what_may_have_been_billed_is_not_asked_elsewhere_unless_it_may_be_sent_again():
    async def main():
        sent = unreached(error=UpstreamUnavailable("broke", sent=True))
        late = unreached(error=UpstreamUnavailable("late", sent=True, ours=True))
        other = [Fallback(on=TROUBLE, upstream="other")]
        for made, retries, went in (
            (sent, Retries(attempts=2), ["main"]),
            (sent, Retries(attempts=2, after_sent=True, base_s=0.0), ["main"] * 3 + ["other"]),
            (sent, Retries(attempts=0, after_sent=True), ["main", "other"]),
            (late, Retries(attempts=2, after_sent=True), ["main", "other"]),
        ):
            shop: Any = Shop(retries=retries, fallbacks=[*other, *other])
            await shop.begin()
            carrier = Carrier(made)
            with pytest.raises(UpstreamUnavailable) as refused:
                await shop.ask(carrier)
            assert [name for name, *_ in carrier.went] == went
            assert ("failures" in refused.value.fields) == ("other" in went)
            await settled()
            assert shop.holds() == []
            assert len(shop.told("model_call.settled")) == len(went)

    asyncio.run(main())


def test_fallback_that_is_not_allowed_is_named_and_a_held_conversation_stays():
    async def main():
        shop: Any = Shop(fallbacks=[Fallback(on=TROUBLE, upstream="other", model="m")])
        live = await shop.begin(allowed_models=(MODEL,))
        carrier = Carrier(unreached(answer=Answer(500)))
        with pytest.raises(UpstreamUnavailable) as refused:
            await shop.ask(carrier)
        assert refused.value.fields == {
            "failures": "main: upstream, other: permission_denied",
            "hook_point": "on_error",
            "tries": 0,
        }
        clearance: Any = SimpleNamespace(request=SimpleNamespace(continues="msg_1", model=MODEL))
        held: Any = SimpleNamespace(live=live, admitted=clearance)
        with pytest.raises(InvalidRequest, match="the conversation is held by another upstream"):
            shop.calls._turn_to(held, shop.provider.fallbacks[0])
        gone = Fallback(on=TROUBLE, upstream="x")
        with pytest.raises(InvalidRequest, match="no upstream `x` is configured"):
            shop.calls._turn_to(held, gone)
        live.session = msgspec.structs.replace(live.session, upstream="gone")
        with pytest.raises(UpstreamUnavailable, match="no upstream `gone` is configured"):
            await shop.ask(carrier)

    asyncio.run(main())


def test_turns_and_failures_of_the_provider_are_bounded_and_told():
    async def main():
        loop = LoopLimits(max_turns=2, warn_turns=1, alert_turns=1)
        shop: Any = Shop()
        live = await shop.begin(loop=loop)
        carrier = Carrier(Answer())
        for _ in range(2):
            await shop.ask(carrier)
        await settled()
        assert [one["body"]["code"] for one in shop.told("loop.alert")] == [
            "loop.turns_warning",
            "loop.turns_alert",
        ]
        with pytest.raises(LoopDetected) as stopped:
            await shop.ask(carrier)
        text = "the session has had its 2 turns"
        assert (stopped.value.message, stopped.value.fields) == (
            f"loop_detected: {text}",
            {"code": "loop.turns"},
        )
        assert (live.session.state, live.session.state_reason) == (SessionState.STOPPED, text)
        assert [one["body"]["code"] for one in shop.told("loop.alert")][2:] == ["loop.turns"]
        shop = Shop()
        live = await shop.begin()
        for _ in range(10):
            live.progress.failure(shop.clock.now_ns())
        with pytest.raises(LoopDetected) as retrying:
            await shop.ask(carrier)
        assert retrying.value.fields == {"code": "loop.retries"}
        assert retrying.value.message.startswith("loop_detected: 10 model calls failed within ")
        assert [one["body"]["code"] for one in shop.told("loop.alert")] == ["loop.retries"]
        assert live.session.state is SessionState.ACTIVE

    asyncio.run(main())


def test_rates_are_drawn_by_bounds_and_given_back_where_nothing_is_sent():
    async def main():
        for killed, cap in ((False, 10**9), (True, 10**9), (False, 1_000)):
            toll = Toll()
            entered: list[Any] = []
            shop: Any = Shop(queue_s=7.0)

            async def enter(
                *given, timeout_s, shop=shop, entered=entered, toll=toll, killed=killed
            ):
                entered.append((*given[:3], msgspec.structs.astuple(given[3]), timeout_s))
                if killed:
                    await shop.sessions.change(shop.live, Command.STOP, "enough")
                return toll

            shop.calls._rates = SimpleNamespace(enter=enter)
            await shop.begin(limit(D.USD, cap))
            carrier = Carrier(Answer())
            if killed or cap < 10**9:
                with pytest.raises((SessionStopped, Exhausted)):
                    await shop.ask(carrier)
                assert (toll.told, carrier.went) == (["unsent"], [])
                continue
            await shop.ask(carrier)
            purse = carrier.went[0][1]
            tokens = purse.paid.quote.prompt_tokens
            assert entered == [("main", MODEL, "acme", (1, tokens, 900), 7.0)]
            assert (purse.paid.toll, toll.told) == (toll, [])

    asyncio.run(main())


def test_what_is_free_goes_to_the_sessions_upstream_with_its_edits():
    async def main():
        shop: Any = Shop()
        live = await shop.begin()
        assert shop.calls.free(live) is shop.provider
        body = msgspec.json.encode(
            {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}
        )
        provider, clearance, edits = await shop.calls.counted(live, ClientRequest("/c", {}, body))
        assert (provider, edits, clearance.request.body) == (shop.provider, Edits(betas=""), body)
        sent: list[Any] = []

        async def ask_free(now_ns, cleared):
            sent.append((now_ns, cleared.method, cleared.path, bytes(cleared.body)))
            return "answer"

        shop.provider.ask_free = ask_free
        assert await shop.calls.count(live, "/c", {}, body) == "answer"
        assert await shop.calls.models(live, "/v1/models", {}) == "answer"
        now_ns = shop.clock.now_ns()
        assert sent == [(now_ns, "POST", "/c", body), (now_ns, "GET", "/v1/models", b"")]
        await shop.sessions.change(live, Command.STOP, "enough")
        with pytest.raises(SessionStopped):
            shop.calls.free(live)

    asyncio.run(main())
