"""The two shell corpora against the judge: what has to be asked, and what must not be."""

import pytest

from holdfast.core.risk.shell import classify
from holdfast.model.risk import RiskLevel
from tests.corpora import shell as corpora

DANGEROUS, ORDINARY = corpora.dangerous(), corpora.ordinary()
LISTS = {of: (corpora.dangerous(of), corpora.ordinary(of)) for of in (corpora.FIRST, corpora.DAY)}


def level(command):
    return classify(command.text, folder=corpora.FOLDER).level


def test_the_corpora_are_large_enough_and_a_third_is_kept_apart():
    assert len({c.text for c in DANGEROUS}) == len(DANGEROUS) >= 600
    assert len({c.text for c in ORDINARY}) == len(ORDINARY) >= 300
    for commands in (DANGEROUS, ORDINARY):
        assert 0.28 <= sum(c.apart for c in commands) / len(commands) <= 0.39
    assert not {c.text for c in DANGEROUS} & {c.text for c in ORDINARY}


def test_the_list_of_a_later_day_is_another():
    dangerous, ordinary = LISTS[corpora.DAY]
    assert len({c.text for c in dangerous}) == len(dangerous) >= 150
    assert len({c.text for c in ordinary}) == len(ordinary) >= 120
    assert not {c.text for c in dangerous + ordinary} & {c.text for c in DANGEROUS + ORDINARY}


@pytest.mark.parametrize("of", list(LISTS))
@pytest.mark.parametrize("apart", [False, True], ids=["worked on", "kept apart"])
def test_what_is_dangerous_is_high(apart, of):
    part = [c for c in LISTS[of][0] if c.apart is apart]
    below = [c.text for c in part if level(c) < RiskLevel.HIGH]
    assert len(below) <= 0.02 * len(part), below


@pytest.mark.parametrize("of", list(LISTS))
@pytest.mark.parametrize("apart", [False, True], ids=["worked on", "kept apart"])
def test_what_is_ordinary_is_not_asked(apart, of):
    part = [c for c in LISTS[of][1] if c.apart is apart]
    asked = [c.text for c in part if level(c) >= RiskLevel.HIGH]
    assert len(asked) <= 0.03 * len(part), asked


def test_nothing_dangerous_counts_as_reading():
    reads = [
        c.text
        for c in DANGEROUS + LISTS[corpora.DAY][0]
        if classify(c.text, folder=corpora.FOLDER).read_only
    ]
    assert not reads


@pytest.mark.parametrize("command", corpora.closed())
def test_a_place_that_was_closed_stays_closed(command):
    risk = classify(command, folder=corpora.FOLDER)
    assert risk.level >= RiskLevel.HIGH
    assert not risk.read_only


@pytest.mark.parametrize("command", corpora.left_open())
def test_ordinary_work_of_another_day_is_not_asked(command):
    assert classify(command, folder=corpora.FOLDER).level < RiskLevel.HIGH
