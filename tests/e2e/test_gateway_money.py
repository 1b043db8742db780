"""Money at the running gateway: lowered, cut, refused, settled to the nano-dollar, and kept by a crash."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest

from holdfast.testing.project import SETTINGS, Opened, RunningProject
from tests.served import (
    BASH,
    IN,
    OUT,
    READ,
    VERSION,
    WEB_SEARCH,
    WRITE_1H,
    WRITE_5M,
    Reader,
    answered,
    ask,
    body,
    claude,
    emitted,
    ends_as_if_max_tokens,
    events,
    fake,
    figure,
    fresh_user,
    no_hold_left,
    refused,
    result,
    sdk,
    turned_down,
    unharmed,
    until,
    usd,
    within_caps,
)

RICH = """
  rich:
    model: claude-opus-5-5
    tools: [web_search]
    limits: {usd: 100}
"""
WEB = """
  web_search:
    description: "What: searches the web, at the provider. When: no page is known that answers it. Side effects: the query leaves."
    effect: egress
    risk: LOW
    risk_reason: only for this test
    input_schema: {type: object}
"""
POLICIES = """
@id("all") permit (principal in Role::"support", action, resource);
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Iterator[RunningProject]:
    users = "users: {rich: {roles: [support], limits: {usd: none}}, "
    settings = SETTINGS.replace("users: {", users)
    settings = settings.replace("\ntools:\n", RICH + "tools:\n") + WEB[1:]
    # A declared speed, so that streams hold in tranches and can be cut by what others spend.
    settings = settings.replace(
        "SCRIPTED_UPSTREAM_KEY", "SCRIPTED_UPSTREAM_KEY, max_tokens_per_s: 512"
    )
    with RunningProject(
        tmp_path_factory.mktemp("p"), settings=settings, policies=POLICIES
    ) as running:
        yield running


@pytest.fixture
def session(project):
    return project.open(user=fresh_user())


def cap(project: RunningProject, session: Opened, scope: str, usd_nano: int, window: str) -> None:
    """Set a cap by hand, as an operator does while calls run."""
    view = project.view(session.session_id)
    owner = {"session": f"acme/{session.session_id}", "user": f"acme/{view['user']}"}[scope]
    asked = {
        "scope": scope,
        "owner": owner,
        "dimension": "usd",
        "window": window,
        "limit": usd_nano,
        "reason": "a test",
    }
    reply = project.call("PUT", "/v1/budgets", asked)
    assert reply.status == 200, reply.body


def settled_records(project: RunningProject, session: Opened) -> list[dict[str, Any]]:
    # What ended a stream is queued, not awaited; opening a session waits for all before it.
    project.open(user=fresh_user())
    return project.records(session=session.session_id, kind="model_call.settled")


def paid_requests(project: RunningProject, session: Opened) -> list[str]:
    """The verdict on every model call that reached the till, in order."""
    found = project.records(session=session.session_id, kind="budget.decided")
    return [r["verdict"] for r in found if r["body"]["purpose"] == "model"]


def test_two_sessions_on_one_users_cap_are_cut_well_formed_and_never_pass_it(project):
    user = fresh_user()
    both = [project.open(user=user) for _ in range(2)]
    usd_cap = 250_000_000
    cap(project, both[0], "user", usd_cap, "hour")
    # Both have begun before either is long: together they want more than the cap. As fast as this
    # upstream is declared to be: what is faster can be cut only once it is paid for.
    pacing = {"first_event_delay_ms": 1000, "event_interval_ms": 80, "tokens_per_delta": 40}
    request = body({"words": 20_000, "pacing": pacing})
    said: list[Any] = []

    together = threading.Barrier(2)

    def stream(session: Opened) -> None:
        with sdk(project, session) as client:
            together.wait(30)
            asked = {**request, "max_tokens": 12_000}
            with client.messages.stream(**asked) as answer:
                said.append(answer.get_final_message())

    threads = [threading.Thread(target=stream, args=(one,)) for one in both]
    for thread in threads:
        thread.start()
    while any(t.is_alive() for t in threads):
        within_caps(project, both[0])
        time.sleep(0.02)
    assert [m.stop_reason for m in said] == ["max_tokens"] * 2
    assert all(len(m.content[0].text) > 1000 for m in said)
    cuts = project.records(user=user, kind="model_call.cut")
    assert cuts
    assert "user:acme" in cuts[0]["body"]["reason"]
    hour = [
        a
        for a in project.accounts(both[0].session_id)
        if (a["scope"], a["window"]) == ("user", "hour")
    ]
    assert hour[0]["limit"] == usd_cap
    assert 0.5 * usd_cap < hour[0]["settled"] <= usd_cap
    unharmed(project, both[0])


