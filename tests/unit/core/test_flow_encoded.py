"""What reads as words and what as something that was encoded, at each limit and one beyond it."""

import pytest

from holdfast.core.flow.encoded import fault_of_form
from tests.corpora.typed import checked

MODULE = pytest.mark.parametrize("module", ["holdfast.core.flow.encoded"])
UNSEEN = "holds a sign that is not seen"
MARKS = "holds marks that no word is written with"
ALIKE = "holds letters that look like others"
SYMBOLS = "holds many symbols"
SPACES = "says something by its spaces"
PUNCTUATION = "says something by its punctuation"
ESCAPES = "holds escapes"
NUMBER = "holds a long number"
DIGITS = "holds many digits"
NUMBERS = "holds many numbers"
SPELT = "is spelt letter by letter"
ENCODED = "holds a word that reads as encoded"
MANY = "holds many words that read as encoded"


@pytest.fixture(autouse=True)
def typed(module):
    with checked(module) as wrong:
        yield
    assert wrong == []


def differing(table):
    return {text: found for text, said in table.items() if (found := fault_of_form(text)) != said}


@MODULE
def test_letters_are_what_they_seem(module):
    table = {
        "": "",
        "plain words": "",
        "gr\u00fc\u00dfe aus k\u00f6ln": "",
        "a\tb": UNSEEN,
        "a\u00a0b": UNSEEN,
        "a\u200bb": UNSEEN,
        "a\ue000b": UNSEEN,
        "\uff41nn": ALIKE,
        "x\u00b2": ALIKE,
        "\u00bd cup": ALIKE,
        # Marks: two on a letter that is written with them, none on one that has its own.
        "\u0915\u094d\u0937\u0940": "",
        "\u0915\u0940\u0902": "",
        "\u0915\u0940\u0902 \u0915\u0940\u0902": "",
        "\u0915\u0940\u0902\u0903": MARKS,
        "e\u0301": MARKS,
        "\u0435\u0301": MARKS,
        "\u03b1\u0301": MARKS,
        "\u6f22\u0301": MARKS,
        "\u0301": MARKS,
        "\u0966\u0940": MARKS,
        # Two symbols of any kind; those that people type do not count.
        "\u2603\u2211 caf\u00e9": "",
        "\u2603\u2211\u20bf caf\u00e9": SYMBOLS,
        "\u2603\u2604\u2605": SYMBOLS,
        "\u2211\u220f\u221a": SYMBOLS,
        "\u20bf\u20bd\u20a9": SYMBOLS,
        "\u02c5\u02c4\u02d2": SYMBOLS,
        "5 \u00a3 6 \u20ac 7 \u00b0 8 \u00a7": "",
        # Letters of two scripts in one word.
        "p\u0430ypal": ALIKE,
        "\u03c0r": ALIKE,
        "\u0430\u03b2": ALIKE,
        "\u043f\u0440\u0438\u0432\u0435\u0442 world \u03b1\u03b2": "",
        "\u0430-b": "",
        "a\u6f22": "",
        "\u0430\u0431123": "",
    }
    assert differing(table) == {}


@MODULE
def test_a_text_says_nothing_by_its_spaces_signs_and_digits(module):
    table = {
        " a": SPACES,
        "a ": SPACES,
        "a  b": SPACES,
        "a b": "",
        "wait ... what": "",
        "wait .... what": PUNCTUATION,
        "wait ?!?! what": PUNCTUATION,
        "see %41 b": "",
        "see %41%42": ESCAPES,
        "a&amp;b": "",
        "a&amp;&lt;b": ESCAPES,
        "a&#x41;&#x42;": ESCAPES,
        r"a\x41": "",
        r"a\x41\x42": ESCAPES,
        r"a\u0041\101": ESCAPES,
        # Four signs, and one more for three letters.
        "ab..cd..ef..gh": "",
        "ab .. cd .. ef .. gh": "",
        "ab..cd..ef..gh.": PUNCTUATION,
        "ab..cd..ef..ghi.": "",
        "ab..cd..ef..ghi..": PUNCTUATION,
        "..a..": "",
        "..a..-": PUNCTUATION,
        "_._a_._": PUNCTUATION,
        # Nine digits in a row; days, times and hosts are not rows.
        "number 123456789": "",
        "number 1234567890": NUMBER,
        "call 123 456 (78) 9": "",
        "call 123 456 (78) 90": NUMBER,
        "call 123-456/78.90": NUMBER,
        "2024-01-02 to 2024-01-03": "",
        "2024-01/02 2024-01": NUMBER,
        "1.2.2024 3/4/2024": "",
        "12:30 12:45 13:00 13:15": "",
        "at 192.168.100.200": "",
        "12345678 a 12345678 b 1234": "",
        "12345678 a 12345678 b 12345": DIGITS,
    }
    assert differing(table) == {}


