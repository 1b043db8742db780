"""What an account without room is said to be: amounts that tell why, and how to go on."""

import pytest

from holdfast.model.budgets import AccountKey, Dimension, Refused, Scope, Window
from holdfast.runtime.exhaustion import exhausted, no_room

USD, CALLS = Dimension.USD, Dimension.TOOL_CALLS


def refused(dimension, limit, settled, held=0, wanted=0, *, waits=False):
    key = AccountKey(Scope.USER, "acme/ann", dimension, Window.DAY)
    return Refused(key, limit, settled, held, wanted, waits)


def raised(dimension):
    return f": an operator raises it with `holdfast budget set user acme/ann {dimension} day LIMIT`"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        # What is left and what is needed never read alike, however little it is.
        (
            refused(USD, 10**9, 999_999_960, wanted=45),
            "$1.0000, $0.99999996 is spent, and the call needs $0.000000045",
        ),
        # After an overshoot there is less than nothing left: nothing is said of that.
        (refused(USD, 10**9, 1_000_500_000, 7), "$1.0000, $1.0005 is spent"),
        (
            refused(USD, 10**9, 3 * 10**8, 10**8, 10**9),
            "$1.0000, $0.3000 is spent and $0.1000 held, and the call needs $1.0000",
        ),
        (refused(CALLS, 25, 25, 3), "25, 25 is spent"),
        (refused(CALLS, 25, 24, 1, 1), "25, 24 is spent and 1 held, and the call needs 1"),
    ],
)
def test_refusal_names_what_is_capped_spent_and_needed_and_who_may_change_it(given, text):
    dimension = given.key.dimension
    told = f"user {dimension} (day) is capped at {text}{raised(dimension)}"
    assert no_room(given) == told
    error = exhausted(given)
    assert error.message == f"budget_exceeded: {told}"
    assert error.fields == {
        "account": str(given.key),
        "limit": given.limit,
        "settled": given.settled,
        "held": given.held,
        "wanted": given.wanted,
    }


def test_what_others_hold_needs_no_operator():
    waits = refused(Dimension.USD_IN, 10**9, 0, 10**9, 5, waits=True)
    assert no_room(waits) == (
        "user usd_in (day) is capped at $1.0000, $0.0000 is spent and $1.0000 held, and the call"
        " needs $0.000000005"
    )
