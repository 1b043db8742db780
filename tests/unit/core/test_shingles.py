"""Runs of words: their numbers, the forms that a text is read in, and what says nothing to a reader."""

import base64
import hashlib

import pytest

from holdfast.core.shingles import (
    Words,
    alone,
    forms,
    head_of,
    is_opaque,
    names,
    pieces,
    runs_of,
    tokens,
)
from tests.corpora.typed import checked

MODULE = pytest.mark.parametrize("module", ["holdfast.core.shingles"])
A, B, C, D = 2**64 - 1, 2**63 + 5, 7, 2**40


@pytest.fixture(autouse=True)
def typed(module):
    with checked(module) as wrong:
        yield
    assert wrong == []


def number(word):
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest())


def run(*numbers):
    """The first word's upper 24 bits; below them all the words, as digits of one number."""
    tail = 0
    for one in numbers:
        tail = tail * 0x9E3779B97F + one + 1
    return (numbers[0] >> 40 << 40) + tail % 2**40


@MODULE
def test_a_word_has_one_number_of_64_bits_however_often_it_is_met(module):
    words = Words()
    assert words.of(["ann", "bob", "ann"]) == [number("ann"), number("bob"), number("ann")]
    assert words.of(["bob", "\udc00"]) == [number("bob"), number("?")]
    assert words.of([]) == []
    assert words._known == {one: number(one) for one in ("ann", "bob")} | {"\udc00": number("?")}
    words._known["ann"] = 3
    assert words.of(["ann"]) == [3]


@MODULE
def test_a_run_is_the_first_word_above_and_all_words_below(module):
    given = [A, B, C, D, A]
    assert list(alone(given)) == [run(one) for one in given]
    assert list(runs_of(given, 1)) == [run(one) for one in given]
    assert list(runs_of(given, 2)) == [run(A, B), run(B, C), run(C, D), run(D, A)]
    assert list(runs_of(given, 3)) == [run(A, B, C), run(B, C, D), run(C, D, A)]
    for size in (1, 2, 3):
        assert len(list(runs_of(given[:size], size))) == 1
        assert list(runs_of(given[: size - 1], size)) == []
    assert [head_of(one) for one in (A, B, C, D)] == [2**24 - 1, 2**23, 0, 1]
    assert head_of(run(B, A, C)) == head_of(B)


@MODULE
@pytest.mark.parametrize(
    "table",
    [{
        "plain": ["plain"],
        "  1\tone\n 22: two\n333\u2192three": ["one\ntwo\nthree"],
        "1:one 2: two": ["one 2: two"],
        "1 one": [],
        "123456789\tx": ["x"],
        "1234567890\tx": [],
        "          1\tx": ["x"],
        "           1\tx": [],
        "a%20b%C3%A9": ["a b\u00e9"],
        "%ff": ["\ufffd"],
        "a &amp; b": ["a & b"],
        # Three rounds, and no fourth; what stands after the last is given, too.
        "&amp;amp;lt;": ["&amp;lt;", "&lt;", "<"],
        "&amp;amp;amp;lt;": ["&amp;amp;lt;", "&amp;lt;", "&lt;"],
        "%31%09x": ["1\tx", "x"],
        r"a\nb\tc\rd\be\ff": ["a b c d e f"],
        r"\"\'\/\\": ["\"'/\\"],
        r"\u0041\x42\u12": [r"AB\u12"],
        r"\u0075\x": [r"u\x"],
        r"\q": [],
        "see bm8gc2VjcmV0cyBoZXJl": ["no secrets here"],
        r"\x36e6f20736563726574": ["6e6f20736563726574", "no secret"],
    }],
)  # fmt: skip
def test_a_text_is_read_in_these_forms_and_no_others(module, table):
    assert {text: forms(text) for text in table} == {
        text: list(dict.fromkeys([text, *others])) for text, others in table.items()
    }


