"""Who was turned away is told once a second for each tenant, and nothing else is kept of it."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from holdfast.runtime.turned_away import TurnedAway
from tests.skipped_time import run


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 0.7)), max_size=40))
def test_all_are_told_and_no_tenant_twice_within_a_second(came):
    async def main():
        told: list[tuple[str, int, float]] = []
        time = asyncio.get_running_loop().time
        away = TurnedAway(lambda tenant, times: told.append((tenant, times, time())))
        for tenant, pause_s in came:
            away.count(tenant)
            await asyncio.sleep(pause_s)
        await asyncio.sleep(2)
        for tenant in "abc":
            mine = [one for one in told if one[0] == tenant]
            assert sum(times for _, times, _ in mine) == [name for name, _ in came].count(tenant)
            at = [when for _, _, when in mine]
            assert all(later - before >= 1 for before, later in pairwise(at))

    run(main)
