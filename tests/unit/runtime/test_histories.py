"""The history in a request: held to what was emitted, taken over from earlier sessions, or refused."""

import asyncio
import json
from typing import Any

import pytest

from holdfast.core.evidence import NEVER_RAN
from holdfast.core.sessions import Command
from holdfast.core.stream import EmittedCall
from holdfast.errors import (
    EvidenceMissing,
    HistoryRewritten,
    HistoryUnknown,
    InvalidRequest,
    PermitInvalid,
)
from holdfast.model.events import Kind
from holdfast.model.sessions import SessionState
from holdfast.runtime.budgets import last_ledger
from holdfast.runtime.relays.wire import emitted, wrote
from tests.unit.runtime.house import (
    CONTRACTS,
    JSON,
    SSE,
    USD,
    House,
    breath,
    contract,
    event,
    limit,
    result_message,
    started,
    stopped,
    text_block,
    tool_block,
    whole_answer,
)
from tests.unit.runtime.large_bodies import ReadElsewhere

HOUSES = {"here": House, "read elsewhere": ReadElsewhere}


@pytest.fixture(autouse=True, params=HOUSES)
def where(request, monkeypatch):
    """Whoever reads a request: every line below holds."""
    monkeypatch.setattr("tests.unit.runtime.test_histories.House", HOUSES[request.param])


GOOD = (200, SSE, [started(), *text_block("hi"), *stopped()])
ORDER = {"order": "7"}
FETCH = {"url": "https://a.example", "n": 1.0}


def asks_for(*calls):
    """An answer of the model that calls these."""
    pieces = [started()]
    for index, (call_id, tool, arguments) in enumerate(calls):
        pieces += tool_block(call_id, tool, arguments, index)
    return (200, SSE, [*pieces, *stopped(reason="tool_use")])


def use(call_id, tool="look", arguments=ORDER, **more):
    block = {"type": "tool_use", "id": call_id, "name": tool, "input": arguments} | more
    return {"role": "assistant", "content": [block]}


async def drained(answer):
    body = b"".join([chunk async for chunk in answer.events()])
    await breath(0.001)
    return body


async def opened(house, **more):
    return await house.open(limit(USD, 10**9), **more)


async def worked(house, live, *calls, permitted=True, seen=True):
    """The model called these; each was permitted, and the model has read its result."""
    house.upstream.script = [asks_for(*calls)]
    await drained(await house.call(live))
    if permitted:
        for call_id, tool, arguments in calls:
            ruling = await house.decide(live, call_id, tool, arguments, emit=False)
            assert ruling.permit, ruling.message
    house.upstream.script = [GOOD]
    if permitted and seen:
        await drained(await house.call(live, messages=shown(*calls)))
    await house.store.commit()


def shown(*calls):
    return [m for c in calls for m in (use(*c), result_message(c[0]))]


async def restarted(house):
    after = House(store=house.store.crashed(), clock=house.clock, entropy=house.entropy)
    after.budgets.ledger = await last_ledger(after.store)
    after.upstream.script = [GOOD]
    return after


async def refused(house, live, error, messages, **fields):
    """The request is refused, goes nowhere, and leaves the session as it was."""
    before, state = len(house.upstream.sent), live.session.state
    with pytest.raises(error) as caught:
        await house.call(live, messages=messages, **fields)
    assert len(house.upstream.sent) == before
    assert live.session.state is state is SessionState.ACTIVE
    house.nothing_held()
    return caught.value


ONE, TWO = ("c1", "look", ORDER), ("c2", "fetch", FETCH)


def test_history_as_the_model_wrote_it_passes_and_over_a_restart_too():
    async def main():
        house = House()
        live = await opened(house)
        await worked(house, live, ONE, TWO)
        spelt = use(
            "c2", "fetch", {"n": 1, "url": "https://a.example"}, cache_control={"type": "ephemeral"}
        )
        messages = [use(*ONE), result_message("c1"), spelt, result_message("c2")]
        await drained(await house.call(live, messages=messages))
        after = await restarted(house)
        again = await after.sessions.get(live.session.session_id)
        assert again.calls["c1"].shown
        await drained(await after.call(again, messages=messages))
        assert after.upstream.messages[-1]["messages"] == messages

    asyncio.run(main())


AGENT = contract("Agent")


