"""A short soak: a mixed load with faults, held against its own ledger; `make soak` plays hours."""

import math
import random

import pytest

from tests.chaos.gauges import Watch, slope
from tests.chaos.soak import Told, report, soaked


def test_under_a_mixed_load_with_faults_nothing_sticks_leaks_or_is_lost(tmp_path):
    told, watch = soaked(tmp_path, 10.0, seed=3, every_s=1.0, most_open=8)
    assert told.sound, report(told, watch, 0.1)
    assert told.runs > 0
    assert told.counts["worker kills"] > 0
    assert told.counts["guard calls"] > 0
    assert told.counts["streams read"] > 0
    assert watch.inside, "the server did not say what it holds"


def points(rise_mb_per_min: float, noise: float, count: int = 120) -> list[tuple[float, float]]:
    dice = random.Random(1)
    return [(n * 5.0, 100 + rise_mb_per_min * n / 12 + dice.gauss(0, noise)) for n in range(count)]


def test_a_rise_is_found_beyond_its_noise_and_noise_alone_is_none():
    rising, flat = slope(points(1.0, 0.5)), slope(points(0.0, 0.5))
    assert rising is not None
    assert flat is not None
    assert 0.8 < rising.low < rising.high < 1.2
    assert flat.low < 0 < flat.high
    assert Told(rss=rising).rises(0.1)
    assert not Told(rss=flat).rises(0.1)


def test_what_a_rising_load_holds_is_no_leak_and_a_leak_under_it_is_found():
    dice = random.Random(3)
    load = [1000 + 8.0 * n + 400 * math.sin(n / 9) for n in range(120)]
    held = [100 + 0.05 * one + dice.gauss(0, 0.5) for one in load]
    for leak, low, high in ((0.0, -0.3, 0.3), (1.0, 0.7, 1.3)):
        seen = [(n * 5.0, size + leak * n / 12) for n, size in enumerate(held)]
        alone, beside = slope(seen), slope(seen, load)
        assert alone is not None
        assert beside is not None
        assert alone.mb_per_min > 3
        assert low < beside.mb_per_min < high
        assert beside.low < leak < beside.high


def test_steps_that_hang_together_widen_the_interval():
    dice, walked, at = random.Random(2), [], 100.0
    for n in range(120):
        at += dice.gauss(0, 0.5)
        walked.append((n * 5.0, at))
    wandering, noisy = slope(walked), slope(points(0.0, 0.5))
    assert wandering is not None
    assert noisy is not None
    assert wandering.high - wandering.low > 3 * (noisy.high - noisy.low)


def test_too_few_samples_say_nothing():
    assert slope(points(1.0, 0.1, count=10)) is None
    assert not Told(rss=None).rises(0.1)


@pytest.mark.parametrize("what", ["stuck", "failed", "lost", "repeated", "held", "surprises"])
def test_any_one_fault_fails_the_soak(what):
    assert Told().sound
    told = Told()
    setattr(told, what, ["one"])
    assert not told.sound


def test_what_grew_is_named_with_its_first_and_last_count(tmp_path):
    watch = Watch(0, 0, tmp_path / "told", tmp_path / "db")
    watch.inside = [(1.0, {"ours": {"A": 1}}), (5.0, {"ours": {"A": 2, "B": 9}})]
    assert watch.grown("ours", 0.0) == [("B", 0, 9), ("A", 1, 2)]
    assert watch.grown("ours", 3.0) == []
