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
from holdfast.core.price_table import PRICE_TABLE
from holdfast.core.prices import PriceBook
from holdfast.core.sessions import Command
from holdfast.core.wire.splicing import Change
from holdfast.errors import (
    Exhausted,
    InvalidRequest,
    LoopDetected,
    RateLimited,
    SessionStopped,
    UpstreamUnavailable,
)
from holdfast.model.budgets import Dimension
from holdfast.model.sessions import LoopLimits, SessionState
from holdfast.model.upstreams import Fallback, Retries, Trouble
from holdfast.runtime import model_calls as module
from holdfast.runtime.admission import Admission
from holdfast.runtime.carrying import Carried
from holdfast.runtime.clearing import ClientRequest
from holdfast.runtime.earlier import Earlier
from holdfast.runtime.hooks import Hooks, HookSet
from holdfast.runtime.model_calls import ModelCalls, first_hold
from holdfast.runtime.pricing import Pricing
from holdfast.runtime.providers import Provider
from holdfast.runtime.reaching import Unreached
from holdfast.runtime.services import Services
from tests.unit.runtime.alone.desk import limit
from tests.unit.runtime.alone.gatehouse import BOOK, Gatehouse

D = Dimension
MODEL = "claude-haiku-4-5"
PATH = "/v1/messages"
IN, OUT = 1_000, 5_000  # nano-dollars a token
TROUBLE = tuple(Trouble)


@pytest.fixture(autouse=True, params=["holdfast.runtime.model_calls"])
def about(request):
    """What these tests are about."""


class Answer:
    """Of a provider; its body is nobody's business here."""

    def __init__(self, status=200, headers=None):
        self.status = status
        self.headers = headers or {}
        self.closes = 0

    def close(self):
        self.closes += 1


class Carrier:
    """Brings what a test says, in order; remembers each purse and its edits."""

    def __init__(self, *script):
        self.script: list[Any] = list(script)
        self.went: list[Any] = []
        self.counts: list[Any] = []
        self.raw: Any = None

    async def reach(self, provider, purse, edits):
        self.went.append((provider.name, purse, edits))
        made = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(made, BaseException):
            raise made
        return made

    async def count(self, provider, clearance):
        self.counts.append(provider.name)
        if isinstance(self.raw, Exception):
            raise self.raw
        return self.raw


class Toll:
    def __init__(self):
        self.told: list[Any] = []

    def unsent(self):
        self.told.append("unsent")

    def used(self, *given):
        self.told.append(given)

    def again(self):
        self.told.append("again")


class Shop(Gatehouse):
    """A gatehouse that sells model calls at two upstreams."""

    def __init__(self, *, rate=128, rates=None, wait_s=0.0, **main) -> None:
        super().__init__()
        services = Services(
            sessions=self.sessions,
            budgets=self.budgets,
            effects=self.effects,
            journal=self.journal,
            policy=self.policy,
            clock=self.clock,
            entropy=self.entropy,
        )
        hooks = Hooks(self.journal, HookSet())
        earlier = Earlier(self.sessions, self.store, self.journal)
        key: Any = object()
        self.provider = Provider(key, rate, name="main", **main)
        self.providers: dict[str, Any] = {
            "main": self.provider,
            "other": Provider(key, rate, name="other"),
        }
        self.calls: Any = ModelCalls(
            services,
            admission=Admission(self.sessions, self.budgets, self.journal, BOOK, earlier, hooks),
            pricing=Pricing(PriceBook(PRICE_TABLE)),
            providers=self.providers,
            rates=rates,
            dice=lambda: 0.5,
            wait_for_room_s=wait_s,
        )

    async def begin(self, *limits, **fields):
        self.live = await self.seat(*(limits or (limit(D.USD, 10**9),)), **fields)
        self.from_seq = self.seq
        return self.live

    async def ask(self, carrier, headers=None, **fields) -> Any:
        message = {"role": "user", "content": "hello"}
        given = {"model": MODEL, "max_tokens": 900, "stream": True, "messages": [message]} | fields
        body = msgspec.json.encode({k: v for k, v in given.items() if v is not None})
        return await self.calls.carry(self.live, ClientRequest(PATH, headers or {}, body), carrier)

    def told(self, kind):
        return [one for one in self.since(self.from_seq, self.live.who) if one["kind"] == kind]

    def holds(self):
        return self.budgets.ledger.open_holds()

    def spent(self):
        states = self.budgets.ledger.all_states(self.clock.now_ns())
        return {s.key.dimension: (s.settled, s.held) for s in states if s.settled or s.held}


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
        carried = await shop.ask(carrier, {"x-claude-code-agent-id": "clerk.1"}, max_tokens=2_000)
        [(name, purse, edits)] = carrier.went
        assert carried == Carried(good, purse)
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


