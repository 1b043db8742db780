"""Sessions alone: what each verb leaves in memory and in the journal, compared whole."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from holdfast.core.sessions import Command
from holdfast.core.sessions import after as following
from holdfast.errors import (
    Conflict,
    CredentialExpired,
    InvalidRequest,
    NotFound,
    SessionPaused,
    SessionStopped,
    StoreUnavailable,
    Unauthenticated,
)
from holdfast.model.budgets import AccountKey, Dimension, Scope, Window
from holdfast.model.effects import EffectState
from holdfast.model.events import Kind
from holdfast.model.sessions import LoopLimits, SessionState
from holdfast.model.tokens import hook_token, model_token
from holdfast.model.tools import ArgumentRole, CallState
from holdfast.runtime import inherited
from holdfast.runtime.born import token_digest
from holdfast.runtime.live import LiveSession
from tests.sparse import fields
from tests.unit.runtime.alone.desk import Desk, S, call, draft, limit, told

USD = Dimension.USD


def run(main):
    asyncio.run(main())


def test_digest_of_a_token_is_its_sha256_and_any_text_has_one():
    assert token_digest("abc") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
    assert len(token_digest("\ud800")) == 64


def test_opened_session_is_its_draft_with_ids_times_and_digests_and_the_journal_says_its_terms():
    async def main():
        desk: Any = Desk()
        wanted = draft(
            limit(USD, 5),
            roles=("buyer",),
            allowed_tools=("look",),
            config_version="v7",
            ttl_s=60,
        )
        live, token = await desk.sessions.open(wanted)
        now, name = desk.clock.now_ns(), live.session.session_id
        who = msgspec.structs.replace(wanted.principal, session=name, task=name)
        assert live.session == msgspec.structs.replace(
            wanted,
            session_id=name,
            principal=who,
            opened_at_ns=now,
            expires_at_ns=now + 60 * S,
            token_digest=token_digest(token),
            model_token_digest=token_digest(model_token(name, token)),
            hook_token_digest=token_digest(hook_token(name, token)),
            state_changed_at_ns=now,
        )
        assert name.startswith("ses_")
        assert token.startswith("hfs_")
        assert live.chain == (AccountKey(Scope.SESSION, f"acme/{name}", USD, Window.LIFE),)
        [account] = await desk.store.accounts()
        assert (account.key, account.limit) == (live.chain[0], 5)
        assert await desk.store.session(name) == live.session
        assert desk.sessions.loaded(name) is live
        assert desk.sessions.in_memory() == (live,)
        assert desk.since(0, who) == [
            {
                "kind": "session.opened",
                "body": {
                    "limits": {f"session:acme/{name}:usd:life": 5},
                    "trust": "autonomous",
                    "roles": ["buyer"],
                    "allowed_tools": ["look"],
                    "expires_at_ns": now + 60 * S,
                    "config_version": "v7",
                    "parent": "",
                },
            }
        ]

    run(main)


def test_task_of_a_session_is_its_own_the_given_one_or_one_of_a_kind():
    async def main():
        desk: Any = Desk()
        for given in ("", "order-7", "refund/"):
            live = await desk.open(task=given)
            name = live.session.session_id
            assert live.who.task == {"": name, "refund/": f"refund/{name}"}.get(given, given)

    run(main)


def test_what_begins_with_a_session_is_of_the_same_commit_or_is_not():
    async def main():
        desk: Any = Desk()

        def begun(live):
            return [desk.journal.record_as_told(Kind.RUN_SUBMITTED, live.who, {"run_id": "r"})], [
                msgspec.structs.replace(live.session, session_id="ses_with", token_digest="")
            ]

        live, _ = await desk.sessions.open(draft(), begun)
        assert [one["kind"] for one in desk.since(0)] == ["session.opened", "run.submitted"]
        assert await desk.store.session("ses_with") is not None
        desk.store.fail_commits()
        with pytest.raises(StoreUnavailable):
            await desk.sessions.open(draft(limit(USD, 5)), begun)
        assert desk.sessions.in_memory() == (live,)
        assert desk.budgets.ledger.all_states(0) == []

    run(main)


@pytest.mark.parametrize("changed", [{"user": "bob"}, {"tenant": "other"}, {"parent": "ses_none"}])
def test_session_that_is_not_its_users_own_is_nothing_to_continue(changed):
    async def main():
        desk: Any = Desk()
        first = await desk.open()
        fields = {"parent": first.session.session_id} | changed
        with pytest.raises(NotFound) as refused:
            await desk.sessions.open(draft(**fields))
        assert refused.value.message == f"no session `{fields['parent']}` to continue for this user"
        assert len(desk.store.journal) == 1

    run(main)


def test_session_whose_calls_retention_deleted_is_not_continued():
    async def main():
        desk: Any = Desk()
        first = await desk.open()
        old = msgspec.structs.replace(first.session, purged_at_ns=1)
        await desk.journal.commit([], [old])
        with pytest.raises(Conflict):
            await desk.sessions.open(draft(parent=old.session_id))

    run(main)


def test_continuation_has_the_calls_and_belief_of_its_parent_and_no_turn_cost_or_child_of_it():
    async def main():
        desk: Any = Desk()
        first = await desk.open(task_attributes={"order": "A-77", "to": ["bob@shop.com"]})
        child, _ = await desk.sessions.open_child(first, child_draft(first), "")
        done = call(first, "c1", state=CallState.EXECUTED)
        await desk.journal.commit(
            [
                record(desk, first, Kind.PROMPT_SUBMITTED, {"text": "pay carol@shop.com"}),
                record(
                    desk,
                    first,
                    Kind.MODEL_CALL_SETTLED,
                    {"message_id": "m1", "thread_tokens": 9, "context_percent": 50},
                    turn=4,
                    cost_nusd=11,
                ),
                record(desk, first, Kind.MODEL_CALL_REFUSED, {}, turn=6),
                record(desk, first, Kind.TOOL_RESULT_ADMITTED, {"taints": True}, tool="fetch"),
            ],
            [done],
        )
        second = await desk.open(parent=first.session.session_id)
        assert second.calls == {"c1": done}
        assert second.threads == {"m1": 9}
        assert (second.vouched.tainted, second.vouched.tainted_by) == (True, "fetch")
        assert (second.cost_nusd, second.turn, second.progress.turns) == (0, 0, 0)
        assert second.children == []
        assert second.context.percent == 0
        after = await desk.restarted()
        again = await after.sessions.get(second.session.session_id)
        assert differing(again, second) == set()
        assert child.session.session_id not in again.children
        # It trusts what was typed there; of its own task nothing was written.
        assert "carol@shop.com" in typed(again)
        assert "A-77" not in typed(again)
        [first_again] = [await after.sessions.get(first.session.session_id)]
        assert (first_again.turn, first_again.cost_nusd, first_again.progress.turns) == (6, 11, 1)
        assert {"A-77", "bob@shop.com"} <= typed(first_again)

    run(main)


def record(desk, live, kind, body, **flat):
    return desk.journal.record_as_told(kind, live.who, body, **flat)


def typed(live):
    """Which of these words were typed, as far as the session believes."""
    words = ("A-77", "bob@shop.com", "carol@shop.com", "dan@shop.com", "eve@shop.com")
    return {one for one in words if live.vouched.typed(one)}


# What a process takes with it, and why nothing is missed without it.
LOST = {
    "emitted": "a call is answered then where a door asks with the very same arguments",
    "running": "kept for hooks that see the outcome of a call",
    "limited": "the model reads of such a call what it reads of any that never ran",
    "lifting": "as deciding",
    "deciding": "nothing is being decided when a process begins",
    "counted": "calls that nobody decided are counted when they are asked for again",
    "streams": "no answer outlives the process that carried it",
    "paying": "as streams",
    "unconfirmed": "as streams",
    "hooked": "set by the hook that comes before each model call",
    "adopted": "each process is adopted again before its next permit",
    "told_faults": "a fault is told once more, at most",
    "told_outdated": "as told_faults",
    "pending_prompt": "a prompt that nobody confirmed vouches for nothing",
    "first_processes": "without it no process is taken for the client",
    "refused": "its next call is refused again, and tells who may raise the cap",
    "neutral": "a result then taints as others do",
    "writing": "a file then is nobody's own",
    "mixing": "with writing",
    "mixed": "with writing",
    "serves": "a port then is a stranger's",
    "working": "as mixing, of calls that are own to their user",
    "worked": "with working",
    "grows": "what a service prints then is a stranger's",
}
PARTS = {"progress", "vouched", "context", "parent", "residue"}


def plain(value):
    """Progress, belief and context as values."""
    if isinstance(value, LiveSession):
        return value.session.session_id
    if isinstance(value, (str, int, bytes, bool, Decimal, type(None), msgspec.Struct)):
        return value
    if isinstance(value, dict):
        return {repr(plain(k)): plain(v) for k, v in value.items()}
    if isinstance(value, (set, frozenset)):
        return {repr(plain(one)) for one in value}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return {name: plain(one) for name, one in fields(value).items()}


def differing(one, other):
    """The fields of two sessions in memory that are not the same, but for those of `LOST`."""
    assert fields(one).keys() == fields(other).keys()
    return {
        name
        for name, value in fields(one).items()
        if name not in LOST and plain(value) != plain(fields(other)[name])
    }


def child_draft(parent, *limits, **fields):
    return draft(*limits, delegated_by=parent.session.session_id, depth=1, **fields)


def test_every_record_that_memory_is_made_of_is_folded_in_and_folded_as_it_was():
    async def main():
        desk: Any = Desk()
        live = await desk.open(
            limit(USD, 10**9), loop=LoopLimits(each_prompt=True, max_tool_calls=9)
        )
        calls = [
            call(live, "c1", state=CallState.EXECUTED, permitted_digest="sha256:c1", turn=1),
            call(live, "c2", state=CallState.DENIED),
            call(live, "c3", "web_search", state=CallState.SERVER),
        ]
        intended = desk.intend(live, "c1")
        over = desk.intend(live, "c2", state=EffectState.DONE)
        reasons = [{"code": "policy.denied"}]
        records = [
            record(desk, live, Kind.PROMPT_SUBMITTED, {"text": "pay bob@shop.com"}),
            record(desk, live, Kind.PROMPT_SUBMITTED, {"text": "eve@shop.com", "vouched": False}),
            record(desk, live, Kind.PROMPT_CONFIRMED, {"text": "and carol@shop.com"}),
            record(
                desk,
                live,
                Kind.MODEL_CALL_SETTLED,
                {
                    "message_id": "m1",
                    "thread_tokens": 70,
                    "context_percent": 44,
                    "tools": True,
                    "agent_path": "",
                },
                turn=1,
                cost_nusd=100,
            ),
            record(desk, live, Kind.MODEL_CALL_SETTLED, {}, turn=2, cost_nusd=20),
            record(desk, live, Kind.MODEL_CALL_REFUSED, {}, turn=5),
            record(desk, live, Kind.MODEL_CALL_REFUSED, {}, turn=3),
            record(
                desk,
                live,
                Kind.TOOL_CALL_DECIDED,
                {
                    "digest": "sha256:c1",
                    "arguments": {"to": "frank@shop.com"},
                    "made": ["a.py"],
                    "fetched": ["sha256:url"],
                },
                call_id="c1",
                tool="look",
                verdict="allow",
            ),
            record(
                desk,
                live,
                Kind.TOOL_CALL_DECIDED,
                {"digest": "sha256:c2", "reasons": reasons, "stale": True},
                call_id="c2",
                tool="look",
                verdict="deny",
            ),
            record(
                desk,
                live,
                Kind.TOOL_CALL_DECIDED,
                {"digest": "sha256:c2", "reasons": reasons, "again": True},
                call_id="c2",
                tool="look",
                verdict="deny",
            ),
            record(
                desk,
                live,
                Kind.TOOL_CALL_FINISHED,
                {"output_digest": "sha256:out"},
                call_id="c1",
                tool="look",
            ),
            record(
                desk,
                live,
                Kind.TOOL_CALL_DECIDED,
                {"digest": "sha256:c4", "arguments": {}},
                call_id="c4",
                tool="look",
                verdict="allow",
            ),
            record(desk, live, Kind.RUN_TOOL_ANSWERED, {"content": "gina@shop.com"}, call_id="c1"),
            record(desk, live, Kind.RUN_TOOL_ANSWERED, {"content": "kept"}, call_id="c2"),
            record(desk, live, Kind.TOOL_RESULT_ADMITTED, {"trusted_answer": True}, call_id="c1"),
            record(
                desk,
                live,
                Kind.TOOL_RESULT_ADMITTED,
                {
                    "trusted": "dan@shop.com",
                    "given": {"records": {"who": ["hal"]}, "members": ["ida"]},
                },
                call_id="c9",
                tool="look",
            ),
            record(
                desk,
                live,
                Kind.SESSION_COLLECTED,
                {"digest": "sha256:words", "taints": True},
                tool="delegate",
            ),
            record(desk, live, Kind.SESSION_COLLECTED, {"digest": "sha256:fine"}),
            record(desk, live, Kind.SESSION_DELEGATED, {"child": "ses_gone"}),
        ]
        await desk.journal.commit(records, [*calls, intended, over])
        after = await desk.restarted()
        again = await after.sessions.get(live.session.session_id)
        assert again.calls == live.calls
        assert again.effects == {"c1": intended}
        assert (again.cost_nusd, again.turn, again.progress.turns) == (120, 5, 2)
        assert again.threads == {"m1": 70}
        assert again.context.percent == 44
        assert again.made == {"/a.py"}
        assert again.fetched == {"sha256:url"}
        assert again.stale
        assert again.answers == {"c2": "kept"}
        assert again.collected == {"sha256:words": True, "sha256:fine": False}
        assert again.children == ["ses_gone"]
        assert typed(again) == {"bob@shop.com", "carol@shop.com"}
        assert [again.vouched.said(one) for one in ("gina@shop.com", "dan@shop.com")] == [True] * 2
        assert again.vouched.recorded("hal", ArgumentRole.WHO)
        assert again.vouched.member("ida")
        assert (again.vouched.tainted, again.vouched.tainted_by) == (True, "web_search")
        assert "frank" in {str(word) for word in again.vouched._brought}
        assert again.vouched._blind_from is None
        progress = again.progress
        # The one that ran before brought news, and so is no repeat of anything.
        assert [signature for _, signature in progress._calls] == ["look sha256:c4"]
        assert progress._allowed == 2
        assert progress._refusals == {"look sha256:c2": 1}
        assert progress._in_a_row == 0
        assert progress._seen == {("look sha256:c1", "sha256:out")}
        assert again.hooked is again.adopted is False
        # Read a second time, in pages of one, it is the same.
        third = await (await after.restarted()).sessions.get(live.session.session_id)
        assert differing(again, third) == set()

    run(main)


def test_no_field_of_a_session_in_memory_is_forgotten_by_the_list_of_what_is_lost():
    live = LiveSession(draft(), ())
    rebuilt = {
        *(
            "session",
            "chain",
            "calls",
            "answers",
            "effects",
            "approvals",
            "stale",
            "made",
            "fetched",
        ),
        *("threads", "cost_nusd", "turn", "children", "collected", "found_calls"),
    }
    assert fields(live).keys() == LOST.keys() | PARTS | rebuilt


@pytest.mark.parametrize("page", [1, 2, 3])
def test_records_are_read_a_page_at_a_time_each_once_and_in_order(page, monkeypatch):
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        for turn in range(1, 5):
            body = {"message_id": f"m{turn}", "thread_tokens": turn}
            await desk.journal.commit(
                [record(desk, live, Kind.MODEL_CALL_SETTLED, body, turn=turn, cost_nusd=1)]
            )
        monkeypatch.setattr(inherited, "_PAGE", page)
        after = await desk.restarted()
        again = await after.sessions.get(live.session.session_id)
        assert (again.cost_nusd, again.turn) == (4, 4)
        assert list(again.threads) == ["m1", "m2", "m3", "m4"]

    run(main)


def test_arguments_that_were_not_kept_make_later_results_prove_nothing():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        body = {"digest": "d", "arguments_kept": False, "arguments": {"to": "frank@shop.com"}}
        flat = {"call_id": "c1", "tool": "look", "verdict": "allow"}
        await desk.journal.commit([record(desk, live, Kind.TOOL_CALL_DECIDED, body, **flat)])
        again = await (await desk.restarted()).sessions.get(live.session.session_id)
        assert again.vouched._blind_from is not None
        assert not again.vouched._brought
        assert not again.stale

    run(main)


def test_child_is_known_by_both_pays_on_its_parents_session_and_believes_what_that_did_then():
    async def main():
        desk: Any = Desk()
        parent = await desk.open(limit(USD, 100), limit(USD, 900, Scope.USER))
        parent.turn = 3
        parent.vouched.trust("pay bob@shop.com")
        parent.vouched.taint("fetch")
        seq = desk.seq
        wanted = child_draft(parent, limit(USD, 40), limit(USD, 900, Scope.USER), agent="aide")
        wanted = msgspec.structs.replace(wanted, resources=("arn:1",), depth=2)
        child, token = await desk.sessions.open_child(parent, wanted, "look", call_id="c7")
        name = child.session.session_id
        assert (await desk.sessions.authenticate(token)) is child
        assert child.parent is parent
        assert parent.children == [name]
        own = AccountKey(Scope.SESSION, f"acme/{name}", USD, Window.LIFE)
        above = AccountKey(Scope.SESSION, parent.chain[0].owner, USD, Window.LIFE)
        assert child.session.ancestor_accounts == (above,)
        assert set(child.chain) == {
            own,
            above,
            AccountKey(Scope.USER, "acme/ann", USD, Window.LIFE),
        }
        assert (child.vouched.tainted_by, typed(child)) == ("fetch", {"bob@shop.com"})
        parent.vouched.trust("and carol@shop.com")
        assert typed(child) == {"bob@shop.com"}
        assert await desk.store.session(name) == child.session
        opened, delegated = desk.since(seq)[1], desk.since(seq, parent.who)[0]
        assert delegated == {
            "kind": "session.delegated",
            "call_id": "c7",
            "turn": 3,
            "body": {"task_text": "look", "tools": [], "child": name, "agent": "aide"},
        }
        assert opened["session"] == name
        assert opened["body"] == {
            "limits": {str(own): 40},
            "trust": "autonomous",
            "roles": [],
            "allowed_tools": [],
            "expires_at_ns": child.session.expires_at_ns,
            "config_version": "",
            "delegated_by": parent.session.session_id,
            "depth": 2,
            "root": parent.session.session_id,
            "by_call": "c7",
            "resources": ["arn:1"],
            "taints": True,
        }
        grand, _ = await desk.sessions.open_child(child, child_draft(child), "")
        assert desk.since(seq)[-1]["body"]["root"] == parent.session.session_id
        assert desk.sessions.below(parent) == [child, grand]
        assert await desk.sessions.descendants(parent) == [child, grand]
        assert list(grand.line) == [grand, child, parent]

    run(main)


def test_child_that_did_not_become_durable_is_nobodys():
    async def main():
        desk: Any = Desk()
        parent = await desk.open(limit(USD, 100))
        desk.store.fail_commits()
        with pytest.raises(StoreUnavailable):
            await desk.sessions.open_child(parent, child_draft(parent, limit(USD, 4)), "")
        assert parent.children == []
        assert desk.sessions.in_memory() == (parent,)
        assert [state.key for state in desk.budgets.ledger.all_states(0)] == list(parent.chain)

    run(main)


def test_child_of_a_parent_that_is_stopped_while_it_is_opened_is_stopped_too():
    async def main():
        desk: Any = Desk()
        parent = await desk.open()
        desk.store.hold_commits()
        opening = asyncio.create_task(desk.sessions.open_child(parent, child_draft(parent), ""))
        await asyncio.sleep(0)
        [name] = parent.children
        changed = desk.sessions.change(parent, Command.STOP, "enough")
        desk.store.release_commits()
        await changed
        with pytest.raises(SessionStopped):
            await opening
        stopped = await desk.store.session(name)
        assert stopped.state is SessionState.STOPPED

    run(main)


def test_child_read_back_believes_what_stood_with_its_parent_when_it_was_opened():
    async def main():
        desk: Any = Desk()
        parent = await desk.open(task_attributes={"order": "A-77"})
        await desk.journal.commit(
            [record(desk, parent, Kind.PROMPT_SUBMITTED, {"text": "pay bob@shop.com"})]
        )
        desk.clock.advance(1)
        wanted = child_draft(parent, task_attributes={"order": "eve@shop.com"})
        child, _ = await desk.sessions.open_child(parent, wanted, "")
        grand, _ = await desk.sessions.open_child(child, child_draft(child), "")
        desk.clock.advance(1)
        flat = {"tool": "fetch"}
        await desk.journal.commit(
            [
                record(desk, parent, Kind.PROMPT_SUBMITTED, {"text": "pay carol@shop.com"}),
                record(desk, parent, Kind.TOOL_RESULT_ADMITTED, {"taints": True}, **flat),
            ]
        )
        for one in (child, grand):
            after = await desk.restarted()
            desk = after
            again = await after.sessions.get(one.session.session_id)
            # Of a child's own attributes a model may have chosen some.
            assert typed(again) == {"A-77", "bob@shop.com"}
            assert not again.vouched.tainted
            assert again.parent is not None
            assert after.sessions.loaded(parent.session.session_id) in again.line

    run(main)


def test_children_that_are_at_work_come_back_with_their_parent_and_others_when_asked_for():
    async def main():
        desk: Any = Desk()
        parent = await desk.open()
        names = []
        for command in (None, Command.PAUSE, Command.END):
            child, _ = await desk.sessions.open_child(parent, child_draft(parent), "")
            names.append(child.session.session_id)
            if command is not None:
                await desk.sessions.change(child, command, "so")
        after = await desk.restarted()
        again = await after.sessions.get(parent.session.session_id)
        assert [after.sessions.loaded(name) is not None for name in names] == [True, True, False]
        assert again.children == names
        found = await after.sessions.descendants(again)
        assert [one.session.session_id for one in found] == names
        assert all(one.parent is again for one in found)

    run(main)


def test_each_token_opens_its_own_door_before_and_after_a_restart():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        name, token = live.session.session_id, desk.token
        model, hook = model_token(name, token), hook_token(name, token)
        for sessions in (desk.sessions, (await desk.restarted()).sessions):
            assert (await sessions.authenticate(token)).session == live.session
            assert (await sessions.authenticate_model(token)).session == live.session
            assert (await sessions.authenticate_model(model)).session == live.session
            one = await sessions.authenticate_model(model)
            assert not one.hooked
            assert (await sessions.authenticate_hook(hook)) is one
            assert one.hooked
            for door, wrong in (
                (sessions.authenticate, "hfs_none"),
                (sessions.authenticate, model),
                (sessions.authenticate_model, hook),
                (sessions.authenticate_model, f"{model}x"),
                (sessions.authenticate_model, model_token("ses_none", token)),
                (sessions.authenticate_model, f"hfm_{'x' * 5000}_y"),
                (sessions.authenticate_hook, token),
                (sessions.authenticate_hook, model),
                (sessions.authenticate_hook, f"{hook}x"),
                (sessions.authenticate_hook, ""),
            ):
                with pytest.raises(Unauthenticated) as refused:
                    await door(wrong)
                assert refused.value.message == "the token is not one that this server issued"

    run(main)


def test_session_without_a_derived_token_is_opened_by_none():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        name = live.session.session_id
        model, hook = model_token(name, desk.token), hook_token(name, desk.token)
        live.session = msgspec.structs.replace(
            live.session, model_token_digest="", hook_token_digest=""
        )
        with pytest.raises(Unauthenticated):
            await desk.sessions.authenticate_model(model)
        with pytest.raises(Unauthenticated):
            await desk.sessions.authenticate_hook(hook)

    run(main)


def test_session_of_another_tenant_is_no_session_in_memory_or_in_the_store():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        name = live.session.session_id
        for sessions in (desk.sessions, (await desk.restarted()).sessions):
            for asked, tenant in ((name, "other"), ("ses_" + "y" * 70, "acme"), ("ses_none", "")):
                with pytest.raises(NotFound) as refused:
                    await sessions.get(asked, tenant)
                assert refused.value.message == f"no session `{asked[:64]}`"
            assert (await sessions.get(name, "acme")).session == live.session
            assert (await sessions.get(name)) is sessions.loaded(name)

    run(main)


def test_wall_clock_ends_a_session_at_its_very_moment_and_is_told_once():
    async def main():
        desk: Any = Desk()
        live = await desk.open(ttl_s=10)
        desk.clock.advance(10 - 1e-9)
        desk.sessions.check_live(live)
        desk.clock.advance(1e-9)
        seq = desk.seq
        for _ in range(2):
            with pytest.raises(CredentialExpired) as refused:
                desk.sessions.check_live(live)
        assert refused.value.fields == {"state": "expired"}
        await desk.journal.commit(())
        assert desk.since(seq, live.who) == [
            {
                "kind": "session.expired",
                "body": {
                    "reason": "the session reached its wall clock",
                    "by": "",
                    "from": "active",
                },
            }
        ]

    run(main)


def test_stopped_session_says_why_and_a_child_says_who_above_it_is_stopped():
    async def main():
        desk: Any = Desk()
        parent = await desk.open(agent="chief")
        child, _ = await desk.sessions.open_child(parent, child_draft(parent), "")
        await desk.sessions.change(parent, Command.PAUSE, "lunch")
        for one, which in (
            (parent, "the session"),
            (child, "the session above it, chief,"),
        ):
            with pytest.raises(SessionStopped) as refused:
                desk.sessions.check_live(one)
            assert refused.value.message == f"{which} is paused: lunch"
            assert refused.value.fields == {"state": "paused", "reason": "lunch"}
        await desk.sessions.change(parent, Command.RESUME, "")
        desk.sessions.check_live(child)
        await desk.sessions.change(parent, Command.PAUSE, "")
        with pytest.raises(SessionStopped) as refused:
            desk.sessions.check_live(parent)
        assert refused.value.message == "the session is paused: no reason was given"

    run(main)


def test_renewed_session_has_new_tokens_and_its_streams_and_children_end():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        old, name = desk.token, live.session.session_id
        child, _ = await desk.sessions.open_child(live, child_draft(live), "")
        over, _ = await desk.sessions.open_child(live, child_draft(live), "")
        await desk.sessions.change(over, Command.KILL, "first")
        cut: list[tuple[str, str]] = []
        for one in (live, child, over):
            one.streams["h"] = lambda why, one=one: cut.append((one.session.session_id, why))
        before = live.session
        token = desk.sessions.renew(live, 777)
        assert live.session == msgspec.structs.replace(
            before,
            token_digest=token_digest(token),
            model_token_digest=token_digest(model_token(name, token)),
            hook_token_digest=token_digest(hook_token(name, token)),
            expires_at_ns=777,
        )
        await desk.journal.commit([], [live.session])
        assert await desk.sessions.authenticate(token) is live
        assert await desk.sessions.authenticate_model(model_token(name, token)) is live
        for dead in (old, model_token(name, old)):
            with pytest.raises(Unauthenticated):
                await desk.sessions.authenticate_model(dead)
        why = "the run was given to another worker"
        assert cut == [
            (name, f"session_stopped: {why}"),
            (child.session.session_id, f"session_stopped: {why}"),
        ]
        assert (child.session.state, child.session.state_reason) == (SessionState.ENDED, why)
        assert over.session.state is SessionState.KILLED
        desk.sessions.let_wait(live, 888)
        assert live.session.expires_at_ns == 888
        assert live.session.token_digest != token_digest(token)

    run(main)


@pytest.mark.parametrize("command", list(Command))
def test_command_changes_the_state_settles_what_was_at_work_and_is_told_whole(command):
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 100), limit(Dimension.TOOL_CALLS, 9))
        if command is Command.RESUME:
            await desk.sessions.change(live, Command.PAUSE, "")
        before = live.session
        desk.hold(live, "hld_tool", "tool", tool_calls=1)
        desk.hold(live, "hld_model", "model", usd=7)
        entry = desk.intend(live, "c1", key="key")
        desk.clock.advance(3)
        seq = desk.seq
        extra = record(desk, live, Kind.LOOP_ALERT, {})
        also = msgspec.structs.replace(live.session, session_id="ses_also", token_digest="")
        durable = desk.sessions.change(live, command, "why", by="root", extra=[extra], also=[also])
        to = following(before, command)
        held = command in (Command.PAUSE, Command.KILL)
        now_ns = desk.clock.now_ns()
        clock = {}
        if command is Command.PAUSE:
            left_ns = before.expires_at_ns - now_ns
            clock = {"life_left_ns": left_ns, "expires_at_ns": now_ns + 7 * 86_400 * S}
        elif command is Command.RESUME:
            clock = {"life_left_ns": 0, "expires_at_ns": now_ns + before.life_left_ns}
        assert live.session == msgspec.structs.replace(
            before, state=to, state_reason="why", state_changed_at_ns=now_ns, held=held, **clock
        )
        await durable
        assert await desk.store.session(live.session.session_id) == live.session
        assert await desk.store.session("ses_also") is not None
        ends = command not in (Command.PAUSE, Command.RESUME)
        holds = {hold.hold_id for hold in desk.budgets.ledger.open_holds()}
        assert holds == ({"hld_model"} if ends else {"hld_tool", "hld_model"})
        used = {s.key.dimension: s.settled for s in desk.budgets.ledger.all_states(0)}
        assert used == {USD: 0, Dimension.TOOL_CALLS: int(ends)}
        kind = f"session.{live.session.state if command is not Command.RESUME else 'resumed'}"
        expected = [
            {"kind": "loop.alert"},
            {"kind": kind, "body": {"reason": "why", "by": "root", "from": str(before.state)}},
        ]
        if command is Command.PAUSE:
            expected[-1]["body"]["until_ns"] = live.session.expires_at_ns
        why = f"the session is {to}, and nothing was reported"
        if ends:
            body = {"key": "key", "why": why, "attempt": 1}
            expected.append(
                {"kind": "effect.unknown", "call_id": "c1", "tool": "pay", "body": body}
            )
        assert desk.since(seq, live.who) == expected
        stored = await desk.store.effect("acme", entry.key)
        assert (stored.state if stored else None) == (EffectState.UNKNOWN if ends else None)

    run(main)


def test_clock_of_a_paused_session_and_of_those_below_it_stands_still_until_it_is_resumed():
    async def main():
        desk: Any = Desk()
        live = await desk.open(ttl_s=100)
        child, _ = await desk.sessions.open_child(live, child_draft(live), "")
        desk.clock.advance(40)
        left_ns = child.session.expires_at_ns - desk.clock.now_ns()
        await desk.sessions.change(live, Command.PAUSE, "lunch")
        for _ in range(6):
            desk.clock.advance(86_400)
            for one in (live, child):
                desk.sessions.lapse(one)
                with pytest.raises(SessionStopped):
                    desk.sessions.check_live(one)
        assert (live.session.state, child.session.state) == (
            SessionState.PAUSED,
            SessionState.ACTIVE,
        )
        # It is so for whoever reads it again from the store.
        desk.sessions.forget(child)
        desk.sessions.forget(live)
        live = await desk.sessions.get(live.session.session_id)
        child = await desk.sessions.get(child.session.session_id)
        await desk.sessions.change(live, Command.RESUME, "")
        now_ns = desk.clock.now_ns()
        assert live.session.expires_at_ns == now_ns + 60 * S
        assert child.session.expires_at_ns == now_ns + left_ns
        stored = await desk.store.session(child.session.session_id)
        assert stored.expires_at_ns == now_ns + left_ns
        desk.clock.advance(60)
        with pytest.raises(CredentialExpired, match="reached its wall clock"):
            desk.sessions.check_live(live)

    run(main)


def test_paused_session_is_kept_for_seven_days_or_as_long_as_it_had_to_act():
    async def main():
        for ttl_s, kept_s in ((100, 7 * 86_400), (10 * 86_400, 10 * 86_400)):
            desk: Any = Desk()
            live = await desk.open(ttl_s=ttl_s)
            await desk.sessions.change(live, Command.PAUSE, "lunch")
            desk.clock.advance(kept_s - 1)
            desk.sessions.lapse(live)
            assert live.session.state is SessionState.PAUSED
            desk.clock.advance(1)
            with pytest.raises(CredentialExpired, match="nobody resumed the session"):
                desk.sessions.check_live(live)
            assert live.session.held

    run(main)


def test_session_that_a_spent_cap_paused_says_what_to_do_and_holds_nothing():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 100), limit(Dimension.TOOL_CALLS, 9))
        child, _ = await desk.sessions.open_child(live, child_draft(live), "")
        desk.hold(live, "hld_tool", "tool", tool_calls=1)
        name, seq = live.session.session_id, desk.seq
        account = f"session:acme/{name}:usd:life"
        await desk.sessions.change(live, Command.PAUSE, "it is spent", account=account)
        assert desk.budgets.ledger.open_holds() == []
        told = desk.since(seq, live.who)[-1]
        assert told["body"]["account"] == account
        fields = {
            "state": "paused",
            "reason": "it is spent",
            "account": account,
            "until_ns": live.session.expires_at_ns,
        }
        for one, which in ((live, "the session"), (child, "the session above it, clerk,")):
            with pytest.raises(SessionPaused) as refused:
                desk.sessions.check_live(one)
            assert refused.value.message.startswith(
                f"session_paused: {which} is paused: it is spent, and `holdfast sessions resume"
                f" {name}` lets it go on; it is kept until "
            )
            assert refused.value.fields == fields
        await desk.sessions.change(live, Command.RESUME, "")
        desk.sessions.check_live(child)
        assert live.session.parked_for == ""

    run(main)


@pytest.mark.parametrize(
    ("command", "state", "cut"),
    [
        (Command.STOP, "stopped", True),
        (Command.END, "ended", True),
        (Command.EXPIRE, "expired", True),
        (Command.KILL, "killed", False),
    ],
)
def test_what_ends_a_session_ends_all_below_it_that_still_lives(command, state, cut):
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        child, _ = await desk.sessions.open_child(live, child_draft(live), "")
        grand, _ = await desk.sessions.open_child(child, child_draft(child), "")
        over, _ = await desk.sessions.open_child(live, child_draft(live), "")
        await desk.sessions.change(over, Command.KILL, "first")
        reasons: list[str] = []
        for one in (child, grand, over):
            one.streams["h"] = reasons.append
        seq = desk.seq
        await desk.sessions.change(live, command, "enough", by="root")
        text = f"the session above it is {state}: enough"
        assert [(one.session.state, one.session.state_reason) for one in (child, grand, over)] == [
            (state, text),
            (state, text),
            ("killed", "first"),
        ]
        # A kill cuts them itself, and counts them.
        assert reasons == [f"session_stopped: {text}"] * (2 if cut else 0)
        assert [
            (one["session"], one["body"]["reason"], one["body"]["by"]) for one in desk.since(seq)
        ] == [
            (live.session.session_id, "enough", "root"),
            (child.session.session_id, text, "root"),
            (grand.session.session_id, text, "root"),
        ]
        for one in (live, child, grand):
            assert await desk.store.session(one.session.session_id) == one.session

    run(main)


def test_pause_and_resume_leave_what_is_below_as_it_is():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        child, _ = await desk.sessions.open_child(live, child_draft(live), "")
        for command in (Command.PAUSE, Command.RESUME):
            await desk.sessions.change(live, command, "")
            assert child.session.state is SessionState.ACTIVE

    run(main)


def test_command_that_does_not_apply_is_refused_and_says_what_stands():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        with pytest.raises(Conflict) as refused:
            desk.sessions.change(live, Command.RESUME, "")
        assert refused.value.message == "a session that is active cannot be told to resume"
        assert refused.value.fields == {"state": "active"}

    run(main)


def test_forgotten_session_gives_its_accounts_back_and_is_read_again():
    async def main():
        desk: Any = Desk()
        live = await desk.open(limit(USD, 100))
        desk.sessions.forget(live)
        desk.sessions.forget(live)
        assert desk.sessions.in_memory() == ()
        assert desk.budgets.ledger.all_states(0) == []
        again = await desk.sessions.authenticate(desk.token)
        assert again is not live
        assert differing(again, live) == set()
        assert desk.sessions.in_memory() == (again,)
        [state] = desk.budgets.ledger.all_states(0)
        assert state.limit == 100

    run(main)


def test_calls_of_sessions_that_a_transcript_named_are_known_as_found_unless_they_are_its_own():
    async def main():
        desk: Any = Desk()
        old = await desk.open()
        mine = await desk.open(found=(old.session.session_id, "ses_gone"))
        there = [call(old, "c1"), call(old, "c2")]
        own = call(mine, "c2", state=CallState.ALLOWED)
        await desk.journal.commit([], [*there, own])
        again = await (await desk.restarted()).sessions.get(mine.session.session_id)
        assert again.calls == {"c1": there[0], "c2": own}
        assert again.found_calls == {"c1", "c2"}
        assert not again.vouched.tainted

    run(main)


def test_what_a_record_says_beside_when_is_all_that_is_compared_here():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        [opened] = desk.store.journal
        assert told(opened)["tenant"] == "acme"
        assert "session" not in told(opened, live.who)
        with pytest.raises(InvalidRequest):
            await desk.store.session("\ud800")

    run(main)
