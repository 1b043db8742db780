"""The queue picks what a look at every run would, whatever came before, and costs no such look."""

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from holdfast.core.run_queue import RunQueue
from holdfast.core.runs import Shares
from holdfast.model.runs import Run, RunPlan, RunState

TENANTS, PROJECTS, AGENTS = ("a", "b", "c"), ("p", "q"), ("x", "y")
SHARES = {
    ("a", "p"): Shares(tenant=2),
    ("a", "q"): Shares(tenant=2, project=1),
    ("b", "p"): Shares(project=2),
    ("c", "q"): Shares(tenant=0),
}


def shares_of(tenant, project):
    return SHARES.get((tenant, project), Shares())


def queued(number, tenant, project, agent, **more):
    return Run(
        run_id=f"run_{number:05}",
        session=f"ses_{number}",
        tenant=tenant,
        project=project,
        user="u",
        agent=agent,
        state=RunState.QUEUED,
        prompt="",
        plan=RunPlan(model="m"),
        changed_at_ns=0,
        **more,
    )


class Queue(RuleBasedStateMachine):
    """A queue beside two dicts of runs, of which every pick looks at all."""

    def __init__(self):
        super().__init__()
        self.queue = RunQueue(shares_of)
        self.waiting: dict[str, Run] = {}
        self.at_work: dict[str, Run] = {}
        self.served: dict[str, int] = {}
        self.number = self.now = 0

    def keep(self, run):
        self.waiting.pop(run.run_id, None)
        self.at_work.pop(run.run_id, None)
        if run.state is RunState.RUNNING:
            self.at_work[run.run_id] = run
        elif run.state in (RunState.QUEUED, RunState.DELAYED):
            self.waiting[run.run_id] = run
        self.queue.keep(run)

    def expected(self, agents):
        def used(tenant, project=None):
            return sum(
                r.tenant == tenant and project in (None, r.project) for r in self.at_work.values()
            )

        def fits(run):
            share = shares_of(run.tenant, run.project)
            return (share.tenant is None or used(run.tenant) < share.tenant) and (
                share.project is None or used(run.tenant, run.project) < share.project
            )

        def order(run):
            most = shares_of(run.tenant, run.project).tenant
            load = used(run.tenant) / most if most else float(used(run.tenant))
            last = self.served.get(run.tenant, 0)
            return -run.priority, load, last, run.submitted_at_ns, run.run_id

        due = (r for r in self.waiting.values() if r.not_before_ns <= self.now and fits(r))
        return min((r for r in due if not agents or r.agent in agents), key=order, default=None)

    @rule(
        tenant=st.sampled_from(TENANTS),
        project=st.sampled_from(PROJECTS),
        agent=st.sampled_from(AGENTS),
        priority=st.integers(0, 2),
        at=st.integers(0, 5),
        delay=st.integers(0, 4),
    )
    def enqueue(self, tenant, project, agent, priority, at, delay):
        self.number += 1
        more = {"priority": priority, "submitted_at_ns": at}
        held = {"not_before_ns": self.now + delay if delay else 0}
        self.keep(queued(self.number, tenant, project, agent, **more, **held))

    @rule(agents=st.sets(st.sampled_from(AGENTS)))
    def claim(self, agents):
        found = self.queue.pick(self.now, tuple(agents))
        assert found == self.expected(agents)
        if found is not None:
            lease_ns = self.now + 3
            changed = {"state": RunState.RUNNING, "lease_until_ns": lease_ns, "not_before_ns": 0}
            self.keep(msgspec.structs.replace(found, **changed))
            self.queue.serve(found.tenant)
            self.served[found.tenant] = max(self.served.values(), default=0) + 1

    @precondition(lambda self: self.at_work)
    @rule(data=st.data(), state=st.sampled_from([*RunState]), delay=st.integers(0, 4))
    def leave(self, data, state, delay):
        run = self.at_work[data.draw(st.sampled_from(sorted(self.at_work)))]
        held = self.now + delay if state is RunState.DELAYED else 0
        self.keep(msgspec.structs.replace(run, state=state, not_before_ns=held))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), state=st.sampled_from([RunState.CANCELLED, RunState.QUEUED]))
    def change_in_the_line(self, data, state):
        run = self.waiting[data.draw(st.sampled_from(sorted(self.waiting)))]
        self.keep(msgspec.structs.replace(run, state=state, priority=1))

    @precondition(lambda self: self.at_work)
    @rule(data=st.data())
    def renew(self, data):
        run_id = data.draw(st.sampled_from(sorted(self.at_work)))
        self.keep(msgspec.structs.replace(self.at_work[run_id], lease_until_ns=self.now + 5))

    @rule(more=st.integers(1, 4))
    def time_goes_on(self, more):
        self.now += more

    @invariant()
    def leases_lapse_when_they_do(self):
        over = {r.run_id for r in self.at_work.values() if r.lease_until_ns <= self.now}
        assert {r.run_id for r in self.queue.lapsed(self.now)} == over

    @invariant()
    def every_open_run_is_found(self):
        for run in (*self.waiting.values(), *self.at_work.values()):
            assert self.queue.find(run.run_id) == run
            assert self.queue.of_session(run.session) == run


TestQueue = Queue.TestCase


class Looks(dict[str, Run]):
    """Counts how often a run that waits is looked at."""

    looks = 0

    def __getitem__(self, run_id: str) -> Run:
        self.looks += 1
        return super().__getitem__(run_id)

    def values(self):
        raise AssertionError("every run is looked at")

    items = values


def test_a_pick_looks_at_one_run_a_lane_however_many_wait(monkeypatch):
    queue = RunQueue(lambda *_: Shares())
    looks = Looks()
    monkeypatch.setattr(queue, "_open", looks)
    for number in range(5_000):
        tenant = TENANTS[number % 3]
        queue.keep(queued(number, tenant, "p", "x", submitted_at_ns=number))
    for _ in range(100):
        found = queue.pick(0)
        assert found is not None
        queue.keep(msgspec.structs.replace(found, state=RunState.RUNNING))
        queue.serve(found.tenant)
    assert looks.looks <= 100 * len(TENANTS)


def test_runs_that_come_and_go_leave_nothing_behind():
    queue = RunQueue(lambda *_: Shares())
    first = queued(0, "a", "p", "x", submitted_at_ns=0)
    queue.keep(first)
    for number in range(1, 2_000):
        run = queued(number, "a", "p", "x", submitted_at_ns=number)
        later = msgspec.structs.replace(run, not_before_ns=10**9)
        for one in (run, later, msgspec.structs.replace(run, state=RunState.CANCELLED)):
            queue.keep(one)
    lines = (queue._lanes, queue._later)
    assert sum(len(heap) for line in lines for heap in line._queues.values()) < 100
    assert queue.pick(0) is first
