"""The stops that stand, and what they make of a session: refused, held, or let go again.

Memory has them all, and every session that is in memory is held by them; one that is only in the
store is held when it is read. Not here: placing and lifting them (`runtime/stopping`).
"""

from collections.abc import Callable, Collection

from holdfast.core.stops import command, covering, held, told
from holdfast.errors import SessionStopped
from holdfast.model import bodies
from holdfast.model.events import Record
from holdfast.model.principals import Principal
from holdfast.model.sessions import Session, SessionState
from holdfast.model.stops import Reach, Stop
from holdfast.ports.clock import Clock
from holdfast.ports.store import Store
from holdfast.runtime.journal import Journal

_FREE = "no stop holds it any more"


class Stops:
    """Every stop that stands here."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._standing: dict[str, Stop] = {}
        # Who may lift one, in words; those who know the operators say it.
        self.lifters: Callable[[Reach], str] = lambda _: "an operator"

    async def load(self, store: Store) -> None:
        """Those that stood when the process before ended. Errors: StoreUnavailable."""
        self._standing = {one.reach.key: one for one in await store.stops()}

    def all(self) -> tuple[Stop, ...]:
        """Those that stand, oldest first."""
        return tuple(self._standing.values())

    def of(self, who: Principal) -> tuple[Stop, ...]:
        """Those that hold whoever acts so."""
        return covering(self._standing.values(), who) if self._standing else ()

    def find(self, reach: Reach) -> Stop | None:
        """The one of exactly this reach."""
        return self._standing.get(reach.key)

    def place(self, stop: Stop) -> None:
        """From now on nothing opens within its reach; the caller commits it and holds sessions."""
        self._standing[stop.reach.key] = stop

    def lift(self, stop: Stop) -> None:
        """It stands no more; the caller commits that and lets sessions go."""
        del self._standing[stop.reach.key]

    def why(self, stops: Collection[Stop]) -> str:
        """Stops in words, each with what lifts it and who may."""
        return "; ".join(
            f"{told(one)} (`{command('resume', one.reach)}` lifts it, by {self.lifters(one.reach)})"
            for one in stops
        )

    def check_open(self, who: Principal) -> None:
        """Pass whoever nothing holds. Errors: SessionStopped."""
        if stops := self.of(who):
            text = f"nothing opens here: {self.why(stops)}"
            raise SessionStopped(text, state=SessionState.PAUSED, stop=str(stops[0].reach))

    def stopped(self, which: str, who: Principal) -> SessionStopped:
        """The refusal of a session that only stops pause; `which` it is to who asks."""
        stops = self.of(who)
        return SessionStopped(
            f"{which} is paused: {self.why(stops)}",
            state=SessionState.PAUSED,
            reason="; ".join(map(told, stops)),
            stop=str(stops[0].reach) if stops else "",
        )

    def hold(
        self, session: Session, *, by: str = "", reason: str = _FREE, stop_id: str = ""
    ) -> tuple[Session, list[Record]]:
        """The session as what stands leaves it, and what is journalled of that.

        `by`, `reason` and `stop_id` tell of the stop that was lifted, where one was.
        """
        stops = self.of(session.principal)
        after = held(session, stops, self._clock.now_ns())
        if after is session:
            return session, []
        body: bodies.SessionChanged
        if stops:
            body = bodies.SessionPaused(
                reason=after.state_reason,
                by=stops[0].by,
                from_state=session.state,
                until_ns=after.expires_at_ns,
                stop=stops[0].stop_id,
            )
        else:
            body = bodies.SessionResumed(
                reason=reason, by=by, from_state=session.state, stop=stop_id
            )
        return after, [self._journal.record(body, session.principal)]
