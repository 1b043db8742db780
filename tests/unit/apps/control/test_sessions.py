"""Sessions over the control API: opening, looking, stopping."""

import msgspec
import pytest

from holdfast.model.budgets import Dimension, Scope
from holdfast.model.events import Kind
from holdfast.model.sessions import SessionState
from tests.control_house import NOON, TWO_TENANTS, House, S, served

USD = 1_000_000_000


def kinds(house):
    return [record.kind for record in house.store.journal]


def test_an_opened_session_has_a_token_a_view_and_a_plan():
    async def main(house: House):
        answer = await house.call("POST", "/v1/sessions", {"agent": "desk", "user": "ann"})
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        opened = answer.json()
        view = opened["session"]
        assert opened["token"].startswith("hfs_")
        assert view["tenant"] == view["project"] == "default"
        assert (view["user"], view["agent"], view["state"]) == ("ann", "desk", "active")
        assert view["task"] == view["session_id"]
        assert view["expires_at_ns"] - view["opened_at_ns"] == 600 * S
        assert opened["plan"]["allowed_tools"] == ["Read"]
        assert opened["plan"]["system_prompt"] == "You help."
        assert opened["plan"]["max_turns"] == 30
        assert await house.get(f"/v1/sessions/{view['session_id']}") == view
        live = await house.sessions.authenticate(opened["token"])
        assert live.session.session_id == view["session_id"]
        assert kinds(house) == [Kind.SESSION_OPENED, Kind.ADMIN_ACTED]

    served(main)


@pytest.mark.parametrize(
    ("asked", "task"),
    [("refunds", "refunds/{id}"), ("refunds/42", "refunds/42"), ("", "{id}")],
)
def test_the_session_stands_for_a_task_instance_that_was_not_named(asked, task):
    async def main(house: House):
        session_id, _ = await house.opened(task=asked)
        view = await house.get(f"/v1/sessions/{session_id}")
        assert view["task"] == task.format(id=session_id)

    served(main)


def test_the_plan_tells_the_task_in_words():
    async def main(house: House):
        body = {"agent": "desk", "user": "ann", "task": "refunds/42"}
        plan = (await house.call("POST", "/v1/sessions", body)).json()["plan"]
        assert plan["task"]["kind"] == "refunds"
        assert plan["task"]["id"] == "refunds/42"
        assert "Refund an order." in plan["task"]["text"]
        assert plan["task"]["attributes"] == {"max_refund": 50}

    served(main)


def test_limits_of_a_session_only_tighten():
    async def main(house: House):
        limits = {"usd": "0.50", "turns": 99, "tool_calls": 5, "usd_in": 0.25}
        session_id, _ = await house.opened(limits=limits)
        found = house.live(session_id).session.limits
        mine = {x.dimension: x.amount for x in found if x.scope == "session"}
        assert mine == {
            Dimension.USD: USD // 2,
            Dimension.TURNS: 30,
            Dimension.SECONDS: 3600,
            Dimension.TOOL_CALLS: 5,
            Dimension.USD_IN: USD // 4,
        }
        scopes = [x.scope for x in found]
        assert scopes == sorted(scopes, key=["task", "session", "user", "project", "tenant"].index)

    served(main)


def test_a_tightened_number_of_turns_stands_in_the_plan():
    async def main(house: House):
        body = {"agent": "desk", "user": "ann", "limits": {"turns": 3}}
        assert (await house.call("POST", "/v1/sessions", body)).json()["plan"]["max_turns"] == 3

    served(main)


@pytest.mark.parametrize(
    "limits",
    [
        {"usd": "-1"},
        {"usd": "1e999999999"},
        {"usd": "0.0000000001"},
        {"usd": 1e300},
        {"usd": True},
        {"usd": None},
        {"tool_calls": -1},
        {"tool_calls": 1.5},
        {"tool_calls": "5"},
        {"tool_calls": 10**30},
        {"cups_of_tea": 1},
    ],
)
def test_a_limit_that_is_none_is_refused(limits):
    async def main(house: House):
        body = {"agent": "desk", "user": "ann", "limits": limits}
        answer = await house.call("POST", "/v1/sessions", body)
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "invalid_request"
        assert "limits" in answer.json()["error"]["field"]
        assert house.store.journal == ()

    served(main)


