"""Fields that are made when they are asked for."""

import sys
from typing import ClassVar

import pytest

from holdfast.core.progress import Progress
from holdfast.core.sparse import Sparse
from holdfast.model.sessions import LoopLimits


class Kept(Sparse):
    seen: set[int]
    by_name: dict[str, int]
    number: int

    EMPTY: ClassVar = {"seen": set, "by_name": dict}
    __slots__ = ("by_name", "number", "seen")


def test_a_field_is_made_once_and_is_the_objects_own():
    one, other = Kept(), Kept()
    one.seen.add(1)
    assert one.seen == {1}
    assert one.seen is one.seen
    assert other.seen == set()
    assert other.by_name == {}


def test_only_fields_that_are_named_are_made():
    with pytest.raises(AttributeError, match="Kept has no `number`"):
        Kept().number  # noqa: B018
    with pytest.raises(AttributeError, match="Kept has no `sen`"):
        getattr(Kept(), "sen")  # noqa: B009
    with pytest.raises(AttributeError):
        setattr(Kept(), "sen", 1)  # noqa: B010


def test_what_was_never_asked_for_takes_no_room():
    assert sys.getsizeof(Progress(LoopLimits())) <= 16 + 8 * len(Progress.__slots__) + 16
    assert not hasattr(Progress(LoopLimits()), "__dict__")
