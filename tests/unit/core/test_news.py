"""What of a result is news: the corpus of what is, and of what changes by itself."""

import json

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


@pytest.mark.parametrize(("one", "other"), NO_NEWS)
def test_what_changes_by_itself_is_no_news(one, other):
    assert news_of(spelled(one)) == news_of(spelled(other))


@pytest.mark.parametrize(("one", "other"), NEWS)
def test_what_says_something_else_is_news(one, other):
    assert news_of(spelled(one)) != news_of(spelled(other))


@given(st.text())
def test_the_same_result_is_never_news(text):
    assert news_of(text) == news_of(text)


def test_what_is_too_long_to_be_looked_at_is_what_it_is():
    long = "x" * 70_000
    assert news_of(f"{long} 15:04") != news_of(f"{long} 15:05")
