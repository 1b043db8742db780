"""What runs or is fetched at the provider is held to what an own tool is held to, at the request."""

import asyncio
import json

import pytest

from holdfast.errors import Denied, Exhausted
from holdfast.model.budgets import Dimension
from holdfast.model.principals import TrustLevel
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Effect
from holdfast.testing.memory_policy import permit
from tests.unit.runtime.house import (
    CONTRACTS,
    SSE,
    USD,
    House,
    asking,
    contract,
    event,
    limit,
    started,
    stopped,
    text_block,
    whole_answer,
)
from tests.unit.runtime.test_model_calls import drained

GOOD = (200, SSE, [started(), *text_block("hi"), *stopped()])
NAMES = ("web_search", "web_fetch", "code_execution", "mcp_servers", "files", "compaction")
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
FETCH = {"type": "web_fetch_20250910", "name": "web_fetch"}
RUN = {"type": "code_execution_20250825", "name": "code_execution"}
URL = "https://intranet.example/report.pdf"
CONNECTOR = {
    "mcp_servers": [{"type": "url", "name": "m", "url": "https://mcp.example/sse"}],
    "tools": [{"type": "mcp_toolset", "mcp_server_name": "m"}],
}


def granted(*, removes=False, **more):
    """A house whose agent may use each; `more` goes into each contract."""
    contracts = (*CONTRACTS, *(contract(name, **more) for name in NAMES))
    return House(contracts=contracts, removes=removes)


def document(source, **more):
    block = {"type": "document", "source": source}
    return {"messages": [{"role": "user", "content": [block]}], **more}


def ran(*call_ids, tool="web_search", reason="end_turn"):
    pieces = [started()]
    for at, call_id in enumerate(call_ids):
        use = {"type": "server_tool_use", "id": call_id, "name": tool, "input": {}}
        pieces.append(event("content_block_start", index=at, content_block=use))
        pieces.append(event("content_block_stop", index=at))
    return (200, SSE, [*pieces, *stopped(reason=reason)])


async def goes(house, live, **fields):
    await drained(await house.call(live, asking(**fields)))
    return house.upstream.messages[-1]


async def refused(house, live, error=Denied, **fields):
    before = len(house.upstream.sent)
    with pytest.raises(error) as told:
        await house.call(live, asking(**fields))
    assert len(house.upstream.sent) == before
    house.nothing_held()
    return told.value


@pytest.mark.parametrize(
    ("trust", "risk", "effect", "goes_on"),
    [
        (TrustLevel.SEMI_AUTONOMOUS, RiskLevel.LOW, Effect.EGRESS, True),
        (TrustLevel.SEMI_AUTONOMOUS, RiskLevel.MEDIUM, Effect.EGRESS, True),
        (TrustLevel.SEMI_AUTONOMOUS, RiskLevel.HIGH, Effect.EGRESS, False),
        (TrustLevel.SUPERVISED, RiskLevel.MEDIUM, Effect.EGRESS, False),
        (TrustLevel.AUTONOMOUS, RiskLevel.HIGH, Effect.EGRESS, True),
        (TrustLevel.READ_ONLY, RiskLevel.LOW, Effect.EGRESS, False),
        (TrustLevel.READ_ONLY, RiskLevel.LOW, Effect.READ, True),
    ],
)
@pytest.mark.parametrize("fields", [{"tools": [SEARCH]}, document({"type": "url", "url": URL})])
def test_its_risk_class_decides_as_for_a_call_of_an_own_tool(trust, risk, effect, goes_on, fields):
    async def main():
        house = granted(risk=risk, effect=effect)
        house.upstream.script = [GOOD]
        live = await house.open(limit(USD, 10**12), trust=trust)
        if goes_on:
            await goes(house, live, **fields)
        else:
            told = await refused(house, live, **fields)
            assert told.fields["code"].startswith("risk.")

    asyncio.run(main())


def test_a_tool_without_a_contract_is_taken_at_its_worst():
    async def main():
        house = House()
        house.tools = (*house.tools, "web_search")
        live = await house.open(limit(USD, 10**12), trust=TrustLevel.SEMI_AUTONOMOUS)
        assert (await refused(house, live, tools=[SEARCH])).fields["code"] == "risk.high"

    asyncio.run(main())


def test_what_policy_would_ask_a_person_about_is_refused_with_the_rules_own_words():
    async def main():
        house = granted()
        house.upstream.script = [GOOD]
        live = await house.open(limit(USD, 10**12))
        house.policy.rules = (permit("tame", lambda one: one.risk == "LOW"),)
        await goes(house, live, tools=[SEARCH])
        house.policy.rules = (permit("own", lambda one: one.action != "web_search"),)
        told = await refused(house, live, tools=[SEARCH])
        assert "`tools[0]` asks for it" in told.message
        await goes(house, live, tools=[RUN])

    asyncio.run(main())