def test_a_call_under_the_name_that_its_client_runs_it_by_is_decided_as_that():
    async def main():
        house = House(contracts=(*CONTRACTS, AGENT))
        live = await opened(house)
        await worked(house, live, ("c1", "Task", ORDER), ("c2", "Agent", ORDER), permitted=False)
        ruling = await house.decide(live, "c1", "Agent", ORDER, emit=False)
        assert (ruling.decision.tool, ruling.message) == ("Agent", "")
        await house.guard.redeem(live, ruling.permit, "c1", "Agent", ORDER)
        await house.finish(live, "c1")
        for tool in ("Task", "TaskStop", "look"):
            with pytest.raises(PermitInvalid):
                await house.decide(live, "c2", tool, ORDER, emit=False)
        await drained(await house.call(live, messages=[use("c1", "Agent"), result_message("c1")]))
        after = await restarted(house)
        again = await after.sessions.get(live.session.session_id)
        for name in ("Task", "Agent"):
            messages = [use("c1", name), result_message("c1")]
            await drained(await after.call(again, messages=messages))
        await refused(after, again, HistoryRewritten, [use("c1", "look"), result_message("c1")])

    asyncio.run(main())


def test_a_name_that_is_no_longer_used_is_not_granted_by_the_one_that_it_had():
    async def main():
        house = House(contracts=(*CONTRACTS, contract("Task")))
        live = await opened(house)
        await worked(house, live, ("c1", "Task", ORDER), permitted=False)
        ruling = await house.decide(live, "c1", "Agent", ORDER, emit=False)
        assert (ruling.permit, ruling.decision.tool) == ("", "Agent")
        assert "tool.not_granted" in [reason.code for reason in ruling.decision.reasons]

    asyncio.run(main())


REWRITTEN = [
    [use("c1", "pay"), result_message("c1")],
    [use("c1", "look", {"order": "8"}), result_message("c1")],
    [use("c1", "fetch", FETCH), result_message("c1"), use("c2", *ONE[1:]), result_message("c2")],
    [use(*ONE), result_message("c1"), use(*ONE), result_message("c1", "more")],
    [use(*ONE), result_message("c1"), result_message("c1", "more")],
    [use(*ONE), use(*ONE), result_message("c1")],
    [use("c1", *ONE[1:], type="server_tool_use"), result_message("c1")],
]


@pytest.mark.parametrize("messages", REWRITTEN, ids=lambda m: str(len(m)))
def test_history_that_was_rewritten_is_refused_and_stops_nothing(messages):
    async def main():
        house = House()
        live = await opened(house)
        await worked(house, live, ONE, TWO)
        for _ in range(2):
            await refused(house, live, HistoryRewritten, messages)
        error = await refused(house, live, HistoryRewritten, messages)
        assert "the history was rewritten at the tool call `c" in error.message
        [told] = house.written(Kind.EVIDENCE_REFUSED)
        assert (told.call_id, told.verdict) == (error.fields["call_id"], "deny")
        await drained(await house.call(live, messages=shown(ONE, TWO)))
        house = await restarted(house)
        again = await house.sessions.get(live.session.session_id)
        await refused(house, again, HistoryRewritten, messages)

    asyncio.run(main())


def test_call_within_another_block_is_refused():
    async def main():
        house = House()
        live = await opened(house)
        await worked(house, live, ONE)
        block = {"type": "text", "text": "x", "content": use(*TWO)["content"]}
        hidden = {"role": "user", "content": [block]}
        await refused(house, live, InvalidRequest, [*shown(ONE), hidden])

    asyncio.run(main())


EXAMPLE = [use("few-shot"), result_message("few-shot")]


@pytest.mark.parametrize(
    "messages",
    [
        EXAMPLE,
        [use("few-shot")],
        [use("few-shot"), result_message("few-shot", is_error=True)],
        [result_message("few-shot")],
        [*shown(ONE), *EXAMPLE],
    ],
    ids=lambda m: str(len(m)),
)
def test_call_that_nobody_made_is_refused_with_the_remedy_and_stops_nothing(messages):
    async def main():
        house = House()
        live = await opened(house)
        await worked(house, live, ONE)
        for _ in range(3):
            error = await refused(house, live, HistoryUnknown, messages)
            assert "`few-shot`" in error.message
            assert "holdfast sessions open --parent" in error.message
        assert len(house.written(Kind.EVIDENCE_REFUSED)) == 1
        await drained(await house.call(live, messages=shown(ONE)))

    asyncio.run(main())


def test_error_for_a_call_that_nobody_shows_passes_in_our_words():
    async def main():
        house = House()
        live = await opened(house)
        house.upstream.script = [GOOD]
        messages = [result_message("gone", "evil", is_error=True)]
        await drained(await house.call(live, messages=messages))
        [block] = house.upstream.messages[-1]["messages"][0]["content"]
        assert block["content"] == NEVER_RAN

    asyncio.run(main())


