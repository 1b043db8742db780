"""The money of one call, without a door or a provider: what each end of an answer settles."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import msgspec
import pytest

from holdfast.core import endings
from holdfast.core.endings import ABANDONED, COMPLETE, Ending, How
from holdfast.core.history import UNREAD, marks, result_marks
from holdfast.core.messages import read_request
from holdfast.core.metering import Reading
from holdfast.core.price_table import PRICE_TABLE
from holdfast.core.prices import PriceBook
from holdfast.core.sessions import Command
from holdfast.core.stream import EmittedCall
from holdfast.core.wire.admitted import NOTHING
from holdfast.errors import DeadlineExceeded, SessionStopped
from holdfast.model.budgets import Dimension
from holdfast.model.events import Kind
from holdfast.model.money import Sampled, Served, Usage
from holdfast.model.tools import CallRecord, CallState
from holdfast.runtime import purse as module
from holdfast.runtime.pricing import Pricing, Quote
from holdfast.runtime.purse import Paid, Purse, tranche_tokens
from tests.unit.runtime.alone.desk import Desk, limit

D = Dimension
MODEL = "claude-haiku-4-5"
IN, OUT = 1_000, 5_000  # nano-dollars a token
QUOTE = Quote(
    model=MODEL,
    input_tokens=100,
    prompt_tokens=100,
    in_nusd=100 * IN,
    out_nusd_per_token=OUT,
    context_tokens=200_000,
)
SECRET = "AKIA" + "A" * 16
WHOLE: dict[str, Any] = {"ended": True, "final": True, "saw_usage": True, "opened": True}
USAGE = Usage(input_tokens=40, output_tokens=10)


def asked(**fields) -> Any:
    """What a client asked for."""
    body = {"model": MODEL, "max_tokens": 900, "stream": True} | fields
    body = {"messages": [{"role": "user", "content": "hello"}]} | body
    read = read_request(msgspec.json.encode(body), NOTHING)
    assert not hasattr(read, "text"), read
    return read


class Toll:
    """Remembers what it was corrected to."""

    def __init__(self):
        self.told = []

    def used(self, input_tokens, output_tokens):
        self.told.append((input_tokens, output_tokens))


class Till(Desk):
    """A desk where a call was paid for: `purse` is its purse, `toll` its toll."""

    async def pay(self, *limits, rate=None, request=None, session=None, holds=None, **paid):
        self.live = await self.open(
            *(limits or (limit(D.USD, 10**9), limit(D.TOOL_CALLS, 50), limit(D.SECONDS, 500))),
            **(session or {}),
        )
        amounts = {D.USD: 50_000_000, D.SECONDS: 60} | (holds or {})
        answer, *_ = self.budgets.reserve_now(
            "hld_1", self.live.session, self.live.chain, amounts, purpose="model"
        )
        assert not hasattr(answer, "wanted"), answer
        self.toll = Toll()
        given: dict[str, Any] = {
            "hold_id": "hld_1",
            "quote": QUOTE,
            "request": asked(**(request or {})),
            "output_tokens": 900,
            "held_output_tokens": 900,
            "started_s": asyncio.get_running_loop().time() - 3,
            "timeout_s": 60.0,
            "agent_path": "",
            "upstream": "main",
            "toll": self.toll,
        }
        self.purse = Purse(
            self.live,
            Paid(**(given | paid)),
            self.budgets,
            self.journal,
            Pricing(PriceBook(PRICE_TABLE)),
            max_tokens_per_s=rate,
        )
        await self.journal.commit(())
        self.from_seq = self.seq
        return self.purse

    async def told(self):
        """What was written since it was paid, but for the budgets' own alerts."""
        await self.journal.commit(())
        found = self.since(self.from_seq, self.live.who)
        return [one for one in found if not one["kind"].startswith("budget.")]

    def spent(self):
        return {s.key.dimension: s.settled for s in self.budgets.ledger.all_states(0) if s.settled}