@MODULE
def test_names_are_two_words_with_capitals_beside_each_other(module):
    assert list(names("Ann Lee met Bob Ray Fox, not ann Lee or Ann lee")) == [
        ("ann", "lee"), ("bob", "ray"), ("ray", "fox"),
    ]  # fmt: skip
    assert list(names("\u00c9va Kov\u00e1cs")) == [("\u00e9va", "kov\u00e1cs")]
    for none in (
        "A Lee",
        "Ann L",
        "Ann  Lee",
        "Ann-Lee",
        "x1Ann Lee",
        "Ann Lee9",
        f"Ann {'L' * 41}",
        "",
    ):
        assert list(names(none)) == [], none
    assert list(names(f"Ann {'L' * 40}")) == [("ann", "l" * 40)]
    assert list(names(f"{'L' * 40} Ann")) == [("l" * 40, "ann")]


@MODULE
def test_tokens_are_words_in_small_letters_and_at_the_end_grouped_numbers(module):
    assert tokens("Ann_Lee's IBAN: DE-77") == ["ann", "lee", "s", "iban", "de", "77"]
    assert tokens("1,234.567 and 12'000") == [
        "1",
        "234",
        "567",
        "and",
        "12",
        "000",
        "1234567",
        "12000",
    ]
    assert tokens("1 234 567") == ["1", "234", "567", "1234567"]
    assert tokens("x1,234 1,2345 1234,567 .1,234") == (
        ["x1", "234", "1", "2345", "1234", "567", "1", "234"]
    )  # fmt: skip
    assert tokens("\uff21\uff4e\u200bn") == ["ann"]
    assert tokens("") == []


@MODULE
def test_a_long_word_is_cut_in_pieces_end_to_end_and_a_shorter_one_is_not(module):
    letters = "abcdefghijklmnopqrstuvwxyz"
    assert list(pieces(letters[:15])) == []
    assert list(pieces(letters[:16])) == ["~abcdefgh", "~ijklmnop"]
    assert list(pieces(letters[:23])) == ["~abcdefgh", "~ijklmnop"]
    assert list(pieces(letters[:24])) == ["~abcdefgh", "~ijklmnop", "~qrstuvwx"]
    assert list(pieces("\u00e9bcdefg")) == []
    assert list(pieces("\u00e9bcdefgh")) == ["~\u00e9bcd", "~efgh"]
    assert list(pieces(letters[:7], 1)) == []
    assert list(pieces(letters[:8], 1)) == ["~abcdefgh"]
    assert list(pieces(letters[:10], 1)) == ["~abcdefgh", "~bcdefghi", "~cdefghij"]
    assert list(pieces("\u00e9bcde", 1)) == ["~\u00e9bcd", "~bcde"]
    assert len(list(pieces("a" * 4_096))) == 512
    assert len(list(pieces("a" * 4_200))) == 512
    assert len(list(pieces("a" * 4_095))) == 511


def hexed(size):
    """Hex letters that are no text in any reading."""
    return (hashlib.sha512(b"5").hexdigest() * 2)[:size]


KEY = base64.b64encode(hashlib.sha512(b"key").digest()).decode().replace("=", "").replace("/", "x")


@MODULE
@pytest.mark.parametrize(
    ("text", "opaque"),
    [
        (KEY[:64], True),
        (KEY[:63], False),
        (f"see {KEY[:64]} there", True),
        (hexed(96), True),
        (hexed(95), False),
        (hexed(96).upper(), True),
        ("A" * 32 + "a" * 32, False),
        ("A" * 32 + "a" * 31 + "1", True),
        ("a" * 95 + "1", True),
        ("a" * 64 + "1", False),
        # The longest run between slashes counts.
        ("/".join([KEY[:20]] * 4), False),
        ("/".join([KEY[:24]] * 4), True),
        ("/".join([KEY[:23]] * 4), False),
        ("/".join(["a" * 10, KEY[:60]]), True),
        # What reads as text is no key; a key after it is one.
        (base64.b64encode(b"what is written here reads as text 1 2 3 4 5 6 7 8 9").decode(), False),
        (base64.b64encode(b"what is written here reads as text 1 2 3 4 5 6 7 8 9").decode() + " " + KEY[:64], True),
        ("", False),
    ],
)  # fmt: skip
def test_a_long_run_of_mixed_letters_says_nothing_to_a_reader(module, text, opaque):
    assert is_opaque(text) is opaque
