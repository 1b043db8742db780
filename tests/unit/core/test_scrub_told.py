"""What is left of texts with secrets in them, letter by letter."""

from functools import cache

import pytest

from tests.corpora import scrub_told as corpus
from tests.corpora.typed import checked

TOLD = corpus.told()


@cache
def answered():
    with checked(*corpus.modules()) as wrong:
        return {line: corpus.answer(line) for line in TOLD}, wrong


@pytest.mark.parametrize("module", corpus.modules())
def test_what_is_left_of_a_text_is_told_letter_by_letter(module):
    assert module.startswith("holdfast.core.scrub.")
    answers, wrong = answered()
    assert wrong == []
    assert {line: a for line, a in answers.items() if a != TOLD[line]} == {}, (
        "where that is meant, run `python -m tests.corpora.scrub_told` and read the diff"
    )


def test_the_corpus_is_large_enough_to_mean_something():
    assert len(TOLD) >= 500
    assert sum("<secret:" in answer for answer in TOLD.values()) >= 300
