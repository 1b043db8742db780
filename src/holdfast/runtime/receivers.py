"""Who of those that are told gets which notice, and when: a channel with the rule of its receiver.

What is told again, word for word about the same, is told once an hour. In quiet hours what is soft
is held, and told in one notice when they are over; what is hard never waits. Not here: what is
worth telling (`core/alerts`), how it travels (`backends/channels`).
"""

import hashlib
import threading
from collections import Counter
from collections.abc import Sequence

import msgspec

from holdfast.core.quiet_hours import QuietHours
from holdfast.model.notices import GivenUp, Notice, TrialResult
from holdfast.ports.clock import Clock
from holdfast.ports.notify import Delivering

_NS = 1_000_000_000
_AGAIN_NS = 3_600 * _NS
_KNOWN_MOST = 1_000
_HELD_MOST = 1_000
_TOLD_MOST = 20
FOLDED = "alerts.held"
"""The kind of the one notice that stands for those of quiet hours."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver is told: all that each of these lists names, an empty one is all."""

    kinds: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    hard_only: bool = False
    quiet: QuietHours | None = None

    def takes(self, notice: Notice) -> bool:
        """Whether it is for this receiver."""
        return (
            not (self.hard_only and notice.soft)
            and (not self.kinds or notice.kind in self.kinds)
            and (not self.tenants or notice.tenant in self.tenants)
            and (not self.projects or notice.project in self.projects)
        )


class Receiver:
    """A `ports.notify.Channel` with a rule before it; told of from any thread."""

    def __init__(self, channel: Delivering, rule: Rule, clock: Clock) -> None:
        self._channel = channel
        self.rule = rule
        self._clock = clock
        self._lock = threading.Lock()
        self._told_ns: dict[bytes, int] = {}
        self._held: list[Notice] = []
        self._held_until_ns = 0
        self._beyond = 0

    @property
    def name(self) -> str:
        """As in the settings."""
        return self._channel.name

    @property
    def delivered(self) -> int:
        """How many arrived."""
        return self._channel.delivered

    @property
    def undelivered(self) -> int:
        """How many were given up so far."""
        return self._channel.undelivered

    @property
    def waiting(self) -> int:
        """How many are to be sent, those of quiet hours included."""
        return self._channel.waiting + len(self._held) + self._beyond

    @property
    def given_up(self) -> Sequence[GivenUp]:
        """The last that did not arrive, latest last."""
        return tuple(self._channel.given_up)

    def tell(self, notice: Notice) -> None:
        """Hand it on where it is for this receiver, now or when the quiet hours are over."""
        if not self.rule.takes(notice):
            return
        now_ns = self._clock.now_ns()
        with self._lock:
            if self._was_told(notice, now_ns):
                return
            quiet, until_ns = self.rule.quiet, 0
            if quiet is not None and notice.soft:
                until_ns = quiet.until_ns(now_ns)
            if not until_ns:
                self._channel.tell(notice)
            elif len(self._held) < _HELD_MOST:
                self._held.append(notice)
                self._held_until_ns = until_ns
            else:
                self._beyond += 1

    def tick(self) -> None:
        """Tell what was held, once its time is over."""
        with self._lock:
            if self._held and self._clock.now_ns() >= self._held_until_ns:
                self._let_go()

    def attempt(self, notice: Notice) -> TrialResult:
        """Send one now, whatever the rule says. Blocks meanwhile."""
        return self._channel.attempt(notice)

    def close(self) -> None:
        """Tell what was held, and let go: who starts the server again would not know of it."""
        with self._lock:
            if self._held:
                self._let_go()
        self._channel.close()

    def _was_told(self, notice: Notice, now_ns: int) -> bool:
        same = (notice.kind, notice.tenant, notice.session, notice.fields)
        # Fields hold arguments, which may be long: what is remembered of them is not.
        key = hashlib.sha256(msgspec.json.encode(same, order="sorted")).digest()
        before_ns = self._told_ns.pop(key, 0)
        again = bool(before_ns) and now_ns - before_ns < _AGAIN_NS
        if len(self._told_ns) >= _KNOWN_MOST:
            del self._told_ns[next(iter(self._told_ns))]
        self._told_ns[key] = before_ns if again else now_ns
        return again

    def _let_go(self) -> None:
        held, beyond = self._held, self._beyond
        self._held, self._beyond = [], 0
        self._channel.tell(held[0] if len(held) == 1 and not beyond else _folded(held, beyond))


def _folded(held: Sequence[Notice], beyond: int) -> Notice:
    """One notice for all: how many of each kind, and the first of them in their words."""
    count = Counter(one.kind for one in held)
    kinds = ", ".join(f"{times} x {kind}" for kind, times in count.most_common())
    lines = [f"{len(held) + beyond} notices were held in quiet hours: {kinds}"]
    lines += [one.text for one in held[:_TOLD_MOST]]
    if (left := len(held) + beyond - _TOLD_MOST) > 0:
        lines.append(f"and {left} more; the journal has them")
    tenants = {one.tenant for one in held}
    return Notice(
        kind=FOLDED,
        text="\n".join(lines),
        tenant=tenants.pop() if len(tenants) == 1 else "",
        project="",
        user="",
        agent="",
        session="",
        at_ns=held[-1].at_ns,
        fields={"kinds": dict(count), "more": beyond},
        soft=True,
    )
