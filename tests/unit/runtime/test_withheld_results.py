"""What a hook objects to after a call never reaches the model, whatever its client sends."""

import asyncio
import threading
from typing import Any

import pytest

from holdfast.core.evidence import UNREPORTED, check_history
from holdfast.errors import HistoryRewritten
from holdfast.model.budgets import Dimension
from holdfast.model.decisions import Verdict
from holdfast.model.effects import EffectState
from holdfast.model.events import Kind
from holdfast.model.hooks import HookAnswer, HookInput, HookPoint, Recovery
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import CallState, Effect, Idempotency
from holdfast.runtime import admission
from holdfast.runtime.guard import Asked
from holdfast.runtime.outcomes import Finish
from tests.unit.runtime.house import (
    CONTRACTS,
    SSE,
    House,
    contract,
    limit,
    result_message,
    started,
    stopped,
    text_block,
)
from tests.unit.runtime.large_bodies import ReadElsewhere

HOUSES = {"here": House, "read elsewhere": ReadElsewhere}


@pytest.fixture(autouse=True, params=HOUSES)
def where(request, monkeypatch):
    """Whoever reads a request: every line below holds."""
    monkeypatch.setattr("tests.unit.runtime.test_withheld_results.House", HOUSES[request.param])


SECRET = "the raw output"
BOOK = contract("book", Effect.COMMIT, RiskLevel.LOW, idempotency=Idempotency.ONCE)


async def denying(_):
    return HookAnswer(verdict=Verdict.DENY, code="pii_found", reason="it names a customer")


async def asking(_):
    return HookAnswer(verdict=Verdict.ASK)


async def raising(_):
    raise ValueError("boom")


async def hanging(_):
    await asyncio.sleep(3600)


async def nonsense(_):
    return "deny"


OBJECTIONS = [denying, asking, raising, hanging, nonsense]


def house(hook, point=HookPoint.POST_TOOL):
    return House(hooks={point: (("h", hook),)}, contracts=(*CONTRACTS, BOOK))


async def sent(home, live, *messages):
    """What the provider got of these."""
    home.upstream.script = [(200, SSE, [started(), *text_block("ok"), *stopped()])]
    answer = await home.call(live, messages=list(messages))
    async for _ in answer.events():
        pass
    return home.upstream.messages[-1]["messages"]


def content(messages, n=0):
    return messages[n]["content"][0]["content"]


@pytest.mark.parametrize("hook", OBJECTIONS)
@pytest.mark.parametrize("ok", [True, False])
def test_a_result_that_a_hook_objects_to_is_replaced_at_the_gateway_and_stays_so(hook, ok):
    async def main():
        home = house(hook)
        live = await home.open(limit(Dimension.TOOL_CALLS, 5))
        ruling = await home.decide(live, "c1", "book", {"order": "7"})
        done = Finish(call_id="c1", ok=ok, output=SECRET, error="" if ok else SECRET)
        shown = await home.outcomes.finish(live, done)
        assert shown.withheld
        assert SECRET not in str(shown)
        message = result_message("c1", SECRET, is_error=not ok)
        first = await sent(home, live, message)
        assert content(first) == shown.withheld
        # Resent history is the same to the byte, so that prompt caches hold.
        assert await sent(home, live, message) == first
        assert SECRET not in str(home.upstream.sent)
        # The effect is what it is, and the call is paid for.
        entry = await home.store.effect("acme", ruling.effect_key)
        assert entry.state is (EffectState.DONE if ok else EffectState.UNKNOWN)
        assert live.calls["c1"].state is (CallState.EXECUTED if ok else CallState.FAILED)
        assert home.account(live, Dimension.TOOL_CALLS).settled == 1
        assert live.session.state == "active"

    asyncio.run(main())


def test_a_withheld_result_neither_taints_nor_vouches_and_is_journalled_as_replaced():
    async def main():
        home = house(denying)
        live = await home.open()
        await home.decide(live, "c1", "look", {"order": "7"})
        await home.finish(live, "c1", output="bob@shop.com")
        await sent(home, live, result_message("c1", "bob@shop.com"))
        assert not live.vouched.believes("bob@shop.com")
        assert not live.vouched.tainted
        (record,) = home.written(Kind.TOOL_RESULT_REPLACED)
        assert record.body["text"].startswith("pii_found: this call was made")

    asyncio.run(main())


