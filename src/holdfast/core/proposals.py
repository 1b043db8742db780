"""Caps that history suggests: what nearly all stayed within, and a margin on top.

Not here: what was spent (`model/costs`), setting a cap.
"""

from collections.abc import Collection

LEAST = 20
"""Of fewer than so many nothing is suggested: their 95th percentile is about their dearest."""
MOST = 100_000
_PERCENT = 100
_NEARLY_ALL = 95


def usual(amounts: Collection[int]) -> int | None:
    """The 95th percentile by nearest rank, None of few."""
    if len(amounts) < LEAST:
        return None
    return sorted(amounts)[-(-_NEARLY_ALL * len(amounts) // _PERCENT) - 1]


def with_margin(amount: int, percent: int) -> int:
    """`percent` of an amount, rounded up: 125 is a quarter more."""
    return -(-amount * percent // _PERCENT)
