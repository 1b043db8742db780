"""Loops, stalls, turns and time, and the provider's trouble, at each door."""

import itertools
import json
import time
from concurrent.futures import ThreadPoolExecutor

from tests.promises.calls import once
from tests.promises.doors import DONE, VERSION, Work, call
from tests.promises.house import fresh, until
from tests.promises.matrix import promise
from tests.promises.settings import MODEL, OTHER


@once
def looping(door) -> Work:
    """A model that asks for the same look-up 240 times, and sees the same each time."""
    return door.work(*[call("look", f"same-{door.name}")] * 240, DONE)


@once
def stepping(door) -> Work:
    """A model that makes progress turn after turn, and never ends."""
    return door.work(
        *[call("step", f"on-{door.name}-{n}") for n in range(40)], DONE, agent="turning"
    )


@promise("S75")
def test_a_runaway_loop_is_stopped_and_honest_repetition_is_not(door):
    """240 turns of one ticket end under the cap; five orders, each looked up and refunded, go on."""
    work = looping(door)
    assert work.answers() <= 30
    assert len(work.acts("look", f"same-{door.name}")) <= 6
    orders = [f"S75-{door.name}-{n}" for n in range(5)]
    turns = [turn for o in orders for turn in (call("look", o), call("pay", o, amount=1))]
    honest = door.work(*turns, DONE, task="open/honest")
    assert [r["error"] for r in honest.read()] == [False] * 10, honest.read()
    assert (honest.failed, honest.text) == (False, "done"), honest.said
    changing = door.work(*[call("step", f"S75-{door.name}")] * 9, DONE)
    assert [r["error"] for r in changing.read()] == [False] * 9, "each answer was news"


@promise("S82")
def test_a_stall_of_few_distinct_calls_is_found(door):
    """In a window of five calls with at most two signatures and nothing new; a clock is no news."""
    work = door.work(
        *[call("look", f"a-{door.name}"), call("look", f"b-{door.name}")] * 8,
        *[call("clock", f"c-{door.name}")] * 12,
        DONE,
    )
    seen = len(work.acts("look", f"a-{door.name}")) + len(work.acts("look", f"b-{door.name}"))
    assert seen <= 8, f"{seen} calls that brought nothing new were run"
    codes = {r["body"]["code"] for r in work.records("loop.alert")}
    assert codes
    refused = [r for r in work.read("look") if r["error"]]
    assert any("loop_detected" in r["text"] or "stall" in r["text"] for r in refused), refused
    assert len(work.acts("clock", f"c-{door.name}")) <= 8, "only the time was another"


@promise("S77")
def test_identical_calls_are_alerted_at_the_nth(door):
    """Three within five minutes, in the journal and at the receiver, before a further call is made."""
    work = looping(door)
    order = f"same-{door.name}"
    third = [r for r in work.decided("look") if r["body"]["arguments"]["order"] == order][2]
    fourth = [r for r in work.decided("look") if r["body"]["arguments"]["order"] == order][3]
    alerts = [r for r in work.records("loop.alert") if r["seq"] < fourth["seq"]]
    assert alerts
    assert alerts[0]["seq"] > work.decided("look")[1]["seq"]
    told = until(lambda: door.house.receiver.told(work.session_id, "loop.alert"), 10)
    assert told, "the receiver was told of no loop"
    first = told[0]
    assert first["at_ns"] <= fourth["at_ns"], (first, third["at_ns"], fourth["at_ns"])


@promise("S79")
def test_turns_warn_at_twenty_alert_beyond_twenty_five_and_stop_at_thirty(door):
    work = stepping(door)
    assert work.failed, work.said
    assert work.answers() == 30
    turns = sorted(json.dumps(r["body"]) for r in work.records("loop.alert"))
    assert any('"stops": true' in said for said in turns), turns
    told = [m["fields"] for m in door.house.receiver.told(work.session_id, "loop.alert")]
    assert len(told) >= 3, f"of 20, of more than 25, and of the stop the receiver was told {told}"


@promise("S80")
def test_a_turn_that_takes_too_long_ends(door):
    """One second here; sixty unless somebody says otherwise."""
    slow = {"words": 3000, "pacing": {"event_interval_ms": 100}}
    work = door.begin(slow, DONE, agent="brief")
    cut = until(lambda: work.records("model_call.cut") or work.records("model_call.settled"), 20)
    assert cut
    settled = until(lambda: work.records("model_call.settled"), 20)[0]["body"]
    assert settled["ended"] != "complete", settled
    assert settled["duration_ms"] < 5000
    door.house.project.call("POST", f"/v1/sessions/{work.session_id}/kill", {"reason": "seen"})
    held = [r for r in looping(door).records("budget.decided") if r["body"]["purpose"] == "model"]
    assert held[0]["body"]["amounts"]["seconds"] == 60


@promise("S81")
def test_a_session_ends_when_its_hour_is_over(door):
    """Three seconds here; an hour unless somebody says otherwise."""
    view = looping(door).view()
    # A run's hour begins when a worker has it, not while it stands in the queue.
    lasts_s = (view["expires_at_ns"] - view["opened_at_ns"]) / 1e9
    assert 3600 <= lasts_s < (3660 if door.name == "runs" else 3600.001)
    slow = {
        "words": 500,
        "pacing": {"event_interval_ms": 60},
        "tools": [{"tool": "look", "input": {"order": "S81"}}],
    }
    work = door.begin(
        slow, *[call("step", f"S81-{n}") for n in range(20)], DONE, agent="short_lived"
    )
    assert until(lambda: work.view()["state"] in ("expired", "stopped"), 30), work.view()
    work.wait()
    assert work.acts("step", "S81-9") == []
    assert work.answers() <= 3


