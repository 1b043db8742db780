"""The check of what functions return sees what is not as it was said."""

import sys
import types
from typing import Any

import pytest

from tests.corpora.typed import checked, fits


def test_a_function_that_returns_something_else_is_told_and_is_as_before_afterwards():
    module = types.ModuleType("typed.sample")
    source = "def good() -> bool:\n    return True\n\ndef bad() -> bool:\n    return None\n"
    exec(compile(source, "sample", "exec"), module.__dict__)
    sys.modules["typed.sample"] = module
    before = module.bad
    with checked("typed.sample") as wrong:
        assert module.good()
        module.bad()
    assert wrong == ["bad returned None, says <class 'bool'>"]
    assert module.bad is before


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1, int),
        (None, int | None),
        ((1,), tuple[int, ...]),
        ([], list[str]),
        (3, Any),
        (None, None),
    ],
)
def test_a_value_fits_what_is_said_of_it(value, said):
    assert fits(value, said)


@pytest.mark.parametrize(
    ("value", "said"), [(True, int), (None, bool), ("", list[str]), (1, str | None), (0, None)]
)
def test_a_value_of_another_type_does_not_fit(value, said):
    assert not fits(value, said)
