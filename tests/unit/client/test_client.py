import asyncio
import gc
import warnings
from pathlib import Path

import pytest
from starlette.responses import JSONResponse, Response

from holdfast.client import Client, Session, connect, find_server_file
from holdfast.client.exchange import Got
from holdfast.errors import (
    ConfigInvalid,
    Exhausted,
    HoldfastError,
    InternalError,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Unavailable,
    all_errors,
)
from holdfast.model.decisions import Verdict
from holdfast.model.events import Kind
from holdfast.model.sessions import SessionState
from tests.unit.client.api_double import RULING, ApiDouble, announced

UNUSED = "http://127.0.0.1:9"


def with_server(scenario):
    async def main():
        async with ApiDouble().running() as api:
            await scenario(api)

    asyncio.run(main())


def test_every_verb_of_the_admin_reaches_its_path_with_the_admin_token():
    async def scenario(api):
        async with connect(api.url, token="hfa_1") as client:
            assert (await client.health()).status == "ok"
            assert [s.session_id for s in await client.sessions.list(user="ann", limit=3)] == [
                "ses_1"
            ]
            assert (await client.sessions.show("ses_1")).roles == ("agent",)
            receipt = await client.sessions.kill("ses_1", "enough")
            assert receipt.state is SessionState.KILLED
            assert receipt.levers[0].lever == "journal"
            assert (await client.sessions.pause("ses_1", "lunch")).state is SessionState.PAUSED
            assert (await client.sessions.resume("ses_1", "back")).state is SessionState.ACTIVE
            assert (await client.sessions.end("ses_1")).state is SessionState.ENDED
            assert (await client.budgets.show(session="ses_1"))[0].limit is None
            account = await client.budgets.set(
                scope="user",
                owner="acme/ann",
                dimension="usd",
                window="day",
                limit=None,
                reason="r",
            )
            assert account.alerted == (50,)
            records = await client.records(
                session="ses_1", kind=Kind.TOOL_CALL_DECIDED, after_seq=4
            )
            assert records[0].seq == 9
            answer = await client.audit.ask(user="ann", at="last tuesday 14:42", window_s=60)
            assert answer.lines == ("12:00:00 ran Bash",)
            own = await client.audit.server(kind=Kind.SERVER_STARTED, last_s=60, after_seq=8)
            assert own.lines == ("2026-11-16 12:00:00 the server started",)
            assert own.records[0].tenant == ""
            assert (await client.policy.status()).version == "sha256:1"
            assert (await client.policy.check()).findings[0].line == 3
        seen = {(method, path) for method, path, *_ in api.asked}
        assert len(seen) == 14
        unproven = {path for _, path, _, _, token in api.asked if token != "hfa_1"}
        assert unproven == {"/healthz"}
        queries = {path: query for _, path, query, _, _ in api.asked}
        assert queries["/v1/records"] == {
            "session": "ses_1",
            "kind": "tool_call.decided",
            "after_seq": "4",
        }
        assert queries["/v1/audit/ask"]["at"] == "last tuesday 14:42"
        assert queries["/v1/audit/server"] == {
            "kind": "server.started",
            "last_s": "60",
            "after_seq": "8",
        }
        lifted = next(body for method, _, _, body, _ in api.asked if method == "PUT")
        assert lifted["limit"] is None

    with_server(scenario)


def test_an_opened_session_speaks_with_its_own_token_and_outlives_its_client():
    async def scenario(api):
        session = await connect(api.url, token="hfa_1").sessions.open(
            agent="support-desk", user="ann", limits={"usd": "0.50"}
        )
        gc.collect()
        async with session:
            assert session.plan.allowed_tools == ("Bash",)
            assert session.base_url == api.url
            ruling = await session.decide("toolu_1", "Bash", {"command": "ls"})
            assert ruling.verdict is Verdict.DENY
            assert ruling.reasons[0].rule == "r1"
            assert (await session.finish("toolu_1", ok=True, output="raw")).output == "shown"
            assert await session.redeem("hfp1.x.y", "toolu_1", "Bash", {}) == "prm_1"
            await session.prompt("hello")
            assert (await session.hook("on_context_overflow")).reasons == ()
            assert (await session.view()).cost_nusd == 5
            assert await session.public_keys() == {"k1": "AAAA"}
            assert await session.public_keys() == {"k1": "AAAA"}
            assert (await session.end()).state is SessionState.ENDED
        assert api.asked[0][3] == {
            "agent": "support-desk",
            "user": "ann",
            "limits": {"usd": "0.50"},
            "folder": str(Path.cwd()),
        }
        assert {token for *_, token in api.asked[1:]} == {"hfs_1"}
        assert sum(path == "/v1/guard/keys" for _, path, *_ in api.asked) == 1

    with_server(scenario)


