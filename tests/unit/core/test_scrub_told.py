"""What is left of texts with secrets in them, letter by letter."""

import pytest

from tests.corpora import scrub_told as corpus
from tests.corpora.typed import checked

TOLD = corpus.told()


@pytest.mark.parametrize("module", corpus.modules())
def test_what_is_left_of_a_text_is_told_letter_by_letter(module):
    assert module.startswith("holdfast.core.scrub.")
    with checked(module) as wrong:
        answers = {line: corpus.answer(line) for line in TOLD}
    assert not wrong
    assert {line: a for line, a in answers.items() if a != TOLD[line]} == {}, (
        "where that is meant, run `python -m tests.corpora.scrub_told` and read the diff"
    )


def test_the_corpus_is_large_enough_to_mean_something():
    assert len(TOLD) >= 500
    assert sum("<secret:" in answer for answer in TOLD.values()) >= 300