@pytest.mark.parametrize("source", [{"type": "url", "url": URL}, {"type": "file", "file_id": "f"}])
def test_content_that_the_provider_goes_and_gets_runs_when_granted_and_says_how_when_not(source):
    async def main():
        house, fields = granted(), document(source)
        house.upstream.script = [GOOD]
        live = await house.open(limit(USD, 10**12))
        assert (await goes(house, live, **fields))["messages"] == fields["messages"]
        live = await house.open(limit(USD, 10**12), resources=("tool:look",))
        told = await refused(house, live, **fields)
        name = "web_fetch" if source["type"] == "url" else "files"
        for words in ("`messages[0].content[0].source`", f"`{name}`", "agent's `tools`"):
            assert words in told.message

    asyncio.run(main())


@pytest.mark.parametrize(
    ("fields", "goes_on"),
    [
        ({"tools": [SEARCH]}, True),
        ({"tools": [RUN]}, True),
        (document({"type": "file", "file_id": "f"}), True),
        ({"compaction": {"type": "summarize"}}, True),
        ({"tools": [FETCH]}, False),
        ({"tools": [FETCH | {"allowed_domains": ["docs.example.org"]}]}, True),
        ({"tools": [FETCH | {"allowed_domains": ["docs.example.org", "evil.io"]}]}, False),
        ({"tools": [FETCH | {"allowed_domains": []}]}, False),
        (CONNECTOR, False),
        (document({"type": "url", "url": URL}), False),
        (document({"type": "url", "url": "https://docs.example.org/a"}), True),
        (document({"type": "url", "url": "https://docs.example.org/a?x=secret"}), False),
    ],
)
def test_after_untrusted_text_nothing_reaches_an_address_that_nobody_named(fields, goes_on):
    async def main():
        house = granted()
        house.upstream.script = [GOOD]
        live = await house.open(limit(USD, 10**12))
        live.vouched.trust("read docs.example.org, from https://docs.example.org/a on")
        await goes(house, live, **fields)  # Before it was read, all of them may.
        live = await house.open(limit(USD, 10**12))
        live.vouched.trust("read docs.example.org, from https://docs.example.org/a on")
        live.vouched.taint("look")
        if goes_on:
            await goes(house, live, **fields)
        else:
            told = await refused(house, live, **fields)
            assert told.fields["code"].startswith("flow.")
            assert "`look`" in told.message

    asyncio.run(main())


OWN = {"name": "look", "input_schema": {"type": "object"}}
CHOSEN = {"type": "tool", "name": "web_fetch"}


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({"tools": [OWN, FETCH, SEARCH]}, {"tools": [OWN, SEARCH | {"max_uses": 5}]}),
        ({"tools": [FETCH, SEARCH]}, {"tools": [SEARCH | {"max_uses": 5}]}),
        ({"tools": [FETCH], "tool_choice": {"type": "any"}}, {}),
        ({"tools": [OWN, FETCH], "tool_choice": CHOSEN}, {"tools": [OWN]}),
        ({"tools": [OWN, FETCH], "tool_choice": {"type": "auto"}},
         {"tools": [OWN], "tool_choice": {"type": "auto"}}),
        (CONNECTOR | {"tools": [*CONNECTOR["tools"], OWN, FETCH]}, {"tools": [OWN]}),
    ],
)  # fmt: skip
def test_where_the_operator_says_so_such_tools_are_taken_out_with_a_notice(fields, left):
    async def main():
        house = granted(removes=True)
        house.upstream.counts, house.upstream.script = 10, [GOOD]
        live = await house.open(limit(USD, 10**12))
        live.vouched.taint("look")
        plain = asking()
        assert await goes(house, live, **fields) == plain | left
        told = [one for one in house.written("tool_call.decided") if one.body.get("removed")]
        assert told
        assert {one.verdict for one in told} == {"deny"}
        counted = json.dumps({"model": plain["model"], "messages": plain["messages"]} | fields)
        await house.calls.count(live, "/v1/messages/count_tokens", {}, counted.encode())
        sent = json.loads(house.upstream.sent[-1][3])
        names = [tool["name"] for tool in left.get("tools", [])]
        assert [tool["name"] for tool in sent.get("tools", [])] == names
        house.nothing_held()

    asyncio.run(main())


@pytest.mark.parametrize(
    "fields",
    [
        document({"type": "url", "url": URL}),
        document({"type": "url", "url": URL}, tools=[FETCH]),
        {"messages": [{"role": "system", "content": [{"type": "tool_addition", "tool": {
            "type": "tool_definition", "definition": FETCH}}]}]},
        CONNECTOR | {"messages": [{"role": "system", "content": [{"type": "tool_addition", "tool": {
            "type": "mcp_toolset_reference", "server_name": "m"}}]}]},
    ],
)  # fmt: skip
def test_what_stands_in_the_conversation_is_never_taken_out(fields):
    async def main():
        house = granted(removes=True)
        live = await house.open(limit(USD, 10**12))
        live.vouched.taint("look")
        await refused(house, live, **fields)

    asyncio.run(main())