@pytest.mark.parametrize(
    ("rate", "tokens"), [(None, None), (1, 512), (128, 512), (129, 516), (500, 2_000)]
)
def test_tranche_is_what_is_written_in_four_seconds_and_never_less_than_512(rate, tokens):
    assert tranche_tokens(rate) == tokens


def test_whole_answer_settles_its_own_usage_once_and_is_told_whole():
    async def main():
        till: Any = Till()
        purse = await till.pay(agent_path="clerk")
        ends: list[Ending] = []
        purse.watch = ends.append
        purse.tried += ["key 1: 529", "key 2: timeout"]
        assert (till.live.turn, purse.turn, purse.settled) == (1, 1, False)
        usage = Usage(
            input_tokens=40,
            output_tokens=10,
            cache_read_tokens=1_000,
            cache_write_5m_tokens=7,
            cache_write_1h_tokens=2,
        )
        reading = Reading(usage=usage, message_id="m1", stop_reason="end_turn", **WHOLE)
        purse.settle(reading, ended=COMPLETE)
        assert purse.settled
        purse.settle(reading, ended=ABANDONED)
        purse.abandon(ABANDONED)
        await purse.release("again")
        in_nusd = 40 * IN + 1_000 * IN // 10 + 7 * IN * 5 // 4 + 2 * IN * 2
        out_nusd = 10 * OUT
        assert till.spent() == {D.USD: in_nusd + out_nusd, D.SECONDS: 3}
        assert till.live.cost_nusd == in_nusd + out_nusd
        assert till.live.threads == {"m1": 1_059}
        assert ends == [COMPLETE]
        assert till.toll.told == [(49, 10)]
        assert till.budgets.ledger.open_holds() == []
        [settled] = await till.told()
        body = settled.pop("body")
        assert settled == {
            "kind": "model_call.settled",
            "turn": 1,
            "cost_nusd": in_nusd + out_nusd,
        }
        assert 3_000 <= body.pop("duration_ms") < 10_000
        assert body == {
            "model": MODEL,
            "usage": {
                "input_tokens": 40,
                "output_tokens": 10,
                "cache_read_tokens": 1_000,
                "cache_write_5m_tokens": 7,
                "cache_write_1h_tokens": 2,
                "server_tool_calls": {},
            },
            "in_nusd": in_nusd,
            "out_nusd": out_nusd,
            "exact": True,
            "ended": "complete",
            "stop_reason": "end_turn",
            "message_id": "m1",
            "thread_tokens": 1_059,
            "max_tokens": 900,
            "asked_max_tokens": 900,
            "agent_path": "clerk",
            "upstream": "main",
            "retried": ["key 1: 529", "key 2: timeout"],
            "context_percent": 0,
            "tools": False,
            "messages": 1,
            "opens": "03d855410dd468d7",
        }

    asyncio.run(main())


@pytest.mark.parametrize(
    ("reading", "more", "output"),
    [
        # The bytes seen and a tranche that may be on its way.
        ({"output_bytes": 30}, {}, 30 + 512),
        ({"output_bytes": 800}, {}, 900),
        ({"output_bytes": 30, "usage": Usage(output_tokens=700)}, {}, 700),
        # Who has said how it ended has nothing more on its way.
        ({"output_bytes": 30, "final": True}, {}, 30),
        ({"output_bytes": 30, "failed": True, "opened": True}, {}, 30),
        ({"output_bytes": 30, "failed": True}, {}, 0),
        # Nothing streams: a whole answer may have been left.
        ({"output_bytes": 30}, {"request": {"stream": False}}, 900),
        ({"output_bytes": 30, "final": True}, {"unseen": True}, 900),
        # Unseen tokens are bounded by time.
        (
            {"output_bytes": 30},
            {"request": {"thinking": {"type": "enabled", "budget_tokens": 1024}}, "most": 9_000},
            3 * 128 + 512,
        ),
        (
            {"output_bytes": 700},
            {"request": {"thinking": {"type": "enabled", "budget_tokens": 1024}}, "most": 9_000},
            700 + 512,
        ),
        (
            {"output_bytes": 30, "final": True},
            {"request": {"thinking": {"type": "enabled", "budget_tokens": 1024}}, "most": 9_000},
            30,
        ),
    ],
)
def test_answer_that_broke_off_is_charged_by_what_bounds_it(reading, more, output):
    async def main():
        till: Any = Till()
        most = more.get("most", 900)
        fields = {"max_tokens": 9_000} | more.get("request", {})
        purse = await till.pay(
            rate=128, request=fields, output_tokens=most, held_output_tokens=most
        )
        purse.unseen = more.get("unseen", False)
        # As if exactly so much time had gone by.
        purse.elapsed_s = lambda: 3.0
        purse.settle(Reading(**reading), ended=Ending(How.BROKEN, "so"))
        [settled] = await till.told()
        usage = settled["body"]["usage"]
        assert (usage["input_tokens"], usage["output_tokens"]) == (100, output)
        assert not settled["body"]["exact"]
        assert settled["cost_nusd"] == 100 * IN + output * OUT

    asyncio.run(main())