def test_who_asks_for_the_same_effect_again_reads_what_was_shown_of_the_first():
    async def main():
        home = house(denying)
        live = await home.open()
        await home.decide(live, "c1", "book", {"order": "7"})
        shown = await home.outcomes.finish(live, Finish(call_id="c1", ok=True, output=SECRET))
        home.emit(live, "c2", "book", {"order": "7"})
        asked = Asked(
            call_id="c2", tool="book", arguments={"order": "7"}, door="test", takes_stored=True
        )
        again = await home.guard.decide(live, asked)
        assert again.stored.output == shown.withheld

    asyncio.run(main())


def test_a_loop_that_resumes_from_the_journal_reads_the_text_in_its_place():
    async def main():
        home = house(denying)
        live = await home.open()
        await home.decide(live, "c1", "book", {"order": "7"})
        done = Finish(call_id="c1", ok=True, output=SECRET, content=SECRET)
        shown = await home.outcomes.finish(live, done)
        (record,) = home.written(Kind.RUN_TOOL_ANSWERED)
        assert record.body == {"content": shown.withheld, "is_error": True}

    asyncio.run(main())


@pytest.mark.parametrize("is_error", [True, False])
def test_a_result_that_is_sent_without_a_report_is_withheld_where_a_hook_has_to_see_it(is_error):
    async def agreeing(_):
        return None

    async def main():
        home = house(agreeing)
        live = await home.open()
        await home.decide(live, "c1", "look", {"order": "7"})
        message = result_message("c1", SECRET, is_error=is_error)
        first = await sent(home, live, message)
        assert content(first) == UNREPORTED
        assert await sent(home, live, message) == first
        assert live.running == {}

    asyncio.run(main())


def test_a_result_that_overtakes_the_hooks_is_withheld_for_good():
    async def main():
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slow(_):
            begun.set()
            await go_on.wait()

        home = House(hooks={HookPoint.POST_TOOL: (("h", slow),)})
        home.outcomes._hooks._default = type(home.outcomes._hooks._default)(
            home.outcomes._hooks._default.hooks, 30.0
        )
        live = await home.open()
        await home.decide(live, "c1", "look", {"order": "7"})
        done = Finish(call_id="c1", ok=True, output=SECRET)
        reporting = asyncio.ensure_future(home.outcomes.finish(live, done))
        await begun.wait()
        first = await sent(home, live, result_message("c1", SECRET))
        go_on.set()
        shown = await reporting
        assert content(first) == shown.withheld == UNREPORTED
        assert await sent(home, live, result_message("c1", SECRET)) == first

    asyncio.run(main())


def test_without_a_hook_after_calls_an_unreported_result_passes_as_before():
    async def main():
        home = House(hooks={HookPoint.PRE_TOOL: ()})
        live = await home.open()
        await home.decide(live, "c1", "look", {"order": "7"})
        assert content(await sent(home, live, result_message("c1", "fine"))) == "fine"
        assert live.running == {}

    asyncio.run(main())


@pytest.mark.parametrize("ok", [True, False])
def test_a_hook_after_a_call_sees_arguments_and_result_whether_it_failed_or_not(ok):
    async def main():
        seen: list[Any] = []

        async def watch(given):
            seen.append((given.point, given.arguments, given.output, given.ok, given.detail))

        home = House(
            hooks={
                HookPoint.POST_TOOL: (("h", watch),),
                HookPoint.ON_ERROR: (("h", watch),),
            }
        )
        live = await home.open()
        await home.decide(live, "c1", "look", {"order": "7"})
        await home.finish(live, "c1", ok=ok, output="text", error="" if ok else "broke")
        after = ("post_tool", {"order": "7"}, "text", ok, "" if ok else "broke")
        failed = ("on_error", *after[1:])
        assert seen == ([after] if ok else [after, failed])
        assert live.running == {}

    asyncio.run(main())