def test_what_is_not_granted_is_refused_and_not_taken_out():
    async def main():
        house = House(removes=True)
        live = await house.open(limit(USD, 10**12))
        await refused(house, live, tools=[OWN, FETCH])
        live.vouched.taint("look")
        await refused(house, live, tools=[OWN, FETCH])

    asyncio.run(main())


def test_a_document_that_was_fetched_stays_in_its_conversation_also_after_a_restart():
    async def main():
        house, fields = granted(), document({"type": "url", "url": URL})
        house.upstream.script = [GOOD]
        live = await house.open(limit(USD, 10**12))
        for _ in range(2):  # The first one taints.
            await goes(house, live, **fields)
        assert live.vouched.tainted
        await refused(house, live, **document({"type": "url", "url": URL + "?x=secret"}))
        again = House(
            store=house.store.crashed(),
            clock=house.clock,
            entropy=house.entropy,
            contracts=(*CONTRACTS, *(contract(name) for name in NAMES)),
        )
        again.upstream.script = [GOOD]
        back = await again.sessions.authenticate(house.token)
        back.vouched.taint("look")
        await goes(again, back, **fields)
        await refused(again, back, **document({"type": "url", "url": URL + "?x=secret"}))

    asyncio.run(main())


def test_a_decision_about_the_provider_makes_no_later_result_worthless_after_a_restart():
    async def main():
        house = granted()
        house.upstream.script = [GOOD]
        live = await house.open(limit(USD, 10**12))
        await goes(house, live, tools=[SEARCH])
        again = House(store=house.store.crashed(), clock=house.clock, entropy=house.entropy)
        back = await again.sessions.authenticate(house.token)
        assert back.vouched._blind_from is None

    asyncio.run(main())


@pytest.mark.parametrize("stream", [True, False])
def test_tools_that_ran_at_the_provider_count_and_the_call_after_the_last_is_refused(stream):
    async def main():
        house = granted()
        live = await house.open(limit(USD, 10**12), limit(Dimension.TOOL_CALLS, 3))
        use = {"type": "server_tool_use", "name": "web_search", "input": {}}
        for number, ids in enumerate((("a", "b"), ("c",))):
            content = [use | {"id": f"srv_{one}"} for one in ids]
            made = ran(*(one["id"] for one in content))
            whole = (200, {"content-type": "application/json"}, [whole_answer(content)])
            house.upstream.script = [made if stream else whole]
            request = asking(tools=[SEARCH], stream=stream)
            answer = await house.call(live, request)
            await (drained(answer) if stream else answer.whole())
            answer.close()
            assert house.upstream.messages[-1]["tools"][0]["max_uses"] == (2, 1)[number]
        assert house.account(live, Dimension.TOOL_CALLS).settled == 3
        told = await refused(house, live, Exhausted, tools=[SEARCH])
        assert "tool_calls" in told.message
        house.upstream.script = [GOOD]
        await goes(house, live)  # What runs nothing there may still be said.
        house.check_caps()

    asyncio.run(main())


def test_a_call_that_ran_nothing_costs_no_tool_call_and_holds_no_more_than_is_left():
    async def main():
        house = granted()
        house.upstream.script = [GOOD]
        live = await house.open(limit(USD, 10**12), limit(Dimension.TOOL_CALLS, 4))
        for _ in range(3):
            answer = await house.call(live, asking(tools=[RUN]))
            assert house.account(live, Dimension.TOOL_CALLS).held == 4
            await drained(answer)
        assert house.account(live, Dimension.TOOL_CALLS).settled == 0
        house.nothing_held()

    asyncio.run(main())


def test_connectors_count_too():
    async def main():
        house = granted()
        live = await house.open(limit(USD, 10**12), limit(Dimension.TOOL_CALLS, 20))
        use = {"type": "mcp_tool_use", "id": "m1", "name": "x", "server_name": "m", "input": {}}
        house.upstream.script = [(200, SSE, [
            started(),
            event("content_block_start", index=0, content_block=use),
            event("content_block_stop", index=0),
            *stopped(),
        ])]  # fmt: skip
        await goes(house, live, **CONNECTOR)
        assert house.account(live, Dimension.TOOL_CALLS).settled == 1

    asyncio.run(main())


def test_refusals_are_told_a_few_times_a_minute_then_counted():
    async def main():
        house = House()
        live = await house.open(limit(USD, 10**12))
        for _ in range(50):
            await refused(house, live, tools=[SEARCH])
        assert len(house.written("tool_call.decided")) == 20
        house.journal.tell_refusals(all_of_them=True)
        await house.journal.commit([])
        told = house.written("tool_call.decided")[-1]
        assert (told.body["times"], told.verdict) == (30, "deny")
        assert "30 times more" in json.dumps(told.body)

    asyncio.run(main())
