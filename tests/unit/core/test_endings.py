"""How an answer ended, and the words that a journal, a relay's line and a span have for it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.core import endings
from holdfast.core.endings import ABANDONED, COMPLETE, LOST, STOPPED, Ending, How
from holdfast.errors import UpstreamUnavailable

TOLD = [how for how in How if how is not How.STOPPED]
WRITTEN = st.one_of(
    st.text(),
    st.builds("{}{}{}".format, st.sampled_from(How), st.sampled_from(["", ":", ": "]), st.text()),
)


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (COMPLETE, "complete"),
        (ABANDONED, "abandoned"),
        (LOST, "lost: the relay that carried it is gone"),
        (STOPPED, "stopped before the provider answered"),
        (endings.stopped("session_stopped: killed"), "session_stopped: killed"),
        (endings.cut("budget_exceeded: no room"), "cut: budget_exceeded: no room"),
        (
            endings.broken("overloaded_error"),
            "broken: the provider sent an error event (overloaded_error)",
        ),
        (endings.failed(UpstreamUnavailable("gone")), "broken: gone"),
        (endings.failed(UpstreamUnavailable("late", ours=True)), "unread: late"),
    ],
)
def test_an_ending_is_written_in_the_words_that_journals_have(ending, words):
    assert ending.words == words
    assert endings.read(words) == ending


@given(how=st.sampled_from(TOLD), why=st.text())
@example(how=How.CUT, why=": ")
@example(how=How.BROKEN, why="cut: twice")
def test_what_an_ending_says_is_read_as_it_was(how, why):
    assert endings.read(Ending(how, why).words) == Ending(how, why)


@given(words=WRITTEN)
@example(words="cut: ")
@example(words="stopped: so")
@example(words="completely")
def test_whatever_a_journal_holds_is_written_again_as_it_was(words):
    assert endings.read(words).words == words


@pytest.mark.parametrize("words", ["", "completely", "cut: ", "broken:so", "stopped: x", "Cut: x"])
def test_words_that_begin_as_no_ending_does_are_a_reason_and_complete_nothing(words):
    assert endings.read(words) == endings.stopped(words)
    assert endings.read("complete: x") != COMPLETE