@MODULE
def test_few_words_have_digits_or_are_one_letter(module):
    table = {
        "k1 k2 k3 k4 k5 k6 end": "",
        "k1 k2 k3 k4 k5 k6 k7": NUMBERS,
        "a b c d": "",
        "a b c d e": SPELT,
        "a-b-c-d e": SPELT,
        "a b c d 1 2": "",
        "a b c d \u00e9 \u00fc": "",
    }
    assert differing(table) == {}


@MODULE
def test_a_word_is_no_key_and_no_encoding(module):
    table = {
        "a" * 40: "",
        "a" * 41: ENCODED,
        # Letters and digits in turn; a long word that ends in a digit.
        "a1b2": "",
        "a1b2c": ENCODED,
        "x a1b2c y": ENCODED,
        "internalization": "",
        "internalizatio1": "",
        "internalization1": ENCODED,
        "1nternalization": "",
        "1internalization": ENCODED,
        # Five runs of three letters each, of less than three, and four of less.
        "AbcDefGhiJklMno": "",
        "AbcDefGhiJklMn": ENCODED,
        "AbcDefGhiJk": "",
        "\u00c4bcD\u00e9fGhiJklMno": "",
        "\u00c4bcD\u00e9fGhiJklMn": ENCODED,
        # Twenty letters in runs of less than four.
        "AbcDefGhiJklMnopQrs": "",
        "AbcDefGhiJklMnopQrst": ENCODED,
        "AbceEfghIjklMnopQrst": "",
        "Abc|Def|Ghi|Jkl|Mnop": "",
        "useInsertionEffect": "",
        "sha256": "",
        "1.2.3": "",
        # Seven consonants in a row in a word of twelve letters.
        "aeioubcdfgha": "",
        "aeiobcdfghja": ENCODED,
        "AEIOBCDFGHJA": ENCODED,
        "eiobcdfghja": "",
        "aeiobcdfghj1": "",
        "\u00e4eiobcdfghja": "",
        # Vowels are 0.18 of a word of twelve letters.
        "bcdfgabcdfg": "",
        "bcdfgabcdfgh": ENCODED,
        "bcdfgabcdage": "",
        "bcdfgabcdfyhobcd": "",
        "bcdfgabcdfyhobcdf": ENCODED,
        "bcdfgabcdfyhobcdy": "",
    }
    assert differing(table) == {}


@MODULE
def test_three_words_may_be_odd_and_four_short_ones_great(module):
    table = {
        "IPv6 IPv4 IPv5": "",
        "IPv6 IPv4 IPv5 IPv7": MANY,
        "IPv6-IPv4-IPv5-IPv7": ENCODED,
        "iPaB cPaB dPaB ePaB": MANY,
        "aB cD eF gH iJ": "",
        "AbcDefGhIj BbcDefGhIj CbcDefGhIj DbcDefGhIj": "",
        "AbcDeGhIj BbcDeGhIj CbcDeGhIj DbcDeGhIj": MANY,
        "NASA ESA JAXA CNSA": "",
        "NASA ESA JAXA CNSA ISRO": MANY,
        "NASA.ESA-JAXA CNSA ISRO": MANY,
        "NASA, ESA, JAXA, CNSA, ISRO": "",
        "NASA ESA JAXA CNSA AEROSP": "",
    }
    assert differing(table) == {}
