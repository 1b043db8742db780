"""Words whose letters are not what they look like are named, and those of languages are not."""

import pytest

from holdfast.model.lookalikes import read_as
from tests.corpora.dialogs import ALIKE, HONEST


@pytest.mark.parametrize(("word", "told"), ALIKE)
def test_a_word_that_looks_like_another_is_named(word, told):
    assert any(one in read_as(word) for one in told.split("|"))


@pytest.mark.parametrize("text", [one for one in HONEST if isinstance(one, str)])
def test_words_of_languages_are_not(text):
    assert not any(read_as(word) for word in text.split() if not word.isascii())


@pytest.mark.parametrize("word", ["xn--99999999999.com", "xn--", "a.xn--\u20ac.com", "XN--"])
def test_a_name_for_machines_that_none_reads_is_left_alone(word):
    assert "is the name" not in read_as(word) or word == "xn--"
