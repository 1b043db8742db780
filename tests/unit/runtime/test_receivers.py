"""Who gets which notice, and when: rules, once, quiet hours."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

from datetime import time
from typing import Any

import msgspec
import pytest

from holdfast.core.quiet_hours import QuietHours
from holdfast.runtime.receivers import FOLDED, Receiver, Rule
from holdfast.testing.clock import FakeClock
from holdfast.testing.conformance.notify import notice
from holdfast.testing.memory_channel import MemoryChannel

HOUR_NS = 3_600_000_000_000


class House:
    """A receiver, its channel, and a clock that a test moves: it is 14:40 in UTC."""

    def __init__(self, **rule: Any) -> None:
        self.channel: Any = MemoryChannel()
        self.clock = FakeClock()
        self.receiver = Receiver(self.channel, Rule(**rule), self.clock)

    def tell(self, text: str, **more: Any) -> None:
        self.receiver.tell(msgspec.structs.replace(notice(text), fields={"n": text}, **more))

    @property
    def told(self) -> list[str]:
        return [one.text for one in self.channel.told]


def hour_of(clock: FakeClock) -> int:
    return clock.now_ns() // HOUR_NS % 24


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({}, ["a", "b", "c"]),
        ({"kinds": ("session.killed",)}, ["b"]),
        ({"tenants": ("umbra",)}, ["c"]),
        ({"tenants": ("acme",), "projects": ("shop",)}, ["a", "b"]),
        ({"projects": ("none",)}, []),
        ({"hard_only": True}, ["b", "c"]),
    ],
)
def test_a_receiver_is_told_what_its_rule_says(rule, told):
    house = House(**rule)
    house.tell("a", soft=True)
    house.tell("b", kind="session.killed")
    house.tell("c", tenant="umbra")
    assert house.told == told


def test_the_same_is_told_once_an_hour_and_what_differs_at_once():
    house = House()
    for _ in range(3):
        house.tell("a")
    house.tell("b")
    house.tell("a", session="ses_2")
    assert house.told == ["a", "b", "a"]
    house.clock.advance(3600)
    house.tell("a")
    assert house.told == ["a", "b", "a", "a"]


def quiet_now(house: House) -> QuietHours:
    now = hour_of(house.clock)
    return QuietHours(start=time(now), end=time((now + 3) % 24))


def test_what_is_soft_waits_for_the_end_of_the_quiet_hours_and_what_is_hard_does_not():
    house = House()
    house.receiver.rule = msgspec.structs.replace(house.receiver.rule, quiet=quiet_now(house))
    for n in range(25):
        house.tell(f"soft {n}", soft=True)
    house.tell("hard")
    house.receiver.tick()
    assert house.told == ["hard"]
    assert house.receiver.waiting == 25
    house.clock.advance(3 * 3600)
    house.receiver.tick()
    house.receiver.tick()
    [_, folded] = house.channel.told
    assert folded.kind == FOLDED
    lines = folded.text.splitlines()
    assert lines[0] == "25 notices were held in quiet hours: 25 x suite.told"
    assert lines[1:21] == [f"soft {n}" for n in range(20)]
    assert lines[21:] == ["and 5 more; the journal has them"]
    house.tell("late", soft=True)
    assert house.told[-1] == "late"


def test_one_that_was_held_alone_is_told_as_it_is_and_a_server_that_stops_tells_what_it_holds():
    house = House()
    house.receiver.rule = msgspec.structs.replace(house.receiver.rule, quiet=quiet_now(house))
    house.tell("alone", soft=True)
    house.receiver.close()
    assert house.told == ["alone"]


def test_a_flood_in_quiet_hours_is_counted_beyond_a_thousand():
    house = House()
    house.receiver.rule = msgspec.structs.replace(house.receiver.rule, quiet=quiet_now(house))
    for n in range(1_500):
        house.tell(f"{n}", soft=True)
    assert house.receiver.waiting == 1_500
    house.clock.advance(3 * 3600)
    house.receiver.tick()
    [folded] = house.channel.told
    assert folded.text.startswith("1500 notices were held")
    assert folded.fields["more"] == 500
