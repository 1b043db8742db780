"""Token buckets: what is drawn in any time never exceeds a minute's worth and what flowed in."""

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.rates import NS_PER_MIN, Bucket, Draw, Meters, Rates

steps = st.lists(
    st.tuples(st.integers(1, 30), st.integers(0, 3 * NS_PER_MIN)), min_size=1, max_size=60
)


@given(per_minute=st.integers(1, 1000), steps=steps)
def test_draws_that_wait_never_exceed_the_rate_in_any_span(per_minute, steps):
    bucket, now, drawn = Bucket(per_minute, 0), 0, []
    for pieces, pause in steps:
        now += pause + bucket.wait_ns(pieces, now + pause)
        assert bucket.wait_ns(pieces, now) == 0
        bucket.draw(pieces, now)
        drawn.append((now, pieces))
    for first in range(len(drawn)):
        total = 0
        for last in range(first, len(drawn)):
            total += drawn[last][1]
            span = drawn[last][0] - drawn[first][0]
            flowed = per_minute * (NS_PER_MIN + span)
            # One call larger than what is there when it is full is let through once it is full.
            excess = sum(max(p - per_minute, 0) for _, p in drawn[first : last + 1])
            assert (total - excess) * NS_PER_MIN <= flowed


@given(per_minute=st.integers(1, 1000), pieces=st.integers(1, 5000), now=st.integers(0, 10**15))
def test_wait_is_the_least_that_suffices(per_minute, pieces, now):
    bucket = Bucket(per_minute, 0)
    bucket.draw(pieces, now)
    wait = bucket.wait_ns(1, now)
    assert bucket.wait_ns(1, now + wait) == 0
    again = Bucket(per_minute, 0)
    again.draw(pieces, now)
    assert wait == 0 or again.wait_ns(1, now + wait - 1) > 0


def test_sixty_a_minute_are_sixty_at_once_and_then_one_a_second():
    bucket = Bucket(60, 0)
    for _ in range(60):
        assert bucket.wait_ns(1, 0) == 0
        bucket.draw(1, 0)
    assert bucket.wait_ns(1, 0) == 1_000_000_000
    assert bucket.wait_ns(1, 400_000_000) == 600_000_000


def test_what_is_given_back_never_makes_more_than_a_minutes_worth():
    bucket = Bucket(10, 0)
    bucket.draw(-500, 0)
    bucket.draw(10, 0)
    assert bucket.wait_ns(1, 0) > 0


def test_a_clock_that_stands_still_or_runs_back_refills_nothing():
    bucket = Bucket(60, NS_PER_MIN)
    bucket.draw(60, NS_PER_MIN)
    assert bucket.wait_ns(1, 0) == bucket.wait_ns(1, NS_PER_MIN) == 1_000_000_000


def test_meters_wait_for_the_scarcest_and_ignore_what_is_open():
    meters = Meters(Rates(requests=60, output_tokens=600), 0)
    draw = Draw(1, 10**9, 600)
    assert meters.wait_ns(draw, 0) == 0
    meters.draw(draw, 0)
    assert meters.wait_ns(Draw(1, 0, 0), 0) == 0
    assert meters.wait_ns(Draw(1, 0, 60), 0) == 6_000_000_000