def test_a_handle_is_made_from_an_address_and_a_token_alone():
    async def scenario(api):
        async with await Session.attach(api.url, "hfs_9") as session:
            assert session.session_id == "ses_1"
            assert "hfs_9" not in repr(session)
        with pytest.raises(InvalidRequest):
            await Session.attach(api.url, "")

    with_server(scenario)


def test_every_error_code_comes_back_as_its_own_class_with_its_fields():
    async def scenario(api):
        async with connect(api.url, token="t") as client:
            for cls in all_errors():
                api.refuse(
                    "GET",
                    "/v1/sessions/ses_1",
                    cls.http_status,
                    code=cls.code,
                    message="a sentence",
                    retryable=cls.retryable,
                    limit=5,
                )
                with pytest.raises(HoldfastError) as caught:
                    await client.sessions.show("ses_1")
                assert type(caught.value) is cls
                assert caught.value.message == "a sentence"
                assert caught.value.fields == {"limit": 5}
            api.refuse(
                "GET", "/v1/sessions/ses_1", 402, code="budget_exceeded", message="m", limit=5
            )
            with pytest.raises(Exhausted):
                await client.sessions.show("ses_1")

    with_server(scenario)


def test_decision_refused_for_the_number_of_calls_is_asked_again_when_the_server_says_so():
    left = [2]

    def busy(_):
        left[0] -= 1
        error = {"code": "rate_limited", "message": "later", "retry_after_s": "0.01"}
        return JSONResponse({"error": error}, 429) if left[0] >= 0 else RULING

    async def scenario(api):
        api.answers["POST", "/v1/guard/decide"] = busy
        async with await Session.attach(api.url, "t") as session:
            ruling = await session.decide("c1", "Bash", {"command": "ls"})
        assert ruling.verdict is Verdict.DENY
        bodies = [body for _, path, _, body, _ in api.asked if path == "/v1/guard/decide"]
        assert len(bodies) == 3
        assert bodies[0] == bodies[1] == bodies[2]

    with_server(scenario)


@pytest.mark.parametrize("told", [{}, {"retry_after_s": "16"}, {"retry_after_s": "nan"}])
def test_decision_is_not_asked_again_past_half_its_time_or_when_nobody_said_when(told):
    async def scenario(api):
        fields = {"code": "rate_limited", "message": "later", **told}
        api.refuse("POST", "/v1/guard/decide", 429, **fields)
        async with await Session.attach(api.url, "t") as session:
            with pytest.raises(RateLimited):
                await session.decide("c1", "Bash", {"command": "ls"})
        assert [path for _, path, *_ in api.asked].count("/v1/guard/decide") == 1

    with_server(scenario)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (JSONResponse({"error": {"code": "brand_new", "message": "?"}}, 400), InternalError),
        (JSONResponse({"detail": "x"}, 422), InternalError),
        (Response("<html>", 502), Unavailable),
        (Response("<html>", 500), InternalError),
        (Response("not json", 200), InternalError),
        (JSONResponse({"session_id": "ses_1"}), InternalError),
        (JSONResponse([1]), InternalError),
        (Response("", 302, {"location": "/healthz"}), InternalError),
    ],
)
def test_an_answer_that_is_not_ours_is_never_taken_for_one(answer, expected):
    async def scenario(api):
        api.answers["GET", "/v1/sessions/ses_1"] = answer
        async with connect(api.url, token="t") as client:
            with pytest.raises(expected) as caught:
                await client.sessions.show("ses_1")
            assert type(caught.value) is expected

    with_server(scenario)


def test_an_unknown_verdict_is_no_allow():
    async def scenario(api):
        ruling = dict(api.answers["POST", "/v1/guard/decide"], verdict="Allow")
        api.answers["POST", "/v1/guard/decide"] = ruling
        async with await Session.attach(api.url, "hfs_1") as session:
            with pytest.raises(InternalError):
                await session.decide("toolu_1", "Bash", {})

    with_server(scenario)


def test_a_server_that_is_not_there_is_unavailable_and_the_sentence_says_how_to_start_it():
    async def main():
        async with connect(UNUSED) as client:
            with pytest.raises(Unavailable, match="holdfast up"):
                await client.health()

    asyncio.run(main())