@pytest.mark.parametrize(
    ("cache", "field"),
    [
        (None, "input_tokens"),
        ({"type": "ephemeral"}, "cache_write_5m_tokens"),
        ({"type": "ephemeral", "ttl": "1h"}, "cache_write_1h_tokens"),
    ],
)
def test_input_of_an_answer_that_said_nothing_is_charged_as_it_may_have_been_cached(cache, field):
    async def main():
        till: Any = Till()
        block = {"type": "text", "text": "hello"} | ({"cache_control": cache} if cache else {})
        request = {"messages": [{"role": "user", "content": [block]}]}
        purse = await till.pay(request=request)
        assert purse.cached_1h == (field == "cache_write_1h_tokens")
        purse.abandon(endings.stopped("stopped"))
        [settled] = await till.told()
        usage = {name: n for name, n in settled["body"]["usage"].items() if n}
        # Nobody said how fast it writes: four seconds of a likely speed are on their way.
        assert usage == {field: 100, "output_tokens": 900}
        assert settled["body"]["ended"] == "stopped"

    asyncio.run(main())


def test_usage_that_was_seen_counts_for_the_input_and_the_bound_for_the_output():
    async def main():
        till: Any = Till()
        purse = await till.pay(rate=128)
        purse.settle(Reading(usage=USAGE, saw_usage=True, output_bytes=30), ended=endings.cut("so"))
        [settled] = await till.told()
        assert settled["body"]["usage"]["input_tokens"] == 40
        assert settled["body"]["usage"]["output_tokens"] == 542
        assert "context_percent" not in settled["body"]

    asyncio.run(main())


@pytest.mark.parametrize("missing", ["ended", "final", "saw_usage"])
def test_figures_are_exact_only_where_the_whole_answer_said_them(missing):
    async def main():
        till: Any = Till()
        purse = await till.pay()
        purse.settle(Reading(usage=USAGE, **(WHOLE | {missing: False})), ended=COMPLETE)
        [settled] = await till.told()
        assert not settled["body"]["exact"]

    asyncio.run(main())


def test_what_is_billed_beside_the_usage_is_added_and_makes_the_figures_a_bound():
    async def main():
        till: Any = Till()
        purse = await till.pay(quote=msgspec.structs.replace(QUOTE, unreported_nusd=77))
        purse.settle(Reading(usage=USAGE, **WHOLE), ended=COMPLETE)
        [settled] = await till.told()
        assert settled["cost_nusd"] == 40 * IN + 10 * OUT + 77
        assert settled["body"]["in_nusd"] == 40 * IN + 77
        assert not settled["body"]["exact"]

    asyncio.run(main())


