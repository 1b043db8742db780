"""What every channel is: one thread behind a bounded queue, nothing on the hot path.

A receiver that fails is tried again with growing, jittered pauses, then the message is given up
with one line of log: the journal has it all the same. Not here: how one is sent (`webhook`,
`mail`).
"""

import secrets
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import NamedTuple

from holdfast.model.notices import GivenUp, Notice, TrialResult

TRIES = 5
TIMEOUT_S = 5.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 15.0
_CLOSE_S = 2.0
_WAITING_MAX = 1_000
_GIVEN_UP_MAX = 100

Say = Callable[[str], None]


class Sent(NamedTuple):
    """What one try came to. `again`: another one may do better, not before `wait_s`."""

    ok: bool
    why: str
    again: bool = False
    wait_s: float = 0.0


class TriedChannel(ABC):
    """Hands notices to one receiver, `name`. `close` it from outside the event loop."""

    def __init__(self, name: str, say: Say) -> None:
        self.name = name
        self._say = say
        self._waiting: SimpleQueue[Notice | None] = SimpleQueue()
        self._closing = threading.Event()
        self.delivered = 0
        self.dropped = 0
        self.given_up: deque[GivenUp] = deque(maxlen=_GIVEN_UP_MAX)
        """The last that did not arrive, latest last."""
        self._thread = threading.Thread(target=self._work, name="holdfast-alerts", daemon=True)
        self._thread.start()

    @abstractmethod
    def send(self, notice: Notice) -> Sent:
        """Try once, within `TIMEOUT_S` for each step. Never raises."""

    def left(self) -> None:  # noqa: B027 - most hold nothing
        """The thread that sends has nothing more to do, and lets go of what it held."""

    @property
    def waiting(self) -> int:
        """How many are to be sent."""
        return self._waiting.qsize()

    @property
    def undelivered(self) -> int:
        """Notices that did not fit, or that the receiver did not take."""
        return self.dropped

    def tell(self, notice: Notice) -> None:
        """Queue it; dropped and counted when too many wait."""
        if self._closing.is_set() or self.waiting >= _WAITING_MAX:
            self._give_up(notice, "too many were waiting")
        else:
            self._waiting.put(notice)

    def attempt(self, notice: Notice) -> TrialResult:
        """Send one now, once, and say what came of it. Blocks meanwhile."""
        sent = self.send(notice)
        return TrialResult(receiver=self.name, ok=sent.ok, said=sent.why)

    def close(self) -> None:
        """Send what waits, within a few seconds, and let go; idempotent."""
        if self._closing.is_set():
            return
        self._waiting.put(None)
        self._thread.join(_CLOSE_S)
        self._closing.set()
        missing = self.dropped + self.waiting
        if missing:
            self._say(f"{missing} alerts did not reach `{self.name}`; the journal has them")

    def _give_up(self, notice: Notice, why: str) -> None:
        self.dropped += 1
        lost = GivenUp(kind=notice.kind, text=notice.text, at_ns=notice.at_ns, why=why)
        self.given_up.append(lost)

    def _work(self) -> None:
        while True:
            notice = self._waiting.get()
            if notice is None:
                self.left()
                return
            why = self._tried(notice)
            if why is None:
                self.delivered += 1
            else:
                self._give_up(notice, why)
                self._say(f"an alert did not reach `{self.name}`: {notice.kind}: {why}")

    def _tried(self, notice: Notice) -> str | None:
        """None once it arrived; else why it did not."""
        pause_s, sent = _FIRST_PAUSE_S, Sent(ok=False, why="it was not tried")
        for attempt in range(TRIES):
            if attempt:
                # Between half of the pause and all of it: many servers must not return as one.
                jitter = 0.5 + secrets.randbelow(1000) / 2000
                if self._closing.wait(min(pause_s, _LONGEST_PAUSE_S) * jitter):
                    break
                pause_s *= 2
            sent = self.send(notice)
            if sent.ok:
                return None
            if not sent.again:
                break  # It will say the same the next time.
            pause_s = max(pause_s, sent.wait_s)
        return sent.why