@promise("S72")
def test_what_fails_is_tried_again_a_bounded_number_of_times(door):
    """With growing random waits; how often, and how long at most, stand in the settings."""
    work = door.work({"text": "ok", "fault": {"status": 529, "times": 2}}, agent="stubborn")
    assert (work.text, work.failed) == ("ok", False)
    tried = door.house.requests(work.marker)
    assert [r.status for r in tried][:3] == [529, 529, 200]
    # Its client may have asked again for itself, once the gateway had given up.
    told = [r for r in work.records() if r["kind"] in ("model_call.settled", "model_call.refused")]
    assert len(told) > 1 or told[0]["body"].get("retried"), told
    waits = [b.started_at - a.started_at for a, b in itertools.pairwise(tried)]
    assert all(wait < 5 for wait in waits)


@promise("S76")
def test_no_client_retries_without_a_ceiling(door):
    """73 tries in 19 minutes cannot be: ten failed tries end a session's calls, whoever tries."""
    fault = {"text": "never", "fault": {"status": 529}}
    work = door.begin(fault, agent="stubborn").or_end()
    assert work.text != "never"
    assert len(door.house.requests(work.marker)) <= 12
    project = door.house.project
    opened = project.open(agent="stubborn", user=fresh("u"), tenant="acme")
    marker = fresh("storm")
    said = f"{marker} FAKE:" + json.dumps([fault])
    body = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": said}]}
    for _ in range(73):
        project.call(
            "POST", "/v1/messages", body, token=opened.token, headers=VERSION, url=project.model_url
        )
    assert len(door.house.requests(marker)) <= 12


@promise("S83")
def test_a_breaker_opens_after_five_failures_for_a_minute_and_admits_one_probe(door):
    project = door.house.project
    fault = [{"text": "ok", "fault": {"status": 500, "times": 1}}]

    def ask(agent, turns, marker):
        opened = project.open(agent=agent, user=fresh("u"), tenant="acme")
        said = f"{marker} FAKE:" + json.dumps(turns)
        body = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": said}]}
        return project.call(
            "POST", "/v1/messages", body, token=opened.token, headers=VERSION, url=project.model_url
        ).status

    name = f"broken_{door.name}"
    for _ in range(5):
        ask(name, fault, fresh("fails"))
    refused = door.begin(DONE, agent=name).or_end(8)
    assert door.house.requests(refused.marker) == []
    opened = project.call("GET", "/v1/records?tenant=&kind=upstream.opened").json.get("records", [])
    assert refused.failed
    del opened
    mended = f"mended_{door.name}"
    for _ in range(5):
        ask(mended, fault, fresh("fails"))
    time.sleep(1.3)
    slow = [{"text": "ok", "pacing": {"first_event_delay_ms": 700}}]
    marker = fresh("probe")
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: ask(mended, slow, marker), range(6)))
    assert len(door.house.requests(marker)) == 1, found
    work = door.work(DONE, agent=mended)
    assert (work.text, work.failed) == ("done", False), work.said


@promise("S84")
def test_the_gateway_keeps_its_rate_falls_back_and_fails_cleanly(door):
    """Sixty requests a minute; on 429 and 5xx the fallback answers; where all fail, one clean error."""
    work = door.work({"text": "ok", "fault": {"status": 429, "times": 1}}, agent="falls_back")
    assert (work.text, work.failed) == ("ok", False), work.said
    assert work.records("model_call.settled")[-1]["body"]["model"] == OTHER
    other = door.work({"text": "ok", "fault": {"status": 500, "times": 1}}, agent="falls_back")
    assert other.records("model_call.settled")[-1]["body"]["model"] == OTHER
    failed = door.begin({"text": "never", "fault": {"status": 500}}, agent="falls_back").or_end(8)
    assert failed.failed
    assert "Traceback" not in failed.said
    project = door.house.project
    name = f"rated_{door.name}"
    body = {
        "model": MODEL,
        "max_tokens": 9,
        "messages": [{"role": "user", "content": 'FAKE:["ok"]'}],
    }
    found: list[int] = []
    for _ in range(4):
        opened = project.open(agent=name, user=fresh("u"), tenant="acme")
        for _ in range(20):
            reply = project.call(
                *("POST", "/v1/messages", body),
                token=opened.token,
                headers=VERSION,
                url=project.model_url,
            )
            found.append(reply.status)
    assert set(found) == {200, 429}, found
    assert 58 <= found.count(200) <= 70, found


@promise("S90")
def test_how_full_a_context_is_is_seen_and_alerted(door):
    """195,000 of 200,000 tokens: per cent in the session, an alert in the journal and at the receiver."""
    full = {"usage": {"input_tokens": 195_000}}
    work = door.begin({**call("look", "S90"), **full}, {**DONE, **full}, agent="roomy")
    alert = until(lambda: work.records("context.alert"), 30)
    work.wait()
    assert alert, work.said
    assert alert[0]["body"]["percent"] >= 80
    assert len(work.records("context.alert")) == 1, "it stayed as full, and was told again"
    seen = [r["body"].get("context_percent") or 0 for r in work.records("model_call.settled")]
    assert max(seen) >= 90, seen
    assert work.view()["context_percent"] >= 90
    assert until(lambda: door.house.receiver.told(work.session_id, "context.alert"), 10)
