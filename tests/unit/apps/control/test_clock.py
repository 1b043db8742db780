"""The clock over the admin's API: looked at by all, moved by the admin where it may be."""

import dataclasses

from holdfast.backends.system.clock import MovedClock
from tests.control_house import ADMIN, served
from tests.unit.apps.control.test_who_may import ANN, with_operators


async def asked(house, body=None, token=ADMIN):
    method = "GET" if body is None else "POST"
    answer = await house.call(method, "/v1/clock", body, token=token)
    return answer.status_code, answer.json()


def moving(main):
    async def run(house):
        house.deps = dataclasses.replace(house.deps, moved=MovedClock())
        await main(house)

    return run


def test_a_clock_of_the_machine_is_not_moved():
    async def main(house):
        status, told = await asked(house)
        assert (status, told["test"]) == (200, False)
        assert (await asked(house, {"advance_s": 60}))[0] == 409

    served(main)


def test_a_moved_clock_says_how_far():
    async def main(house):
        assert (await asked(house, {"advance_s": 60.5}))[1]["ahead_ns"] == 60_500_000_000
        moved = house.deps.moved
        status, told = await asked(house, {"to_ns": moved.now_ns() + 3_600 * 10**9})
        assert status == 200
        assert 3_600 < told["ahead_ns"] / 1e9 < 3_662
        for body in ({}, {"advance_s": 1, "to_ns": 1}, {"advance_s": -1}, {"to_ns": 1}):
            assert (await asked(house, body))[0] in (400, 422), body
        assert moved.ahead_ns() == told["ahead_ns"]

    served(moving(main))


def test_only_the_admin_moves_it():
    async def main(house):
        assert (await asked(house, token=ANN))[0] == 200
        assert (await asked(house, {"advance_s": 60}, ANN))[0] == 403

    with_operators(moving(main))
