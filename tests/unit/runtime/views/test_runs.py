"""Runs as they are shown: what those at work cost so far is in a list, too."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import pytest

from holdfast.model.runs import Run, RunPlan, RunState
from holdfast.ports.store import RunFilter
from holdfast.runtime.views.runs import RunViews
from tests.unit.runtime.alone.desk import Desk


class Listed:
    """Runs that are there, and wait for nothing."""

    def __init__(self, *runs):
        self._runs = runs

    async def listed(self, where):
        return list(self._runs[: where.limit])

    async def unknown_effects(self, run):
        return []


def run_of(session, state) -> Any:
    return Run(
        run_id=f"run_{state}",
        session=session,
        tenant="acme",
        project="shop",
        user="ann",
        agent="clerk",
        prompt="go",
        plan=RunPlan(model="m"),
        state=state,
        submitted_at_ns=1,
        changed_at_ns=1,
    )


def views_of(runs: Any, desk: Any) -> RunViews:
    return RunViews(runs, desk.session_views)


@pytest.mark.parametrize(
    ("state", "shown"), [(RunState.RUNNING, (3, 7, 30, 11)), (RunState.PARKED, (0, 0, 0, 0))]
)
def test_a_list_tells_of_those_at_work_what_they_cost_so_far(state, shown):
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        live.turn, live.cost_nusd = 3, 7
        desk.hold(live, "h1", "model", usd=30)
        live.paying["h1"] = lambda: 11
        run = run_of(live.session.session_id, state)
        views = views_of(Listed(run), desk)
        ((listed,), then) = await views.listed(RunFilter(limit=5))
        assert then is None
        assert (
            listed.turns,
            listed.cost_nusd,
            listed.reserved_nusd,
            listed.estimated_nusd,
        ) == shown
        whole = await views.of(run)
        assert (whole.turns, whole.reserved_nusd, whole.estimated_nusd) == (3, 30, 11)

    asyncio.run(main())


def test_a_run_whose_session_is_not_in_memory_is_listed_without_it():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        again = await desk.restarted()
        run = run_of(live.session.session_id, RunState.RUNNING)
        ((listed,), _) = await views_of(Listed(run), again).listed(RunFilter(limit=5))
        assert (listed.run_id, listed.turns, listed.cost_nusd) == ("run_running", 0, 0)

    asyncio.run(main())
