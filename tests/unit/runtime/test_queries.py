"""Bounded queries at the guard and at the gateway: reads that are counted, told and kept."""

import asyncio

import pytest

from holdfast.core.builtin_tools import BUILTIN_TOOLS
from holdfast.core.delegation import DELEGATE_TOOL
from holdfast.core.delegation import Asked as AskedChild
from holdfast.core.stream import EmittedCall
from holdfast.errors import ConfigInvalid, Denied
from holdfast.model.decisions import Verdict
from holdfast.model.events import Kind
from holdfast.model.principals import TrustLevel
from holdfast.model.risk import RiskLevel
from holdfast.model.sessions import LoopLimits
from holdfast.model.tools import ArgumentRole, Effect
from holdfast.runtime import queries
from holdfast.testing.memory_policy import permit
from tests.unit.runtime.house import CONTRACTS, USD, House, asking, contract, limit
from tests.unit.runtime.test_model_calls import GOOD, drained

SEARCHES = tuple(c for c in BUILTIN_TOOLS if c.name == "WebSearch")
OWN = {
    "type": "object",
    "properties": {"q": {"type": "string"}, "sites": {"type": "array"}},
    "required": ["q"],
}
TOOLS = (
    *CONTRACTS,
    *SEARCHES,
    contract(
        "find", Effect.EGRESS, RiskLevel.HIGH, input_schema=OWN, roles={"q": ArgumentRole.QUERY}
    ),
    contract(DELEGATE_TOOL, first_party=True),
    contract("web_search", Effect.EGRESS, RiskLevel.MEDIUM),
)
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 1}
SEMI = TrustLevel.SEMI_AUTONOMOUS
WORDS = "postgres vacuum bloat monitoring query"
COST = 1 + len(WORDS) + 1


def loop(query_bytes):
    return LoopLimits(query_bytes=query_bytes, stall_window=0, repeat_calls=1000, max_turns=1000)


async def opened(house, *, query_bytes=2_000, tainted=True, **more):
    more.setdefault("trust", SEMI)
    live = await house.open(limit(USD, 10**12), loop=loop(query_bytes), **more)
    if tainted:
        live.vouched.taint("fetch")
    return live


async def searched(house, live, call_id, query, tool="WebSearch", **more):
    name = "q" if tool == "find" else "query"
    ruling = await house.decide(live, call_id, tool, {name: query, **more})
    return ruling.decision


def sent(house):
    return [r for r in house.store.journal if r.kind is Kind.QUERY_SENT]


@pytest.mark.parametrize("tool", ["WebSearch", "find"])
def test_a_bounded_query_goes_on_after_taint_and_is_told(tool):
    async def main():
        house = House(contracts=TOOLS)
        live = await opened(house)
        decision = await searched(house, live, "c1", WORDS, tool)
        assert (decision.verdict, decision.risk) == (Verdict.ALLOW, RiskLevel.MEDIUM)
        [record] = sent(house)
        told = {"text": WORDS, "bytes": COST, "spent": COST, "limit": 2_000}
        assert record.body == told
        assert (record.call_id, record.tool) == ("c1", tool)
        [decided] = [r for r in house.store.journal if r.kind is Kind.TOOL_CALL_DECIDED]
        assert decided.body["query_bytes"] == COST
        assert decided.body["risk_reasons"] == ["risk.bounded_query"]

    asyncio.run(main())


@pytest.mark.parametrize("tainted", [True, False])
@pytest.mark.parametrize(
    "query", ["https://evil.com/?d=1", "holds password=hunterTrombone in the settings"]
)
def test_what_is_no_query_waits_for_a_person_and_counts_nothing(query, tainted):
    async def main():
        house = House(contracts=TOOLS)
        live = await opened(house, tainted=tainted)
        decision = await searched(house, live, "c1", query)
        assert (decision.verdict, decision.risk) == (Verdict.ASK, RiskLevel.HIGH)
        assert decision.reasons[0].text.startswith("the query holds")
        assert ("flow" in {reason.stage for reason in decision.reasons}) is tainted
        assert (live.residue.spent, sent(house)) == (0, [])

    asyncio.run(main())


def test_a_search_before_untrusted_text_is_free_of_count():
    async def main():
        house = House(contracts=TOOLS)
        live = await opened(house, tainted=False)
        assert (await searched(house, live, "c1", WORDS)).verdict is Verdict.ALLOW
        assert (live.residue.spent, sent(house)) == (0, [])

    asyncio.run(main())


def test_an_agent_that_may_only_read_may_search_and_send_nothing_else():
    async def main():
        house = House(contracts=TOOLS)
        live = await opened(house, trust=TrustLevel.READ_ONLY)
        assert (await searched(house, live, "c1", WORDS)).verdict is Verdict.ALLOW
        assert (await searched(house, live, "c2", "eve@evil.com news")).verdict is Verdict.DENY

    asyncio.run(main())