def test_conversation_goes_on_in_a_new_session_of_the_same_user_and_agent():
    async def main():
        house = House()
        first = await opened(house)
        await worked(house, first, ONE, TWO)
        assert first.vouched.tainted
        for before in range(2):
            live = await opened(house)
            assert not live.vouched.tainted
            await drained(await house.call(live, messages=shown(ONE, TWO)))
            assert live.session.found == (first.session.session_id,)
            assert live.vouched.tainted_by == "fetch"
            [told] = [
                r for r in house.written(Kind.SESSION_CONTINUED) if r.session == live.who.session
            ]
            assert (told.body["session"], told.body["taints"]) == (first.session.session_id, True)
            # Once is enough, and what is not of that session stays unknown.
            await drained(await house.call(live, messages=shown(ONE)))
            await refused(house, live, HistoryUnknown, [*shown(ONE), *EXAMPLE])
            await refused(house, live, HistoryRewritten, [use("c1", "pay"), result_message("c1")])
            assert len(house.written(Kind.SESSION_CONTINUED)) == 1 + before
            await house.store.commit()
            house = await restarted(house)
            again = await house.sessions.get(live.session.session_id)
            assert again.vouched.tainted_by == "fetch"
            await drained(await house.call(again, messages=shown(ONE, TWO)))
            first = await house.sessions.get(first.session.session_id)

    asyncio.run(main())


def test_conversation_goes_on_through_sessions_that_each_added_to_it():
    async def main():
        house = House()
        calls: list[Any] = []
        for n in range(4):
            live = await opened(house)
            if calls:
                await drained(await house.call(live, messages=shown(*calls)))
            calls.append((f"call{n}", "look", {"order": str(n)}))
            await worked(house, live, calls[-1])
            house = await restarted(house)
        live = await opened(house)
        await drained(await house.call(live, messages=shown(*reversed(calls))))
        house = await restarted(house)
        again = await house.sessions.get(live.session.session_id)
        await drained(await house.call(again, messages=shown(*calls)))

    asyncio.run(main())


def test_two_sessions_that_show_each_others_calls_load_after_a_restart():
    async def main():
        house = House()
        one, two = await opened(house), await opened(house)
        await worked(house, one, ONE)
        await worked(house, two, TWO)
        await drained(await house.call(one, messages=shown(ONE, TWO)))
        await drained(await house.call(two, messages=shown(ONE, TWO)))
        house = await restarted(house)
        for before in (one, two):
            again = await house.sessions.get(before.session.session_id)
            await drained(await house.call(again, messages=shown(ONE, TWO)))

    asyncio.run(main())


@pytest.mark.parametrize("other", [{"user": "bob"}, {"tenant": "globex"}])
def test_nobody_goes_on_from_the_session_of_somebody_else(other):
    async def main():
        house = House()
        first = await opened(house)
        await worked(house, first, ONE)
        live = await opened(house, **other)
        await refused(house, live, HistoryUnknown, shown(ONE))
        assert live.session.found == ()
        assert "c1" not in live.calls

    asyncio.run(main())


@pytest.mark.parametrize("held", [[Command.PAUSE], [Command.PAUSE, Command.END], [Command.KILL]])
def test_a_transcript_of_what_a_person_stopped_is_refused_with_the_remedy(held):
    async def main():
        house = House()
        first = await opened(house)
        await worked(house, first, ONE)
        for command in held:
            await house.sessions.change(first, command, "a person looked")
        live = await opened(house)
        error = await refused(house, live, HistoryUnknown, shown(ONE))
        assert f"--parent {first.session.session_id}" in error.message
        assert live.session.state is SessionState.ACTIVE
        assert not live.session.found
        house = await restarted(house)
        live = await house.sessions.get(live.session.session_id)
        await refused(house, live, HistoryUnknown, shown(ONE))

    asyncio.run(main())


def test_a_transcript_of_what_was_resumed_or_came_to_its_own_end_goes_on():
    async def main():
        for commands in ([Command.PAUSE, Command.RESUME, Command.END], [Command.STOP]):
            house = House()
            first = await opened(house)
            await worked(house, first, ONE)
            for command in commands:
                await house.sessions.change(first, command, "over")
            live = await opened(house)
            await drained(await house.call(live, messages=shown(ONE)))
            assert live.session.found == (first.session.session_id,)

    asyncio.run(main())


