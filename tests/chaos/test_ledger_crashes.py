"""A bounded part of the crash schedules; `make chaos` plays ten thousand of them."""

import asyncio

from holdfast.core.effects import Recovery
from holdfast.model.tools import Idempotency
from holdfast.runtime import attempts
from tests.chaos.ledger import Told, crashed_at, positions, run
from tests.chaos.stores import Memory, PostgresDisk, SqliteDisk


def test_no_effect_is_lost_or_repeated_whichever_commit_or_moment_ends_the_process():
    tried, told = asyncio.run(run(250, calls=10))
    assert tried == 250
    assert (told.lost, told.repeated) == (0, 0)
    assert told.parked == told.surfaced > 0


def test_every_single_position_of_a_session_is_a_schedule_of_its_own():
    async def main():
        commits, moments = await positions(5, Memory())
        total = Told()
        for kind, most in (("commit", commits), ("moment", moments)):
            for at in range(most):
                told = await crashed_at(5, [(kind, at)], Memory())
                total.lost += told.lost
                total.repeated += told.repeated
        return commits, moments, total

    commits, moments, total = asyncio.run(main())
    assert commits > 10
    assert moments == 10
    assert (total.lost, total.repeated) == (0, 0)


def test_on_real_databases_the_same_holds(tmp_path, postgres):
    for disk in (SqliteDisk(tmp_path), PostgresDisk(postgres.new_database())):
        # Every position once, and some pairs of them.
        tried, told = asyncio.run(run(60, calls=5, disk=disk))
        assert tried == 60
        assert (told.lost, told.repeated) == (0, 0)
        assert told.parked == told.surfaced > 0


def test_the_harness_sees_a_repeat_where_an_unknown_effect_is_simply_tried_again(monkeypatch):
    monkeypatch.setattr(attempts, "recovery", lambda _: Recovery.EXECUTE)
    monkeypatch.setattr("holdfast.core.effects._SAFE_TO_REPEAT", frozenset(Idempotency))
    _, told = asyncio.run(run(250, calls=10))
    assert told.repeated > 0