@pytest.mark.parametrize("hook", OBJECTIONS)
def test_an_objection_at_the_error_of_a_call_withholds_it_as_well(hook):
    async def main():
        home = house(hook, HookPoint.ON_ERROR)
        live = await home.open()
        await home.decide(live, "c1", "look", {"order": "7"})
        shown = await home.outcomes.finish(live, Finish(call_id="c1", ok=False, error=SECRET))
        got = await sent(home, live, result_message("c1", SECRET, is_error=True))
        assert content(got) == shown.withheld
        await home.decide(live, "c2", "look", {"order": "8"})
        assert await home.finish(live, "c2", output="fine") == "fine"

    asyncio.run(main())


@pytest.mark.parametrize("point", [HookPoint.ON_ERROR, HookPoint.ON_CONTEXT_OVERFLOW])
@pytest.mark.parametrize("hook", OBJECTIONS)
def test_the_points_that_belong_to_no_call_say_what_hooks_object_to(point, hook):
    async def main():
        home = house(hook, point)
        live = await home.open()
        given = HookInput(point=point, principal=live.who, detail="why", ok=False)
        found = await home.points.reached(live, given)
        assert [one.verdict is not Verdict.ALLOW for one in found.reasons] == [True]
        assert found.recovery is (Recovery.FAIL if point is HookPoint.ON_ERROR else None)

    asyncio.run(main())


async def masking(given):
    return HookAnswer(output=given.output.replace(SECRET, "***"))


RAW, LEFT = f"one\n{SECRET}\nthree", "one\n***\nthree"


def test_a_raw_result_that_a_hook_rewrote_is_refused_with_the_remedy_also_after_a_restart():
    async def main():
        home = house(masking)
        live = await home.open()
        await home.decide(live, "c1", "look", {"order": "7"})
        assert await home.finish(live, "c1", output=RAW) == LEFT
        for text in (RAW, f"<note>\n{SECRET}"):
            for failed in (False, True):
                with pytest.raises(HistoryRewritten) as caught:
                    await sent(home, live, result_message("c1", text, is_error=failed))
                assert "a hook rewrote its result" in caught.value.message
                assert "send the result as the hook left it" in caught.value.message
        assert live.session.state == "active"
        assert SECRET not in str(home.upstream.sent)
        assert not live.calls["c1"].admitted
        message = result_message("c1", LEFT)
        assert await sent(home, live, message) == [message]
        await home.store.commit()
        after = House(store=home.store.crashed(), clock=home.clock, entropy=home.entropy)
        again = await after.sessions.get(live.session.session_id)
        with pytest.raises(HistoryRewritten):
            await sent(after, again, result_message("c1", RAW))
        cleared = result_message("c1", "[Old tool result content cleared]")
        assert await sent(after, again, cleared) == [cleared]

    asyncio.run(main())


def test_only_histories_with_what_a_hook_rewrote_are_compared_beside_the_loop(monkeypatch):
    on_the_loop = []

    def seen(*given):
        on_the_loop.append(threading.current_thread() is threading.main_thread())
        return check_history(*given)

    monkeypatch.setattr(admission, "check_history", seen)

    async def main():
        home = house(masking)
        live = await home.open()
        await home.decide(live, "c1", "look", {"order": "7"})
        await home.finish(live, "c1", output="one")
        await sent(home, live, result_message("c1", "one"))
        await home.decide(live, "c2", "look", {"order": "8"})
        await home.finish(live, "c2", output=RAW)
        await sent(home, live, result_message("c2", LEFT))

    asyncio.run(main())
    assert on_the_loop == [True, False]


def test_a_result_that_a_hook_looks_at_and_leaves_passes_as_it_is():
    async def main():
        home = house(masking)
        live = await home.open()
        await home.decide(live, "c1", "look", {"order": "7"})
        await home.finish(live, "c1", output="one")
        message = result_message("c1", "one, as the client puts it")
        assert await sent(home, live, message) == [message]

    asyncio.run(main())


def test_a_loop_that_resumes_from_the_journal_reads_what_a_hook_left():
    async def main():
        home = house(masking)
        live = await home.open()
        await home.decide(live, "c1", "look", {"order": "7"})
        done = Finish(call_id="c1", ok=True, output=RAW, content=RAW)
        shown = await home.outcomes.finish(live, done)
        assert shown.content == LEFT
        (record,) = home.written(Kind.RUN_TOOL_ANSWERED)
        assert record.body["content"] == LEFT
        assert SECRET not in str(home.written(Kind.TOOL_CALL_FINISHED))

    asyncio.run(main())