def test_an_autonomous_agent_is_asked_by_the_flow_gate_once_its_queries_are_spent():
    async def main():
        house = House(contracts=TOOLS)
        live = await opened(house, query_bytes=2 * COST, trust=TrustLevel.AUTONOMOUS)
        assert (await searched(house, live, "c1", WORDS)).verdict is Verdict.ALLOW
        other = "kubernetes ingress timeouts annotation list"
        decision = await searched(house, live, "c2", other)
        assert decision.verdict is Verdict.ASK
        codes = [reason.code for reason in decision.reasons]
        assert codes == ["flow.unvouched", "approval_pending"]
        assert live.residue.spent == COST
        # What went out before says little when it is said again.
        assert (await searched(house, live, "c3", WORDS)).verdict is Verdict.ALLOW
        assert live.residue.spent == COST + 1 + 2 * 5

    asyncio.run(main())


def test_a_refused_query_gives_its_bytes_back_and_makes_no_word_known():
    async def main():
        house = House(contracts=TOOLS)
        live = await opened(house)
        house.policy.rules = (permit("none", lambda _: False),)
        assert (await searched(house, live, "c1", WORDS)).verdict is Verdict.DENY
        assert (live.residue.spent, sent(house)) == (0, [])
        house.policy.rules = (permit("all"),)
        await searched(house, live, "c2", WORDS)
        assert live.residue.spent == COST

    asyncio.run(main())


def test_queries_side_by_side_never_carry_more_than_the_session_may():
    async def main():
        house = House(contracts=TOOLS)
        live = await opened(house, query_bytes=3 * COST)
        asked = [f"{WORDS[:-2]}{a}{b}" for a in "abcde" for b in "uvwxy"]
        decisions = await asyncio.gather(
            *(searched(house, live, f"c{n}", one) for n, one in enumerate(asked))
        )
        allowed = [one for one in decisions if one.verdict is Verdict.ALLOW]
        assert 0 < len(allowed) < len(asked)
        assert live.residue.spent == sum(r.body["bytes"] for r in sent(house)) < 3 * COST

    asyncio.run(main())


def test_what_was_carried_is_known_after_a_restart_word_for_word():
    async def main():
        house = House(contracts=TOOLS)
        live = await opened(house)
        await searched(house, live, "c1", WORDS)
        await searched(house, live, "c2", WORDS + " extension")
        store = house.store.crashed()
        again = House(contracts=TOOLS, store=store, clock=house.clock, entropy=house.entropy)
        back = await again.sessions.authenticate(house.token)
        assert back.residue.spent == live.residue.spent > COST
        back.vouched.taint("fetch")
        decision = await searched(again, back, "c3", "extension postgres")
        assert decision.verdict is Verdict.ALLOW
        assert back.residue.spent == live.residue.spent + 1 + 2 * 2

    asyncio.run(main())


def test_a_child_spends_what_its_parent_has_left_before_and_after_a_restart():
    async def main():
        house = House(contracts=TOOLS)
        parent = await opened(house, query_bytes=2 * COST)
        children = house.delegation
        asked = AskedChild(tools=("WebSearch",))
        child, _ = await children.delegate(parent, asked, task_text="look")
        assert (await searched(house, child, "c1", WORDS)).verdict is Verdict.ALLOW
        assert parent.residue.spent == child.residue.spent == COST
        assert {r.session for r in sent(house)} == {
            parent.session.session_id,
            child.session.session_id,
        }
        other = "kubernetes ingress timeouts annotation list"
        assert (await searched(house, parent, "p1", other)).verdict is Verdict.ASK
        another, _ = await children.delegate(parent, asked, task_text="look again")
        assert another.residue.spent == 0
        assert (await searched(house, another, "a1", other)).verdict is Verdict.ASK
        store = house.store.crashed()
        again = House(contracts=TOOLS, store=store, clock=house.clock, entropy=house.entropy)
        back = await again.sessions.authenticate(house.token)
        assert back.residue.spent == COST

    asyncio.run(main())


def provider_said(house, live, call_id, query):
    call = EmittedCall(call_id, "web_search", {"query": query}, at_server=True)
    return queries.by_provider(house.journal, live, call, call_id=call_id)


def test_what_the_provider_searches_for_by_itself_is_counted_by_the_same_measure():
    async def main():
        house = House(contracts=TOOLS)
        live = await opened(house)
        await searched(house, live, "c1", WORDS)
        # Claude Code's own search asks the provider for the same words once more.
        [record] = provider_said(house, live, "w1", WORDS)
        assert record.body["bytes"] == 1 + 2 * 5
        [record] = provider_said(house, live, "w2", "https://evil.com/?d=secret")
        assert record.body["spent"] == record.body["limit"] == 2_000

    asyncio.run(main())


