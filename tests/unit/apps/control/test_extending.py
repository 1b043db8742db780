"""A session is given more time: while it goes on, by whoever raises its caps, over a restart."""

import dataclasses

from holdfast.apps.control.operator_file import Operator, Operators
from holdfast.core.sessions import Command
from tests.control_house import ONE_TENANT, House, served

S = 10**9


async def extended(house: House, session_id: str, for_s: int = 3600, **more):
    return await house.call("POST", f"/v1/sessions/{session_id}/extend", {"for_s": for_s}, **more)


def test_a_session_acts_for_so_much_longer_and_that_is_journalled_and_kept():
    async def main(house: House):
        session_id, _ = await house.opened()
        before = (await house.get(f"/v1/sessions/{session_id}"))["expires_at_ns"]
        told = await extended(house, session_id)
        assert told.status_code == 200, told.text
        assert told.json()["expires_at_ns"] == before + 3600 * S
        acted = [r.body for r in house.store.journal if r.kind == "admin.acted"]
        assert acted[-1]["action"] == "session.extend"
        house.clock.at_ns = before + S
        house.restart()
        assert (await house.get(f"/v1/sessions/{session_id}"))["state"] == "active"
        house.clock.at_ns = before + 3601 * S
        assert (await house.get(f"/v1/sessions/{session_id}"))["state"] == "expired"
        assert (await extended(house, session_id)).status_code == 409

    served(main)


def test_a_paused_session_has_the_time_once_it_goes_on():
    async def main(house: House):
        session_id, _ = await house.opened()
        live = house.live(session_id)
        left_ns = live.session.expires_at_ns - house.clock.now_ns()
        await house.sessions.change(live, Command.PAUSE, "lunch")
        assert (await extended(house, session_id)).status_code == 200
        house.clock.at_ns += 86_400 * S
        await house.sessions.change(live, Command.RESUME, "back")
        got_ns = live.session.expires_at_ns - house.clock.now_ns()
        assert abs(got_ns - (left_ns + 3600 * S)) < S

    served(main, ONE_TENANT)


def test_nobody_who_may_not_raise_its_caps_gives_it_time(tmp_path):
    async def main(house: House):
        session_id, _ = await house.opened()
        before = (await house.get(f"/v1/sessions/{session_id}"))["expires_at_ns"]
        operators = Operators(tmp_path)
        tokens = [operators.add(Operator(name, "", 1)) for name in ("ann", "bob")]
        house.deps = dataclasses.replace(house.deps, operators=operators)
        for token in tokens:
            assert (await extended(house, session_id, token=token)).status_code == 403
        assert (await house.get(f"/v1/sessions/{session_id}"))["expires_at_ns"] == before

    served(main)
