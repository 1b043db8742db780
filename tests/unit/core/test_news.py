"""What of a result is news: the corpus of what is, and of what changes by itself."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.news import news_of

NO_NEWS = [
    ({"now": 1796051061, "state": "waiting"}, {"now": 1796051999, "state": "waiting"}),
    ("it is 2026-11-30T15:04:05Z, queued", "it is 2026-11-30T15:09:41Z, queued"),
    ("Mon, 30 Nov 2026 15:03:58 GMT", "Mon, 30 Nov 2026 16:13:02 GMT"),
    ("15:04 still building", "15:09 still building"),
    ("ok (took 12 ms)", "ok (took 981 ms)"),
    ("1 failed in 0.31s", "1 failed in 2.07s"),
    ("1 failed in 3 seconds", "1 failed in 41 seconds"),
    ({"duration_ms": 3, "ok": False}, {"duration_ms": 77, "ok": False}),
    ({"elapsed": 1.5, "state": "queued"}, {"elapsed": 9.25, "state": "queued"}),
    ({"request_id": "req_a81", "state": "x"}, {"request_id": "req_77f", "state": "x"}),
    (
        {"id": "7b0c5f4e-93f1-4f5b-9a57-2f4d1e9b8c11"},
        {"id": "5f4d2c1e-13f1-4a5b-8a57-9f4d1e9b8c10"},
    ),
    ("trace 7b0c5f4e93f14f5b", "trace 5f4d2c1e13f14a5b"),
    ({"counter": 1, "state": "x"}, {"counter": 2, "state": "x"}),
    ({"progress": 10}, {"progress": 20}),
    ("downloading 12 %", "downloading 57 %"),
    ("step 3 of 20", "step 4 of 20"),
    ("[###.....] 3/8", "[######..] 6/8"),
    ("attempt 4: connection refused", "attempt 5: connection refused"),
    ("poll #12 pending", "poll #13 pending"),
    ({"updated_at": "2026-11-30 15:04:05", "s": 1}, {"updated_at": "2026-11-30 15:05:05", "s": 1}),
    ({"etag": "abc1", "rows": []}, {"etag": "abd2", "rows": []}),
    ({"uptime_s": 1, "tick": 4}, {"uptime_s": 9, "tick": 5}),
]
NEWS = [
    ("order 7", "order 8"),
    ("3 tests failed", "2 tests failed"),
    ({"sum": 40}, {"sum": 41}),
    ({"rows": [1]}, {"rows": [1, 2]}),
    ("queued", "running"),
    ({"state": "queued", "at": 1}, {"state": "running", "at": 1}),
    ("error on line 12", "error on line 14"),
    ("page two of the book", "page three of the book"),
    ({"count": 3}, {"count": 4}),
    ("built a.o", "built b.o"),
    ("balance 10.00 EUR", "balance 12.00 EUR"),
    ("version 1.2.3", "version 1.2.4"),
    ("m1.py", "m2.py"),
    ({"price": 99}, {"price": 98}),
    ("temperature 21", "temperature 22"),
    ({"name": "ann"}, {"name": "bob"}),
    ("1 error", "1 error\n1 warning"),
    ({"remaining": 3}, {"remaining": 2}),
    ("no such file: a", "no such file: b"),
    ([], [{}]),
]


def spelled(value: object) -> str:
    return json.dumps(value)


def as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def blocks(value: object) -> list[object]:
    return [{"type": "text", "text": as_text(value)}]


# What doors make of the same result: an MCP server's blocks, a body around them, what a command
# printed in several lines, and JSON in JSON in JSON.
DOORS = {
    "plain": lambda value: value,
    "blocks": blocks,
    "body": lambda value: {"content": blocks(value), "isError": False},
    "printed": lambda value: {"stdout": f"$ run\n{as_text(value)}\nend\n", "stderr": ""},
    "thrice": lambda value: blocks(blocks(value)),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("one", "other"), NO_NEWS)
def test_what_changes_by_itself_is_no_news_at_any_door(door, one, other):
    wrapped = DOORS[door]
    assert news_of(spelled(wrapped(one))) == news_of(spelled(wrapped(other)))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("one", "other"), NEWS)
def test_what_says_something_else_is_news_at_any_door(door, one, other):
    wrapped = DOORS[door]
    assert news_of(spelled(wrapped(one))) != news_of(spelled(wrapped(other)))


@given(st.text())
def test_the_same_result_is_never_news(text):
    assert news_of(text) == news_of(text)


def test_what_is_too_long_to_be_looked_at_is_what_it_is():
    long = "x" * 70_000
    assert news_of(f"{long} 15:04") != news_of(f"{long} 15:05")


# Written after the rule, never tuned on: what it does not know stands beside what it knows.
APART_NO_NEWS = [
    ("last seen 3 min ago, still open", "last seen 9 min ago, still open"),
    ({"ts": "1796051061.12", "ok": True}, {"ts": "1796051093.55", "ok": True}),
    ("Nov 30 15:04:05 host app: waiting", "Nov 30 15:09:11 host app: waiting"),
    ({"heartbeat": 17, "status": "alive"}, {"heartbeat": 18, "status": "alive"}),
    ("job 9f86d081884c7d65 queued", "job 60303ae22b998861 queued"),
    ({"elapsed_ms": 120, "result": []}, {"elapsed_ms": 97, "result": []}),
    ("ETA 00:12:09", "ETA 00:11:58"),
    ("45% |####      | 9/20", "60% |######    | 12/20"),
    ("retry #3 failed: timeout", "retry #4 failed: timeout"),
    ({"trace_id": "abc-1", "err": "E1"}, {"trace_id": "abc-2", "err": "E1"}),
    ("uptime 12 days, load ok", "uptime 13 days, load ok"),
    ("2026/11/30 15:04 no change", "2026/11/30 15:05 no change"),
    ("response in 0.45 seconds: empty", "response in 0.51 seconds: empty"),
    (
        {"checked": "2026-11-30T15:04:05.123456+00:00", "new": 0},
        {"checked": "2026-11-30T15:05:05.654321+00:00", "new": 0},
    ),
    ("pid 4711 is running", "pid 4712 is running"),
]
APART_NEWS = [
    ("12 passed, 3 failed", "13 passed, 2 failed"),
    ({"unread": 2}, {"unread": 3}),
    ("stock: 14 pieces", "stock: 13 pieces"),
    ({"status": "open", "assignee": "ann"}, {"status": "open", "assignee": "bob"}),
    ("line 40: x = 1", "line 41: x = 2"),
    ("total 99.50", "total 99.75"),
    ({"page": 1, "items": ["a"]}, {"page": 2, "items": ["b"]}),
    ("temperature is 21.5 C", "temperature is 22.0 C"),
    ("README.md changed", "LICENSE changed"),
    ({"votes": 10}, {"votes": 11}),
    ("commit by ann: fix", "commit by ann: feature"),
    ("5 files", "6 files"),
    ({"balance_cents": 4000}, {"balance_cents": 3500}),
    ("E404 not found", "E500 server error"),
    ("port 8080 is open", "port 8081 is open"),
]


def test_of_what_was_kept_apart_so_much_is_judged_rightly():
    def alike(pair):
        return news_of(spelled(pair[0])) == news_of(spelled(pair[1]))

    missed = [pair[0] for pair in APART_NO_NEWS if not alike(pair)]
    false = [pair[0] for pair in APART_NEWS if alike(pair)]
    assert (missed, false) == (["45% |####      | 9/20", "pid 4711 is running"], [])


def test_a_result_costs_what_it_is_long_whatever_it_is_made_of():
    """Twice as long is at most about twice the work, for what makes patterns look again."""
    for piece in (
        "\\\\",
        "\\\\n",
        "1",
        '"_',
        "_",
        "ab",
        "1.1,",
        "1 ",
        "a1 ",
        '"id_',
        "1 of ",
        "10:1",
        "try ",
        "-",
    ):
        spent = []
        for length in (16_000, 64_000):
            text = (piece * length)[:length]
            spent.append(min(took(text) for _ in range(3)))
        assert spent[1] < 4 * spent[0] * 2 + 0.005, (piece, spent)


def took(text: str) -> float:
    begun = time.process_time()
    news_of(text)
    return time.process_time() - begun
