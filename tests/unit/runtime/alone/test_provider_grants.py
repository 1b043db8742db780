"""Work of the provider: each reason to refuse it, what the journal says of it, what is taken out."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
import copy
from typing import Any

import msgspec
import pytest

from holdfast.core.contracts import ContractBook
from holdfast.core.messages import read_request
from holdfast.core.wire.admitted import NOTHING
from holdfast.core.wire.splicing import Change
from holdfast.errors import Denied, PolicyUnavailable
from holdfast.model.decisions import NearMiss, PolicyAnswer, Verdict
from holdfast.model.principals import TrustLevel
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Effect, Idempotency
from holdfast.runtime.digests import digest_of
from holdfast.runtime.provider_grants import check_models
from tests.unit.runtime.alone.desk import Desk
from tests.unit.runtime.alone.gatehouse import Policy, contract

MODEL = "claude-haiku-4-5"
NAMES = ("web_search", "web_fetch", "code_execution", "mcp_servers", "files", "bare")
SEARCH: dict[str, Any] = {"type": "web_search_20250305", "name": "web_search"}
FETCH: dict[str, Any] = {"type": "web_fetch_20250910", "name": "web_fetch"}
RUN: dict[str, Any] = {"type": "code_execution_20250825", "name": "code_execution"}
OWN: dict[str, Any] = {"name": "look", "input_schema": {"type": "object"}}
SERVER = {"type": "url", "name": "m", "url": "https://mcp.example/sse"}
TOOLSET = {"type": "mcp_toolset", "mcp_server_name": "m"}
URL = "https://intranet.example/report.pdf"
KIND = "tool_call.decided"


@pytest.fixture(autouse=True, params=["holdfast.runtime.provider_grants"])
def about(request):
    """What these tests are about."""


def asked(**fields) -> Any:
    body = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    read: Any = read_request(msgspec.json.encode(body | fields), NOTHING)
    assert not hasattr(read, "text"), read
    return read


def linked(*urls):
    blocks = [{"type": "document", "source": {"type": "url", "url": url}} for url in urls]
    return {"messages": [{"role": "user", "content": blocks}]}


class Gate(Desk):
    """A desk with grants, and a policy that answers what a test says."""

    def __init__(self, *, removes=False, contracts=None) -> None:
        given = (
            [contract(name, Effect.EGRESS, idempotency=Idempotency.PURE) for name in NAMES[:-1]]
            if contracts is None
            else contracts
        )
        book = ContractBook(tuple(given))
        super().__init__(policy=Policy(), decided={"contracts": book, "removes_tainted": removes})
        self.grants = self.calls.clearing._grants

    async def seat(self, *, tainted=False, **fields):
        live = await self.open(**({"allowed_tools": NAMES} | fields))
        if tainted:
            live.vouched.taint("look")
        self.from_seq = self.seq
        return live

    async def refused(self, live, counting=False, removes=None, error=Denied, **fields):
        with pytest.raises(error) as told:
            await self.grants.check(live, asked(**fields), counting=counting, removes=removes)
        return told.value

    def told(self, live):
        return self.since(self.from_seq, live.who)


def decision(tool="web_search", *, verdict="allow", risk="LOW", reasons=(), **body):
    said = {"door": "gateway", "server_tool": tool, "granted": True, "reasons": list(reasons)}
    ours = {"arguments": {}, "policy_version": "sha256:v1", "tainted": False}
    return {
        "kind": KIND,
        "tool": tool,
        "verdict": verdict,
        "risk": risk,
        "body": said | ours | body,
    }


def reason(stage, code, text, verdict="deny", rule=""):
    return {"stage": stage, "verdict": verdict, "code": code, "text": text, "rule": rule}


def test_agent_may_use_each_model_that_a_request_can_reach_or_none():
    async def main():
        gate: Any = Gate()
        live = await gate.seat()
        check_models(live, asked(model="anything"))
        live = await gate.seat(allowed_models=(MODEL,))
        check_models(live, asked())
        name = "m" * 101
        with pytest.raises(Denied) as refused:
            check_models(live, asked(model=name))
        assert refused.value.message == (
            f"permission_denied: this agent may not use the model `{'m' * 100}`"
        )
        assert refused.value.fields == {"model": "m" * 100}
        advised = {"type": "advisor_20260301", "name": "advisor", "model": "other"}
        with pytest.raises(Denied) as refused:
            check_models(live, asked(tools=[advised]))
        assert refused.value.fields == {"model": "other"}

    asyncio.run(main())


def test_what_may_go_on_is_told_durably_before_it_is_sent():
    async def main():
        gate: Any = Gate()
        live = await gate.seat()
        assert await gate.grants.check(live, asked()) == ()
        assert gate.told(live) == []
        assert await gate.grants.check(live, asked(tools=[SEARCH, RUN, OWN])) == ()
        assert gate.told(live) == [decision("code_execution"), decision("web_search")]
        request, *_ = gate.policy.asked
        assert (request.action, request.input, request.tainted) == ("code_execution", {}, False)
        assert (request.at_ns, request.risk) == (gate.clock.now_ns(), "LOW")
        assert request.effect is Effect.EGRESS

    asyncio.run(main())


@pytest.mark.parametrize(
    ("effect", "asked_as"),
    [
        (Effect.READ, Effect.EGRESS),
        (Effect.WRITE, Effect.EGRESS),
        (Effect.EGRESS, Effect.EGRESS),
        (Effect.COMMIT, Effect.COMMIT),
        (Effect.DESTROY, Effect.DESTROY),
        (None, Effect.EGRESS),
    ],
)
def test_policy_is_asked_as_of_what_leaves_unless_its_contract_is_harsher(effect, asked_as):
    async def main():
        contracts = [] if effect is None else [contract("web_search", effect)]
        gate: Any = Gate(contracts=contracts)
        live = await gate.seat()
        await gate.grants.check(live, asked(tools=[SEARCH]))
        assert [one.effect for one in gate.policy.asked] == [asked_as]

    asyncio.run(main())


def test_name_that_is_not_granted_is_refused_with_where_and_how_to_grant_it():
    async def main():
        for fields in (
            {"allowed_tools": ("web_fetch",)},
            {"resources": ("tool:look",)},
        ):
            gate: Any = Gate()
            live = await gate.seat(**fields)
            error = await gate.refused(live, tools=[OWN, SEARCH])
            assert error.message == (
                "permission_denied: `web_search` runs at the provider, out of the guard's reach,"
                " and it is not granted to this agent; `tools[1]` asks for it: an operator may"
                " grant it by a contract `tools.web_search`, the name `web_search` in the agent's"
                " `tools`, and a rule that permits it"
            )
            assert error.fields == {
                "tool": "web_search",
                "field": "tools[1]",
                "code": "tool.not_granted",
            }
            why = reason("session", "tool.not_granted", "it is not granted to this agent")
            assert gate.told(live) == [
                decision(verdict="deny", reasons=[why], granted=False, policy_version="")
            ]
            assert gate.policy.asked == []

    asyncio.run(main())


def test_risk_and_trust_refuse_before_policy_is_asked():
    async def main():
        gate: Any = Gate(contracts=[contract("web_search", Effect.EGRESS, RiskLevel.HIGH)])
        live = await gate.seat(trust=TrustLevel.SEMI_AUTONOMOUS)
        error = await gate.refused(live, tools=[SEARCH])
        assert error.fields["code"] == "risk.high"
        assert error.message.endswith(
            "that waits for a person, and nobody can be asked within a model call: an operator"
            " may lower `tools.web_search.risk`, or permit it by a rule"
        )
        [told] = gate.told(live)
        why = reason(
            "risk", "risk.high", "as registered", verdict="ask", rule="semi_autonomous.HIGH"
        )
        assert told == decision(verdict="deny", risk="HIGH", reasons=[why], policy_version="")
        assert gate.policy.asked == []
        # Without a contract it is taken at its worst: what commits, at high risk.
        bare: Any = Gate(contracts=[])
        live = await bare.seat(trust=TrustLevel.READ_ONLY)
        error = await bare.refused(live, tools=[SEARCH])
        assert "does `commit`" in error.message
        read: Any = Gate(contracts=[contract("web_search", Effect.READ)])
        live = await read.seat(trust=TrustLevel.READ_ONLY)
        assert await read.grants.check(live, asked(tools=[SEARCH])) == ()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "why", "step"),
    [
        (
            {"verdict": Verdict.DENY, "rules": ("a", "b"), "text": "not here"},
            reason("policy", "permission_denied", "not here", rule="a, b"),
            "an operator may grant it by a contract",
        ),
        (
            {"verdict": Verdict.ASK, "rules": ("a",), "text": "ask"},
            reason("policy", "approval_required", "ask", verdict="ask", rule="a"),
            "that waits for a person",
        ),
        (
            {"verdict": Verdict.DENY, "errors": ("e1", "e2")},
            reason("policy", "permission_denied", "e1; e2"),
            "an operator may grant it",
        ),
        (
            {"verdict": Verdict.DENY, "nearest": NearMiss(rule="near", failed=("x",))},
            reason("policy", "permission_denied", "no rule permits it", rule="near"),
            "an operator may grant it",
        ),
        (
            {"verdict": Verdict.DENY},
            reason("policy", "permission_denied", "no rule permits it"),
            "an operator may grant it",
        ),
    ],
)
def test_policy_refuses_by_its_rule_and_in_its_words(answer, why, step):
    async def main():
        gate: Any = Gate()
        gate.policy.answer = PolicyAnswer(policy_version="sha256:v2", **answer)
        live = await gate.seat()
        error = await gate.refused(live, tools=[SEARCH])
        assert f"reach, and {why['text']}; `tools[0]` asks for it: {step}" in error.message
        assert error.fields["code"] == why["code"]
        assert gate.told(live) == [
            decision(verdict="deny", reasons=[why], policy_version="sha256:v2")
        ]

    asyncio.run(main())


def test_policy_is_asked_of_a_session_and_of_each_above_it_and_the_first_no_ends_it():
    async def main():
        gate: Any = Gate()
        top, live = await gate.seat(user="top"), await gate.seat(tainted=True)
        live.parent = top
        await gate.grants.check(live, asked(tools=[RUN]))
        assert [(one.user, one.tainted) for one in gate.policy.asked] == [
            ("ann", True),
            ("top", True),
        ]

        def says(request):
            no = request.user == "top"
            return PolicyAnswer(
                verdict=Verdict.DENY if no else Verdict.ALLOW, policy_version=request.user
            )

        gate.policy.answer = says
        gate.from_seq = gate.seq
        await gate.refused(live, tools=[RUN])
        [told] = gate.told(live)
        assert (told["body"]["policy_version"], told["body"]["tainted"]) == ("ann", True)
        gate.policy.answer = PolicyUnavailable("down")
        await gate.refused(live, error=PolicyUnavailable, tools=[RUN])
        # Nothing is decided then.
        assert len(gate.told(live)) == 1

    asyncio.run(main())


def test_names_before_the_one_that_is_refused_are_told_first():
    async def main():
        gate: Any = Gate()
        live = await gate.seat(allowed_tools=("code_execution",))
        await gate.refused(live, tools=[SEARCH, RUN])
        assert [(one["tool"], one["verdict"]) for one in gate.told(live)] == [
            ("code_execution", "allow"),
            ("web_search", "deny"),
        ]

    asyncio.run(main())


def test_counts_and_refusals_are_told_a_few_times_and_then_counted():
    async def main():
        for counting, tools, allowed in ((True, [RUN], NAMES), (False, [SEARCH], ("bare",))):
            gate: Any = Gate()
            live = await gate.seat(allowed_tools=allowed)
            for _ in range(21):
                if allowed == NAMES:
                    await gate.grants.check(live, asked(tools=tools), counting=counting)
                else:
                    await gate.refused(live, tools=tools)
            assert len(gate.told(live)) == 20
        gate = Gate()
        live = await gate.seat()
        for _ in range(21):
            await gate.grants.check(live, asked(tools=[RUN]))
        assert gate.told(live) == [decision("code_execution")] * 21

    asyncio.run(main())


def test_after_untrusted_text_an_address_has_to_be_vouched_for_or_known_from_before():
    async def main():
        gate: Any = Gate()
        live = await gate.seat()
        live.vouched.trust("read https://docs.example.org/a")
        # Before taint each goes, and is remembered by its digest, once.
        await gate.grants.check(live, asked(**linked(URL, URL)))
        assert live.fetched == {digest_of(URL)}
        assert gate.told(live) == [decision("web_fetch", fetched=[digest_of(URL)])]
        await gate.grants.check(live, asked(**linked(URL)))
        assert gate.told(live)[1] == decision("web_fetch")
        live.vouched.taint("look")
        gate.from_seq = gate.seq
        await gate.grants.check(live, asked(**linked(URL, "https://docs.example.org/a")))
        vouched = digest_of("https://docs.example.org/a")
        assert gate.told(live) == [decision("web_fetch", fetched=[vouched], tainted=True)]
        assert live.fetched == {digest_of(URL), vouched}
        error = await gate.refused(live, **linked(URL, "https://evil.io/x"))
        assert error.fields == {
            "tool": "web_fetch",
            "field": "messages[0].content[1].source",
            "code": "flow.unvouched",
        }
        assert error.message.endswith(
            "asks for it: leave it out, send content instead of its address, or have the user or"
            " the operator name the address (`allowed_domains` of `web_fetch`, the URL) in what"
            " they type; an operator may have such tools taken out instead"
            " (`gateway.after_taint: remove`)"
        )
        text = (
            "untrusted text from `look` is in the context, and 'https://evil.io/x' stands in no"
            " trusted text"
        )
        assert gate.told(live)[1] == decision(
            "web_fetch",
            verdict="deny",
            reasons=[reason("flow", "flow.unvouched", text)],
            tainted=True,
        )
        assert digest_of("https://evil.io/x") not in live.fetched
        # What stays within the provider goes on.
        await gate.grants.check(live, asked(tools=[RUN]))
        assert (await gate.refused(live, tools=[FETCH])).fields["code"] == "flow.outside"

    asyncio.run(main())


def test_search_after_taint_has_room_for_queries_or_is_refused_and_says_so():
    async def main():
        gate: Any = Gate()
        live = await gate.seat(tainted=True)
        await gate.grants.check(live, asked(tools=[SEARCH]))
        sites = SEARCH | {"allowed_domains": ["evil.io"]}
        error = await gate.refused(live, tools=[sites])
        assert error.fields["code"] == "flow.unvouched"
        live.residue.hold(live.session.loop.query_bytes)
        error = await gate.refused(live, tools=[SEARCH])
        assert error.fields["code"] == "flow.query_spent"
        assert error.message.endswith(
            "leave it out, or have an operator raise `loop.query_bytes` of the agent, or have such"
            " tools taken out instead (`gateway.after_taint: remove`)"
        )

    asyncio.run(main())


def test_at_most_fifty_addresses_are_shown_and_ten_thousand_remembered():
    async def main():
        gate: Any = Gate()
        live = await gate.seat()
        await gate.grants.check(live, asked(**linked(*(f"https://a.io/{n}" for n in range(51)))))
        digests = [digest_of(f"https://a.io/{n}") for n in range(51)]
        [told] = gate.told(live)
        # The walk meets the last one first.
        assert told["body"]["fetched"] == digests[:0:-1]
        assert live.fetched == set(digests)
        for held, kept in ((9_999, 1), (10_000, 0), (10_001, 0)):
            live.fetched = {str(n) for n in range(held)}
            await gate.grants.check(live, asked(**linked("https://b.io/1", "https://b.io/2")))
            assert len(live.fetched) == held + kept

    asyncio.run(main())


def test_name_is_told_no_longer_than_two_hundred_characters():
    async def main():
        gate: Any = Gate()
        live = await gate.seat(allowed_tools=())
        request = asked(tools=[SEARCH])
        name = "n" * 201
        grants = {name: request.asks.grants["web_search"]}
        asks: Any = copy.copy(request.asks)
        asks.grants = grants
        long = msgspec.structs.replace(request, asks=asks, server_tools=(name,))
        with pytest.raises(Denied) as refused:
            await gate.grants.check(live, long)
        shown = "n" * 200
        assert refused.value.fields["tool"] == shown
        assert name not in refused.value.message
        [told] = gate.told(live)
        assert (told["tool"], told["body"]["server_tool"]) == (shown, shown)

    asyncio.run(main())


GONE = {
    "one of several": ([OWN, FETCH, SEARCH], {}, [("tools", 1)]),
    "all": ([FETCH], {}, [("tools",)]),
    "all, with a choice": (
        [FETCH],
        {"tool_choice": {"type": "any"}},
        [("tools",), ("tool_choice",)],
    ),
    "the chosen one": (
        [OWN, FETCH],
        {"tool_choice": {"type": "tool", "name": "web_fetch"}},
        [("tools", 1), ("tool_choice",)],
    ),
    "another is chosen": (
        [OWN, FETCH],
        {"tool_choice": {"type": "tool", "name": "look"}},
        [("tools", 1)],
    ),
    "no name is chosen": ([OWN, FETCH], {"tool_choice": {"type": "auto"}}, [("tools", 1)]),
    "a connector": (
        [TOOLSET, OWN],
        {"mcp_servers": [SERVER]},
        [("mcp_servers",), ("tools", 0)],
    ),
    "a connector alone": ([TOOLSET], {"mcp_servers": [SERVER]}, [("mcp_servers",), ("tools",)]),
}


@pytest.mark.parametrize("case", GONE)
def test_where_the_operator_says_so_tools_are_taken_out_and_the_journal_says_so(case):
    async def main():
        tools, more, steps = GONE[case]
        gate: Any = Gate(removes=True)
        live = await gate.seat(tainted=True)
        fields = {"tools": tools} | more
        found = await gate.grants.check(live, asked(**fields))
        assert list(found) == [Change(one) for one in steps]
        # Nothing else is told yet: what is left is asked about again.
        name = "mcp_servers" if "mcp_servers" in more else "web_fetch"
        [told] = gate.told(live)
        assert (told["tool"], told["verdict"], told["body"]["removed"]) == (name, "deny", True)
        assert told["body"]["reasons"][0]["stage"] == "flow"
        # Neither where the caller says otherwise nor by default.
        assert (await gate.refused(live, removes=False, **fields)).fields["tool"] == name
        assert "removed" not in gate.told(live)[1]["body"]
        plain: Any = Gate()
        live = await plain.seat(tainted=True)
        await plain.refused(live, **fields)
        assert list(await plain.grants.check(live, asked(**fields), removes=True)) == list(found)

    asyncio.run(main())


def test_content_and_what_was_refused_for_another_reason_are_not_taken_out():
    async def main():
        gate: Any = Gate(removes=True)
        live = await gate.seat(tainted=True)
        await gate.refused(live, **linked(URL))
        both = linked(URL) | {"tools": [FETCH]}
        await gate.refused(live, **both)
        bare = await gate.seat(allowed_tools=(), tainted=True)
        await gate.refused(bare, tools=[FETCH])
        gate.policy.answer = PolicyAnswer(verdict=Verdict.DENY, policy_version="v")
        await gate.refused(live, tools=[FETCH])
        gate.policy.answer = PolicyAnswer(verdict=Verdict.ALLOW, policy_version="v")
        calm = await gate.seat()
        assert await gate.grants.check(calm, asked(tools=[FETCH])) == ()
        # What was spent of queries goes, too, though no place asks for it.
        live.residue.hold(live.session.loop.query_bytes)
        assert await gate.grants.check(live, asked(tools=[OWN, SEARCH])) == (Change(("tools", 1)),)

    asyncio.run(main())