def test_a_cap_lowered_under_a_stream_cuts_it_and_the_next_call_is_402(project, session):
    turn = {"words": 30_000, "pacing": {"event_interval_ms": 3}}
    reader = Reader(project, session, body(turn, stream=True) | {"max_tokens": 30_000})
    until(lambda: len(reader.seen) > 2000)
    now = usd(project, session)
    cap(project, session, "session", now["held"], "life")
    ends_as_if_max_tokens(reader.whole())
    no_hold_left(project, session)
    within_caps(project, session)
    assert settled_records(project, session)[-1]["body"]["ended"].startswith("cut: budget_exceeded")
    cap(project, session, "session", usd(project, session)["settled"], "life")
    before = len(project.model.message_requests)
    reply = ask(project, session, body({"text": "x"}))
    error = refused(reply, 402, "billing_error", says="budget_exceeded")
    assert reply.headers["x-should-retry"] == "false"
    assert error["fields"]["account"].startswith("session:")
    assert len(project.model.message_requests) == before
    unharmed(project, session)


def test_the_sdk_with_its_retries_on_makes_one_request_of_a_402(project):
    session = project.open(user=fresh_user(), limits={"usd": "0"})
    with (
        sdk(project, session, max_retries=4) as client,
        pytest.raises(anthropic.APIStatusError) as caught,
    ):
        client.messages.create(**body({"text": "x"}))
    assert caught.value.status_code == 402
    assert paid_requests(project, session) == ["deny"]


@pytest.mark.part("claude-code")
def test_claude_code_ends_after_a_refusal_for_money_at_once(project, tmp_path: Path):
    session = project.open(user=fresh_user(), limits={"usd": "0"})
    code, said = claude(project, session, tmp_path, fake({"text": "never said"}))
    assert code != 0
    assert said["is_error"]
    assert "402" in said["result"]
    assert "budget_exceeded" in said["result"]
    assert paid_requests(project, session) == ["deny"]


@pytest.mark.part("claude-code")
def test_claude_code_ends_within_three_requests_of_a_cap_in_its_answer(project, tmp_path: Path):
    session = project.open(user=fresh_user(), limits={"usd": "0.30"})
    begun = time.monotonic()
    code, said = claude(project, session, tmp_path, fake({"words": 40_000}, {"words": 40_000}))
    figure(f"ended after {time.monotonic() - begun:.1f} s: {said['result'][:100]}")
    assert code != 0
    assert "402" in said["result"]
    verdicts = paid_requests(project, session)
    assert verdicts[0] == "allow"
    assert verdicts[-1] == "deny"
    assert len(verdicts) <= 3
    assert usd(project, session)["settled"] > 0
    unharmed(project, session)


def test_max_tokens_is_lowered_to_what_the_cap_could_still_afford(project):
    session = project.open(user=fresh_user(), limits={"usd": "0.10"})
    request = body({"words": 30_000}) | {"max_tokens": 60_000}
    with sdk(project, session) as client, client.messages.stream(**request) as stream:
        said = stream.get_final_message()
    assert said.stop_reason == "max_tokens"
    sent = project.model.message_requests[-1].json["max_tokens"]
    assert 3000 < sent < 5000
    assert said.usage.output_tokens == sent
    account = usd(project, session)
    assert account["settled"] == said.usage.input_tokens * IN + sent * OUT
    assert account["settled"] <= 100_000_000


@pytest.mark.parametrize(("cents", "allowed"), [("0.08", True), ("0.02", False)])
def test_a_thinking_budget_stays_below_the_lowered_max_tokens_or_the_call_is_refused(
    project, cents, allowed
):
    session = project.open(user=fresh_user(), limits={"usd": cents})
    thinking = {"type": "enabled", "budget_tokens": 2000}
    request = body({"thinking": "hm", "text": "ok"}, thinking=thinking) | {"max_tokens": 20_000}
    reply = ask(project, session, request)
    if allowed:
        assert reply.status == 200, reply.body
        sent = project.model.message_requests[-1].json
        assert sent["thinking"] == thinking
        assert 2000 < sent["max_tokens"] < 20_000
    else:
        refused(reply, 402, "billing_error")
    unharmed(project, session)


