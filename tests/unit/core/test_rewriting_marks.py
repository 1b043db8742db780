"""Marks of rewritten results, part by part: what is kept of a raw one, and what a shown one is held to."""

import base64
import hashlib
import json

import pytest

from holdfast.core.rewritings import (
    MOST_CHARACTERS,
    Seen,
    _ends,
    _is_strong,
    _is_text,
    _known,
    _leaves,
    _Met,
    _Said,
    _some,
    _values,
    is_raw,
    rewriting_marks,
    seen_in,
)
from holdfast.core.shingles import Words, alone, runs_of
from tests.corpora.typed import checked

MODULE = pytest.mark.parametrize("module", ["holdfast.core.rewritings"])


@pytest.fixture(autouse=True)
def typed(module):
    with checked(module) as wrong:
        yield
    assert wrong == []


def runs(text, size):
    return set(runs_of(Words().of(text.split()), size))


def single(*words):
    return set(alone(Words().of(words)))


def digest(value):
    raw = hashlib.sha256(json.dumps(value, separators=(",", ":"), sort_keys=True).encode()).digest()
    return base64.b64encode(raw[:9]).decode()


@MODULE
def test_a_word_tells_by_itself_where_it_is_from(module):
    strong = [
        "4711",
        "12345",
        "2101",
        "1899",
        "a1b2c",
        "a-b-c",
        "a" * 20,
        "\u00e9" * 9,
        "1900x",
        "20000",
    ]
    weak = ["471", "1999", "2026", "1900", "a1b2", "a" * 19, "\u00e9" * 8, "", "0"]
    assert [word for word in strong + weak if _is_strong(word)] == strong


@MODULE
def test_texts_and_numbers_of_a_value_are_read_in_order(module):
    table = [
        ("a", ["a"]),
        (["a", ["b", 1, 2.5, True, None], "c"], ["a", "b", "1", "2.5", "c"]),
        (("a", "b"), ["a", "b"]),
        ({"x": "a", "y": {"z": "b"}}, ["a", "b"]),
        ({"type": "text", "text": "a"}, ["a"]),
        ({"type": "only"}, ["only"]),
        ({"type": 3, "x": "a"}, ["3", "a"]),
        ({"type": {"type": "t"}, "x": 1}, ["t", "1"]),
        (None, []),
    ]
    assert [list(_leaves(value)) for value, _ in table] == [found for _, found in table]


@MODULE
def test_values_are_compared_whole_and_as_json(module):
    text = {"type": "text", "text": "[1]"}
    table = [
        ("a", ["a"]),
        ("[1]", ["[1]", [1]]),
        (["a", 3, text, {"x": 1}], ["a", 3, "[1]", [1], {"x": 1}]),
        ({"x": 1}, [{"x": 1}]),
        ("[" * 3, ["[[["]),
        ("null", ["null"]),
        (None, [None]),
    ]
    assert [list(_values(value)) for value, _ in table] == [found for _, found in table]
    blocks = ["a", None, {"type": "text", "text": ""}]
    assert all(map(_is_text, blocks))
    others = [
        1,
        {"type": "text"},
        {"type": "image", "text": "a"},
        {"text": "a"},
        {"type": "text", "text": 1},
        ["a"],
    ]
    assert not any(map(_is_text, others))


@MODULE
def test_what_is_seen_are_digests_and_the_text_where_nobody_else_knows_it(module):
    text = [{"type": "text", "text": "[1]"}]
    values = tuple(map(digest, ("[1]", [1], text)))
    assert seen_in(text) == Seen(values, "[1]")
    assert seen_in(text, texts_known=True) == Seen(values, None)
    assert seen_in("a", texts_known=True) == Seen((digest("a"),), None)
    assert seen_in("a") == Seen((digest("a"),), "a")
    image = [*text, {"type": "image", "n": 5}]
    assert seen_in(image, texts_known=True).text == "[1]\n5"
    assert seen_in(None) == Seen((digest(None),), "")