@pytest.mark.parametrize(("resamples", "whole"), [(True, True), (True, False), (False, False)])
def test_prompt_that_may_have_been_read_again_is_charged_in_full_unless_it_was_counted(
    resamples, whole
):
    async def main():
        till: Any = Till()
        quote = msgspec.structs.replace(
            QUOTE, resamples=resamples, in_nusd=900 * IN, out_nusd=700 * OUT
        )
        purse = await till.pay(quote=quote)
        fields = WHOLE if whole else {"saw_usage": True, "final": True}
        purse.settle(Reading(usage=USAGE, output_bytes=1, **fields), ended=ABANDONED)
        [settled] = await till.told()
        floor = resamples and not whole
        assert settled["body"]["in_nusd"] == (900 if floor else 40) * IN
        assert settled["body"]["out_nusd"] == (700 if floor else 10) * OUT

    asyncio.run(main())


def test_answer_whose_price_is_in_doubt_costs_what_was_held_and_says_which_doubts():
    async def main():
        till: Any = Till()
        purse = await till.pay()
        served = Served(premiums=("speed.unheard",), unread=("usage.x",))
        purse.settle(Reading(usage=USAGE, served=served, **WHOLE), ended=COMPLETE)
        [settled] = await till.told()
        assert settled["cost_nusd"] == 50_000_000
        assert settled["body"]["served"] == ["speed.unheard"]
        assert "usage.x" in settled["body"]["doubts"]
        assert not settled["body"]["exact"]

    asyncio.run(main())


def test_answer_under_way_is_estimated_by_what_it_named_and_showed_and_by_no_more_than_is_held():
    async def main():
        till: Any = Till()
        purse, seq = await till.pay(), till.seq
        [so_far] = till.live.paying.values()
        assert so_far() == 0  # Nobody answers yet.
        usage, shown = Usage(input_tokens=40), 0
        purse.metering(lambda: (usage, shown))
        assert so_far() == 40 * IN
        shown = 9  # Three tokens at most of what four bytes are likely to be.
        assert so_far() == 40 * IN + 3 * OUT
        usage = Usage(input_tokens=40, output_tokens=20)
        assert so_far() == 40 * IN + 20 * OUT
        shown = 10**9
        assert so_far() == 50_000_000
        assert (till.seq, till.spent()) == (seq, {})  # Nothing is written of it, nothing settled.
        purse.settle(Reading(usage=USAGE, **WHOLE), ended=COMPLETE)
        assert till.live.paying == {}
        till = Till()
        purse = await till.pay()
        await purse.release("x")
        assert till.live.paying == {}

    asyncio.run(main())


def test_model_that_lost_its_price_costs_what_was_held():
    async def main():
        till: Any = Till()
        purse = await till.pay(quote=msgspec.structs.replace(QUOTE, model="unheard"))
        purse.settle(Reading(usage=USAGE, **WHOLE), ended=COMPLETE)
        [settled] = await till.told()
        assert settled["cost_nusd"] == 50_000_000
        assert settled["body"]["doubts"] == ["model"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("usage", "seen", "unseen", "runs"),
    [(0, 0, False, 0), (0, 2, False, 2), (3, 2, False, 3), (1, 2, True, 6), (0, 0, True, 6)],
)
def test_tools_that_ran_at_the_provider_are_the_most_that_anybody_counted(
    usage, seen, unseen, runs
):
    async def main():
        till: Any = Till()
        purse = await till.pay(holds={D.TOOL_CALLS: 6})
        purse.unseen = unseen
        purse.emitted(EmittedCall(f"s{n}", "web_search", {}, True) for n in range(seen))
        purse.emitted([EmittedCall("s0", "web_search", {}, True)] if seen else [])
        calls = {"web_search": usage} if usage else {}
        counted = msgspec.structs.replace(USAGE, server_tool_calls=calls)
        purse.settle(Reading(usage=counted, **WHOLE), ended=COMPLETE)
        assert till.spent().get(D.TOOL_CALLS, 0) == runs

    asyncio.run(main())


