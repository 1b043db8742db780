"""A short round of kill -9 at random moments; `make chaos` plays three hundred."""

import pytest

from tests.chaos.kills import play


@pytest.mark.parametrize("on", ["sqlite", "postgres"])
def test_runs_survive_the_death_of_workers_and_of_the_server_with_each_effect_once(
    tmp_path, postgres, on
):
    url = postgres.new_database() if on == "postgres" else ""
    told = play(tmp_path, runs=12, workers=2, kills=6, seed=7, store_url=url)
    assert told.worker_kills + told.server_kills > 0
    assert (told.lost, told.repeated, told.stuck) == (0, 0, 0)
    assert told.done + told.parked == told.runs
    # Four effects a run; what is parked has not come to its end.
    assert told.effects >= 4 * told.done
