"""One key of a provider, and who saw it fail.

A door closes for everybody only on what distinct sessions of more than one user saw in a row; what
one user alone saw closes it for that user. So nobody's requests, however many or however bad, can
take a provider from somebody else.
Not here: sending and trying again (`runtime/reaching`).
"""

from collections import OrderedDict

import msgspec

from holdfast.core.breaker import Breaker, BreakerLimits, BreakerState
from holdfast.ports.llm import Upstream

_USERS_MAX = 1_000


class Asker(msgspec.Struct, frozen=True):
    """Who asks: a session, and the user that it is of."""

    session: str = ""
    user: str = ""


class Ticket(msgspec.Struct, frozen=True):
    """What a call that was let through reports with."""

    asker: Asker = Asker()
    shared: int = 0
    own: int = 0


class Changed(msgspec.Struct, frozen=True):
    """A door opened or closed: for everybody, or for the user named."""

    failures: int
    user: str = ""


class Door:
    """One key; without limits it never closes."""

    def __init__(self, name: str, upstream: Upstream, limits: BreakerLimits | None) -> None:
        self.name = name
        self.upstream = upstream
        self._limits = limits
        self._shared = Breaker(limits or BreakerLimits())
        self._own: OrderedDict[str, Breaker] = OrderedDict()
        self._witnesses: dict[str, str] = {}
        self._last_probe = ""

    def admits(self, now_ns: int, asker: Asker) -> bool:
        """Whether a call of `asker` may go through it now."""
        if self._limits is None:
            return True
        own = self._own.get(asker.user)
        return self._shared.admits(now_ns) and (own is None or own.admits(now_ns))

    def admit(self, now_ns: int, asker: Asker) -> Ticket | None:
        """A ticket, or None."""
        if not self.admits(now_ns, asker):
            return None
        own = self._of(asker.user).admit(now_ns)
        shared = self._shared.admit(now_ns)
        return Ticket(asker, shared or 0, own or 0)

    def _of(self, user: str) -> Breaker:
        """The breaker of one user; those that were not asked for longest are forgotten."""
        found = self._own.get(user)
        if found is None:
            found = self._own[user] = Breaker(self._limits or BreakerLimits())
            if len(self._own) > _USERS_MAX:
                self._own.popitem(last=False)
        self._own.move_to_end(user)
        return found

    @property
    def state(self) -> BreakerState:
        """Where it stands for everybody, or for the users that asked where it is alike for all."""
        if self._shared.state is not BreakerState.CLOSED:
            return self._shared.state
        states = {breaker.state for breaker in self._own.values()}
        return states.pop() if len(states) == 1 else BreakerState.CLOSED

    @property
    def failures(self) -> int:
        """Failures in a row, of distinct sessions, or of the user who saw most."""
        own = max((breaker.failures for breaker in self._own.values()), default=0)
        return max(self._shared.failures, own)

    def wait_ns(self, now_ns: int, asker: Asker | None = None) -> int:
        """Until `asker`, or whoever comes first, may try."""
        if asker is not None:
            own = [self._own[asker.user]] if asker.user in self._own else []
        else:
            own = list(self._own.values())
        waits = [breaker.wait_ns(now_ns) for breaker in own]
        return max(self._shared.wait_ns(now_ns), min(waits, default=0))

    def answered(self, ticket: Ticket) -> list[Changed]:
        """The provider began to answer."""
        return self._well(ticket, completed=False)

    def completed(self, ticket: Ticket) -> list[Changed]:
        """An answer came whole: earlier failures are forgotten."""
        return self._well(ticket, completed=True)

    def _well(self, ticket: Ticket, *, completed: bool) -> list[Changed]:
        if self._limits is None:
            return []
        own, changed = self._of(ticket.asker.user), list[Changed]()
        for breaker, epoch, user in (
            (self._shared, ticket.shared, ""),
            (own, ticket.own, ticket.asker.user),
        ):
            report = breaker.completed if completed else breaker.answered
            if report(epoch):
                changed.append(Changed(breaker.failures, user))
        # A user's own opening takes no failure of theirs back from what everybody saw.
        if completed or any(not one.user for one in changed):
            self._witnesses.clear()
        if self._shared.state is BreakerState.CLOSED:
            self._last_probe = ""
        return changed

    def failed(self, ticket: Ticket, now_ns: int) -> list[Changed]:
        """One more failure."""
        if self._limits is None:
            return []
        changed, user = list[Changed](), ticket.asker.user
        if self._of(user).failed(ticket.own, now_ns):
            changed.append(Changed(self._of(user).failures, user))
        if self._counts(ticket) and self._shared.failed(ticket.shared, now_ns):
            # What closes for everybody needs no word about one of them.
            changed = [Changed(self._shared.failures)]
        return changed

    def _counts(self, ticket: Ticket) -> bool:
        """Whether what this session saw counts for everybody."""
        asker = ticket.asker
        if self._shared.state is BreakerState.HALF_OPEN:
            if asker.user == self._last_probe:
                # Whose last try failed, too, says nothing new: somebody else may try at once.
                self._shared.forgotten(ticket.shared)
                return False
            self._last_probe = asker.user
            return True
        if asker.session in self._witnesses:
            return False
        if len(self._witnesses) < _USERS_MAX:
            self._witnesses[asker.session] = asker.user
        alone = len(set(self._witnesses.values())) < 2
        limits = self._limits or BreakerLimits()
        return not (alone and self._shared.failures + 1 >= limits.failures)

    def forgotten(self, ticket: Ticket) -> None:
        """The call left without an answer, or its failure says nothing of the provider."""
        if self._limits is not None:
            self._shared.forgotten(ticket.shared)
            self._of(ticket.asker.user).forgotten(ticket.own)
