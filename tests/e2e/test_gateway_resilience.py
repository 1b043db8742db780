"""A provider in trouble behind the running server, seen by the real SDK client as it ships."""

import json
import subprocess
import sys
from collections.abc import Iterator

import anthropic
import pytest

from holdfast.testing.project import SETTINGS, RunningProject
from tests.served import (
    ask,
    body,
    events,
    fresh_user,
    no_hold_left,
    refused,
    sdk,
    unharmed,
    usd,
    within_caps,
)

UPSTREAMS = """
    retries: {attempts: 2, base_s: 0.01, most_s: 0.02}
    breaker: {failures: 1000}
  careful:
    base_url: "$MODEL_URL"
    api_key_env: SCRIPTED_UPSTREAM_KEY
    retries: {attempts: 0}
    breaker: {failures: 1000}
    fallbacks:
      - {on: [rate_limited, overloaded, upstream], upstream: anthropic, model: claude-haiku-4-5}
  keyed:
    base_url: "$MODEL_URL"
    api_key_envs: [WRONG_KEY, SCRIPTED_UPSTREAM_KEY]
    breaker: {failures: 2, reset_s: 60}
  slow:
    base_url: "$MODEL_URL"
    api_key_env: SCRIPTED_UPSTREAM_KEY
    queue_s: 1
    rates: {"*": {requests: 2}}
"""
AGENTS = """
  falls: {model: claude-opus-5-5, upstream: careful}
  keyed: {model: claude-opus-5-5, upstream: keyed}
  slow: {model: claude-opus-5-5, upstream: slow}
tools:
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Iterator[RunningProject]:
    line = '  anthropic: {base_url: "$MODEL_URL", api_key_env: SCRIPTED_UPSTREAM_KEY}'
    block = '  anthropic:\n    base_url: "$MODEL_URL"\n    api_key_env: SCRIPTED_UPSTREAM_KEY'
    settings = SETTINGS.replace(line, block + UPSTREAMS).replace("\ntools:\n", AGENTS)
    settings = settings.replace(
        "{model: claude-opus-5-5, tools: [Bash",
        "{upstream: anthropic, model: claude-opus-5-5, tools: [Bash",
    )
    with RunningProject(
        tmp_path_factory.mktemp("p"), settings=settings, environment={"WRONG_KEY": "sk-wrong"}
    ) as running:
        yield running


@pytest.fixture
def session(project):
    return project.open(user=fresh_user())


def settled(project, session):
    # A broken stream is settled without waiting; opening a session waits for all before it.
    project.open(user=fresh_user())
    return project.records(session=session.session_id, kind="model_call.settled")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "times": 2, "retry_after_s": 0.05},
        {"status": 529, "times": 2},
        {"status": 500, "times": 2},
        {"status": 503, "times": 1},
    ],
    ids=lambda fault: str(fault["status"]),
)
def test_the_client_never_hears_of_trouble_that_passes(project, session, fault, stream):
    # The model counts attempts by the turn's words: each case has its own.
    text = f"all is well ({fault['status']}, {stream})"
    request = body({"text": text, "faults": [fault]})
    with sdk(project, session) as client:
        if stream:
            with client.messages.stream(**request) as answer:
                message = answer.get_final_message()
        else:
            message = client.messages.create(**request)
    assert message.content[0].text == text
    (record,) = settled(project, session)
    assert len(record["body"]["retried"]) == fault["times"]
    assert record["body"]["exact"]
    unharmed(project, session)


@pytest.mark.parametrize("status", [429, 500, 529])
def test_trouble_that_stays_is_the_providers_own_error_after_three_tries(project, session, status):
    request = body({"text": "never", "faults": [{"status": status}]})
    with sdk(project, session) as client, pytest.raises(anthropic.APIStatusError) as failed:
        client.messages.create(**request)
    assert failed.value.status_code == status
    (record,) = project.records(session=session.session_id, kind="model_call.refused")
    assert len(record["body"]["retried"]) == 3
    assert usd(project, session)["settled"] == 0
    unharmed(project, session)


def test_another_model_answers_under_its_own_name_and_price(project):
    session = project.open(agent="falls", user=fresh_user())
    # The fault lasts one attempt: it is counted by turn, whichever upstream is asked.
    request = body({"text": "from the other", "faults": [{"status": 529, "times": 1}]})
    with sdk(project, session) as client:
        message = client.messages.create(**request)
    assert (message.model, message.content[0].text) == ("claude-haiku-4-5", "from the other")
    (record,) = settled(project, session)
    assert (record["body"]["upstream"], record["body"]["model"]) == (
        "anthropic",
        "claude-haiku-4-5",
    )
    usage = record["body"]["usage"]
    assert record["cost_nusd"] == usage["input_tokens"] * 1_000 + usage["output_tokens"] * 5_000
    unharmed(project, session)


def test_when_every_upstream_fails_there_is_one_error_in_the_envelope(project):
    session = project.open(agent="falls", user=fresh_user())
    reply = ask(project, session, body({"text": "never", "faults": [{"status": 500}]}))
    error = refused(reply, 502, "api_error", says="careful: upstream; anthropic: upstream")
    assert error["code"] == "upstream_unavailable"
    assert usd(project, session)["settled"] == 0
    unharmed(project, session)


@pytest.mark.parametrize("count", [0, 1, 4, 9])
def test_a_stream_that_dies_is_settled_once_and_never_sent_again(project, session, count):
    fault = {"close_after_events": count, "close_mid_event": False, "times": 1}
    request = body(
        {"text": "one two three four five six seven", "pacing": {"events": 5}, "faults": [fault]},
        stream=True,
    )
    reply = ask(project, session, request)
    # Before its first event there is no answer yet, whatever the status line said.
    assert reply.status == (200 if count else 502)
    if count:
        assert events(reply.body)[-1]["type"] in ("error", "message_stop")
    assert len(settled(project, session)) == 1
    assert usd(project, session)["settled"] > 0
    no_hold_left(project, session)
    within_caps(project, session)


def test_a_key_that_is_refused_gives_way_and_is_left_alone(project):
    session = project.open(agent="keyed", user=fresh_user())
    for _ in range(6):
        assert ask(project, session, body({"text": "ok"})).status == 200
    (keyed,) = [
        one
        for one in project.call("GET", "/v1/upstreams").json["upstreams"]
        if one["upstream"] == "keyed"
    ]
    assert [key["state"] for key in keyed["keys"]] == ["open", "closed"]
    assert 0 < keyed["keys"][0]["retry_in_s"] <= 60
    said = subprocess.run(
        [
            sys.executable,
            "-m",
            "holdfast.apps.cli.main",
            "upstreams",
            "--json",
            "--project",
            str(project.folder),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    shown = [json.loads(line) for line in said.splitlines()]
    assert {one["upstream"] for one in shown} == {"anthropic", "careful", "keyed", "slow"}
    assert "sk-wrong" not in said
    unharmed(project, session)


def test_beyond_the_rate_a_call_is_told_when_to_come_back(project):
    session = project.open(agent="slow", user=fresh_user())
    for _ in range(2):
        assert ask(project, session, body({"text": "ok"})).status == 200
    reply = ask(project, session, body({"text": "ok"}))
    refused(reply, 429, "rate_limit_error", says="rate_limited")
    assert 20 < int(reply.headers["retry-after"]) <= 30
    unharmed(project, session)