def test_a_slow_answer_to_a_post_has_an_unknown_outcome_and_to_a_get_is_unavailable():
    async def scenario(api):
        async def slow(_body):
            await asyncio.sleep(1)
            return {}

        api.answers["POST", "/v1/guard/decide"] = slow
        api.answers["GET", "/healthz"] = slow
        async with await Session.attach(api.url, "hfs_1") as session:
            with pytest.raises(OutcomeUnknown):
                await session.decide("toolu_1", "Bash", {}, timeout_s=0.05)
            with pytest.raises(Unavailable):
                await session._door.get("/healthz", dict, timeout_s=0.05)

    with_server(scenario)


@pytest.mark.parametrize("word", [429, 503])
def test_a_busy_server_says_nothing_of_what_was_asked_of_it_before(monkeypatch, word):
    monkeypatch.setattr("holdfast.client.wire._AGAIN_S", (0.0, 0.0))
    fault = b'{"error": {"code": "store_unavailable", "message": "later"}}'
    asked, answers = [], list[Got]()

    async def sent(one, timeout_s):
        asked.append(one)
        if len(asked) == 1:
            raise OutcomeUnknown("broken off", cause="ServerDisconnectedError")
        return answers.pop(0)

    async def main():
        async with connect(UNUSED, token="hfa_1") as client:
            monkeypatch.setattr(client._door, "_sent", sent)
            answers[:] = [Got(word, fault, ""), Got(200, b'{"made": 1}', "")]
            assert await client._door.make("/v1/x", dict, {}) == {"made": 1}
            assert len({one.key for one in asked}) == 1
            assert len(asked) == 3
            asked.clear()
            answers[:] = [Got(word, fault, "")] * 2
            with pytest.raises(OutcomeUnknown, match="broken off"):
                await client._door.make("/v1/x", dict, {}, "mine")
            assert {one.key for one in asked} == {"mine"}

    asyncio.run(main())


@pytest.mark.parametrize("key", ["a b", " a", "a\n", "é", "x" * 256])
def test_what_is_no_key_is_refused_before_it_is_sent(key):
    async def main():
        async with connect(UNUSED, token="hfa_1") as client:
            with pytest.raises(InvalidRequest, match="visible characters"):
                await client.sessions.open(user="ann", agent="desk", key=key)

    asyncio.run(main())


def test_arguments_that_are_no_json_are_refused_before_they_are_sent():
    async def scenario(api):
        async with await Session.attach(api.url, "hfs_1") as session:
            asked = len(api.asked)
            with pytest.raises(InvalidRequest):
                await session.decide("toolu_1", "Bash", {"f": object()})
            assert len(api.asked) == asked

    with_server(scenario)


@pytest.mark.parametrize("session_id", ["", ".", ".."])
def test_a_session_id_cannot_climb_out_of_its_path(session_id):
    async def main():
        async with connect(UNUSED) as client:
            with pytest.raises(InvalidRequest):
                await client.sessions.show(session_id)

    asyncio.run(main())


def test_odd_session_ids_stay_one_path_segment():
    async def scenario(api):
        async with connect(api.url, token="t") as client:
            with pytest.raises(NotFound):
                await client.sessions.show("../budgets?x=1#y")
        assert api.asked[-1][1].startswith("/v1/sessions/..")
        assert api.asked[-1][2] == {}

    with_server(scenario)


def test_one_handle_works_in_one_event_loop_after_another_and_is_dropped_in_silence(caplog):
    clients: list[Client] = []

    async def main(port):
        async with ApiDouble().running(port) as api:
            clients.append(clients[0] if port else connect(api.url))
            assert (await clients[0].health()).status == "ok"
            return int(api.url.rpartition(":")[2])

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(main(asyncio.run(main(0))))
        clients.clear()
        gc.collect()
    assert not caplog.records


def test_a_session_whose_server_came_back_elsewhere_asks_there_from_then_on():
    async def main():
        async with ApiDouble().running() as before, ApiDouble().running() as after:
            async with connect(before.url) as client:
                session = await client.sessions.open(agent="desk", user="ann")
            await session.view()
            asked = len(before.asked)
            session.moved(after.url)
            await session.view()
            assert (len(before.asked), len(after.asked)) == (asked, 1)
            await session.close()

    asyncio.run(main())


