"""The life of a run: where it may go, who takes it there, and what can never come of one."""

import pytest

from holdfast.core.runs import MOVES, OPEN, OVER, By, check_move
from holdfast.errors import IllegalMove
from holdfast.model.runs import Run, RunPlan
from holdfast.model.runs import RunState as S


def a_run(state):
    return Run(
        run_id="run_1",
        session="ses_1",
        tenant="acme",
        project="shop",
        user="ann",
        agent="clerk",
        state=state,
        prompt="go",
        plan=RunPlan(model="m"),
        submitted_at_ns=1,
        changed_at_ns=1,
    )


# Lives as they are told in docs/explanation/durable-runs.md.
LIVES = {
    "done at once": [(S.RUNNING, By.DISPATCH), (S.DONE, By.WORKER)],
    "lost, delayed and failed": [
        (S.RUNNING, By.DISPATCH),
        (S.QUEUED, By.DISPATCH),
        (S.RUNNING, By.DISPATCH),
        (S.DELAYED, By.WORKER),
        (S.RUNNING, By.DISPATCH),
        (S.FAILED, By.WORKER),
    ],
    "handed back, parked, resumed, cancelled": [
        (S.RUNNING, By.DISPATCH),
        (S.QUEUED, By.WORKER),
        (S.RUNNING, By.DISPATCH),
        (S.PARKED, By.WORKER),
        (S.QUEUED, By.PERSON),
        (S.CANCELLED, By.PERSON),
    ],
    "paused, then cancelled": [
        (S.RUNNING, By.DISPATCH),
        (S.PARKED, By.DISPATCH),
        (S.CANCELLED, By.PERSON),
    ],
    "given up, again, given up, cancelled": [
        (S.RUNNING, By.DISPATCH),
        (S.DEAD, By.DISPATCH),
        (S.QUEUED, By.PERSON),
        (S.RUNNING, By.DISPATCH),
        (S.DEAD, By.WORKER),
        (S.CANCELLED, By.PERSON),
    ],
    "its session ran into a limit": [(S.FAILED, By.DISPATCH)],
    "its session was ended": [(S.CANCELLED, By.DISPATCH)],
    "at work when a limit came": [(S.RUNNING, By.DISPATCH), (S.FAILED, By.DISPATCH)],
    "at work when its session ended": [(S.RUNNING, By.DISPATCH), (S.CANCELLED, By.DISPATCH)],
    "at work when it was cancelled": [(S.RUNNING, By.DISPATCH), (S.CANCELLED, By.PERSON)],
}


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES)
def test_a_run_goes_from_the_queue_to_its_end(life):
    state = S.QUEUED
    for to, by in life:
        check_move(a_run(state), to, by)
        state = to


def test_every_move_that_there_is_belongs_to_a_life_and_waiting_is_like_being_queued():
    told = set()
    for life in LIVES.values():
        state = S.QUEUED
        for to, by in life:
            told.add((state, to, by))
            state = to
    made = {
        (s, to, by) for s, leads in MOVES.items() for to, makers in leads.items() for by in makers
    }
    delayed = {(S.DELAYED, to, by) for state, to, by in told if state is S.QUEUED}
    assert made == told | delayed
    assert set(MOVES) == set(S)


def test_what_can_never_come_of_a_run():
    made = [(s, to, by) for s in S for to in S for by in By if by in MOVES[s].get(to, ())]
    # What is over is over, and nobody but the worker at work says that it is done.
    assert not {s for s, *_ in made} & set(OVER)
    assert {(s, by) for s, to, by in made if to is S.DONE} == {(S.RUNNING, By.WORKER)}
    # A worker moves nothing that it does not hold, and takes nothing by itself.
    assert {s for s, _, by in made if by is By.WORKER} == {S.RUNNING}
    assert {by for _, to, by in made if to is S.RUNNING} == {By.DISPATCH}
    # What waits for a person goes on by a person.
    waiting = set(S) - set(OPEN) - set(OVER)
    assert waiting == {S.PARKED, S.DEAD}
    assert {by for s, _, by in made if s in waiting} == {By.PERSON}


@pytest.mark.parametrize(
    ("state", "to", "by", "text"),
    [
        (S.DONE, S.QUEUED, By.PERSON, "`queued` by person is no move of a run that is done"),
        (S.QUEUED, S.DONE, By.WORKER, "`done` by worker is no move of a run that is queued"),
        (S.RUNNING, S.DONE, By.PERSON, "`done` by person is no move of a run that is running"),
    ],
)
def test_a_move_that_is_not_in_the_table_says_which(state, to, by, text):
    with pytest.raises(IllegalMove) as refused:
        check_move(a_run(state), to, by)
    assert refused.value.message == text
    assert refused.value.code == "illegal_move"
