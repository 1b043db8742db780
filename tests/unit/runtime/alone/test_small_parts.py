"""The smallest parts: an outdated client, counted queries, a worker."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
import os
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from holdfast.core.flow.queries import Query
from holdfast.core.stream import EmittedCall
from holdfast.errors import ClientOutdated
from holdfast.model.decisions import PolicyRequest
from holdfast.model.risk import RiskLevel
from holdfast.model.sessions import LoopLimits
from holdfast.model.tools import Effect
from holdfast.runtime import hooked, policy_requests, queries, workers
from holdfast.runtime.hooked import check_client
from holdfast.runtime.policy_requests import policy_request
from tests.unit.runtime.alone.desk import Desk, draft
from tests.unit.runtime.alone.gatehouse import contract


def about(module):
    return pytest.mark.parametrize("module", [module])


OLD, NEW, SDK = (
    "claude-cli/1.0.0 (external, cli)",
    "claude-cli/99.0.0",
    "claude-cli/1.0.0 (external, sdk-py)",
)


@about("holdfast.runtime.hooked")
def test_old_client_is_refused_where_its_hooks_matter_and_told_once(module):
    assert module == hooked.__name__

    async def main():
        for asked, person, given, refused in (
            (True, False, {"User-Agent": OLD}, True),
            (True, False, {"user-agent": SDK}, True),
            (False, True, {"user-agent": OLD}, True),
            (False, True, {"user-agent": SDK}, False),
            (False, False, {"user-agent": OLD}, False),
            (True, True, {"user-agent": NEW}, False),
            (True, True, {"user-agent": "curl/8"}, False),
            (True, True, {"x-agent": OLD}, False),
            (True, True, {}, False),
        ):
            desk: Any = Desk()
            live = await desk.open(loop=LoopLimits(each_prompt=person))
            live.hooked, live.turn, seq = asked, 3, desk.seq
            if not refused:
                await check_client(live, given, desk.journal)
                assert desk.since(seq) == []
                continue
            for _ in range(2):
                with pytest.raises(ClientOutdated) as why:
                    await check_client(live, given, desk.journal)
            needs = hooked._FROM
            text = f"update Claude Code to {needs} or newer: older ones go on without their hooks"
            text += " when the server is gone"
            [client] = given.values()
            assert (why.value.message, why.value.fields) == (
                text,
                {"needs": needs, "client": client},
            )
            assert live.told_outdated
            body = {"why": f"{why.value.code}: {text}", "client": client, "exact": True}
            assert desk.since(seq, live.who) == [
                {"kind": "model_call.refused", "turn": 3, "verdict": "deny", "body": body}
            ]
        long = f"{OLD} {'x' * 300}"
        live = await desk.open()
        live.hooked = True
        with pytest.raises(ClientOutdated) as why:
            await check_client(live, {"user-agent": long}, desk.journal)
        assert why.value.fields["client"] == long[:200]
        assert desk.store.journal[-1].body["client"] == long[:200]
        assert needs.count(".") == 2

    asyncio.run(main())


@about("holdfast.runtime.queries")
def test_query_is_counted_over_the_line_where_there_is_room_and_told_for_each(module):
    assert module == queries.__name__

    async def main():
        desk: Any = Desk()
        parent = await desk.open(agent="chief", loop=LoopLimits(query_bytes=20))
        wanted = draft(
            delegated_by=parent.session.session_id, depth=1, loop=LoopLimits(query_bytes=50)
        )
        child, _ = await desk.sessions.open_child(parent, wanted, "")
        spent = lambda: (child.residue.spent, parent.residue.spent)  # noqa: E731
        assert (queries.room(child), queries.room(parent)) == (20, 20)
        query = Query("ab cd", 7)
        assert queries.held(child, query) == ""
        assert (spent(), queries.room(child)) == ((7, 7), 13)
        assert queries.held(child, Query("x", 13)).startswith("carries 13 bytes")
        assert queries.held(child, Query("x", 1, "is no text")) == "is no text"
        assert queries.held(child, Query("x")) == ""
        assert spent() == (7, 7)
        queries.refund(child, query)
        assert spent() == (0, 0)
        queries.held(child, query)
        queries.sent(child, query)
        queries.sent(child, Query("zz"))
        assert child.residue.knows("ab")
        assert parent.residue.knows("cd")
        assert not child.residue.knows("zz")
        assert queries.told(desk.journal, child, Query("x")) == []
        seq = desk.seq
        await desk.journal.commit(queries.told(desk.journal, child, query, tool="t"))
        said = {"text": "ab cd", "bytes": 7, "spent": 7}
        ours, theirs = desk.since(seq)
        assert (ours["body"], ours["agent"], ours["tool"]) == (said | {"limit": 50}, "clerk", "t")
        name = child.session.session_id
        assert theirs["body"] == said | {"limit": 20, "child": name}
        assert theirs["agent"] == "chief"
        # One of the provider's own is over: what cannot be read uses up what was left.
        for arguments, tool, taint, bytes_now in (
            ({"query": "ef"}, "web_search", False, None),
            ({"query": "ef"}, "look", True, None),
            ({}, "web_search", True, None),
            ({"query": "ef"}, "web_search", True, 4),
            (None, "web_search", True, 9),
            (None, "web_search", True, 1),
        ):
            if taint:
                child.vouched.taint("fetch")
            made = EmittedCall("c1", tool, arguments, at_server=True)
            told = queries.by_provider(desk.journal, child, made)
            assert [one.body["bytes"] for one in told] == ([bytes_now] * 2 if bytes_now else [])
        assert spent() == (21, 21)
        before = desk.journal.record_as_told(told[0].kind, child.who, {"bytes": 2, "text": "gh"})
        queries.replayed(child, before)
        assert (spent(), child.residue.knows("gh")) == ((23, 21), True)

    asyncio.run(main())


@about("holdfast.runtime.workers")
def test_process_is_known_by_boot_pids_pid_and_start(module, monkeypatch):
    assert module == workers.__name__
    mine = workers.this_process()
    where, pid, started = mine.rsplit("/", 2)
    assert (pid, workers.lives(mine)) == (str(os.getpid()), True)
    assert started.isdecimal()
    assert workers.lives(f"{where}/{pid}/{started}0") is False
    assert workers.lives(f"{where}/4194399/{started}") is False
    for unknown in ("", "x", f"elsewhere/{pid}/{started}", f"{where}/x/{started}", f"/{pid}/1"):
        assert workers.lives(unknown) is None, unknown
    fields = ["S", *map(str, range(100, 140))]
    read: Any = {}

    class Paths:
        def __init__(self, name):
            self.name = name

        def read_text(self):
            if self.name not in read:
                raise FileNotFoundError
            return read[self.name]

    monkeypatch.setattr(workers, "Path", Paths)
    assert workers._started(5) == ""
    for state, began in (("S", "118"), ("Z", ""), ("X", ""), ("R", "118")):
        read["/proc/5/stat"] = f"5 (a ) b) {' '.join([state, *fields[1:]])}"
        assert workers._started(5) == began
    monkeypatch.setattr(workers, "_where", lambda: "")
    assert workers.this_process() == ""
    monkeypatch.setattr(workers, "_where", lambda: "here")
    assert workers.this_process() == ""


@about("holdfast.runtime.policy_requests")
def test_what_is_not_known_of_a_tool_is_asked_at_its_worst(module):
    assert module == policy_requests.__name__

    async def main():
        live: Any = await Desk().open(
            task="t7", task_attributes={"a": 1}, tenant_attributes={"b": 2}
        )
        asked = policy_request(live, "pay", {"x": 1}, tainted=True, at_ns=9)
        plain = PolicyRequest(
            tenant="acme",
            project="shop",
            user="ann",
            agent="clerk",
            session=live.session.session_id,
            roles=(),
            trust="autonomous",
            action="pay",
            resource="tool:pay",
            input={"x": 1},
            task_id="t7",
            task={"a": 1},
            tenant_attributes={"b": 2},
            resource_tags={},
            risk="HIGH",
            effect="commit",
            tainted=True,
            at_ns=9,
        )
        assert asked == plain
        known = contract("pay", Effect.WRITE, tags={"k": "v"})
        risk: Any = SimpleNamespace(level=RiskLevel.LOW)
        asked = policy_request(
            live,
            "pay",
            {"x": 1},
            tainted=True,
            at_ns=9,
            contract=known,
            resource="arn:p",
            risk=risk,
        )
        assert asked == msgspec.structs.replace(
            plain, resource="arn:p", resource_tags={"k": "v"}, risk="LOW", effect=Effect.WRITE
        )

    asyncio.run(main())
