"""The queue of runs: who waits, who is at work, and which run goes next.

Priority first; among equals the tenant that has least of its share at work, then the one that was
served longest ago, so that a noisy tenant leaves the others' waiting as it was; then the oldest.

Runs of one agent, tenant and project wait in a lane of their own, in order; what the order between
lanes hangs on is the same for all of a lane. So a pick looks at one run a lane, and lanes are as
many as the configuration names, however many runs wait. What is held back until a time, and what
has a lease, is looked at when its time comes.

Not here: memory of sessions, records, what a claim writes (`runtime/dispatch`).
"""

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Hashable
from typing import NamedTuple, TypeVar

import msgspec

from holdfast.core.runs import OPEN, SharesOf
from holdfast.model.runs import Run, RunState

K = TypeVar("K", bound=Hashable)

# Entries of runs that left stay in a heap until they come up, or are as many as those that count.
_SPARE = 32


class _Lane(NamedTuple):
    agent: str
    tenant: str
    project: str


class _Entry(NamedTuple):
    """One run in a heap, smallest first; `order` is what the heap is sorted by."""

    order: tuple[int, int]
    run_id: str
    serial: int


class RunQueue:
    """The open runs of a server. Every verb costs what a heap does, or a look at each lane."""

    def __init__(self, shares_of: SharesOf) -> None:
        self._shares_of = shares_of
        self._waiting: dict[str, Run] = {}
        self._at_work: dict[str, Run] = {}
        self._by_session: dict[str, str] = {}
        self._serials: dict[str, int] = {}
        self._serial = 0
        self._lanes: dict[_Lane, list[_Entry]] = {}
        self._many: Counter[_Lane] = Counter()
        self._later: list[_Entry] = []
        self._leases: list[tuple[int, str]] = []
        self._leased: set[str] = set()
        self._of_tenant: Counter[str] = Counter()
        self._of_project: Counter[tuple[str, str]] = Counter()
        self._served_at: dict[str, int] = {}

    def find(self, run_id: str) -> Run | None:
        """An open run, None when it is over, parked or unknown."""
        return self._at_work.get(run_id) or self._waiting.get(run_id)

    def at_work(self, run_id: str) -> Run | None:
        """A run that somebody works at."""
        return self._at_work.get(run_id)

    def of_session(self, session_id: str) -> Run | None:
        """The open run of a session, None when it has none here."""
        return self.find(self._by_session.get(session_id, ""))

    def keep(self, run: Run) -> None:
        """Keep a run as it is now, in place of what was known of it; one that is over is let go."""
        self._leave(run.run_id)
        if run.state is RunState.RUNNING:
            self._at_work[run.run_id] = run
            self._of_tenant[run.tenant] += 1
            self._of_project[run.tenant, run.project] += 1
            if run.run_id not in self._leased:
                self._leased.add(run.run_id)
                heapq.heappush(self._leases, (run.lease_until_ns, run.run_id))
        elif run.state in OPEN:
            self._wait(run)
        else:
            self._by_session.pop(run.session, None)
            return
        self._by_session[run.session] = run.run_id

    def _wait(self, run: Run) -> None:
        self._serial += 1
        self._waiting[run.run_id] = run
        self._serials[run.run_id] = self._serial
        self._many[_lane_of(run)] += 1
        if run.not_before_ns:
            entry = _Entry((run.not_before_ns, 0), run.run_id, self._serial)
            _pushed(self._later, entry, len(self._waiting), self._stands)
        else:
            self._line_up(run)

    def _line_up(self, run: Run) -> None:
        lane = _lane_of(run)
        order = (-run.priority, run.submitted_at_ns)
        entry = _Entry(order, run.run_id, self._serials[run.run_id])
        _pushed(self._lanes.setdefault(lane, []), entry, self._many[lane], self._stands)

    def _leave(self, run_id: str) -> None:
        waited = self._waiting.pop(run_id, None)
        if waited is not None:
            del self._serials[run_id]
            _less(self._many, _lane_of(waited))
        worked = self._at_work.pop(run_id, None)
        if worked is not None:
            _less(self._of_tenant, worked.tenant)
            _less(self._of_project, (worked.tenant, worked.project))

    def renew(self, run_id: str, until_ns: int) -> None:
        """A run at work keeps its lease until then."""
        run = self._at_work[run_id]
        self._at_work[run_id] = msgspec.structs.replace(run, lease_until_ns=until_ns)

    def pick(self, now_ns: int, agents: Collection[str] = ()) -> Run | None:
        """The run that goes next, of these agents where there are any; None when none may."""
        self._due(now_ns)
        best: tuple[tuple[int, float, int, int, str], Run] | None = None
        for lane in tuple(self._lanes):
            if agents and lane.agent not in agents:
                continue
            head = self._head(lane)
            if head is None:
                continue
            load = self._load(lane)
            if load is None:
                continue
            last = self._served_at.get(lane.tenant, 0)
            order = (-head.priority, load, last, head.submitted_at_ns, head.run_id)
            if best is None or order < best[0]:
                best = order, head
        return best[1] if best is not None else None

    def serve(self, tenant: str) -> None:
        """A tenant was given a run: among equals it is last now."""
        self._serial += 1
        self._served_at[tenant] = self._serial

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

    def _head(self, lane: _Lane) -> Run | None:
        heap = self._lanes[lane]
        while heap and not self._stands(heap[0]):
            heapq.heappop(heap)
        if heap:
            return self._waiting[heap[0].run_id]
        del self._lanes[lane]
        return None

    def _due(self, now_ns: int) -> None:
        while self._later and self._later[0].order[0] <= now_ns:
            entry = heapq.heappop(self._later)
            if self._stands(entry):
                self._line_up(self._waiting[entry.run_id])

    def _stands(self, entry: _Entry) -> bool:
        """Whether the run waits as it did when the entry was made."""
        return self._serials.get(entry.run_id) == entry.serial

    def comes_due(self, now_ns: int) -> bool:
        """Whether a run that was held back may go since the last pick."""
        while self._later and not self._stands(self._later[0]):
            heapq.heappop(self._later)
        return bool(self._later) and self._later[0].order[0] <= now_ns

    def lapsed(self, now_ns: int) -> list[Run]:
        """Runs at work whose lease is over; each is named again until it is kept otherwise."""
        found: list[Run] = []
        again: list[tuple[int, str]] = []
        while self._leases and self._leases[0][0] <= now_ns:
            _, run_id = heapq.heappop(self._leases)
            run = self._at_work.get(run_id)
            if run is None:
                self._leased.discard(run_id)
                continue
            again.append((run.lease_until_ns, run_id))
            if run.lease_until_ns <= now_ns:
                found.append(run)
        for lease in again:
            heapq.heappush(self._leases, lease)
        return found


def _lane_of(run: Run) -> _Lane:
    return _Lane(run.agent, run.tenant, run.project)


def _less(counts: Counter[K], of: K) -> None:
    counts[of] -= 1
    if not counts[of]:
        del counts[of]


def _pushed(
    heap: list[_Entry], entry: _Entry, standing: int, stands: Callable[[_Entry], bool]
) -> None:
    """Add an entry; what does not stand any more goes where it is the larger part."""
    heapq.heappush(heap, entry)
    if len(heap) > 2 * standing + _SPARE:
        heap[:] = filter(stands, heap)
        heapq.heapify(heap)