def test_what_an_earlier_session_trusted_is_not_trusted_by_way_of_a_transcript():
    async def main():
        house = House()
        first = await opened(house)
        first.vouched.trust("pay carol@shop.com")
        await worked(house, first, ONE)
        live = await opened(house)
        await drained(await house.call(live, messages=shown(ONE)))
        assert not live.vouched.believes("carol@shop.com")
        assert not live.vouched.tainted

    asyncio.run(main())


def test_result_that_a_transcript_brings_first_vouches_for_nothing():
    async def main():
        house = House()
        first = await opened(house)
        await worked(house, first, ONE, seen=False)
        messages = [use(*ONE), result_message("c1", "ship to carol@shop.com")]
        for session, believed in ((await opened(house), False), (first, True)):
            await drained(await house.call(session, messages=messages))
            assert session.vouched.believes("carol@shop.com") is believed
        named = await opened(house, parent=first.session.session_id)
        await drained(await house.call(named, messages=messages))
        assert named.vouched.believes("carol@shop.com")

    asyncio.run(main())


def test_result_without_a_permit_of_an_earlier_session_is_refused_and_stops_nothing():
    async def main():
        house = House()
        first = await opened(house)
        await worked(house, first, ONE)
        await worked(house, first, TWO, permitted=False)
        live = await opened(house)
        error = await refused(house, live, EvidenceMissing, shown(ONE, TWO))
        assert "`c2`" in error.message
        # As an error of ours it passes; and here nobody gets a permit for it.
        messages = [*shown(ONE), use(*TWO), result_message("c2", "evil", is_error=True)]
        await drained(await house.call(live, messages=messages))
        assert b"evil" not in house.upstream.sent[-1][3]
        # In the session whose model made the call, whoever ran it went past the guard.
        with pytest.raises(EvidenceMissing):
            await house.call(first, messages=shown(TWO))
        assert first.session.state is SessionState.STOPPED

    asyncio.run(main())


def test_own_result_without_a_permit_stops_the_session_whatever_else_is_wrong():
    async def main():
        for wrong in (EXAMPLE, [use("c1", "pay"), result_message("c1")], shown(ONE, ONE)):
            house = House()
            live = await opened(house)
            await worked(house, live, ONE)
            await worked(house, live, TWO, permitted=False)
            with pytest.raises(EvidenceMissing):
                await house.call(live, messages=[*wrong, *shown(TWO)])
            assert live.session.state is SessionState.STOPPED

    asyncio.run(main())


def test_one_unknown_call_is_one_read_of_the_store_however_long_the_history():
    async def main():
        house = House()
        first = await opened(house)
        calls = [(f"k{n}", "look", {"order": str(n)}) for n in range(20)]
        await worked(house, first, *calls)
        live, asked = await opened(house), []
        read = house.store.records

        async def records(where):
            asked.append(where)
            return await read(where)

        house.store.records = records
        await refused(house, live, HistoryUnknown, EXAMPLE)
        assert [w.call_id for w in asked] == ["few-shot"]
        asked.clear()
        await drained(await house.call(live, messages=shown(*calls)))
        assert len(asked) == 1
        asked.clear()
        await drained(await house.call(live, messages=shown(*calls)))
        assert asked == []

    asyncio.run(main())


def test_call_with_a_secret_in_it_may_be_shown_as_the_journal_keeps_it():
    async def main():
        house = House()
        live = await opened(house)
        secret = {"order": "7", "api_key": "sk-ant-api03-" + "a1B2" * 20}
        await worked(house, live, ("c1", "bare", secret), seen=False)
        await house.store.commit()
        kept = house.journal.scrubbed({"input": secret})["input"]
        assert kept != secret
        for arguments in (secret, kept):
            messages = [use("c1", "bare", arguments), result_message("c1")]
            await drained(await house.call(live, messages=messages))
        other = [use("c1", "bare", {**secret, "api_key": "x"}), result_message("c1")]
        await refused(house, live, HistoryRewritten, other)

    asyncio.run(main())


def test_half_written_call_may_be_shown_in_any_shape_under_its_own_name():
    async def main():
        house = House()
        live = await opened(house)
        block = {"type": "tool_use", "id": "c1", "name": "look", "input": {}}
        torn = [
            b"event: content_block_start\ndata: "
            + json.dumps(
                {"type": "content_block_start", "index": 0, "content_block": block}
            ).encode()
            + b"\n\n",
            *tool_block("c1", "look", ORDER)[1:2],
            *tool_block("c1", "look", {"more": 1})[1:],
        ]
        house.upstream.script = [(200, SSE, [started(), *torn, *stopped(reason="max_tokens")])]
        await drained(await house.call(live))
        house.upstream.script = [GOOD]
        for arguments in ({}, ORDER):
            messages = [use("c1", "look", arguments), result_message("c1", "x", is_error=True)]
            await drained(await house.call(live, messages=messages))
        wrong = [use("c1", "pay", {}), result_message("c1", "x", is_error=True)]
        await refused(house, live, HistoryRewritten, wrong)

    asyncio.run(main())


