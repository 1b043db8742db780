"""What the console puts out of texts, money and times."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.apps.console.pages import environment
from holdfast.apps.console.showing import age, ago, exact, marked, usd
from tests.corpora.hostile_texts import HONEST, HOSTILE

S = 1_000_000_000
_MOVES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def drawn(template: str, **values: object) -> str:
    return environment().from_string(template).render(**values)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_hostile_text_acts_hides_or_moves_what_stands_beside_it(text):
    shown = drawn("<p>{{ text }}</p><i title='{{ text }}'></i>", text=text)
    inside = shown.removeprefix("<p>").partition("</p>")[0]
    assert not set("<>\"'") & set(inside)
    assert all(unicodedata.category(c) not in _MOVES or c in "\n\t" for c in inside)
    assert shown.count("<") == 4


@pytest.mark.parametrize("text", HONEST)
def test_an_honest_text_is_shown_sign_for_sign(text):
    assert marked(text) == text


@given(st.text())
def test_nothing_is_lost_in_silence(text):
    shown = marked(text)
    for char in text:
        kind = unicodedata.category(char)
        assert char in shown or kind == "Zs" or f"⟨U+{ord(char):04X}⟩" in shown


@given(st.text())
def test_what_is_shown_is_shown_the_same_again(text):
    assert marked(marked(text)) == marked(text)


def test_an_emoji_is_whole_and_a_joiner_elsewhere_is_written_out():
    assert marked("👩\u200d💻") == "👩\u200d💻"
    assert marked("pay\u200dpal") == "pay⟨U+200D⟩pal"
    assert marked("\u200d💻") == "⟨U+200D⟩💻"


def test_a_value_of_a_form_comes_back_as_it_was():
    assert str(exact("a\u200db")) == "a\u200db"
    assert str(exact('"><b>')) == "&#34;&gt;&lt;b&gt;"


def test_money_is_short_and_never_nothing_where_something_was_spent():
    amounts = [0, 1, 99_999, 12_345_678, 500_000_000, S, 1_234_567 * S, -S]
    assert [usd(one) for one in amounts] == [
        *("$0.00", "<$0.0001", "<$0.0001", "$0.0123", "$0.50", "$1.00", "$1,234,567.00", "-$1.00")
    ]


def test_spans_are_said_in_their_largest_units():
    spans = [0, 59 * S, 65 * S, 3 * 3600 * S + 61 * S, 50 * 3600 * S]
    assert [age(one) for one in spans] == ["0s", "59s", "1m 05s", "3h 01m", "2d 02h"]
    assert [ago(0, one) for one in spans] == ["now", "59s", "1m", "3h", "2d"]
    assert ago(5 * S, 0) == "now"
