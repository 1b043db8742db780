"""Whoever waits for a change hears of it once, and of what came before at once."""

import asyncio

from holdfast.model.events import Kind, Record
from holdfast.runtime.changes import Changes

ONE = (Record(kind=Kind.SESSION_OPENED, at_ns=1),)


def test_all_who_wait_hear_of_one_change():
    async def main() -> None:
        changes = Changes()
        waiting = [asyncio.ensure_future(changes.after(0, 30)) for _ in range(3)]
        await asyncio.sleep(0)
        changes.saw(ONE)
        assert await asyncio.gather(*waiting) == [1, 1, 1]

    asyncio.run(main())


def test_who_is_behind_waits_for_nothing():
    async def main() -> None:
        changes = Changes()
        changes.saw(ONE)
        assert await changes.after(0, 30) == 1

    asyncio.run(main())


def test_nothing_new_is_the_same_version_after_the_wait():
    async def main() -> None:
        changes = Changes()
        changes.recalled(ONE, ())
        assert await changes.after(0, 0.01) == 0

    asyncio.run(main())