@pytest.mark.parametrize(
    ("tokens", "window", "sampled", "percent"),
    [
        (50, 0, (), 0),
        (50_000, 0, (), 25),
        (500, 1_000, (), 50),
        (5_000, 1_000, (), 100),
        (500, 1_000, (("message", ""), ("message", "")), 12),
        (500, 1_000, (("compaction", ""),), 50),
        (500, 1_000, (("message", "other"),), 50),
    ],
)
def test_context_is_as_full_as_the_last_sampling_of_the_conversation(
    tokens, window, sampled, percent
):
    async def main():
        till: Any = Till()
        tools = [{"name": "look", "input_schema": {"type": "object"}}]
        purse = await till.pay(
            session={"context_window_tokens": window, "context_alert_percent": 50},
            request={"tools": tools},
            agent_path="clerk",
        )
        served = Served(
            sampled=tuple(
                Sampled(kind=kind, usage=Usage(input_tokens=100 + 20 * at), model=model)
                for at, (kind, model) in enumerate(sampled)
            )
        )
        usage = Usage(input_tokens=tokens)
        purse.settle(Reading(usage=usage, served=served, **WHOLE), ended=COMPLETE)
        settled, *alerts = await till.told()
        assert (settled["body"]["context_percent"], settled["body"]["tools"]) == (percent, True)
        body = {"percent": percent, "threshold": 50, "agent_path": "clerk"}
        expected = [{"kind": "context.alert", "turn": 1, "body": body}] if percent >= 50 else []
        assert alerts == expected
        if sampled:
            assert len(settled["body"]["sampled"]) == len(sampled)

    asyncio.run(main())


def test_samplings_are_told_up_to_twenty():
    async def main():
        till: Any = Till()
        purse = await till.pay()
        one = Sampled(kind="message", usage=Usage(input_tokens=1))
        served = Served(sampled=(one,) * 21)
        purse.settle(Reading(usage=USAGE, served=served, **WHOLE), ended=COMPLETE)
        [settled] = await till.told()
        assert settled["body"]["sampled"] == [msgspec.to_builtins(one)] * 20
        assert "doubts" not in settled["body"]
        assert "served" not in settled["body"]

    asyncio.run(main())


def test_call_that_was_never_answered_owes_nothing_and_is_told_with_its_turn():
    async def main():
        till: Any = Till()
        purse = await till.pay(upstream="")
        await purse.release("upstream_429")
        await purse.release("again")
        purse.settle(Reading(), ended=ABANDONED)
        assert await till.told() == [
            {
                "kind": "model_call.refused",
                "turn": 1,
                "body": {"model": MODEL, "why": "upstream_429", "exact": True},
            }
        ]
        assert till.spent() == {}
        assert till.toll.told == [(0, 0)]
        assert till.live.cost_nusd == 0
        assert purse.settled

    asyncio.run(main())


def test_call_that_the_model_asked_for_is_known_before_anybody_can_see_it():
    async def main():
        till: Any = Till()
        purse = await till.pay(agent_path="clerk")
        arguments = {"to": "bob", "token": SECRET}
        purse.emitted(
            [
                EmittedCall("c1", "pay", arguments, False),
                EmittedCall("c1", "other", {}, False),
                EmittedCall("c2", "pay", None, False),
                EmittedCall("c3", "look", {"order": "7"}, False),
            ]
        )
        clean = till.journal.scrubbed({"input": arguments})["input"]
        assert SECRET not in str(clean)
        calls = till.live.calls
        assert list(calls) == ["c1", "c2", "c3"]
        own = till.live.session.session_id
        assert calls["c1"] == CallRecord(
            session=own,
            call_id="c1",
            tool="pay",
            digest=calls["c1"].digest,
            state=CallState.EMITTED,
            turn=1,
            shown=marks("pay", arguments) + marks("pay", clean),
        )
        assert calls["c1"].digest.startswith("sha256:")
        assert (calls["c2"].digest, calls["c2"].state) == ("", CallState.TORN)
        assert calls["c2"].shown == ()
        assert calls["c3"].shown == marks("look", {"order": "7"})
        assert till.live.emitted == {"c1": arguments, "c3": {"order": "7"}}
        assert not till.live.vouched.tainted
        told = await till.told()
        assert told[0] == {
            "kind": "tool_use.emitted",
            "turn": 1,
            "call_id": "c1",
            "tool": "pay",
            "body": {"digest": calls["c1"].digest, "state": "emitted", "agent_path": "clerk"},
        }
        assert [one["call_id"] for one in told] == ["c1", "c2", "c3"]
        assert await till.store.calls(own) == list(calls.values())

    asyncio.run(main())


