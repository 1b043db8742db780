"""Numbers that stand somewhere now: how many sessions are in memory, how many answers stream."""

from collections.abc import Callable

import msgspec


class Gauge(msgspec.Struct, frozen=True, kw_only=True):
    """A number and how to read it. `name` is dotted and begins with `holdfast.`.

    `unit` is as UCUM writes it (`s`, `By`), what is counted in braces (`{session}`). `read` is
    called in the event loop every few seconds: it looks, and waits for nothing.
    """

    name: str
    unit: str
    description: str
    read: Callable[[], float]


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a gauge showed at `at_ns`."""

    name: str
    unit: str
    description: str
    value: float
    at_ns: int