def test_a_half_written_tool_call_of_a_cut_stream_is_never_permitted(project, session):
    turn = {
        "tool": "Bash",
        "input": {"command": "echo " + "x " * 40_000},
        "pacing": {"event_interval_ms": 2},
    }
    request = body(turn, {"text": "on"}, stream=True, tools=[BASH]) | {"max_tokens": 60_000}
    reader = Reader(project, session, request)
    until(lambda: len(reader.seen) > 3000)
    cap(project, session, "session", usd(project, session)["held"], "life")
    seen = reader.whole()
    ends_as_if_max_tokens(seen)
    block = next(e for e in seen if e["type"] == "content_block_start")["content_block"]
    partial = "".join(
        e["delta"]["partial_json"] for e in seen if e["type"] == "content_block_delta"
    )
    assert block["type"] == "tool_use"
    assert partial.startswith('{"command":"echo x')
    cap(project, session, "session", 5_000_000_000, "life")
    command = partial.removeprefix('{"command":"')
    for arguments in ({"command": command}, {}, {"command": "echo " + "x " * 40_000}):
        turned_down(project.decide(session, block["id"], "Bash", arguments), 403, "permit_invalid")
    blocks = [{**block, "input": {}}]
    # What the client made of it passes as an error, in our words; as a success it stops the session.
    failed = answered(blocks, result(block["id"], "half ran", is_error=True), tools=[BASH])
    assert ask(project, session, failed).status == 200
    assert "half ran" not in project.model.message_requests[-1].raw.decode()
    ran = answered(blocks, result(block["id"], "half ran"), tools=[BASH])
    refused(ask(project, session, ran), 403, "permission_error", says="without a permit")
    unharmed(project, session)


def test_a_tool_call_that_the_provider_cut_at_max_tokens_is_never_permitted(project, session):
    turn = {"tool": "Bash", "input": {"command": "echo " + "x " * 300}}
    for stream in (True, False):
        request = body(turn, stream=stream, tools=[BASH]) | {"max_tokens": 60}
        reply = ask(project, session, request)
        if stream:
            seen = events(reply.body)
            block = next(e for e in seen if e["type"] == "content_block_start")["content_block"]
        else:
            block = reply.json["content"][0]
        for arguments in ({}, {"command": "echo " + "x " * 300}):
            reply = project.decide(session, block["id"], "Bash", arguments)
            turned_down(reply, 403, "permit_invalid")


@pytest.mark.parametrize("stream", [True, False])
def test_what_is_settled_is_the_providers_usage_at_its_prices(project, stream):
    session = project.open(agent="rich", user="rich")
    usage = {
        "input_tokens": 11,
        "cache_creation_5m": 70,
        "cache_creation_1h": 500,
        "cache_read": 3,
        "output_tokens": 13,
        "server_tool_use": {"web_search_requests": 2},
    }
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
    kept = {"type": "ephemeral", "ttl": "1h"}
    request = body(
        {"text": "found", "usage": usage},
        stream=stream,
        tools=[search],
        system=[{"type": "text", "text": "be brief", "cache_control": kept}],
    )
    reply = ask(project, session, request)
    assert reply.status == 200, reply.body
    cost_in = 11 * IN + 70 * WRITE_5M + 500 * WRITE_1H + 3 * READ + 2 * WEB_SEARCH
    account = usd(project, session)
    assert (account["settled"], account["held"]) == (cost_in + 13 * OUT, 0)
    [record] = settled_records(project, session)
    assert record["cost_nusd"] == cost_in + 13 * OUT
    assert (record["body"]["in_nusd"], record["body"]["out_nusd"]) == (cost_in, 13 * OUT)
    assert record["body"]["exact"] is True


def test_an_unknown_model_is_refused_before_anything_is_sent(project, session):
    before = len(project.model.requests)
    for name in ("claude-nobody-9", "gpt-4o", "claude-opus-5-5\n", "a" * 5000):
        reply = ask(project, session, body({"text": "x"}) | {"model": name})
        error = refused(reply, 400, "invalid_request_error", says="no price is known")
        assert error["code"] == "unknown_model"
        assert len(error["message"]) < 300
    assert len(project.model.requests) == before
    assert usd(project, session)["settled"] == 0


def test_a_prompt_of_100_kb_works_under_a_cap_of_half_a_dollar(project):
    session = project.open(user=fresh_user(), limits={"usd": "0.50"})
    text = "The order was paid in full and shipped on time. " * 2200
    system = [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]
    assert len(text) > 100_000
    reply = ask(project, session, body({"text": "ok"}, system=system) | {"max_tokens": 8000})
    assert reply.status == 200, reply.body
    paths = [r.path for r in project.model.requests[-2:]]
    assert paths == ["/v1/messages/count_tokens", "/v1/messages"]
    assert project.model.message_requests[-1].json["max_tokens"] == 8000
    within_caps(project, session)


