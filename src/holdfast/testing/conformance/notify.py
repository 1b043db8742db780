"""What every Channel must do, as a suite that a backend's tests inherit.

    class TestMyChannel(ChannelConformance):
        def open_channel(self) -> Channel: ...
        def refused(self) -> Channel: ...
        def hanging(self) -> Channel: ...
        def heard(self) -> Sequence[str]: ...

`open_channel` has a receiver that takes everything, `refused` one that wants nothing, `hanging`
one that does not answer. `heard` are the texts that came to the first, in order. Each test opens
one channel.
"""

import abc
import threading
import time
from collections.abc import Sequence

from holdfast.model.notices import Notice
from holdfast.ports.notify import Channel

_AT_ONCE_S = 1.0
_CLOSED_S = 10.0
_HARD = 'quotes " and \\ , <tags>, ünïcode 漢字 \U0001f514, a\nsecond line'


def notice(text: str) -> Notice:
    """One of a session of the suite."""
    return Notice(
        kind="suite.told",
        text=text,
        tenant="acme",
        project="shop",
        user="ann",
        agent="clerk",
        session="ses_1",
        at_ns=1_795_000_000_000_000_000,
        fields={"percent": 80, "account": "session:ses_1"},
    )


class ChannelConformance(abc.ABC):
    """Inherit, and give channels."""

    @abc.abstractmethod
    def open_channel(self) -> Channel:
        """One whose receiver takes everything."""

    @abc.abstractmethod
    def refused(self) -> Channel:
        """One whose receiver wants nothing, and says so."""

    @abc.abstractmethod
    def hanging(self) -> Channel:
        """One whose receiver does not answer."""

    @abc.abstractmethod
    def heard(self) -> Sequence[str]:
        """The texts that came to the receiver of `open_channel`."""

    def test_notices_arrive_once_each_in_order(self) -> None:
        """Nothing is lost, doubled or overtaken."""
        channel = self.open_channel()
        for number in range(20):
            channel.tell(notice(f"n{number}"))
        channel.close()
        assert list(self.heard()) == [f"n{number}" for number in range(20)]
        assert channel.undelivered == 0

    def test_a_text_arrives_as_it_was_told(self) -> None:
        """Whatever stands in it."""
        channel = self.open_channel()
        channel.tell(notice(_HARD))
        channel.close()
        assert list(self.heard()) == [_HARD]

    def test_notices_of_many_threads_all_arrive(self) -> None:
        """Whoever tells them."""
        channel = self.open_channel()

        def told(first: int) -> None:
            for number in range(first, first + 10):
                channel.tell(notice(f"n{number}"))

        threads = [threading.Thread(target=told, args=(10 * n,)) for n in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        channel.close()
        assert sorted(self.heard()) == sorted(f"n{number}" for number in range(40))

    def test_closing_is_idempotent_and_what_comes_later_is_not_delivered(self) -> None:
        """The end is one."""
        channel = self.open_channel()
        channel.tell(notice("before"))
        channel.close()
        channel.close()
        channel.tell(notice("after"))
        assert list(self.heard()) == ["before"]
        assert channel.undelivered == 1

    def test_what_a_receiver_does_not_want_is_undelivered(self) -> None:
        """And counted."""
        channel = self.refused()
        channel.tell(notice("a"))
        channel.tell(notice("b"))
        channel.close()
        assert channel.undelivered == 2

    def test_a_receiver_that_hangs_holds_nobody_up(self) -> None:
        """Neither who tells nor who closes."""
        channel, begun_s = self.hanging(), time.monotonic()
        for number in range(2_000):
            channel.tell(notice(f"n{number}"))
        assert time.monotonic() - begun_s < _AT_ONCE_S
        channel.close()
        assert time.monotonic() - begun_s < _CLOSED_S