def test_name_of_an_agent_is_a_short_plain_name_or_none():
    for given, name in (
        ("", ""),
        ("aZ09._:-", "aZ09._:-"),
        ("a" * 48, "a" * 48),
        ("a" * 49, ""),
        ("a b", ""),
        ("\u00e9", ""),
        ("a\n", ""),
        ("\u0663", ""),
    ):
        assert module._plain_name(given) == name
    assert module.WAIT_FOR_ROOM_S == 60.0


def test_count_of_the_provider_has_five_percent_and_at_least_64_tokens_added():
    async def main():
        shop: Any = Shop()
        carrier = Carrier()
        given: Any = SimpleNamespace(carrier=carrier)
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
            assert await shop.calls._count(shop.provider, object(), given) == tokens, raw

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
        rungs = shop.calls._rungs(purse.paid.request, 100, SimpleNamespace(wide=False))
        assert [quote.tool_calls for _, quote in rungs] == [5, 2, 1]
        assert [asked.uses for asked, _ in rungs] == [None, 2, 1]
        assert all(asked.input_tokens == 100 for asked, _ in rungs)

    asyncio.run(main())


def test_conversation_that_the_provider_holds_is_bounded_by_what_it_holds():
    async def main():
        shop: Any = Shop()
        live = await shop.begin()
        live.threads["msg_1"] = 1_000
        for continues, own, found in (
            ("", 7, 7),
            ("", None, None),
            ("msg_1", 7, 1_007),
            ("msg_1", None, None),
        ):
            request: Any = SimpleNamespace(continues=continues, input_tokens_bound=own)
            assert shop.calls._input_bound(live, request) == found
        odd: Any = SimpleNamespace(continues="msg_2", input_tokens_bound=7)
        with pytest.raises(InvalidRequest) as refused:
            shop.calls._input_bound(live, odd)
        text = "`thread.previous_message_id` is no message of this session"
        assert refused.value.message == text

    asyncio.run(main())


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
                assert await shop.ask(carrier) == Carried(answer, None)
                assert answer.closes == 0
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
        reserve = shop.calls._budgets.reserve

        async def killed(*given, **more):
            found = await reserve(*given, **more)
            await shop.sessions.change(live, Command.STOP, "enough")
            return found

        shop.calls._budgets = SimpleNamespace(
            reserve=killed, ledger=shop.budgets.ledger, settle=shop.budgets.settle
        )
        shop.calls._budgets.settle = shop.budgets.settle
        carrier = Carrier(Answer())
        with pytest.raises(SessionStopped):
            await shop.ask(carrier)
        assert (carrier.went, shop.holds()) == ([], [])
        assert [one["body"]["why"] for one in shop.told("model_call.refused")] == [
            "session_stopped"
        ]

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
        carried = await shop.ask(carrier)
        assert [name for name, *_ in carrier.went] == ["main", "other"]
        assert [one.paid.quote.model for _, one, _ in carrier.went] == [MODEL, sonnet]
        assert [edits.model for *_, edits in carrier.went] == ["", sonnet]
        assert first.closes >= 1
        assert carried == Carried(good, carrier.went[1][1])
        carried.purse.abandon(endings.stopped("x"))
        # No fallback for this trouble: the provider's own words.
        carrier = Carrier(unreached(answer=Answer(500)))
        assert (await shop.ask(carrier)).answer.status == 500
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
        }
        assert last.closes == 1

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
        assert refused.value.fields == {"failures": "main: upstream, other: permission_denied"}
        clearance: Any = SimpleNamespace(request=SimpleNamespace(continues="msg_1", model=MODEL))
        with pytest.raises(InvalidRequest, match="the conversation is held by another upstream"):
            await shop.calls._fall_back(live, shop.provider.fallbacks[0], clearance, None)
        gone = Fallback(on=TROUBLE, upstream="x")
        with pytest.raises(InvalidRequest, match="no upstream `x` is configured"):
            await shop.calls._fall_back(live, gone, clearance, None)
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