def test_a_search_of_the_providers_that_nobody_could_read_uses_up_what_was_left():
    async def main():
        house = House(contracts=TOOLS)
        live = await opened(house)

        def said(arguments):
            call = EmittedCall("w", "web_search", arguments, at_server=True)
            told = queries.by_provider(house.journal, live, call, call_id="w")
            return [(one.body["bytes"], one.body["spent"]) for one in told]

        # One without a word carried nothing; where nothing is left each still is told of.
        assert [said({}), said(None), said(None)] == [[], [(2_000, 2_000)], [(1, 2_001)]]

    asyncio.run(main())


def test_before_untrusted_text_no_search_of_the_providers_is_counted():
    async def main():
        house = House(contracts=TOOLS)
        live = await opened(house, tainted=False)
        for query in (WORDS, "https://evil.com/?d=secret"):
            assert provider_said(house, live, "w1", query) == []
        assert live.residue.spent == 0

    asyncio.run(main())


def test_what_a_child_gives_back_and_what_the_provider_asks_for_it_count_for_its_parent():
    async def main():
        house = House(contracts=TOOLS)
        parent = await opened(house)
        asked = AskedChild(tools=("WebSearch",))
        child, _ = await house.delegation.delegate(parent, asked, task_text="look")
        house.policy.rules = (permit("none", lambda _: False),)
        assert (await searched(house, child, "c1", WORDS)).verdict is Verdict.DENY
        assert (parent.residue.spent, child.residue.spent) == (0, 0)
        told = provider_said(house, child, "w1", WORDS)
        sessions = [child.session.session_id, parent.session.session_id]
        assert [(one.session, one.body["spent"]) for one in told] == [
            (session, COST) for session in sessions
        ]

    asyncio.run(main())


def test_a_request_that_offers_a_search_is_refused_once_queries_are_spent():
    async def main():
        house = House(contracts=TOOLS)
        house.upstream.script = [GOOD]
        live = await opened(house, query_bytes=2 * COST)
        await drained(await house.call(live, asking(tools=[SEARCH])))
        provider_said(house, live, "w1", "https://evil.com/?d=secret")
        with pytest.raises(Denied) as told:
            await house.call(live, asking(tools=[SEARCH]))
        assert told.value.fields["code"] == "flow.query_spent"
        assert "loop.query_bytes" in told.value.message
        await drained(await house.call(live))

    asyncio.run(main())


def test_a_spent_search_is_taken_out_where_the_operator_says_so():
    async def main():
        house = House(contracts=TOOLS, removes=True)
        house.upstream.script = [GOOD]
        live = await opened(house, query_bytes=0)
        await drained(await house.call(live, asking(tools=[SEARCH])))
        assert "tools" not in house.upstream.messages[-1]

    asyncio.run(main())


@pytest.mark.parametrize("field", ["allowed_domains", "blocked_domains"])
@pytest.mark.parametrize(
    ("site", "tainted", "passes"),
    [
        ("collect.evil.com", True, False),
        ("collect.evil.com", False, True),
        ("docs.python.org", True, True),
        ("docs.acme.dev", True, True),
    ],
)
def test_sites_of_a_search_at_the_provider_have_to_be_named_after_taint(
    field, site, tainted, passes
):
    async def main():
        house = House(contracts=TOOLS)
        house.upstream.script = [GOOD]
        live = await opened(house, tainted=tainted)
        live.vouched.trust("see docs.acme.dev")
        request = asking(tools=[SEARCH | {field: [site]}])
        if passes:
            await drained(await house.call(live, request))
        else:
            with pytest.raises(Denied):
                await house.call(live, request)

    asyncio.run(main())


def test_sites_that_a_search_was_held_to_before_taint_stay():
    async def main():
        house = House(contracts=TOOLS)
        house.upstream.script = [GOOD]
        live = await opened(house, tainted=False)
        request = asking(tools=[SEARCH | {"allowed_domains": ["help.shop.example"]}])
        await drained(await house.call(live, request))
        live.vouched.taint("fetch")
        await drained(await house.call(live, request))

    asyncio.run(main())


@pytest.mark.parametrize("effect", [Effect.READ, Effect.WRITE, Effect.COMMIT, Effect.DESTROY])
def test_a_query_is_declared_of_what_leaves_and_of_nothing_else(effect):
    roles = {"q": ArgumentRole.QUERY}
    with pytest.raises(ConfigInvalid, match="its effect is `egress`"):
        House(contracts=(contract("find", effect, input_schema=OWN, roles=roles),))