@MODULE
def test_a_text_says_runs_of_its_lines(module):
    one = _Said("ann pays bob now\nab\nabcd\n\nann pays bob")
    assert one.lines == runs("ann pays bob", 3) | runs("pays bob now", 3) | single("\nab", "\nabcd")
    assert one.weak == single("\nab")
    assert one.spoken == {"ann", "pays", "bob", "now", "ab", "abcd"}
    assert (one.runs, one.vocabulary, one.opaque) == (set(), set(), False)
    assert one.values == (digest("ann pays bob now\nab\nabcd\n\nann pays bob"),)
    assert _Said("ab c").weak == single("\nab c")
    assert _Said("ab cd").weak == _Said("a b c").weak == set()
    whole = _Said("ann pays\nbob now", whole=True)
    edges = ("^pays", "$ann", "^now", "$bob")
    text = "ann pays bob now"
    assert whole.runs == (
        runs(text, 1) | runs(text, 2) | runs(text, 3) | single("\nann pays", "\nbob now", *edges)
    )
    assert whole.vocabulary == runs(text, 1)
    assert whole.lines == single("\nann pays", "\nbob now")
    assert whole.spoken == set(text.split())


@MODULE
def test_what_was_taken_out_are_runs_names_and_strong_words(module):
    raw = "Ann Lee pays\nid 4711 to him\nkept as is"
    left = _Said("kept as is", whole=True)
    found = _Said(raw).taken_out(left)
    assert found == (
        runs("ann lee pays", 3) | runs("id 4711 to", 3) | runs("4711 to him", 3)
        | runs("ann lee", 2) | single("4711")
    )  # fmt: skip
    assert _Said(raw).taken_out(_Said("kept as is 4711 lee", whole=True)) == (
        runs("ann lee pays", 3) | runs("id 4711 to", 3) | runs("4711 to him", 3)
    )
    assert _Said("ab").taken_out(left) == set()
    assert _Said("kept as is").taken_out(left) == set()
    assert list(_ends("abcdef")) == ["^abcd", "$cdef", "^abcde", "$bcdef"]
    assert list(_ends("abcd")) == []
    assert list(_ends("abcde")) == ["^abcd", "$bcde"]
    assert len(list(_ends("a" * 30))) == len(list(_ends("a" * 16))) == 24


@MODULE
def test_as_many_runs_are_kept_as_may_be_and_some_of_each_line(module, monkeypatch):
    monkeypatch.setattr("holdfast.core.rewritings._KEPT_RUNS", 6)
    none = _Said("", whole=True)
    lines = ["a b c d e f", "g h i j k l"]
    each = [list(runs_of(Words().of(line.split()), 3)) for line in lines]
    every = {run for line in each for run in line}
    spread = {run for line in each for run in line[::2]}
    found = _Said("\n".join(lines)).taken_out(none)
    assert len(every) == 8
    assert len(spread) == 4
    assert len(found) == 6
    assert spread < found < every
    assert found == spread | set(_some(every - spread, 2))
    monkeypatch.setattr("holdfast.core.rewritings._KEPT_RUNS", 8)
    assert _Said("\n".join(lines)).taken_out(none) == every
    # Names come only where all of them may be kept, too.
    named = "Ann Lee c d e f"
    runs_there = runs("ann lee c d e f", 3)
    monkeypatch.setattr("holdfast.core.rewritings._KEPT_RUNS", 4)
    assert _Said(named).taken_out(none) == runs_there
    monkeypatch.setattr("holdfast.core.rewritings._KEPT_RUNS", 5)
    assert _Said(named).taken_out(none) == runs_there | runs("ann lee", 2)
    assert _some({2**31, 3, 2**31 + 1, 2}, 3) == [2**31, 2, 2**31 + 1]
    assert _some({5, 4}, 0) == []


@MODULE
def test_pieces_of_long_words_are_kept_where_they_were_not_left(module):
    word = "abcdefghijklmnopqrstuvwxyz"
    none = _Said("", whole=True)
    assert _Said(word).pieces_out(none) == single("~abcdefgh", "~ijklmnop", "~qrstuvwx")
    cut = _Said(word[4:24] + "s1", whole=True)
    assert _Said(word).pieces_out(cut) == single("~abcdefgh")
    assert _Said(word).pieces_out(_Said(word, whole=True)) == set()
    assert _Said("short words").pieces_out(none) == set()


