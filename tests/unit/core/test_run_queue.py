"""The queue of runs: who is found, who is next, whose lease is over, and what is left behind."""

from typing import Any

import msgspec
import pytest

from holdfast.core.run_queue import RunQueue
from holdfast.core.runs import Shares
from holdfast.model.runs import Run, RunPlan, RunState
from tests.corpora.typed import checked

MODULE = pytest.mark.parametrize("module", ["holdfast.core.run_queue"])


@pytest.fixture(autouse=True)
def typed(module):
    with checked(module) as wrong:
        yield
    assert wrong == []


def run(name, state=RunState.QUEUED, **more):
    given: dict[str, Any] = {
        "session": f"s-{name}",
        "tenant": "t",
        "project": "p",
        "agent": "a",
        "submitted_at_ns": 5,
    }
    return Run(
        run_id=name, user="u", state=state, prompt="", plan=RunPlan(model="m"), changed_at_ns=0,
        **given | more,
    )  # fmt: skip


def changed(one, **more):
    return msgspec.structs.replace(one, **more)


def queue(*runs, **shares):
    made = RunQueue(lambda tenant, project: Shares(**shares))
    for one in runs:
        made.keep(one)
    return made


def order(made, now=10, agents=()):
    """The runs in the order in which they are picked, each at work for good."""
    found = []
    while (one := made.pick(now, agents)) is not None:
        found.append(one.run_id)
        made.keep(changed(one, state=RunState.RUNNING))
    return found


def held(made):
    """All that a queue remembers beside what it counts."""
    return {
        name: len(getattr(made, name))
        for name in ("_open", "_by_session", "_lanes", "_later", "_leases", "_of_tenant",
                     "_of_project")
        if getattr(made, name)
    }  # fmt: skip


@MODULE
def test_a_run_is_found_by_its_name_and_its_session_while_it_is_open(module):
    waiting, working = run("w"), run("x", RunState.RUNNING)
    made = queue(waiting, working)
    assert [made.find("w"), made.find("x"), made.find("y")] == [waiting, working, None]
    assert [made.at_work("w"), made.at_work("x")] == [None, working]
    assert [made.of_session("s-w"), made.of_session("s-x")] == [waiting, working]
    assert made.of_session("w") is None
    for state in RunState:
        made.keep(changed(waiting, state=state, priority=3))
        open_one = state in {RunState.QUEUED, RunState.DELAYED, RunState.RUNNING}
        expected = changed(waiting, state=state, priority=3) if open_one else None
        assert made.find("w") == made.of_session("s-w") == expected
        assert made.at_work("w") == (expected if state is RunState.RUNNING else None)
    assert made.find("x") == working


@MODULE
def test_a_run_that_is_over_leaves_nothing_behind(module):
    made = queue()
    for number in range(3):
        one = run(f"r{number}")
        for state in (RunState.QUEUED, RunState.RUNNING, RunState.QUEUED, RunState.DONE):
            made.keep(changed(one, state=state))
    assert made.pick(10) is None
    assert made.lapsed(10) == []
    assert held(made) == {}
    made.keep(run("r9", RunState.DONE))
    assert held(made) == {}


@MODULE
def test_what_is_held_is_counted_once_for_each(module):
    made = queue(
        run("a"),
        run("b"),
        run("c", RunState.RUNNING),
        run("c", RunState.RUNNING),
        run("d", not_before_ns=99),
    )
    assert held(made) == {
        "_open": 4, "_by_session": 4, "_lanes": 2, "_later": 1, "_leases": 1,
        "_of_tenant": 1, "_of_project": 1,
    }  # fmt: skip
    assert dict(made._of_tenant) == {"t": 1}
    assert dict(made._of_project) == {("t", "p"): 1}


@MODULE
def test_priority_goes_first_then_age_then_name(module):
    made = queue(
        run("d"), run("c"), run("b", submitted_at_ns=4), run("a", submitted_at_ns=6),
        run("z", priority=1), run("y", priority=-1),
    )  # fmt: skip
    assert order(made) == ["z", "b", "c", "d", "a", "y"]
    # The same among lanes, of which each has one.
    made = queue(
        run("d", agent="1"), run("c", agent="2"), run("b", agent="3", submitted_at_ns=4),
        run("a", agent="4", submitted_at_ns=6), run("z", agent="5", priority=1),
    )  # fmt: skip
    assert order(made) == ["z", "b", "c", "d", "a"]