def test_a_life_may_be_shortened_and_never_lengthened():
    async def main(house: House):
        for ttl_s, lives_s in ((60, 60), (99_999, 600)):
            session_id, _ = await house.opened(ttl_s=ttl_s)
            view = await house.get(f"/v1/sessions/{session_id}")
            assert view["expires_at_ns"] - view["opened_at_ns"] == lives_s * S

    served(main)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"agent": "nobody", "user": "ann"}, 404, "not_found"),
        ({"agent": "desk"}, 400, "invalid_request"),
        ({"user": "ann"}, 400, "invalid_request"),
        ({"agent": "desk", "user": "a\nb"}, 400, "invalid_request"),
        ({"agent": "desk", "user": "ann", "tenant": "nowhere"}, 404, "not_found"),
        ({"agent": "desk", "user": "ann", "task": "refunds/"}, 400, "invalid_request"),
        ({"agent": "desk", "user": "ann", "parent": "ses_none"}, 404, "not_found"),
        ({"agent": "desk", "user": "ann", "ttl_s": 0}, 400, "invalid_request"),
        ({"agent": "desk", "user": "ann", "colour": "red"}, 400, "invalid_request"),
        ([], 400, "invalid_request"),
    ],
)
def test_a_session_that_cannot_be_is_refused(body, status, code):
    async def main(house: House):
        answer = await house.call("POST", "/v1/sessions", body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert house.store.journal == ()

    served(main)


FILE = "name: {name}\nmodel: claude-sonnet-5-5\ntools: [Read]\n{more}"


def sent(name: str = "guest", more: str = "") -> dict[str, object]:
    text = FILE.format(name=name, more=more)
    return {"user": "ann", "agent_file": {"name": "guest.yaml", "text": text}}


def test_an_agent_file_opens_a_session_that_names_its_digest():
    async def main(house: House):
        answer = await house.call("POST", "/v1/sessions", sent())
        assert answer.status_code == 200, answer.text
        assert answer.json()["session"]["agent"] == "guest"
        live = house.live(answer.json()["session"]["session_id"])
        assert live.session.config_version.startswith(house.deps.config.version + "+agent:")

    served(main)


def test_faults_of_an_agent_file_are_named_by_line():
    async def main(house: House):
        answer = await house.call("POST", "/v1/sessions", sent(more="trust: saintly\n"))
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "config_invalid"
        assert "guest.yaml:4:" in answer.json()["error"]["message"]

    served(main)


def test_an_agent_file_that_brings_hooks_is_refused():
    async def main(house: House):
        more = "hooks: {pre_tool: ['package.module:function']}\n"
        answer = await house.call("POST", "/v1/sessions", sent(more=more))
        assert answer.status_code == 400
        assert answer.json()["error"]["field"] == "agent_file.hooks"

    served(main)


def test_both_an_agent_and_a_file_are_refused():
    async def main(house: House):
        answer = await house.call("POST", "/v1/sessions", sent() | {"agent": "desk"})
        assert answer.status_code == 400

    served(main)


def test_a_kill_gives_a_receipt_and_a_second_one_says_already():
    async def main(house: House):
        session_id, _ = await house.opened()
        cuts: list[str] = []
        house.live(session_id).streams["one"] = cuts.append
        first = await house.call("POST", f"/v1/sessions/{session_id}/kill", {"reason": "drill"})
        again = await house.call("POST", f"/v1/sessions/{session_id}/kill", {"reason": "drill"})
        assert first.status_code == again.status_code == 200
        assert (first.json()["already"], again.json()["already"]) == (False, True)
        assert first.json()["state"] == again.json()["state"] == "killed"
        levers = [lever["lever"] for lever in first.json()["levers"]]
        assert set(levers) >= {"refuse", "streams", "journal", "processes"}
        assert len(cuts) == 2
        assert house.processes.stopped == [session_id] * 2
        told = [r for r in house.store.journal if r.kind is Kind.SESSION_KILLED]
        assert [r.body for r in told] == [{"reason": "drill", "by": "admin", "from": "active"}]
        acted = [r for r in house.store.journal if r.kind is Kind.ADMIN_ACTED][1:]
        assert [r.body["action"] for r in acted] == ["session.kill"] * 2

    served(main)


def test_a_kill_needs_no_body():
    async def main(house: House):
        session_id, _ = await house.opened()
        answer = await house.call("POST", f"/v1/sessions/{session_id}/kill")
        assert answer.json()["state"] == "killed"

    served(main)


def test_a_kill_touches_no_other_session():
    async def main(house: House):
        killed, _ = await house.opened()
        other, _ = await house.opened()
        await house.call("POST", f"/v1/sessions/{killed}/kill")
        assert (await house.get(f"/v1/sessions/{other}"))["state"] == "active"

    served(main)


def test_a_kill_holds_even_when_the_store_fails_and_the_receipt_says_so():
    async def main(house: House):
        session_id, _ = await house.opened()
        house.store.fail_commits()
        answer = await house.call("POST", f"/v1/sessions/{session_id}/kill")
        assert answer.status_code == 200
        pulled = {lever["lever"]: lever["ok"] for lever in answer.json()["levers"]}
        assert pulled == {"refuse": True, "streams": True, "journal": False, "processes": True}
        assert (await house.get(f"/v1/sessions/{session_id}"))["state"] == "killed"

    served(main)


def test_a_pause_lets_streams_finish_and_refuses_what_comes_next():
    async def main(house: House):
        session_id, _ = await house.opened()
        live = house.live(session_id)
        live.streams["one"] = lambda reason: pytest.fail(f"cut: {reason}")
        paused = await house.call("POST", f"/v1/sessions/{session_id}/pause", {"reason": "look"})
        assert (paused.json()["state"], paused.json()["state_reason"]) == ("paused", "look")
        assert paused.json()["streams"] == 1
        with pytest.raises(Exception, match="paused"):
            house.sessions.check_live(live)
        resumed = await house.call("POST", f"/v1/sessions/{session_id}/resume", {"reason": "ok"})
        assert resumed.json()["state"] == "active"
        house.sessions.check_live(live)
        assert kinds(house)[2:] == [
            Kind.ADMIN_ACTED,
            Kind.SESSION_PAUSED,
            Kind.ADMIN_ACTED,
            Kind.SESSION_RESUMED,
        ]

    served(main)


def test_a_session_that_was_given_up_while_it_was_paused_is_not_resumed_and_says_what_to_do():
    async def main(house: House):
        session_id, _ = await house.opened()
        paused = (await house.call("POST", f"/v1/sessions/{session_id}/pause")).json()
        house.clock.at_ns += 6 * 86_400 * 10**9
        shown = await house.get(f"/v1/sessions/{session_id}")
        assert (shown["state"], shown["life_left_ns"]) == ("paused", paused["life_left_ns"])
        house.clock.at_ns += 86_400 * 10**9
        answer = await house.call("POST", f"/v1/sessions/{session_id}/resume")
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (409, "conflict")
        assert error["message"] == (
            "a session that is expired cannot be told to resume (nobody resumed the session while"
            f" it was kept); `holdfast sessions open --agent desk --parent {session_id}` goes on"
            " with its conversation"
        )
        assert (await house.get(f"/v1/sessions/{session_id}"))["state"] == "expired"

    served(main)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("kill", "resume"),
        ("end", "resume"),
        ("kill", "pause"),
        ("end", "end"),
        ("pause", "pause"),
        (None, "resume"),
    ],
)
def test_a_change_that_the_state_does_not_allow_is_a_conflict_and_leaves_no_record(first, then):
    async def main(house: House):
        session_id, _ = await house.opened()
        if first:
            await house.call("POST", f"/v1/sessions/{session_id}/{first}")
        before = house.store.journal
        answer = await house.call("POST", f"/v1/sessions/{session_id}/{then}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
        assert house.store.journal == before

    served(main)


@pytest.mark.parametrize("verb", ["kill", "pause", "resume", "end"])
def test_a_session_that_is_not_there_is_not_found(verb):
    async def main(house: House):
        answer = await house.call("POST", f"/v1/sessions/ses_none/{verb}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")

    served(main)


def test_a_list_filters_by_tenant_project_user_and_state():
    async def main(house: House):
        ann, _ = await house.opened(tenant="acme", project="shop")
        eve, _ = await house.opened(tenant="acme", project="web", user="eve")
        umbra, _ = await house.opened(tenant="umbra")
        await house.call("POST", f"/v1/sessions/{eve}/kill")

        async def ids(**query: str) -> list[str]:
            return [s["session_id"] for s in (await house.get("/v1/sessions", **query))["sessions"]]

        assert await ids() == [umbra, eve, ann]
        assert await ids(tenant="acme") == [eve, ann]
        assert await ids(tenant="acme", project="shop") == [ann]
        assert await ids(user="ann") == [umbra, ann]
        assert await ids(state="killed") == [eve]
        assert await ids(state="active", limit="1") == [umbra]
        assert await ids(state="") == [umbra, eve, ann]

    served(main, TWO_TENANTS)


def test_a_misspelt_filter_is_refused_and_not_ignored():
    async def main(house: House):
        answer = await house.call("GET", "/v1/sessions", params={"tennant": "acme"})
        assert answer.status_code == 400
        assert answer.json()["error"]["field"] == "tennant"

    served(main)


def test_a_session_past_its_wall_clock_is_shown_as_expired():
    async def main(house: House):
        session_id, _ = await house.opened(ttl_s=60)
        house.clock.at_ns = NOON + 61 * S
        assert (await house.get(f"/v1/sessions/{session_id}"))["state"] == "expired"
        assert (await house.get("/v1/sessions", state="active"))["sessions"] == []
        found = (await house.get("/v1/sessions", state="expired"))["sessions"]
        assert [s["session_id"] for s in found] == [session_id]

    served(main)


def test_a_session_not_in_memory_is_shown_from_the_store_and_not_loaded():
    async def main(house: House):
        session_id, _ = await house.opened()
        live = house.live(session_id)
        settled = house.journal.record_as_told(
            Kind.MODEL_CALL_SETTLED, live.who, {}, turn=1, cost_nusd=7
        )
        refused = house.journal.record_as_told(Kind.MODEL_CALL_REFUSED, live.who, {}, turn=2)
        tainted = house.journal.record_as_told(
            Kind.TOOL_RESULT_ADMITTED, live.who, {"taints": True}
        )
        await house.journal.commit([settled, tainted, settled, refused])
        purse = [k for k in live.chain if (k.scope, k.dimension) == (Scope.SESSION, Dimension.USD)]
        [account] = await house.store.accounts(purse)
        # What its account was charged counts, with what a crash took.
        charged = msgspec.structs.replace(account, settled=15)
        await house.journal.commit([], [charged])
        house.restart()
        view = await house.get(f"/v1/sessions/{session_id}")
        assert (view["turn"], view["cost_nusd"], view["tainted"]) == (2, 15, True)
        assert (await house.get("/v1/sessions"))["sessions"] == [view]
        assert house.sessions.loaded(session_id) is None
        killed = await house.call("POST", f"/v1/sessions/{session_id}/kill")
        assert killed.json()["already"] is False
        again = await house.get(f"/v1/sessions/{session_id}")
        changed = {"state": SessionState.KILLED, "state_reason": ""}
        assert again == view | changed

    served(main)


def test_a_store_that_fails_answers_503_and_says_that_retrying_is_in_vain():
    async def main(house: House):
        session_id, _ = await house.opened()
        house.store.fail_commits()
        answer = await house.call("POST", f"/v1/sessions/{session_id}/pause")
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "store_unavailable"
        assert answer.json()["error"]["retryable"] is False

    served(main)


def test_a_child_session_continues_its_parent():
    async def main(house: House):
        parent, _ = await house.opened()
        child, _ = await house.opened(parent=parent)
        assert house.live(child).session.parent == parent
        refused = await house.call(
            "POST", "/v1/sessions", {"agent": "desk", "user": "eve", "parent": parent}
        )
        assert refused.status_code == 404

    served(main)


def acted(house, session_id, *turns):
    """Journal some turns as the gateway and the guard do: a model call, and its tool calls."""
    who = house.live(session_id).who
    records = []
    for turn, calls in turns:
        settled = {"model": "m", "ended": "complete", "stop_reason": "tool_use", "duration_ms": 3}
        records.append(
            house.journal.record_as_told(
                Kind.MODEL_CALL_SETTLED, who, settled, turn=turn, cost_nusd=7
            )
        )
        for number in range(calls):
            flat = {"call_id": f"c{turn}.{number}", "tool": "Read", "turn": turn}
            decided = {"arguments": {"file_path": "a"}, "reasons": []}
            finished = {"ok": True, "output": '"text"', "duration_ms": 5}
            records += [
                house.journal.record_as_told(
                    Kind.TOOL_CALL_DECIDED, who, decided, verdict="allow", risk="LOW", **flat
                ),
                house.journal.record_as_told(Kind.TOOL_CALL_FINISHED, who, finished, **flat),
            ]
    return house.journal.commit(records)


def test_turns_of_a_session_are_its_model_calls_and_tool_calls_and_nobody_elses():
    async def main(house: House):
        session_id, _ = await house.opened()
        other, _ = await house.opened()
        await acted(house, session_id, (1, 2), (2, 0))
        await acted(house, other, (1, 1))
        found = await house.get(f"/v1/sessions/{session_id}/turns")
        assert found["cut_short"] is False
        shown = [(row["turn"], row["kind"], row["call_id"]) for row in found["turns"]]
        assert shown == [
            (1, "model", ""),
            (1, "tool", "c1.0"),
            (1, "tool", "c1.1"),
            (2, "model", ""),
        ]
        tool = found["turns"][1]
        assert (tool["input"], tool["output"]) == ('{"file_path":"a"}', '"text"')
        assert (tool["approved"], tool["risk"], tool["ms"]) == (True, "LOW", 5)
        house.restart()
        assert await house.get(f"/v1/sessions/{session_id}/turns") == found

    served(main)


def test_turns_are_paged_by_whole_turns():
    async def main(house: House):
        session_id, _ = await house.opened()
        await acted(house, session_id, (1, 2), (2, 1), (3, 0))
        path, seen, after = f"/v1/sessions/{session_id}/turns", [], 0
        for expected in ([1, 1, 1], [2, 2], [3]):
            page = await house.get(path, limit=1, after_turn=after)
            assert [row["turn"] for row in page["turns"]] == expected
            assert page["cut_short"] is (expected != [3])
            seen += page["turns"]
            after = expected[-1]
        assert seen == (await house.get(path))["turns"]
        assert (await house.get(path, after_turn=3))["turns"] == []

    served(main)


def test_turns_of_a_session_that_is_not_there_are_not_found():
    async def main(house: House):
        assert (await house.call("GET", "/v1/sessions/ses_none/turns")).status_code == 404

    served(main)


def test_rows_without_a_turn_never_keep_a_reader_on_the_same_page():
    async def main(house: House):
        session_id, _ = await house.opened()
        who = house.live(session_id).who
        refused = [
            house.journal.record_as_told(
                Kind.TOOL_CALL_DECIDED, who, {}, tool="web_search", verdict="deny"
            )
            for _ in range(3)
        ]
        await house.journal.commit(refused)
        await acted(house, session_id, (1, 0), (2, 0))
        path = f"/v1/sessions/{session_id}/turns"
        first = await house.get(path, limit=1)
        assert [row["turn"] for row in first["turns"]] == [0, 0, 0, 1]
        second = await house.get(path, limit=1, after_turn=1)
        assert [row["turn"] for row in second["turns"]] == [2]

    served(main)
