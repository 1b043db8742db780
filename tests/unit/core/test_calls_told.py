"""Whole answers on tool calls: risk, whose text is returned, what may be written, in every word."""

from functools import cache

import pytest

from tests.corpora import calls_told as corpus
from tests.corpora.typed import checked

TOLD = corpus.told()


@cache
def answered():
    with checked(*corpus.modules()) as wrong:
        return {call: corpus.answer(call) for call in TOLD}, wrong


@pytest.mark.parametrize("module", corpus.modules())
def test_a_call_is_answered_so_in_every_word(module):
    assert module.startswith("holdfast.core.")
    answers, wrong = answered()
    assert wrong == []
    assert {c: a for c, a in answers.items() if a != TOLD[c]} == {}, (
        "where that is meant, run `python -m tests.corpora.calls_told` and read the diff"
    )


def test_the_corpus_is_large_enough_to_mean_something():
    assert len(TOLD) >= 500
    others = sum("own of others" in answer for answer in TOLD.values())
    assert 0.2 < others / len(TOLD) < 0.8
