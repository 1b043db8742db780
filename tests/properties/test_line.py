"""A fair line is what a look at everybody in it would say, whatever came before."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from holdfast.core.line import Line

KEYS = st.sampled_from("abcd")


class Stands(RuleBasedStateMachine):
    """A line beside a plain list of who stands, and of keys in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.line: Line[str, int] = Line()
        self.standing: list[tuple[tuple[int], str, int]] = []
        self.turn: list[str] = []
        self.number = 0

    def of(self, key: str) -> list[int]:
        # Sorting keeps the order in which equals came.
        here = [one for one in self.standing if one[1] == key]
        return [member for _, _, member in sorted(here, key=lambda one: one[0])]

    def put(self, key: str, member: int, rank: int) -> None:
        self.drop(member)
        self.standing.append(((rank,), key, member))
        if key not in self.turn:
            self.turn.append(key)
        self.line.enter(key, member, (rank,))

    def drop(self, member: int) -> None:
        self.standing = [one for one in self.standing if one[2] != member]
        self.turn = [key for key in self.turn if self.of(key)]

    @rule(key=KEYS, rank=st.integers(0, 3))
    def enter(self, key: str, rank: int) -> None:
        self.number += 1
        self.put(key, self.number, rank)

    @precondition(lambda self: self.standing)
    @rule(data=st.data(), key=KEYS, rank=st.integers(0, 3))
    def move(self, data: st.DataObject, key: str, rank: int) -> None:
        self.put(key, data.draw(st.sampled_from(self.standing))[2], rank)

    @precondition(lambda self: self.number)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        gone = data.draw(st.integers(1, self.number))
        self.drop(gone)
        self.line.leave(gone)

    @precondition(lambda self: self.turn)
    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self.turn))
        expected = self.of(key)[0]
        assert self.line.take(key) == expected
        self.drop(expected)
        if key in self.turn:
            self.turn.remove(key)
            self.turn.append(key)

    @invariant()
    def everybody_stands_where_a_look_at_all_says(self) -> None:
        assert list(self.line.firsts()) == [(key, self.of(key)[0]) for key in self.turn]
        assert len(self.line) == len(self.standing)
        for key in "abcd":
            assert self.line.count(key) == len(self.of(key))
            assert self.line.first(key) == next(iter(self.of(key)), None)

    @invariant()
    def nothing_of_those_who_left_is_kept_for_long(self) -> None:
        kept = sum(len(queue) for queue in self.line._queues.values())
        assert kept <= 2 * len(self.standing) + 33 * len(self.turn)


TestStands = Stands.TestCase


class Number(int):
    """A number that counts how often any was compared."""

    compared = 0

    def __lt__(self, other: int) -> bool:
        Number.compared += 1
        return int(self) < int(other)


def test_what_a_step_costs_hardly_grows_with_the_line():
    costs = []
    for many in (100, 10_000):
        line: Line[int, int] = Line()
        for member in range(many):
            line.enter(member % 10, member, (Number(member * 7919 % many),))
        Number.compared = 0
        for step in range(50):
            line.take(step % 10)
            line.leave(step * 3)
            line.enter(step % 10, -step, (Number(step),))
        costs.append(Number.compared)
    # A heap of a hundred times as many is some levels higher.
    assert costs[1] < 4 * costs[0]
