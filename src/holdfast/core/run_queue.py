"""The queue of runs: who waits, who is at work, and which run goes next.

Priority first; among equals the tenant that has least of its share at work, then the one that was
served longest ago, so that a noisy tenant leaves the others' waiting as it was; then the oldest.

Runs of one agent, tenant and project wait in a lane of their own, in order; what the order between
lanes hangs on is the same for all of a lane. So a pick looks at one run a lane, and lanes are as
many as the configuration names, however many runs wait. What is held back until a time, and what
has a lease, stands in a line by that time.

Not here: the lines (`core/line`), memory of sessions, what a claim writes (`runtime/dispatch`).
"""

from collections import Counter
from collections.abc import Collection, Hashable
from typing import NamedTuple, TypeVar

from holdfast.core.line import Line
from holdfast.core.runs import OPEN, SharesOf
from holdfast.model.runs import Run, RunState

K = TypeVar("K", bound=Hashable)


class _Lane(NamedTuple):
    agent: str
    tenant: str
    project: str


class RunQueue:
    """The open runs of a server. Every verb costs what a heap does, or a look at each lane."""

    def __init__(self, shares_of: SharesOf) -> None:
        self._shares_of = shares_of
        self._open: dict[str, Run] = {}
        self._by_session: dict[str, str] = {}
        self._lanes: Line[_Lane, str] = Line()
        self._later: Line[None, str] = Line()
        self._leases: Line[None, str] = Line()
        self._of_tenant: Counter[str] = Counter()
        self._of_project: Counter[tuple[str, str]] = Counter()
        self._served_at: dict[str, int] = {}
        self._served = 0

    def find(self, run_id: str) -> Run | None:
        """An open run, None when it is over, parked or unknown."""
        return self._open.get(run_id)

    def at_work(self, run_id: str) -> Run | None:
        """A run that somebody works at."""
        run = self._open.get(run_id)
        return run if run is not None and run.state is RunState.RUNNING else None

    def of_session(self, session_id: str) -> Run | None:
        """The open run of a session, None when it has none here."""
        return self.find(self._by_session.get(session_id, ""))

    def keep(self, run: Run) -> None:
        """Keep a run as it is now, in place of what was known of it; one that is over is let go."""
        self._leave(run.run_id)
        if run.state not in OPEN:
            self._by_session.pop(run.session, None)
            return
        self._open[run.run_id] = run
        self._by_session[run.session] = run.run_id
        if run.state is RunState.RUNNING:
            self._of_tenant[run.tenant] += 1
            self._of_project[run.tenant, run.project] += 1
            self._leases.enter(None, run.run_id, (run.lease_until_ns, run.run_id))
        elif run.not_before_ns:
            self._later.enter(None, run.run_id, (run.not_before_ns,))
        else:
            self._line_up(run)

    def _line_up(self, run: Run) -> None:
        lane = _Lane(run.agent, run.tenant, run.project)
        self._lanes.enter(lane, run.run_id, (-run.priority, run.submitted_at_ns, run.run_id))

    def _leave(self, run_id: str) -> None:
        for line in (self._lanes, self._later, self._leases):
            line.leave(run_id)
        left = self._open.pop(run_id, None)
        if left is not None and left.state is RunState.RUNNING:
            _less(self._of_tenant, left.tenant)
            _less(self._of_project, (left.tenant, left.project))

    def pick(self, now_ns: int, agents: Collection[str] = ()) -> Run | None:
        """The run that goes next, of these agents where there are any; None when none may."""
        self._due(now_ns)
        best: tuple[tuple[int, float, int, int, str], Run] | None = None
        for lane, run_id in self._lanes.firsts():
            load = None if agents and lane.agent not in agents else self._load(lane)
            if load is None:
                continue
            head = self._open[run_id]
            last = self._served_at.get(lane.tenant, 0)
            order = (-head.priority, load, last, head.submitted_at_ns, head.run_id)
            if best is None or order < best[0]:
                best = order, head
        return best[1] if best is not None else None

    def serve(self, tenant: str) -> None:
        """A tenant was given a run: among equals it is last now."""
        self._served += 1
        self._served_at[tenant] = self._served

    def _load(self, lane: _Lane) -> float | None:
        """What of its share the tenant of a lane has at work; None where no more may be."""
        limits = self._shares_of(lane.tenant, lane.project)
        used = self._of_tenant[lane.tenant]
        if limits.tenant is not None and used >= limits.tenant:
            return None
        ours = self._of_project[lane.tenant, lane.project]
        if limits.project is not None and ours >= limits.project:
            return None
        return used / limits.tenant if limits.tenant else float(used)

    def _due(self, now_ns: int) -> None:
        while (run_id := self._later.first(None)) is not None:
            if self._open[run_id].not_before_ns > now_ns:
                break
            self._line_up(self._open[self._later.take(None)])

    def lapsed(self, now_ns: int) -> list[Run]:
        """Runs at work whose lease is over; each is named again until it is kept otherwise."""
        found: list[Run] = []
        while (run_id := self._leases.first(None)) is not None:
            if self._open[run_id].lease_until_ns > now_ns:
                break
            found.append(self._open[self._leases.take(None)])
        for run in found:
            self._leases.enter(None, run.run_id, (run.lease_until_ns, run.run_id))
        return found


def _less(counts: Counter[K], of: K) -> None:
    counts[of] -= 1
    if not counts[of]:
        del counts[of]