def test_a_client_that_leaves_closes_the_upstream_and_pays_a_bound(project, session):
    turn = {"words": 4000, "pacing": {"event_interval_ms": 5}}
    line = project.connection()
    headers = {**VERSION, "x-api-key": session.token}
    request = body(turn, stream=True) | {"max_tokens": 8000}
    line.request("POST", "/v1/messages", json.dumps(request), headers)
    answer = line.getresponse()
    while len(answer.read1()) == 0:
        pass
    upstream = project.model.message_requests[-1]
    left_at = time.monotonic()
    answer.close()
    line.close()
    gone_at = until(lambda: upstream.client_disconnected_at)
    figure(f"the upstream was closed {(gone_at - left_at) * 1000:.1f} ms after the client left")
    assert gone_at - left_at < 1.0
    assert upstream.finished_at is None
    [record] = until(lambda: settled_records(project, session))
    assert record["body"]["ended"] == "abandoned"
    assert record["body"]["exact"] is False
    assert record["body"]["usage"]["output_tokens"] >= upstream.events_sent
    assert record["cost_nusd"] >= upstream.events_sent * OUT
    unharmed(project, session)


def test_a_client_that_leaves_before_the_provider_answered_is_charged_too(project, session):
    turn = {"text": "late", "faults": [{"hang_before_headers_s": 30}]}
    line = project.connection()
    headers = {**VERSION, "x-api-key": session.token}
    before = len(project.model.message_requests)
    line.request("POST", "/v1/messages", json.dumps(body(turn, stream=True)), headers)
    until(lambda: len(project.model.message_requests) > before)
    upstream = project.model.message_requests[-1]
    until(lambda: upstream.raw)
    line.sock.close()
    line.close()
    until(lambda: upstream.client_disconnected_at)
    [record] = until(lambda: settled_records(project, session))
    assert record["body"]["exact"] is False
    assert record["cost_nusd"] > 0
    unharmed(project, session)


def test_alerts_come_once_at_50_80_and_100_percent(project):
    session = project.open(user=fresh_user(), limits={"usd": "0.20"})
    spend = {"text": "x", "usage": {"input_tokens": 0, "output_tokens": 1000}}
    statuses = []
    for _ in range(14):
        reply = ask(project, session, body(spend) | {"max_tokens": 1000})
        statuses.append(reply.status)
    assert statuses[0] == 200
    assert statuses[-1] == 402
    alerts = [
        (r["body"]["percent"])
        for r in project.records(session=session.session_id, kind="budget.alert")
        if r["body"]["account"].startswith("session:") and ":usd:" in r["body"]["account"]
    ]
    assert sorted(alerts) == [40, 50, 80, 100]
    assert [a for a in alerts if a > 40] == [50, 80, 100]


def test_what_was_in_flight_at_a_crash_counts_as_used_and_everything_else_goes_on(tmp_path):
    with RunningProject(tmp_path) as project:
        session = project.open()
        [call] = emitted(project, session, {"tool": "lookup", "input": {"order": "7"}})
        assert project.decide(session, call["id"], "lookup", {"order": "7"}).json["permit"]
        before = usd(project, session)["settled"]
        turn = {"words": 5000, "pacing": {"event_interval_ms": 20}}
        reader = Reader(project, session, body(turn, stream=True) | {"max_tokens": 9000})
        until(lambda: len(reader.seen) > 500)
        held = usd(project, session)["held"]
        last_seq = project.records(session=session.session_id)[-1]["seq"]
        project.stop(signal.SIGKILL)
        reader.join(10)
        assert reader.broken
        project.start()
        account = usd(project, session)
        assert account["held"] == 0
        assert account["settled"] == before + held
        within_caps(project, session)
        unknown = [
            r for r in settled_records(project, session) if r["body"].get("outcome") == "unknown"
        ]
        assert len(unknown) == 1
        assert unknown[0]["seq"] > last_seq
        assert unknown[0]["cost_nusd"] == held
        assert project.view(session.session_id)["cost_nusd"] == before + held
        # The permitted call's result may still come back, and a new call is paid for.
        request = answered([call], result(call["id"], "paid"))
        request["messages"][0]["content"] = fake({"text": "x"}, {"text": "on"})
        reply = ask(project, session, request)
        assert reply.status == 200, reply.body
        assert reply.json["content"][0]["text"] == "on"
        unharmed(project, session)