SEARCH: dict[str, Any] = {
    "type": "server_tool_use",
    "id": "w1",
    "name": "web_search",
    "input": {"query": "x"},
}
FOUND: dict[str, Any] = {
    "type": "web_search_tool_result",
    "tool_use_id": "w1",
    "content": [
        {
            "type": "web_search_result",
            "url": "https://a.example",
            "title": "A",
            "encrypted_content": "b",
        }
    ],
}


def searched(*, stream):
    """An answer in which the provider searched and found."""
    if not stream:
        return (200, JSON, [whole_answer([SEARCH, FOUND, {"type": "text", "text": "so"}])])
    pieces = [started()]
    for index, block in enumerate((SEARCH, FOUND)):
        pieces.append(event("content_block_start", index=index, content_block=block))
        pieces.append(event("content_block_stop", index=index))
    return (200, SSE, [*pieces, *text_block("so", index=2), *stopped()])


async def has_searched(house, live, *, stream=True):
    house.upstream.script = [searched(stream=stream)]
    answer = await house.call(live, stream=stream)
    await (drained(answer) if stream else answer.whole())
    house.upstream.script = [GOOD]
    await house.store.commit()


def with_result(**changed):
    return [{"role": "assistant", "content": [SEARCH, FOUND | changed]}]


@pytest.mark.parametrize("stream", [True, False])
def test_result_of_the_provider_passes_as_it_sent_it_and_over_a_restart_too(stream):
    async def main():
        house = House()
        live = await opened(house)
        await has_searched(house, live, stream=stream)
        assert [r.call_id for r in house.written(Kind.TOOL_USE_EMITTED)] == ["w1"]
        messages = [*with_result(cache_control={"type": "ephemeral"})]
        for _ in range(2):
            await drained(await house.call(live, messages=messages))
            assert house.upstream.messages[-1]["messages"] == messages
            house = await restarted(house)
            live = await house.sessions.get(live.session.session_id)

    asyncio.run(main())


@pytest.mark.parametrize(
    "changed",
    [
        {"content": []},
        {"content": [FOUND["content"][0] | {"title": "B"}]},
        {"content": [FOUND["content"][0] | {"url": "https://b.example"}]},
        {"content": FOUND["content"] * 2},
    ],
    ids=["emptied", "title", "url", "more"],
)
@pytest.mark.parametrize("stream", [True, False])
def test_result_of_the_provider_that_was_changed_is_refused_and_stops_nothing(stream, changed):
    async def main():
        house = House()
        live = await opened(house)
        await has_searched(house, live, stream=stream)
        error = await refused(house, live, HistoryRewritten, with_result(**changed))
        assert "not what the provider sent" in error.message
        house = await restarted(house)
        again = await house.sessions.get(live.session.session_id)
        await refused(house, again, HistoryRewritten, with_result(**changed))
        await drained(await house.call(again, messages=with_result()))

    asyncio.run(main())


def test_result_that_the_provider_never_sent_is_refused():
    async def main():
        house = House()
        live = await opened(house)
        pieces = [started(), event("content_block_start", index=0, content_block=SEARCH)]
        pieces += [event("content_block_stop", index=0), *stopped(reason="pause_turn")]
        house.upstream.script = [(200, SSE, pieces)]
        await drained(await house.call(live))
        house.upstream.script = [GOOD]
        await refused(house, live, HistoryRewritten, with_result())
        # Told to go on, the provider sends it with its next answer.
        found = [started(), event("content_block_start", index=0, content_block=FOUND)]
        found += [event("content_block_stop", index=0), *stopped()]
        house.upstream.script = [(200, SSE, found)]
        await drained(await house.call(live, messages=[{"role": "assistant", "content": [SEARCH]}]))
        house.upstream.script = [GOOD]
        await drained(await house.call(live, messages=with_result()))
        await refused(house, live, HistoryRewritten, with_result(content=[]))

    asyncio.run(main())


def test_result_of_the_provider_is_the_same_through_a_relay():
    block = {"type": FOUND["type"], "content": [{**FOUND["content"][0], "n": 1.0, "x": "é\ud83d"}]}
    told = [
        EmittedCall("w1", "web_search", {"query": "x"}, at_server=True),
        EmittedCall("w1", "", None, at_server=True, answered=block),
    ]
    assert emitted(wrote(told)) == told
