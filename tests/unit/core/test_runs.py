"""Which run goes next, rule by rule, and how long one waits before another try."""

import itertools

import msgspec
import pytest

from holdfast.core.run_queue import RunQueue
from holdfast.core.runs import OPEN, OVER, RetrySettings, Shares, backoff_s
from holdfast.model.runs import Run, RunPlan, RunState


def run(run_id, tenant="t", project="p", **more):
    given = {"submitted_at_ns": 5, "priority": 0, "not_before_ns": 0} | more
    return Run(
        run_id=run_id, session=run_id, tenant=tenant, project=project, user="u", agent="a",
        state=RunState.QUEUED, prompt="", plan=RunPlan(model="m"), changed_at_ns=0, **given,
    )  # fmt: skip


def picked(*waiting, busy=(), shares=None, served=None, now=10):
    def chosen(order):
        queue = RunQueue(lambda tenant, project: shares or Shares())
        for one in busy:
            queue.keep(msgspec.structs.replace(one, state=RunState.RUNNING))
        for one in order:
            queue.keep(one)
        for tenant in sorted(served or {}, key=(served or {}).__getitem__):
            queue.serve(tenant)
        found = queue.pick(now)
        return found.run_id if found else None

    (only,) = {chosen(order) for order in itertools.permutations(waiting)}
    return only


def test_each_rule_of_the_order_decides_where_all_before_it_are_equal():
    assert picked(run("a"), run("b", priority=1)) == "b"
    busy = [run("x", "one")]
    assert picked(run("a", "one", priority=1), run("b", "two"), busy=busy) == "a"
    assert picked(run("a", "one"), run("b", "two"), busy=busy) == "b"
    assert picked(run("a", "one"), run("b", "two"), served={"one": 1}) == "b"
    assert picked(run("a", "one"), run("b", "two"), served={"one": 1, "two": 2}) == "a"
    assert picked(run("a", submitted_at_ns=6), run("b")) == "b"
    assert picked(run("a"), run("b")) == "a"
    assert picked() is None


def test_load_is_counted_in_shares_where_there_are_any():
    shares = {"big": Shares(tenant=10), "small": Shares(tenant=2)}
    busy = [run("x", "big"), run("y", "big"), run("z", "small")]
    waiting = [run("a", "small"), run("b", "big")]
    queue = RunQueue(lambda tenant, project: shares[tenant])
    for one in busy:
        queue.keep(msgspec.structs.replace(one, state=RunState.RUNNING))
    for one in waiting:
        queue.keep(one)
    chosen = queue.pick(10)
    assert chosen is not None
    assert chosen.run_id == "b"


@pytest.mark.parametrize(("not_before", "goes"), [(9, "a"), (10, "a"), (11, None)])
def test_a_run_that_is_held_back_goes_when_its_time_has_come(not_before, goes):
    assert picked(run("a", not_before_ns=not_before)) == goes


@pytest.mark.parametrize(
    ("shares", "busy", "goes"),
    [
        (Shares(tenant=2), [("t", "p")], "a"),
        (Shares(tenant=2), [("t", "p"), ("t", "q")], None),
        (Shares(tenant=2), [("u", "p"), ("u", "p"), ("t", "q")], "a"),
        (Shares(project=2), [("t", "p")], "a"),
        (Shares(project=2), [("t", "p"), ("t", "p")], None),
        (Shares(project=2), [("t", "p"), ("t", "q"), ("t", "q")], "a"),
        (Shares(project=1), [("u", "p")], "a"),
        (Shares(tenant=3, project=1), [("t", "p")], None),
        (Shares(tenant=1, project=3), [("t", "q")], None),
        (Shares(tenant=0), [], None),
        (Shares(project=0), [], None),
        (Shares(), [("t", "p")] * 9, "a"),
    ],
)
def test_shares_of_tenant_and_project_hold_to_the_last_place(shares, busy, goes):
    at_work = [run(f"b{at}", *where) for at, where in enumerate(busy)]
    assert picked(run("a"), busy=at_work, shares=shares) == goes


@pytest.mark.parametrize(
    ("attempt", "roll", "seconds"),
    [(1, 1.0, 0.5), (2, 1.0, 1.0), (3, 1.0, 2.0), (4, 0.5, 2.0), (5, 1.0, 7.0), (1, 0.0, 0.0),
     (10**6, 1.0, 7.0)],
)  # fmt: skip
def test_waits_double_up_to_the_most(attempt, roll, seconds):
    assert backoff_s(attempt, base_s=0.5, most_s=7.0, roll=roll) == seconds


def test_a_wait_is_bounded_after_very_many_tries_whatever_the_most():
    assert backoff_s(63, base_s=1.0, most_s=1e30, roll=1.0) == 2.0**62
    assert backoff_s(64, base_s=1.0, most_s=1e30, roll=1.0) == 2.0**62


def test_the_usual_settings_are_said():
    assert RetrySettings() == RetrySettings(
        model_attempts=3, tool_attempts=3, base_s=0.5, most_s=60.0, on_budget="fail"
    )


@pytest.mark.parametrize(
    ("field", "fits", "fails"),
    [
        ("model_attempts", [1, 1_000], [0, 1_001]),
        ("tool_attempts", [1, 1_000], [0, 1_001]),
        ("base_s", [0, 86_400], [-0.1, 86_401]),
        ("most_s", [0, 86_400], [-0.1, 86_401]),
        ("on_budget", ["fail", "park"], ["wait"]),
    ],
)
def test_settings_are_held_to_their_bounds(field, fits, fails):
    for value in fits:
        assert getattr(msgspec.convert({field: value}, RetrySettings), field) == value
    for value in fails:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({field: value}, RetrySettings)


def test_every_state_is_open_over_or_waits_for_a_person():
    assert set(RunState) - {*OPEN, *OVER} == {RunState.PARKED, RunState.DEAD}
    assert not {*OPEN} & {*OVER}