def test_call_that_the_provider_runs_taints_and_its_answer_is_kept_once_by_its_marks():
    async def main():
        till: Any = Till()
        purse = await till.pay()
        purse.emitted([EmittedCall("s1", "web_search", {"q": 1}, True)])
        assert till.live.vouched.tainted_by == "web_search"
        assert till.live.calls["s1"].state is CallState.SERVER
        assert till.live.emitted == {}
        block = {"type": "web_search_tool_result", "content": [{"type": "text", "text": SECRET}]}
        answer = EmittedCall("s1", "", None, True, block)
        purse.emitted([answer, EmittedCall("s9", "", None, True, block)])
        clean = till.journal.scrubbed(block)
        found = till.live.calls["s1"].answered
        assert found == result_marks(block) + result_marks(clean)
        later = {"type": "web_search_tool_result", "content": []}
        purse.emitted([EmittedCall("s1", "", None, True, later)])
        assert till.live.calls["s1"].answered == found
        await till.journal.commit(())
        [stored] = await till.store.calls(till.live.session.session_id)
        assert stored.answered == found
        purse.emitted([EmittedCall("s2", "", {}, True)])
        purse.emitted([EmittedCall("s2", "", None, True, {"type": "web_search_tool_result"})])
        assert till.live.calls["s2"].answered == (UNREAD,)
        plain = {"type": "web_search_tool_result", "content": "fine"}
        purse.emitted([EmittedCall("s3", "", {}, True), EmittedCall("s3", "", None, True, plain)])
        assert till.live.calls["s3"].answered == result_marks(plain)

    asyncio.run(main())


def test_nameless_tool_of_the_provider_taints_by_a_name_of_ours():
    async def main():
        till: Any = Till()
        purse = await till.pay()
        purse.emitted([EmittedCall("s1", "", {}, True)])
        assert till.live.vouched.tainted_by == "the provider's own tools"

    asyncio.run(main())


def test_result_of_a_clients_own_call_is_no_answer_of_the_provider():
    async def main():
        till: Any = Till()
        purse = await till.pay()
        purse.emitted([EmittedCall("c1", "look", {}, False)])
        before = till.live.calls["c1"]
        purse.emitted([EmittedCall("c1", "", None, False, {"content": "x"})])
        assert till.live.calls["c1"] == before
        assert not till.live.vouched.tainted

    asyncio.run(main())


@pytest.mark.parametrize("state", [CallState.EMITTED, CallState.ALLOWED, CallState.SERVER])
def test_call_behind_which_the_answer_broke_off_matches_no_request(state):
    async def main():
        till: Any = Till()
        purse = await till.pay()
        purse.emitted([EmittedCall("c1", "look", {}, False)])
        known = msgspec.structs.replace(till.live.calls["c1"], state=state)
        till.live.calls["c1"] = known
        await till.journal.commit(())
        seq = till.seq
        purse.void("c1")
        purse.void("c1")
        purse.void("none")
        await till.journal.commit(())
        torn = state is CallState.EMITTED
        assert till.live.calls["c1"].digest == ("" if torn else known.digest)
        assert (till.live.emitted == {}) == torn
        body = {"digest": "", "state": "torn", "agent_path": ""}
        fields = {"turn": 1, "call_id": "c1", "tool": "look"}
        expected = [{"kind": "tool_use.emitted", "body": body} | fields] if torn else []
        assert till.since(seq, till.live.who) == expected

    asyncio.run(main())


def test_cut_is_told_with_what_was_seen_until_then():
    async def main():
        till: Any = Till()
        purse = await till.pay()
        purse.note_cut(Reading(output_bytes=7, message_id="m1"), "bad")
        assert await till.told() == [
            {
                "kind": "model_call.cut",
                "body": {"reason": "bad", "output_bytes": 7, "message_id": "m1"},
            }
        ]

    asyncio.run(main())


