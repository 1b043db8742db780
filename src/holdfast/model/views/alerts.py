"""Receivers of alerts, as they are shown."""

import msgspec

from holdfast.model.notices import GivenUp, TrialResult


class AlertReceiverView(msgspec.Struct, frozen=True, kw_only=True):
    """One receiver since the server started: what arrived, waits, was given up, and the last of it.

    `quiet`: its quiet hours, in words; empty without any.
    """

    name: str
    format: str
    delivered: int
    waiting: int
    given_up: int
    last: tuple[GivenUp, ...] = ()
    quiet: str = ""


class AlertReceiverList(msgspec.Struct, frozen=True):
    """In the order of the file."""

    receivers: tuple[AlertReceiverView, ...]


class TrialResults(msgspec.Struct, frozen=True):
    """What came of a notice for each receiver."""

    attempts: tuple[TrialResult, ...]