def test_the_server_is_found_from_the_nearest_file_upward(tmp_path: Path, monkeypatch):
    monkeypatch.delenv("HOLDFAST_URL", raising=False)
    state = tmp_path / ".holdfast"
    state.mkdir()
    announced(state, "http://127.0.0.1:8787/", "hfa_file", version="0.1.0", policy_pid=2)
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert find_server_file(deep) == state / "server.json"
    monkeypatch.chdir(deep)
    client = connect()
    assert (client.base_url, client._door.token) == ("http://127.0.0.1:8787", "hfa_file")
    assert "hfa_file" not in repr(client)


def test_the_environment_goes_before_the_file_and_an_argument_before_both(tmp_path, monkeypatch):
    monkeypatch.setenv("HOLDFAST_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HOLDFAST_ADMIN_TOKEN", "hfa_env")
    monkeypatch.chdir(tmp_path)
    assert connect().base_url == "http://127.0.0.1:1"
    assert connect()._door.token == "hfa_env"
    assert connect("http://127.0.0.1:2", token="x")._door.token == "x"
    with pytest.raises(Unavailable, match="holdfast up"):
        connect(project_dir=tmp_path)


def test_a_spending_key_goes_before_other_tokens_but_for_whoever_operates(tmp_path, monkeypatch):
    monkeypatch.delenv("HOLDFAST_URL", raising=False)
    state = tmp_path / ".holdfast"
    state.mkdir()
    announced(state, UNUSED, "hfa_file", admin_token_file="admin.token")
    monkeypatch.setenv("HOLDFAST_KEY", "hfk_env\n")
    assert connect(project_dir=tmp_path)._door.token == "hfk_env"
    assert connect(project_dir=tmp_path, spends=False)._door.token == "hfa_file"
    monkeypatch.setenv("HOLDFAST_OPERATOR_TOKEN", "hfo_env")
    assert connect(project_dir=tmp_path)._door.token == "hfk_env"
    assert connect(project_dir=tmp_path, spends=False)._door.token == "hfo_env"
    assert connect(UNUSED)._door.token == "hfk_env"
    assert connect(UNUSED, token="hfa_1")._door.token == "hfa_1"
    monkeypatch.setenv("HOLDFAST_KEY", "")
    assert connect(project_dir=tmp_path)._door.token == "hfo_env"


def test_a_key_is_proved_and_never_sent():
    async def scenario(api):
        async with connect(api.url, token="hfk_1") as client:
            with pytest.raises(HoldfastError, match="does not know the token"):
                await client.sessions.open()
        assert all("hfk_1" not in str(asked) for asked in api.asked)

    with_server(scenario)


def test_a_token_from_a_file_is_never_shown_to_a_server_given_by_hand(tmp_path, monkeypatch):
    monkeypatch.delenv("HOLDFAST_ADMIN_TOKEN", raising=False)
    state = tmp_path / ".holdfast"
    state.mkdir()
    announced(state, UNUSED, "hfa_file", admin_token_file="admin.token")
    monkeypatch.chdir(tmp_path)
    assert connect("http://127.0.0.1:2")._door.token == ""
    assert connect(project_dir=tmp_path)._door.token == "hfa_file"


@pytest.mark.parametrize("text", ["", "{}", '{"url": 1}', "["])
def test_a_broken_server_file_is_named(tmp_path, text):
    (tmp_path / ".holdfast").mkdir()
    (tmp_path / ".holdfast" / "server.json").write_text(text)
    with pytest.raises(ConfigInvalid, match=r"server\.json"):
        connect(project_dir=tmp_path)


def test_an_address_that_is_not_http_is_refused():
    with pytest.raises(InvalidRequest):
        connect("ftp://example.com")


def test_turns_are_read_to_the_last_page():
    def row(turn):
        return {"turn": turn, "at_ns": 1, "kind": "model", "outcome": "end_turn", "approved": True}

    async def scenario(api):
        pages = [
            {"turns": [row(1), row(0)], "cut_short": True},
            {"turns": [row(2)], "cut_short": False},
        ]
        api.answers["GET", "/v1/sessions/ses_1/turns"] = lambda body: pages.pop(0)
        async with connect(api.url, token="hfa_1") as client:
            found = await client.sessions.turns("ses_1")
        assert [turn.turn for turn in found] == [1, 0, 2]
        assert [query for _, _, query, _, _ in api.asked] == [{}, {"after_turn": "1"}]

    with_server(scenario)