def test_kill_reaches_an_open_answer_at_once_also_where_it_came_before():
    async def main():
        till: Any = Till()
        purse = await till.pay()
        cuts: list[str] = []
        purse.opened(cuts.append)
        assert (cuts, purse.stopped, purse.lapsed) == ([], False, "")
        assert till.live.streams == {"hld_1": cuts.append}
        purse.closed()
        purse.closed()
        assert till.live.streams == {}
        assert isinstance(purse.refusal("late"), DeadlineExceeded)
        await till.sessions.change(till.live, Command.KILL, "bad")
        purse.opened(cuts.append)
        assert cuts == ["session_stopped: the session is killed"]
        assert purse.stopped
        refusal = purse.refusal("bad")
        assert isinstance(refusal, SessionStopped)
        assert refusal.message == "bad"
        assert await purse.caught_up() == ""

    asyncio.run(main())


def test_time_left_is_that_of_the_turn_and_never_nothing():
    async def main():
        till: Any = Till()
        purse = await till.pay()
        assert purse.timeout_s == 60.0
        assert 3 <= purse.elapsed_s() < 10
        assert 50 < purse.seconds_left() <= 57
        late = msgspec.structs.replace(purse.paid, timeout_s=1.0)
        purse.paid = late
        assert purse.seconds_left() == 0.1

    asyncio.run(main())


def test_more_output_is_held_up_to_the_most_that_may_come():
    async def main():
        till: Any = Till()
        purse = await till.pay(rate=128, held_output_tokens=512, output_tokens=900)
        assert purse.cover.in_flight_tokens == 512
        assert await purse.extend(100) == ""
        assert purse.cover.held_tokens == 612
        assert await purse.extend(1_000) == ""
        assert purse.cover.held_tokens == 900
        await till.journal.commit(())
        [hold] = await till.store.holds()
        assert hold.amounts[D.USD] == 50_000_000 + 388 * OUT
        await purse.release("so")
        assert await purse.extend(1) == "the call is over"

    asyncio.run(main())


def test_answer_is_cut_at_once_where_its_account_is_spent_and_soon_where_others_hold_it(
    monkeypatch,
):
    monkeypatch.setattr(module, "_EXTEND_WAIT_S", 3600.0)
    monkeypatch.setattr(module, "_EXTEND_RETRY_S", 0.01)

    async def main():
        till: Any = Till()
        purse = await till.pay(
            limit(D.USD, 50_000_000), rate=128, held_output_tokens=512, output_tokens=900
        )
        [account] = till.live.chain
        full = f"budget_exceeded: `{account}` has no room for more output"
        async with asyncio.timeout(60):
            assert await purse.extend(100) == full
        assert purse.cover.held_tokens == 512
        record = till.journal.record_as_told(Kind.BUDGET_CHANGED, None, {})
        till.budgets.set_limit(account, 60_000_000, record)
        till.hold(till.live, "other", "model", usd=10_000_000)
        waiting = asyncio.create_task(purse.extend(100))
        await asyncio.sleep(0.02)
        assert not waiting.done()
        till.budgets.settle_now("other", {}, till.live.who)
        assert await waiting == ""
        till.hold(till.live, "again", "model", usd=9_000_000)
        monkeypatch.setattr(module, "_EXTEND_WAIT_S", 0.05)
        began = asyncio.get_running_loop().time()
        assert await purse.extend(250) == full
        assert asyncio.get_running_loop().time() - began >= 0.05

    asyncio.run(main())


def test_store_that_fails_cuts_the_answer():
    async def main():
        till: Any = Till()
        purse = await till.pay(rate=128, held_output_tokens=512)
        till.store.fail_commits("the disk is full")
        assert await purse.extend(10) == ""
        cut = await purse.extend(10)
        assert cut.startswith("store_unavailable: ")

    asyncio.run(main())
