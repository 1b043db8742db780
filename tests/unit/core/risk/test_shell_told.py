"""The judge's whole answers: level, findings, programs, files, hosts, as the corpus has them."""

from functools import cache

import pytest

from holdfast.core.risk.shell import classify
from tests.corpora import told as corpus
from tests.corpora.typed import checked

MODULES = corpus.modules()


@cache
def answered(name):
    about = [module for module, names in MODULES.items() if name in names]
    with checked(*about) as wrong:
        return {command: corpus.answer(command) for command in corpus.told(name)}, wrong


@pytest.mark.parametrize("module", list(MODULES))
def test_what_a_part_of_the_judge_decides_is_answered_so_in_every_word(module):
    for name in MODULES[module]:
        (answers, wrong), told = answered(name), corpus.told(name)
        assert wrong == []
        assert {command: a for command, a in answers.items() if a != told[command]} == {}, (
            "where that is meant, run `python -m tests.corpora.told` and read the diff"
        )


def test_the_corpus_is_large_enough_to_mean_something():
    names = {name for names in MODULES.values() for name in names}
    assert sum(len(corpus.told(name)) for name in names) >= 2_500
    assert len(MODULES) >= 25


def test_what_nobody_can_see_is_spelt_so_that_it_can_be_read():
    for text in ("a\nb", "a\tb\0", "ls \u202e x", "plain"):
        assert corpus.read(corpus.spell(text)) == text
    assert corpus.spell("a\n\x1b") == "a⏎⟨1b⟩"


def test_an_answer_names_each_list_that_is_not_empty():
    command = "cd src && cat a.py > b.py"
    assert corpus.shown(classify(command, folder="/p"), command) == (
        "MEDIUM; file_write in `> b.py`; programs cd cat; writes b.py; reads a.py; folders src;"
        " named write:b.py read:src read:a.py"
    )
