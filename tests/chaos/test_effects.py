"""A short round of faults at two doors; `make chaos` plays thousands at each."""

import pytest

from tests.chaos.effects import at_door


@pytest.mark.parametrize("door", ["runs", "loop"])
def test_what_went_wrong_and_was_asked_for_again_is_done_once(door):
    told = at_door(door, faults=1, minutes=2, at_once=1, seed=7, batches=1)
    assert told.faults >= 8
    assert told.calls >= told.faults
    assert told.effects > 0
    assert (told.doubled, told.lost) == (0, 0)
