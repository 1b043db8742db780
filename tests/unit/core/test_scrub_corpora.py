"""The two scrub corpora: secrets by place and form that must go, texts that must stay."""

import json

import pytest

from holdfast.core.scrub import RuleScrubber
from tests.corpora import scrub as corpora

SECRETS, HARMLESS = corpora.secrets(), corpora.harmless()
SCRUBBER = RuleScrubber()


def test_the_corpora_are_large_enough_and_a_third_is_kept_apart():
    for texts in (SECRETS, HARMLESS):
        assert len(texts) >= 200
        assert len({text.line for text in texts}) == len(texts)
        assert 0.25 < sum(text.apart for text in texts) / len(texts) < 0.42
    assert all(text.secrets for text in SECRETS)


def test_a_secret_that_was_not_taken_out_is_seen_to_be_left():
    for text in SECRETS:
        assert text.left_in(text.text), text.line
        assert not text.left_in("nothing"), text.line


@pytest.mark.parametrize("text", [t for t in SECRETS if not t.apart], ids=lambda t: t.line[:60])
def test_a_secret_goes_wherever_it_stands(text):
    assert not corpora.leaks(SCRUBBER, text), SCRUBBER.text(text.text)


@pytest.mark.parametrize("text", [t for t in HARMLESS if not t.apart], ids=lambda t: t.line[:60])
def test_what_is_no_secret_stays_as_it_is(text):
    assert not corpora.changes(SCRUBBER, text), SCRUBBER.text(text.text)


def test_on_the_part_kept_apart_at_least_95_of_100_go_and_at_most_3_do_not_stay():
    secrets = [t for t in SECRETS if t.apart]
    left = [t.line for t in secrets if corpora.leaks(SCRUBBER, t)]
    assert len(left) <= 0.05 * len(secrets), left
    harmless = [t for t in HARMLESS if t.apart]
    changed = [t.line for t in harmless if corpora.changes(SCRUBBER, t)]
    assert len(changed) <= 0.03 * len(harmless), changed


@pytest.mark.parametrize("texts", [SECRETS, HARMLESS], ids=["secrets", "harmless"])
def test_scrubbing_twice_is_scrubbing_once(texts):
    for text in texts:
        once = SCRUBBER.text(text.text)
        assert SCRUBBER.text(once) == once, text.line
        tree = SCRUBBER.tree({"output": text.text, "a": [json.dumps(text.text)]})
        assert SCRUBBER.tree(tree) == tree, text.line