@MODULE
def test_a_lane_that_may_not_go_keeps_no_other_back(module):
    made = queue(run("a", agent="x"), run("b", agent="y"), run("c", agent="z"))
    assert order(made, agents=("y", "z")) == ["b", "c"]
    assert order(made) == ["a"]
    # The first lane's run is gone, the second's waits, the third goes.
    made = queue(run("a", agent="x"), run("b", agent="y", not_before_ns=11), run("c", agent="z"))
    made.keep(run("a", RunState.DONE, agent="x"))
    assert order(made) == ["c"]
    assert order(made, now=11) == ["b"]
    full = {
        "t": Shares(tenant=0),
        "u": Shares(project=0),
        "v": Shares(),
        "w": Shares(tenant=1, project=1),
    }
    made = RunQueue(lambda tenant, project: full[tenant])
    for tenant in full:
        made.keep(run(tenant, tenant=tenant))
        made.keep(run(f"{tenant}2", tenant=tenant))
    assert order(made) == ["v", "w", "v2"]


@MODULE
def test_among_equals_the_tenant_with_the_least_load_goes_then_the_one_served_longest_ago(module):
    shares = {
        "big": Shares(tenant=10),
        "small": Shares(tenant=2),
        "free": Shares(),
        "last": Shares(),
    }
    made = RunQueue(lambda tenant, project: shares[tenant])
    for tenant in ("big", "big", "small", "free"):
        made.keep(run(f"{tenant}{len(made._open)}", RunState.RUNNING, tenant=tenant))
    # 2/10, 1/2, 1, 0: a tenant without a share counts its runs.
    for tenant in ("free", "small", "last", "big"):
        made.keep(run(tenant, tenant=tenant))
    assert order(made) == ["last", "big", "small", "free"]
    made = queue(run("1", tenant="a"), run("2", tenant="b"), run("3", tenant="c"))
    for tenant in ("a", "b", "a"):
        made.serve(tenant)
    assert made._served_at == {"a": 3, "b": 2}
    assert order(made) == ["3", "2", "1"]


@MODULE
def test_load_counts_what_is_at_work_of_tenant_and_of_project(module):
    made = queue(
        run("b1", RunState.RUNNING), run("b2", RunState.RUNNING, project="q"), run("a"),
        tenant=3, project=1,
    )  # fmt: skip
    assert made.pick(10) is None
    made.keep(run("b1", RunState.DONE))
    assert order(made) == ["a"]
    made.keep(run("c", project="r"))
    made.keep(run("d", project="r"))
    assert order(made) == ["c"]
    assert dict(made._of_tenant) == {"t": 3}
    assert dict(made._of_project) == {("t", "p"): 1, ("t", "q"): 1, ("t", "r"): 1}


@MODULE
def test_what_is_held_back_goes_when_its_time_has_come(module):
    made = queue(run("a", not_before_ns=20), run("b", not_before_ns=30), run("c", not_before_ns=1))
    assert order(made, now=0) == []
    assert order(made, now=19) == ["c"]
    made.keep(run("a", RunState.DONE))
    assert order(made, now=29) == []
    made.keep(run("b", not_before_ns=40))
    assert order(made, now=39) == []
    assert order(made, now=40) == ["b"]
    assert order(made, now=99) == []
    made.keep(run("d", not_before_ns=7))
    made.keep(run("d"))
    assert order(made, now=8) == ["d"]


@MODULE
def test_a_lease_lapses_at_its_end_and_until_somebody_says_otherwise(module):
    one, two = (
        run("a", RunState.RUNNING, lease_until_ns=20),
        run("b", RunState.RUNNING, lease_until_ns=30),
    )
    made = queue(one, two, run("w", lease_until_ns=1))
    assert made.lapsed(19) == []
    assert made.lapsed(20) == [one]
    assert made.lapsed(29) == [one]
    assert made.lapsed(30) == [one, two]
    later = changed(one, lease_until_ns=50)
    made.keep(later)
    assert made.at_work("a") == later
    assert made.lapsed(49) == [two]
    made.keep(run("b", RunState.DONE))
    assert made.lapsed(50) == [later]
    assert len(made._leases) == 1
    made.keep(changed(two, lease_until_ns=60))
    assert made.lapsed(60) == [later, changed(two, lease_until_ns=60)]
