"""A fair line: who is first, whose key is next, and what one that leaves leaves behind."""

import pytest

from holdfast.core.line import Line
from tests.corpora.typed import checked

MODULE = pytest.mark.parametrize("module", ["holdfast.core.line"])


@pytest.fixture(autouse=True)
def typed(module):
    with checked(module) as wrong:
        yield
    assert wrong == []


def line(*members):
    """Everybody stands under the first letter of the name."""
    made: Line[str, str] = Line()
    for member in members:
        made.enter(member[0], member)
    return made


def empty(made):
    return (len(made), made._queues, made._counts, made._places) == (0, {}, {}, {})


def order(made):
    """All in turn, the first key's first, until nobody stands."""
    found = []
    while (one := next(made.firsts(), None)) is not None:
        found.append(made.take(one[0]))
    assert empty(made)
    return found


@MODULE
def test_keys_take_turns_each_its_oldest_first(module):
    assert order(line("a1", "a2", "a3", "b1", "b2", "c1")) == ["a1", "b1", "c1", "a2", "b2", "a3"]


@MODULE
def test_a_key_that_comes_back_is_behind_all_others(module):
    made = line("a1", "b1", "b2")
    assert made.take("a") == "a1"
    made.enter("a", "a2")
    assert list(made.firsts()) == [("b", "b1"), ("a", "a2")]
    assert made.take("a") == "a2"
    assert made.take("b") == "b1"
    assert [made.first("b"), made.first("a")] == ["b2", None]
    with pytest.raises(KeyError):
        made.take("a")


@MODULE
def test_rank_goes_before_the_order_in_which_they_came(module):
    made: Line[str, str] = Line()
    for member, rank in (("z", (2,)), ("y", (1,)), ("x", (2,)), ("w", (0,)), ("v", (1,))):
        made.enter("k", member, rank)
    assert made.first("k") == "w"
    assert order(made) == ["w", "y", "v", "z", "x"]


@MODULE
def test_each_stands_once_and_gives_up_its_place_for_a_new_one(module):
    made = line("a1", "a2", "b1")
    made.enter("b", "a1")
    assert [len(made), made.count("a"), made.count("b"), made.count("c")] == [3, 1, 2, 0]
    made.enter("a", "a2")
    assert order(made) == ["b1", "a2", "a1"]
    made = line("a1", "a2")
    made.enter("a", "a1")
    assert made.first("a") == "a2"
    assert made.count("a") == 2


@MODULE
def test_one_that_leaves_holds_up_nobody_and_may_say_so_twice(module):
    made = line("a1", "a2", "a3", "b1")
    for gone in ("a1", "a1", "nobody"):
        made.leave(gone)
    assert list(made.firsts()) == [("a", "a2"), ("b", "b1")]
    made.leave("a3")
    made.leave("a2")
    assert [made.count("a"), made.first("a"), len(made)] == [0, None, 1]
    assert list(made.firsts()) == [("b", "b1")]
    made.leave("b1")
    assert empty(made)


@MODULE
def test_a_place_given_up_in_the_middle_does_not_come_up_again(module):
    made = line("a1", "a2", "a3")
    made.leave("a2")
    made.enter("a", "a2", (-1,))
    made.leave("a2")
    assert order(made) == ["a1", "a3"]
    made = line("a1", "a2", "a3")
    made.enter("a", "a2")
    assert order(made) == ["a1", "a3", "a2"]


@MODULE
def test_entries_of_those_who_left_are_swept_where_they_are_the_larger_part(module):
    made, sizes = line("a0"), []
    for number in range(40):
        made.enter("a", "again", (number,))
        sizes.append(len(made._queues["a"]))
    # With one that stands up to 2 + 32 entries are kept, with the next one they are swept.
    assert sizes == [*range(2, 36), *range(2, 8)]
    assert order(made) == ["a0", "again"]
    made = line()
    for number in range(200):
        made.enter("a", f"a{number:03}", (number * 37 % 200,))
    gone = [f"a{number:03}" for number in range(200) if number % 4]
    for member in gone:
        made.leave(member)
    assert len(made._queues["a"]) < 150
    left = sorted(range(0, 200, 4), key=lambda number: number * 37 % 200)
    assert order(made) == [f"a{number:03}" for number in left]