@MODULE
def test_a_shown_text_is_looked_up_by_runs_edges_and_stretches(module):
    met = _Met('ann pays bob now\n["deep inside"]')
    for text, size in (
        ("pays", 1),
        ("pays bob", 2),
        ("bob now", 2),
        ("ann pays bob", 3),
        ("pays bob now", 3),
    ):
        assert met.any_of(frozenset(runs(text, size))), text
    for text, size in (("ann bob", 2), ("pays ann", 2), ("x", 1), ("ann pays now", 3)):
        assert not met.any_of(frozenset(runs(text, size))), text
    for said in ("\nann pays bob now", "^now", "$ann", "\ndeep inside", "^inside", "$deep"):
        assert met.any_of(frozenset(single(said))), said
    for silent in ("\nann pays bob", "^ann", "$now"):
        assert not met.any_of(frozenset(single(silent))), silent
    assert not met.any_of(frozenset())
    assert met.beside(frozenset()) == 6
    assert met.beside(frozenset(single("ann", "deep", "x"))) == 4
    long = _Met("xxabcdefghyy")
    assert long.pieces_of(frozenset(single("~abcdefgh")))
    assert long.pieces_of(frozenset(single("~abcdefgh", "~other")))
    assert not long.pieces_of(frozenset(single("~abcdefgx")))
    assert not long.pieces_of(frozenset())


@MODULE
def test_marks_are_of_each_kind_and_read_back(module):
    raw, left = "ann pays bob now", "nothing of it"
    marks = rewriting_marks(raw, left)
    assert marks == (
        "!" + digest(raw),
        "-"
        + base64.b64encode(b"".join(r.to_bytes(8) for r in _some(runs(raw, 3), 8_000))).decode(),
        "o",
    )
    assert _known(marks) == {"!": {digest(raw)}, "-": frozenset(runs(raw, 3)), "o": frozenset()}
    assert rewriting_marks(raw, raw) == ()
    assert rewriting_marks(1, True) != ()
    assert rewriting_marks([1], [1]) == ()
    # Only put in: what was added, and what stayed.
    added = _known(rewriting_marks(raw, f"{raw}\nchecked by us today"))
    assert added == {
        "!": {digest(raw)},
        "+": frozenset(runs("checked by us today", 3)),
        "=": frozenset(runs(raw, 3)),
        "o": frozenset(),
    }
    # A value that stands in both is no mark.
    both = _known(rewriting_marks(["x y z", raw], ["x y z"]))
    assert both["!"] == {digest(["x y z", raw]), digest(raw)}
    key = "".join(hashlib.sha512(b"k%d" % at).hexdigest() for at in range(2))
    assert "o" not in _known(rewriting_marks(raw, key))
    assert set(_known(rewriting_marks("a1b2c3d4e5f6g7h8", left))) == {"!", "-", "~", "o"}


@MODULE
def test_a_shown_text_is_raw_by_each_mark(module):
    raw = "ann pays bob now"
    marks = rewriting_marks(raw, "nothing of it")
    assert [is_raw(marks, shown) for shown in (raw, [raw], "1\tpays bob now", "nothing of it", "")] == (
        [True, True, True, False, False]
    )  # fmt: skip
    assert is_raw((), raw) is False
    assert is_raw(marks, Seen((digest(raw),), None)) is True
    assert is_raw(marks, Seen((), None)) is False
    assert is_raw(marks, Seen((), "x" * MOST_CHARACTERS)) is False
    assert is_raw(marks, Seen((), "x" * (MOST_CHARACTERS + 1))) is True
    key = "".join(hashlib.sha512(b"k%d" % at).hexdigest() for at in range(2))
    assert is_raw(marks, key) is True
    assert is_raw(tuple(mark for mark in marks if mark != "o"), key) is False
    added = rewriting_marks(raw, f"{raw}\nchecked by us today")
    shown = ["ann pays bob", "ann pays bob\nchecked by us", "checked by us", "other words here"]
    assert [is_raw(added, one) for one in shown] == [True, False, False, False]


@MODULE
def test_of_a_result_too_long_to_keep_few_words_of_a_clients_own_may_stand(module, monkeypatch):
    monkeypatch.setattr("holdfast.core.rewritings._KEPT_RUNS", 4)
    left = "left out as too long"
    marks = rewriting_marks("a b c d e f g", "left out as long")
    assert _known(marks)["<"] == frozenset(single("left", "out", "as", "long"))
    assert "<" not in _known(rewriting_marks("a b c d e f", "left out as long"))
    assert "<" not in _known(rewriting_marks("a b c d e f g", left))
    words = [f"w{at}x" for at in range(101)]
    assert is_raw(marks, " ".join(words[:100]) + " left out") is False
    assert is_raw(marks, " ".join(words)) is True
