"""A kill waits 300 ms for every relay's word that a cut holds, and ends the relays that give none."""

import asyncio

from holdfast.model.budgets import Dimension
from holdfast.runtime.kill import CONFIRM_S
from tests import skipped_time
from tests.unit.runtime.house import House, limit


class Carriers:
    """Relays that carry a session's streams, by name, with whoever else each of them carries."""

    def __init__(self, live, carried):
        self.live = live
        self.ended: list[str] = []
        for name, along in carried.items():
            live.unconfirmed[name] = self._end(name, along)

    def _end(self, name, along):
        def end():
            self.ended.append(name)
            del self.live.unconfirmed[name]
            return (self.live.session.session_id, *along)

        return end


def killed(carried, says=()):
    """The receipt, the relays that were ended, and the seconds that it waited."""
    told = []

    async def main():
        told.extend(await _killed(carried, says))

    skipped_time.run(main)
    return told


async def _killed(carried, says):
    house = House()
    live = await house.open(limit(Dimension.USD, 10**9))
    carriers = Carriers(live, carried)

    async def confirmed():
        for name in says:
            await asyncio.sleep(0.02)
            live.unconfirmed.pop(name)

    talking = asyncio.create_task(confirmed())
    began = asyncio.get_running_loop().time()
    receipt = await house.killer.kill(live, "stop", by="op")
    took_s = asyncio.get_running_loop().time() - began
    await talking
    return receipt, carriers, took_s


def test_relays_that_say_nothing_are_ended_after_the_time_and_their_other_sessions_named():
    carried = {"r1": ("ses_b", "ses_a"), "r2": ("ses_c",)}
    receipt, carriers, took_s = killed(carried)
    assert carriers.ended == ["r1", "r2"]
    assert receipt.taken_along == ("ses_a", "ses_b", "ses_c")
    assert "2 relays did not confirm in 0.3 s and were ended" in receipt.levers[-1].detail
    assert CONFIRM_S <= took_s < 1.5 * CONFIRM_S


def test_relays_that_confirm_in_time_are_waited_for_and_left_alone():
    receipt, carriers, took_s = killed({"r1": ("ses_b",), "r2": ()}, ("r1", "r2"))
    assert carriers.ended == []
    assert receipt.taken_along == ()
    assert receipt.levers[-1].detail == "every stream is confirmed to be over"
    assert took_s < CONFIRM_S


def test_of_two_relays_only_the_one_that_says_nothing_is_ended():
    carried = {"r1": ("ses_b",), "r2": ("ses_c",)}
    receipt, carriers, _ = killed(carried, ("r1",))
    assert carriers.ended == ["r2"]
    assert receipt.taken_along == ("ses_c",)
